/* Weights to int8 and back, an output at a time; what lies between them is copied. */
#include "synedge/idle.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "synedge/kernels.h"

enum { SCALES = SYN_PANEL * sizeof(float), MOST = 127 };

static size_t values(const syn_rows *rows) { return (size_t)rows->panels * rows->depth * SYN_PANEL; }

size_t syn_idle_bytes(const syn_rows *rows, uint32_t count, size_t slot_bytes) {
    size_t bytes = slot_bytes;
    for (uint32_t i = 0; i < count; i++) bytes -= values(&rows[i]) * sizeof(float) - values(&rows[i]) - (size_t)rows[i].panels * SCALES;
    return bytes;
}

/* Scales of the eight outputs of a panel: NaN where a weight is not finite, 0 where nothing is worth a number. */
static void scales_of(const float *panel, uint32_t depth, float *scales) {
    for (int lane = 0; lane < SYN_PANEL; lane++) {
        float most = 0;
        int is_finite = 1;
        for (uint32_t d = 0; d < depth; d++) {
            const float size = fabsf(panel[(size_t)d * SYN_PANEL + (size_t)lane]);
            is_finite &= size <= FLT_MAX;
            if (size > most) most = size;
        }
        scales[lane] = !is_finite ? NAN : most < MOST * FLT_MIN ? 0 : most / MOST;
    }
}

static uint8_t *rest_panel(const float *panel, uint32_t depth, uint8_t *out) {
    float scales[SYN_PANEL];
    scales_of(panel, depth, scales);
    memcpy(out, scales, SCALES);
    int8_t *numbers = (int8_t *)out + SCALES;
    for (size_t i = 0; i < (size_t)depth * SYN_PANEL; i++) {
        const float scale = scales[i % SYN_PANEL];
        numbers[i] = scale > 0 ? (int8_t)roundf(panel[i] / scale) : 0;
    }
    return out + SCALES + (size_t)depth * SYN_PANEL;
}

static const uint8_t *warm_panel(const uint8_t *in, uint32_t depth, float *panel) {
    float scales[SYN_PANEL];
    memcpy(scales, in, SCALES);
    const int8_t *numbers = (const int8_t *)in + SCALES;
    for (size_t i = 0; i < (size_t)depth * SYN_PANEL; i++) panel[i] = scales[i % SYN_PANEL] * (float)numbers[i];
    return in + SCALES + (size_t)depth * SYN_PANEL;
}

void syn_idle_rest(const syn_rows *rows, uint32_t count, size_t slot_bytes, const uint8_t *slot, uint8_t *resting) {
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(resting, slot + at, rows[i].offset - at);
        resting += rows[i].offset - at;
        const float *panel = (const float *)(const void *)(slot + rows[i].offset);
        for (uint32_t p = 0; p < rows[i].panels; p++, panel += (size_t)rows[i].depth * SYN_PANEL)
            resting = rest_panel(panel, rows[i].depth, resting);
        at = rows[i].offset + values(&rows[i]) * sizeof(float);
    }
    memcpy(resting, slot + at, slot_bytes - at);
}

void syn_idle_warm(const syn_rows *rows, uint32_t count, size_t slot_bytes, const uint8_t *resting, uint8_t *slot) {
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(slot + at, resting, rows[i].offset - at);
        resting += rows[i].offset - at;
        float *panel = (float *)(void *)(slot + rows[i].offset);
        for (uint32_t p = 0; p < rows[i].panels; p++, panel += (size_t)rows[i].depth * SYN_PANEL)
            resting = warm_panel(resting, rows[i].depth, panel);
        at = rows[i].offset + values(&rows[i]) * sizeof(float);
    }
    memcpy(slot + at, resting, slot_bytes - at);
}
