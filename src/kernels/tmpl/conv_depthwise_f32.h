/* Depthwise convolution (kernels/conv.h) over the vector vocabulary.
 *
 * Before including: a simd/ header, and
 *   FUNCTIONS   name of the struct ct_conv_depthwise_f32_functions to define
 * Four vectors of a row are summed together, so that one broadcast of a weight serves four loads. */
#include "kernels/conv.h"
#include "kernels/tmpl/vmath_f32.h"

#include "kernels/tmpl/act_f32.h"

V_INLINE v_f32 finish(const struct ct_conv_depthwise_f32_rows *w, const float *residual, v_f32 sum,
                      v_tail tail, enum ct_act act)
{
    if (residual)
        sum = v_add(sum, v_load_tail(residual, tail));
    return v_act(act, v_set1(w->act_params[0]), v_set1(w->act_params[1]), sum);
}

V_INLINE void row(const struct ct_conv_depthwise_f32_rows *w, const float *in, float *out,
                  const float *residual, enum ct_act act)
{
    enum { STEP = 4 * V_WIDTH };
    size_t c = 0;
    v_tail all = v_tail_make(V_WIDTH);
    for (; c + STEP <= w->n_cols; c += STEP) {
        v_f32 s0 = v_set1(w->bias), s1 = s0, s2 = s0, s3 = s0;
        for (size_t t = 0; t < w->n_taps; t++) {
            const float *x = in + w->taps[t] + c;
            v_f32 weight = v_set1(w->weights[t]);
            s0 = v_fma(weight, v_load(x), s0);
            s1 = v_fma(weight, v_load(x + V_WIDTH), s1);
            s2 = v_fma(weight, v_load(x + 2 * V_WIDTH), s2);
            s3 = v_fma(weight, v_load(x + 3 * V_WIDTH), s3);
        }
        const float *r = residual ? residual + c : NULL;
        v_store(out + c, finish(w, r, s0, all, act));
        v_store(out + c + V_WIDTH, finish(w, r ? r + V_WIDTH : NULL, s1, all, act));
        v_store(out + c + 2 * V_WIDTH, finish(w, r ? r + 2 * V_WIDTH : NULL, s2, all, act));
        v_store(out + c + 3 * V_WIDTH, finish(w, r ? r + 3 * V_WIDTH : NULL, s3, all, act));
    }
    for (; c < w->n_cols; c += V_WIDTH) {
        v_tail tail = v_tail_make(w->n_cols - c);
        v_f32 sum = v_set1(w->bias);
        for (size_t t = 0; t < w->n_taps; t++)
            sum = v_fma(v_set1(w->weights[t]), v_load_tail(in + w->taps[t] + c, tail), sum);
        v_store_tail(out + c, finish(w, residual ? residual + c : NULL, sum, tail, act), tail);
    }
}

V_INLINE void all_rows(const struct ct_conv_depthwise_f32_rows *w, enum ct_act act)
{
    for (size_t r = 0; r < w->n_rows; r++)
        row(w, w->in + r * w->in_row, w->out + r * w->out_row,
            w->residual ? w->residual + r * w->out_row : NULL, act);
}

/* The common activations get loops of their own; the others read theirs in the loop. */
static void rows(const struct ct_conv_depthwise_f32_rows *w)
{
    switch (w->act) {
    case CT_ACT_NONE:
        all_rows(w, CT_ACT_NONE);
        break;
    case CT_ACT_CLIP:
        all_rows(w, CT_ACT_CLIP);
        break;
    case CT_ACT_SILU:
        all_rows(w, CT_ACT_SILU);
        break;
    default:
        all_rows(w, w->act);
    }
}

const struct ct_conv_depthwise_f32_functions FUNCTIONS = {rows};
