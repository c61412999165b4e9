#include "ops/signal/fft.h"

#include <math.h>
#include <string.h>

enum { MAX_RADIX = 31 };
static const double pi = 3.14159265358979323846;

#define T float
#define COMPLEX complex_f32
#define PASS pass_f32
#define MULTIPLY multiply_f32
#define ROOT root_f32
#define RADIX_2 radix_2_f32
#define RADIX_4 radix_4_f32
#define RADIX_ODD radix_odd_f32
#define RUN run_mixed_f32
#include "ops/signal/fft_tmpl.h"

#define T double
#define COMPLEX complex_f64
#define PASS pass_f64
#define MULTIPLY multiply_f64
#define ROOT root_f64
#define RADIX_2 radix_2_f64
#define RADIX_4 radix_4_f64
#define RADIX_ODD radix_odd_f64
#define RUN run_mixed_f64
#include "ops/signal/fft_tmpl.h"

/* ------------------------------------------------------------------ Bluestein */

/* With jk = (j^2 + k^2 - (k - j)^2) / 2 the sum over j becomes a convolution with a chirp. */
static void run_bluestein(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    int64_t m = f->inner->n;
    struct complex_f64 *a = (struct complex_f64 *)(void *)scratch;
    struct complex_f64 *in = (struct complex_f64 *)(void *)x;
    const struct complex_f64 *chirp = (const struct complex_f64 *)(const void *)f->chirp;
    const struct complex_f64 *kernel = (const struct complex_f64 *)(const void *)f->kernel;
    /* The inverse is the conjugate of the transform of the conjugate. */
    for (int64_t i = 0; i < f->n; i++) {
        struct complex_f64 v = {in[i].re, inverse ? -in[i].im : in[i].im};
        a[i] = multiply_f64(v, chirp[i]);
    }
    memset(a + f->n, 0, (size_t)(m - f->n) * sizeof *a);
    ct_fft_run(f->inner, false, scratch, scratch + 2 * m);
    for (int64_t i = 0; i < m; i++)
        a[i] = multiply_f64(a[i], kernel[i]);
    ct_fft_run(f->inner, true, scratch, scratch + 2 * m);
    for (int64_t i = 0; i < f->n; i++) {
        struct complex_f64 v = multiply_f64(a[i], chirp[i]);
        in[i].re = v.re / (double)m;
        in[i].im = (inverse ? -v.im : v.im) / (double)m;
    }
}

static void run_single(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    float *single = (float *)(void *)scratch;
    for (int64_t i = 0; i < 2 * f->n; i++)
        single[i] = (float)x[i];
    run_mixed_f32(f, inverse, single, single + 2 * f->n);
    for (int64_t i = 0; i < 2 * f->n; i++)
        x[i] = (double)single[i];
}

void ct_fft_run(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    if (f->inner)
        run_bluestein(f, inverse, x, scratch);
    else if (f->single)
        run_single(f, inverse, x, scratch);
    else
        run_mixed_f64(f, inverse, x, scratch);
}

size_t ct_fft_scratch(const struct ct_fft *f)
{
    return f->inner ? 2 * (size_t)f->inner->n + ct_fft_scratch(f->inner) : 2 * (size_t)f->n;
}

/* ------------------------------------------------------------------ plans */

/* False: a prime factor is too large. */
static bool factorise(struct ct_fft *f)
{
    int64_t left = f->n;
    for (; left % 4 == 0; left /= 4)
        f->factors[f->n_factors++] = 4;
    for (int radix = 2; radix <= MAX_RADIX; radix++)
        for (; left % radix == 0; left /= radix)
            f->factors[f->n_factors++] = radix;
    return left == 1;
}

static double *take(struct ct_prepare *prepare, int64_t n)
{
    size_t bytes;
    if (!ct_mul_size((size_t)n, 2 * sizeof(double), &bytes))
        return NULL;
    return ct_prepare_alloc(prepare, bytes);
}

static ct_status init_bluestein(struct ct_fft *f, struct ct_prepare *prepare)
{
    int64_t m = 1;
    while (m < 2 * f->n - 1)
        m *= 2;
    f->inner = ct_prepare_alloc(prepare, sizeof *f->inner);
    double *chirp = take(prepare, f->n), *kernel = take(prepare, m);
    double *scratch = take(prepare, m);
    if (!f->inner || !chirp || !kernel || !scratch)
        return ct_fail_memory(prepare->error, 0, "a Fourier transform");
    CT_TRY(ct_fft_init(f->inner, prepare, m, false));
    for (int64_t i = 0; i < f->n; i++) {
        /* i^2 modulo 2n keeps the angle small, and so exact. */
        int64_t square =
            (int64_t)((unsigned __int128)i * (unsigned __int128)i % (unsigned __int128)(2 * f->n));
        double angle = pi * (double)square / (double)f->n;
        chirp[2 * i] = cos(angle);
        chirp[2 * i + 1] = -sin(angle);
        for (int side = 0; side < 2; side++) {
            int64_t at = side && i ? m - i : i;
            kernel[2 * at] = chirp[2 * i];
            kernel[2 * at + 1] = -chirp[2 * i + 1];
        }
    }
    ct_fft_run(f->inner, false, kernel, scratch);
    f->chirp = chirp;
    f->kernel = kernel;
    return CORTEN_OK;
}

ct_status ct_fft_init(struct ct_fft *f, struct ct_prepare *prepare, int64_t n, bool single)
{
    *f = (struct ct_fft){.n = n, .single = single};
    if (n > INT64_C(1) << 40)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "a Fourier transform of length %lld",
                       (long long)n);
    if (!factorise(f))
        return init_bluestein(f, prepare);
    double *roots = take(prepare, n);
    if (!roots)
        return ct_fail_memory(prepare->error, (size_t)n * 16, "a Fourier transform");
    for (int64_t i = 0; i < n; i++) {
        double angle = 2 * pi * (double)i / (double)n;
        double re = cos(angle), im = -sin(angle);
        if (single) {
            ((float *)(void *)roots)[2 * i] = (float)re;
            ((float *)(void *)roots)[2 * i + 1] = (float)im;
        } else {
            roots[2 * i] = re;
            roots[2 * i + 1] = im;
        }
    }
    f->roots = roots;
    return CORTEN_OK;
}
