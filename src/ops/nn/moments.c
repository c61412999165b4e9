#include "ops/nn/moments.h"

#define T float
#define ADD add_f32
#define FIT fit_f32
#include "ops/nn/moments_tmpl.h"

#define T double
#define ADD add_f64
#define FIT fit_f64
#include "ops/nn/moments_tmpl.h"

void ct_moments_add(ct_dtype dtype, const void *x, int64_t n, double shift, double *sum,
                    double *squares)
{
    if (dtype == CORTEN_F64)
        add_f64(x, n, shift, sum, squares);
    else
        add_f32(x, n, shift, sum, squares);
}

void ct_moments_of(ct_dtype dtype, const void *x, int64_t n, double *mean, double *variance)
{
    double sum = 0, squares = 0, rest = 0;
    ct_moments_add(dtype, x, n, 0, &sum, NULL);
    *mean = sum / (double)n;
    ct_moments_add(dtype, x, n, *mean, &rest, &squares);
    *variance = squares / (double)n;
}

void ct_scale_shift(ct_dtype dtype, const void *x, int64_t n, double mean, double a, double b,
                    void *y)
{
    if (dtype == CORTEN_F64)
        fit_f64(x, n, mean, a, b, y);
    else
        fit_f32(x, n, (float)mean, (float)a, (float)b, y);
}
