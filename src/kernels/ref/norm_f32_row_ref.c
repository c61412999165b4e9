#include "kernels/norm.h"

#include <math.h>

/* What is normalised: x, or the sum in memory. */
static const float *add_up(struct ct_norm_f32_row *row)
{
    if (!row->add && !row->add_bias && !row->sum)
        return row->x;
    float *v = row->sum ? row->sum : row->y;
    for (size_t i = 0; i < row->n; i++) {
        float a = row->x[i];
        if (row->add)
            a += row->add[i];
        if (row->add_bias)
            a += row->add_bias[i];
        v[i] = a;
    }
    return v;
}

static void apply(const struct ct_norm_f32_row *row, const float *v, float mean)
{
    for (size_t i = 0; i < row->n; i++) {
        float a = (v[i] - mean) * row->inv_std;
        if (row->scale)
            a *= row->scale[i];
        if (row->bias)
            a += row->bias[i];
        row->y[i] = a;
    }
}

static void layer(struct ct_norm_f32_row *row)
{
    const float *v = add_up(row);
    double sum = 0, squares = 0, n = (double)row->n;
    for (size_t i = 0; i < row->n; i++)
        sum += (double)v[i];
    double mean = sum / n;
    for (size_t i = 0; i < row->n; i++)
        squares += ((double)v[i] - mean) * ((double)v[i] - mean);
    row->mean = (float)mean;
    row->inv_std = (float)(1 / sqrt(squares / n + (double)row->epsilon));
    apply(row, v, row->mean);
}

static void rms(struct ct_norm_f32_row *row)
{
    const float *v = add_up(row);
    double squares = 0;
    for (size_t i = 0; i < row->n; i++)
        squares += (double)v[i] * (double)v[i];
    row->inv_std = (float)(1 / sqrt(squares / (double)row->n + (double)row->epsilon));
    apply(row, v, 0);
}

const struct ct_norm_f32_functions ct_norm_f32_row_ref = {layer, rms};
