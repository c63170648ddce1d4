/* In which order the x86 variants read weights. */
#ifndef SYNEDGE_F32_GEMM_ORDER_H
#define SYNEDGE_F32_GEMM_ORDER_H

/* Weights of whole blocks are read panel by panel, in the order in which they lie, when an output has few inputs: then
 * the processor fetches ahead what thousands of small networks are made of, and additions of several panels are in flight
 * anyhow. Of longer panels four at a time are read, for their additions. */
enum { SHORT_DEPTH = 32 };

#endif
