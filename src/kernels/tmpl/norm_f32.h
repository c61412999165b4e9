/* Layer and RMS normalisation of a row over the vector vocabulary. Include a simd/ header first.
 *   FUNCTIONS  name of the struct ct_norm_f32_functions to define */
#include "kernels/norm.h"

#include <math.h>

/* Elements [i, i + V_WIDTH) of a row, or with `tail` the last ones of it. Masked moves are slow
 * on some machines, so that only the end of a row pays for them. */
V_INLINE v_f32 load(const float *p, int tail, v_tail t)
{
    return tail ? v_load_tail(p, t) : v_load(p);
}

V_INLINE void store(float *p, v_f32 x, int tail, v_tail t)
{
    if (tail)
        v_store_tail(p, x, t);
    else
        v_store(p, x);
}

V_INLINE void add_step(const struct ct_norm_f32_row *row, float *v, size_t i, int tail, v_tail t)
{
    v_f32 a = load(row->x + i, tail, t);
    if (row->add)
        a = v_add(a, load(row->add + i, tail, t));
    if (row->add_bias)
        a = v_add(a, load(row->add_bias + i, tail, t));
    store(v + i, a, tail, t);
}

static const float *add_up(struct ct_norm_f32_row *row)
{
    if (!row->add && !row->add_bias && !row->sum)
        return row->x;
    float *v = row->sum ? row->sum : row->y;
    size_t i = 0;
    for (; i + V_WIDTH <= row->n; i += V_WIDTH)
        add_step(row, v, i, 0, v_tail_make(V_WIDTH));
    if (i < row->n)
        add_step(row, v, i, 1, v_tail_make(row->n - i));
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

V_INLINE void apply_step(const struct ct_norm_f32_row *row, const float *v, v_f32 mean,
                         v_f32 inv_std, size_t i, int tail, v_tail t)
{
    v_f32 a = v_mul(v_sub(load(v + i, tail, t), mean), inv_std);
    if (row->scale && row->bias)
        a = v_fma(a, load(row->scale + i, tail, t), load(row->bias + i, tail, t));
    else if (row->scale)
        a = v_mul(a, load(row->scale + i, tail, t));
    else if (row->bias)
        a = v_add(a, load(row->bias + i, tail, t));
    store(row->y + i, a, tail, t);
}

static void apply(const struct ct_norm_f32_row *row, const float *v, float mean)
{
    v_f32 m = v_set1(mean), r = v_set1(row->inv_std);
    size_t i = 0;
    for (; i + V_WIDTH <= row->n; i += V_WIDTH)
        apply_step(row, v, m, r, i, 0, v_tail_make(V_WIDTH));
    if (i < row->n)
        apply_step(row, v, m, r, i, 1, v_tail_make(row->n - i));
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
