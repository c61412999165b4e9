#include "kernels/attention.h"

#include <math.h>

static void softmax_row(struct ct_attention_f32_row *row)
{
    float max = row->max;
    double sum = 0;
    for (size_t i = 0; i < row->n; i++) {
        float s = row->s[i] * row->scale;
        if (row->softcap != 0.0f)
            s = row->softcap * tanhf(s / row->softcap);
        if (row->mask)
            s += row->mask[i];
        row->s[i] = s;
        if (s > max)
            max = s;
    }
    /* Where everything so far is masked, any finite number does. */
    float base = max == -HUGE_VALF ? 0 : max;
    for (size_t i = 0; i < row->n; i++) {
        row->s[i] = expf(row->s[i] - base);
        sum += (double)row->s[i];
    }
    row->correction = expf(row->max - base);
    row->sum = (float)((double)row->sum * (double)row->correction + sum);
    row->max = max;
}

static void softmax(struct ct_attention_f32_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        softmax_row(&rows[i]);
}

static void scale(float *x, size_t n, float by)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= by;
}

const struct ct_attention_f32_functions ct_attention_f32_row_ref = {softmax, scale};
