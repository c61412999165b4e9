#include "kernels/softmax.h"

#include <math.h>

static float row_max(const float *x, size_t n)
{
    float max = x[0];
    for (size_t i = 1; i < n; i++)
        if (x[i] > max)
            max = x[i];
    return max;
}

static void softmax(const float *x, float *y, size_t n)
{
    float max = row_max(x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        y[i] = expf(x[i] - max);
        sum += (double)y[i];
    }
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)y[i] / sum);
}

static void log_softmax(const float *x, float *y, size_t n)
{
    float max = row_max(x, n);
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)expf(x[i] - max);
    double shift = log(sum);
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)(x[i] - max) - shift);
}

const struct ct_softmax_f32_functions ct_softmax_f32_row_ref = {softmax, log_softmax};
