/* The int8 depthwise pixel that every variant equals. */
#include "../requant.h"

void syn_s8_dwconv__scalar(size_t channels, const syn_taps *taps, const int8_t *x, const int8_t *w, int32_t x_zero,
                           const syn_requant *requant, int8_t *y) {
    for (size_t c = 0; c < channels; c++) {
        int32_t sum = 0;
        for (size_t i = 0; i < taps->rows; i++) {
            for (size_t j = 0; j < taps->cols; j++) {
                const int8_t *at = x + i * taps->x_row_step + j * taps->x_col_step;
                const int8_t *weight = w + i * taps->w_row_step + j * taps->w_col_step;
                sum = syn_wrap_add(sum, (at[c] - x_zero) * weight[c]);
            }
        }
        y[c] = syn_requantised(sum, requant, c);
    }
}
