/* Pooling (kernels/pool.h) over the vector vocabulary.
 *
 * Before including: a simd/ header, and
 *   FUNCTIONS   name of the struct ct_pool_f32_functions to define */
#include "kernels/pool.h"

/* Of a maximum, v_max keeps a NaN only in its second operand; one already in `a` is put back. */
V_INLINE v_f32 larger(v_f32 a, v_f32 x)
{
    return v_select(v_isnan(a), a, v_max(a, x));
}

V_INLINE v_f32 combine(int is_max, v_f32 a, v_f32 x)
{
    return is_max ? larger(a, x) : v_add(a, x);
}

V_INLINE void row(const struct ct_pool_f32_rows *w, const float *in, float *out, const float *scale,
                  int is_max)
{
    size_t c = 0;
    for (; c + 2 * V_WIDTH <= w->n_cols; c += 2 * V_WIDTH) {
        const float *x = in + w->taps[0] + c;
        v_f32 a = v_load(x), b = v_load(x + V_WIDTH);
        for (size_t t = 1; t < w->n_taps; t++) {
            x = in + w->taps[t] + c;
            a = combine(is_max, a, v_load(x));
            b = combine(is_max, b, v_load(x + V_WIDTH));
        }
        if (scale) {
            a = v_mul(a, v_load(scale + c));
            b = v_mul(b, v_load(scale + c + V_WIDTH));
        }
        v_store(out + c, a);
        v_store(out + c + V_WIDTH, b);
    }
    for (; c < w->n_cols; c += V_WIDTH) {
        v_tail tail = v_tail_make(w->n_cols - c);
        v_f32 a = v_load_tail(in + w->taps[0] + c, tail);
        for (size_t t = 1; t < w->n_taps; t++)
            a = combine(is_max, a, v_load_tail(in + w->taps[t] + c, tail));
        if (scale)
            a = v_mul(a, v_load_tail(scale + c, tail));
        v_store_tail(out + c, a, tail);
    }
}

static void max_rows(const struct ct_pool_f32_rows *w)
{
    for (size_t r = 0; r < w->n_rows; r++)
        row(w, w->in + r * w->in_row, w->out + r * w->out_row, NULL, 1);
}

static void sum_rows(const struct ct_pool_f32_rows *w)
{
    for (size_t r = 0; r < w->n_rows; r++)
        row(w, w->in + r * w->in_row, w->out + r * w->out_row,
            w->scale ? w->scale + r * w->out_row : NULL, 0);
}

const struct ct_pool_f32_functions FUNCTIONS = {max_rows, sum_rows};
