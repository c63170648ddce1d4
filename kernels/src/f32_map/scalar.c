/* The maps for any processor. */
#define VARIANT scalar
#define TARGET
#include "body.h"
