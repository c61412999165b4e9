#include "kernels/conv.h"
#include "kernels/ref/act_ref.h"

static void rows(const struct ct_conv_depthwise_f32_rows *w)
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

const struct ct_conv_depthwise_f32_functions ct_conv_depthwise_f32_ref = {rows};
