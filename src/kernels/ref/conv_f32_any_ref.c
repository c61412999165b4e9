#include "kernels/conv.h"
#include "kernels/ref/act_ref.h"

#include <stdbool.h>

static void depthwise(const struct ct_conv_depthwise_f32_rows *w)
{
    for (size_t r = 0; r < w->n_rows; r++)
        for (size_t c = 0; c < w->n_cols; c++) {
            const float *x = w->in + r * w->in_row + c;
            float sum = w->bias;
            for (size_t t = 0; t < w->n_taps; t++)
                sum += w->weights[t] * x[w->taps[t]];
            if (w->residual)
                sum += w->residual[r * w->out_row + c];
            w->out[r * w->out_row + c] = ct_act_f32_ref(w->act, w->act_params, sum);
        }
}

static void gather(const struct ct_conv_gather_f32 *g)
{
    for (size_t c = 0; c < g->channels; c++)
        for (size_t j = 0; j < g->n; j++) {
            bool inside = j >= g->low && j < g->high;
            g->to[c * g->to_stride + j] =
                inside ? g->x[c * g->channel_stride + (j - g->low) * g->step] : 0;
        }
}

const struct ct_conv_f32_functions ct_conv_f32_any_ref = {depthwise, gather};
