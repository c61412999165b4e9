#include "kernels/pool.h"

static void max_rows(const struct ct_pool_f32_rows *w)
{
    for (size_t r = 0; r < w->n_rows; r++)
        for (size_t c = 0; c < w->n_cols; c++) {
            const float *x = w->in + r * w->in_row + c;
            float max = x[w->taps[0]];
            for (size_t t = 1; t < w->n_taps; t++)
                if (!(x[w->taps[t]] <= max) && max == max)
                    max = x[w->taps[t]];
            w->out[r * w->out_row + c] = max;
        }
}

static void sum_rows(const struct ct_pool_f32_rows *w)
{
    for (size_t r = 0; r < w->n_rows; r++)
        for (size_t c = 0; c < w->n_cols; c++) {
            const float *x = w->in + r * w->in_row + c;
            float sum = x[w->taps[0]];
            for (size_t t = 1; t < w->n_taps; t++)
                sum += x[w->taps[t]];
            w->out[r * w->out_row + c] = w->scale ? sum * w->scale[r * w->out_row + c] : sum;
        }
}

const struct ct_pool_f32_functions ct_pool_f32_ref = {max_rows, sum_rows};
