/* The float depthwise pixel: taps in the order they lie. */
#include "synedge/kernels.h"

void syn_f32_dwconv__scalar(size_t channels, const syn_taps *taps, const float *x, const float *w, const float *bias,
                            float low, float high, float *y) {
    for (size_t c = 0; c < channels; c++) {
        float sum = 0;
        for (size_t i = 0; i < taps->rows; i++) {
            for (size_t j = 0; j < taps->cols; j++) {
                const float *at = x + i * taps->x_row_step + j * taps->x_col_step;
                sum += at[c] * w[i * taps->w_row_step + j * taps->w_col_step + c];
            }
        }
        float total = bias[c] + sum;
        float above = total < low ? low : total;
        y[c] = above > high ? high : above;
    }
}
