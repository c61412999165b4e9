/* Convolution kernels (kernels/conv.h) over the vector vocabulary.
 *
 * Before including: a simd/ header, and
 *   FUNCTIONS   name of the struct ct_conv_f32_functions to define
 * Depthwise sums four rows of one or two vectors together: enough sums under way to hide the
 * latency of multiply-adds, and one broadcast of a weight serves all of them. */
#include "kernels/conv.h"
#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

V_INLINE void finish(const struct ct_conv_depthwise_f32_rows *w, size_t at, v_f32 sum, v_tail tail,
                     enum ct_act act)
{
    if (w->residual)
        sum = v_add(sum, v_load_tail(w->residual + at, tail));
    sum = v_act(act, v_set1(w->act_params[0]), v_set1(w->act_params[1]), sum);
    v_store_tail(w->out + at, sum, tail);
}

/* `rows` rows from r on, and `vectors` vectors from column c on: the last of them partial. */
V_INLINE void block(const struct ct_conv_depthwise_f32_rows *w, size_t r, int rows, size_t c,
                    int vectors, enum ct_act act)
{
    v_f32 sums[4][2];
    v_tail tail = v_tail_make(w->n_cols - c - (size_t)(vectors - 1) * V_WIDTH);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            sums[i][j] = v_set1(w->bias);
    for (size_t t = 0; t < w->n_taps; t++) {
        const float *x = w->in + r * w->in_row + w->taps[t] + c;
        v_f32 weight = v_set1(w->weights[t]);
        for (int i = 0; i < rows; i++, x += w->in_row) {
            if (vectors == 2)
                sums[i][0] = v_fma(weight, v_load(x), sums[i][0]);
            sums[i][vectors - 1] =
                v_fma(weight, v_load_tail(x + (vectors - 1) * V_WIDTH, tail), sums[i][vectors - 1]);
        }
    }
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++)
            finish(w, (r + (size_t)i) * w->out_row + c + (size_t)j * V_WIDTH, sums[i][j],
                   j == vectors - 1 ? tail : v_tail_make(V_WIDTH), act);
}

V_INLINE void columns(const struct ct_conv_depthwise_f32_rows *w, size_t c, int vectors,
                      enum ct_act act)
{
    size_t r = 0;
    for (; r + 4 <= w->n_rows; r += 4)
        block(w, r, 4, c, vectors, act);
    /* What is left together too: a row alone would wait for each of its sums. */
    if (w->n_rows - r == 3)
        block(w, r, 3, c, vectors, act);
    else if (w->n_rows - r == 2)
        block(w, r, 2, c, vectors, act);
    else if (w->n_rows - r == 1)
        block(w, r, 1, c, vectors, act);
}

V_INLINE void all_columns(const struct ct_conv_depthwise_f32_rows *w, enum ct_act act)
{
    size_t c = 0;
    for (; w->n_cols - c > V_WIDTH; c += 2 * V_WIDTH) {
        columns(w, c, 2, act);
        if (w->n_cols - c <= 2 * V_WIDTH)
            return;
    }
    if (c < w->n_cols)
        columns(w, c, 1, act);
}

/* The common activations get loops of their own; the others read theirs in the loop. */
static void depthwise(const struct ct_conv_depthwise_f32_rows *w)
{
    switch (w->act) {
    case CT_ACT_NONE: all_columns(w, CT_ACT_NONE); break;
    case CT_ACT_CLIP: all_columns(w, CT_ACT_CLIP); break;
    case CT_ACT_SILU: all_columns(w, CT_ACT_SILU); break;
    default: all_columns(w, w->act);
    }
}

V_INLINE void fill_zero(float *to, size_t n)
{
    for (size_t j = 0; j < n; j += V_WIDTH)
        v_store_tail(to + j, v_zero(), v_tail_make(n - j));
}

/* Elements side by side: one masked load and store for rows of up to a vector. */
V_INLINE void gather_dense(const struct ct_conv_gather_f32 *g)
{
    size_t n = g->high - g->low;
    const float *x = g->x;
    float *to = g->to;
    for (size_t c = 0; c < g->channels; c++, x += g->channel_stride, to += g->to_stride) {
        fill_zero(to, g->low);
        for (size_t j = 0; j < n; j += V_WIDTH) {
            v_tail tail = v_tail_make(n - j);
            v_store_tail(to + g->low + j, v_load_tail(x + j, tail), tail);
        }
        fill_zero(to + g->high, g->n - g->high);
    }
}

V_INLINE void gather_strided(const struct ct_conv_gather_f32 *g, size_t step)
{
    size_t n = g->high - g->low;
    const float *restrict x = g->x;
    float *restrict to = g->to;
    for (size_t c = 0; c < g->channels; c++, x += g->channel_stride, to += g->to_stride) {
        fill_zero(to, g->low);
        for (size_t j = 0; j < n; j++)
            to[g->low + j] = x[j * step];
        fill_zero(to + g->high, g->n - g->high);
    }
}

/* A constant step of two lets the compiler use shuffles. */
static void gather(const struct ct_conv_gather_f32 *g)
{
    if (g->step == 1)
        gather_dense(g);
    else if (g->step == 2)
        gather_strided(g, 2);
    else
        gather_strided(g, g->step);
}

const struct ct_conv_f32_functions FUNCTIONS = {depthwise, gather};
