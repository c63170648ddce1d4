/* Networks of random rows that rest and come back, in memory of exactly the size it asks for. Built with the sanitizers.
 *
 *   rest COUNT SEED
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synedge/idle.h"
#include "synedge/kernels.h"
#include "chance.h"

enum { ROWS_MAX = 4 };

static void require(int condition, const char *what) {
    if (condition) return;
    printf("FAIL: %s\n", what);
    exit(1);
}

/* Of any size, with zeros and subnormals among them; one in two hundred is no number. */
static float number(void) {
    if (chance(200) == 0) return chance(2) ? NAN : INFINITY;
    if (chance(8) == 0) return 0;
    return ldexpf((float)chance(2000001) / 1e6f - 1, chance(9) ? (int)chance(8) : -(int)chance(150));
}

static float at(const uint8_t *slot, size_t byte) {
    float found;
    memcpy(&found, slot + byte, sizeof found);
    return found;
}

static void compare(const syn_rows *row, const uint8_t *slot, const uint8_t *back) {
    for (uint32_t p = 0; p < row->panels; p++)
        for (uint32_t lane = 0; lane < SYN_PANEL; lane++) {
            float most = 0;
            int is_finite = 1;
            const size_t first = row->offset + ((size_t)p * row->depth * SYN_PANEL + lane) * sizeof(float);
            for (uint32_t d = 0; d < row->depth; d++) {
                const float was = at(slot, first + (size_t)d * SYN_PANEL * sizeof(float));
                is_finite &= isfinite(was) != 0;
                most = fmaxf(most, fabsf(was));
            }
            for (uint32_t d = 0; d < row->depth; d++) {
                const size_t byte = first + (size_t)d * SYN_PANEL * sizeof(float);
                const float was = at(slot, byte), is = at(back, byte);
                if (!is_finite) require(isnan(is), "what holds no finite number is NaN");
                else if (most < 127 * FLT_MIN) require(is == 0, "what is nearly nothing is zero");
                else require(fabsf(is - was) <= most / 127 * 0.5001f, "within half a scale");
            }
        }
}

int main(int argc, char **argv) {
    const long count = argc > 1 ? atol(argv[1]) : 1000;
    chance_state = argc > 2 ? (uint32_t)atol(argv[2]) : 1;
    for (long round = 0; round < count; round++) {
        syn_rows rows[ROWS_MAX];
        const uint32_t used = chance(ROWS_MAX + 1);
        size_t size = 4 * chance(9);
        for (uint32_t i = 0; i < used; i++) {
            rows[i] = (syn_rows){(uint32_t)size, 1 + chance(3), 1 + chance(20)};
            size += (size_t)rows[i].panels * rows[i].depth * SYN_PANEL * sizeof(float) + 4 * chance(9);
        }
        const size_t resting_bytes = syn_idle_bytes(rows, used, size);
        uint8_t *slot = malloc(size + 1), *back = malloc(size + 1), *resting = malloc(resting_bytes + 1);
        uint8_t *again = malloc(size + 1);
        require(slot && back && resting && again, "memory");
        for (size_t byte = 0; byte < size; byte += 4) memcpy(slot + byte, &(float){number()}, 4);
        slot[size] = back[size] = again[size] = resting[resting_bytes] = 77;
        syn_idle_rest(rows, used, size, slot, resting);
        syn_idle_warm(rows, used, size, resting, back);
        size_t end = 0;
        for (uint32_t i = 0; i < used; i++) {
            require(!memcmp(slot + end, back + end, rows[i].offset - end), "what lies between is as it was");
            compare(&rows[i], slot, back);
            end = rows[i].offset + (size_t)rows[i].panels * rows[i].depth * SYN_PANEL * sizeof(float);
        }
        require(!memcmp(slot + end, back + end, size - end), "the end is as it was");
        syn_idle_rest(rows, used, size, back, resting);
        syn_idle_warm(rows, used, size, resting, again);
        for (size_t byte = 0; byte < size; byte += 4)
            require(!memcmp(again + byte, back + byte, 4) || isnan(at(back, byte)), "resting again changes nothing");
        require(slot[size] == 77 && back[size] == 77 && resting[resting_bytes] == 77, "nothing beyond the end");
        free(slot);
        free(back);
        free(resting);
        free(again);
    }
    printf("%ld networks rested\n", count);
    return 0;
}
