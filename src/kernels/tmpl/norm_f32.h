/* Layer and RMS normalisation of a row over the vector vocabulary. Include a simd/ header first.
 *   FUNCTIONS  name of the struct ct_norm_f32_functions to define */
#include "kernels/norm.h"

#include <math.h>

V_INLINE v_f32 load_or_zero(const float *p, size_t i, v_tail t)
{
    return p ? v_load_tail(p + i, t) : v_zero();
}

static const float *add_up(struct ct_norm_f32_row *row)
{
    if (!row->add && !row->add_bias && !row->sum)
        return row->x;
    float *v = row->sum ? row->sum : row->y;
    for (size_t i = 0; i < row->n; i += V_WIDTH) {
        v_tail t = v_tail_make(row->n - i);
        v_f32 a = v_add(v_load_tail(row->x + i, t), load_or_zero(row->add, i, t));
        v_store_tail(v + i, v_add(a, load_or_zero(row->add_bias, i, t)), t);
    }
    return v;
}

V_INLINE void accumulate(v_f32 v, int squares, v_f32 *sum)
{
    *sum = squares ? v_fma(v, v, *sum) : v_add(*sum, v);
}

/* Sum of v - shift or of its square, in four chains; the rest of a row one by one. */
V_INLINE float sum_row(const float *v, size_t n, float shift, int squares)
{
    v_f32 s[4] = {v_zero(), v_zero(), v_zero(), v_zero()}, m = v_set1(shift);
    size_t i = 0;
    for (; i + 4 * V_WIDTH <= n; i += 4 * V_WIDTH)
        for (size_t j = 0; j < 4; j++)
            accumulate(v_sub(v_load(v + i + j * V_WIDTH), m), squares, &s[j]);
    for (; i + V_WIDTH <= n; i += V_WIDTH)
        accumulate(v_sub(v_load(v + i), m), squares, &s[0]);
    float sum = v_sum(v_add(v_add(s[0], s[1]), v_add(s[2], s[3])));
    for (; i < n; i++) {
        float a = v[i] - shift;
        sum += squares ? a * a : a;
    }
    return sum;
}

static void apply(const struct ct_norm_f32_row *row, const float *v, float mean)
{
    v_f32 m = v_set1(mean), r = v_set1(row->inv_std);
    const float *scale = row->scale, *bias = row->bias;
    for (size_t i = 0; i < row->n; i += V_WIDTH) {
        v_tail t = v_tail_make(row->n - i);
        v_f32 a = v_mul(v_sub(v_load_tail(v + i, t), m), r);
        if (scale && bias)
            a = v_fma(a, v_load_tail(scale + i, t), v_load_tail(bias + i, t));
        else if (scale)
            a = v_mul(a, v_load_tail(scale + i, t));
        else if (bias)
            a = v_add(a, v_load_tail(bias + i, t));
        v_store_tail(row->y + i, a, t);
    }
}

static void layer(struct ct_norm_f32_row *row)
{
    const float *v = add_up(row);
    float n = (float)row->n;
    row->mean = sum_row(v, row->n, 0, 0) / n;
    row->inv_std = 1 / sqrtf(sum_row(v, row->n, row->mean, 1) / n + row->epsilon);
    apply(row, v, row->mean);
}

static void rms(struct ct_norm_f32_row *row)
{
    const float *v = add_up(row);
    row->inv_std = 1 / sqrtf(sum_row(v, row->n, 0, 1) / (float)row->n + row->epsilon);
    apply(row, v, 0);
}

const struct ct_norm_f32_functions FUNCTIONS = {layer, rms};
