#include "ops/signal/fft.h"

#include <math.h>
#include <string.h>

enum { MAX_RADIX = 31 };
static const double pi = 3.14159265358979323846;

struct complex {
    double re, im;
};

static struct complex multiply(struct complex a, struct complex b)
{
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* ------------------------------------------------------------------ mixed radix */

/* The k-th root of unity of the transform, conjugated when inverse. */
static struct complex root(const struct ct_fft *f, bool inverse, int64_t k)
{
    const double *r = f->roots + 2 * (k % f->n);
    return (struct complex){r[0], inverse ? -r[1] : r[1]};
}

struct pass {
    const struct ct_fft *fft;
    bool inverse;
    int64_t m, stride; /* length of the transforms that remain, and of what has been done */
    const struct complex *x;
    struct complex *y;
};

static void radix_2(const struct pass *p)
{
    for (int64_t q = 0; q < p->m; q++) {
        struct complex w = root(p->fft, p->inverse, q * p->stride);
        const struct complex *a = p->x + p->stride * q, *b = a + p->stride * p->m;
        struct complex *y = p->y + p->stride * 2 * q;
        for (int64_t k = 0; k < p->stride; k++) {
            struct complex d = {a[k].re - b[k].re, a[k].im - b[k].im};
            y[k] = (struct complex){a[k].re + b[k].re, a[k].im + b[k].im};
            y[k + p->stride] = multiply(d, w);
        }
    }
}

static void radix_4(const struct pass *p)
{
    int64_t step = p->stride * p->m, s = p->stride;
    double turn = p->inverse ? -1 : 1;
    for (int64_t q = 0; q < p->m; q++) {
        struct complex w1 = root(p->fft, p->inverse, q * s);
        struct complex w2 = multiply(w1, w1), w3 = multiply(w2, w1);
        const struct complex *x = p->x + s * q;
        struct complex *y = p->y + s * 4 * q;
        for (int64_t k = 0; k < s; k++) {
            struct complex a = x[k], b = x[k + step], c = x[k + 2 * step], d = x[k + 3 * step];
            struct complex ac = {a.re + c.re, a.im + c.im}, bd = {b.re + d.re, b.im + d.im};
            struct complex a_c = {a.re - c.re, a.im - c.im};
            /* i (b - d), or -i of it */
            struct complex jbd = {-turn * (b.im - d.im), turn * (b.re - d.re)};
            y[k] = (struct complex){ac.re + bd.re, ac.im + bd.im};
            y[k + s] = multiply(w1, (struct complex){a_c.re - jbd.re, a_c.im - jbd.im});
            y[k + 2 * s] = multiply(w2, (struct complex){ac.re - bd.re, ac.im - bd.im});
            y[k + 3 * s] = multiply(w3, (struct complex){a_c.re + jbd.re, a_c.im + jbd.im});
        }
    }
}

static void radix_any(const struct pass *p, int radix)
{
    int64_t step = p->stride * p->m, s = p->stride, turn = p->fft->n / radix;
    for (int64_t q = 0; q < p->m; q++)
        for (int64_t k = 0; k < s; k++) {
            const struct complex *x = p->x + s * q + k;
            struct complex *y = p->y + s * radix * q + k;
            for (int r = 0; r < radix; r++) {
                struct complex sum = x[0];
                for (int t = 1; t < radix; t++) {
                    struct complex w = root(p->fft, p->inverse, t * r % radix * turn);
                    struct complex v = multiply(x[t * step], w);
                    sum.re += v.re;
                    sum.im += v.im;
                }
                y[s * r] = multiply(sum, root(p->fft, p->inverse, q * r * s));
            }
        }
}

static void run_mixed(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    struct complex *from = (struct complex *)(void *)x, *to = (struct complex *)(void *)scratch;
    int64_t left = f->n, stride = 1;
    for (int i = 0; i < f->n_factors; i++) {
        struct pass p = {f, inverse, left / f->factors[i], stride, from, to};
        if (f->factors[i] == 4)
            radix_4(&p);
        else if (f->factors[i] == 2)
            radix_2(&p);
        else
            radix_any(&p, f->factors[i]);
        left /= f->factors[i];
        stride *= f->factors[i];
        struct complex *swap = from;
        from = to;
        to = swap;
    }
    if ((double *)(void *)from != x)
        memcpy(x, from, (size_t)f->n * sizeof *from);
}

/* ------------------------------------------------------------------ Bluestein */

/* With jk = (j^2 + k^2 - (k - j)^2) / 2 the sum over j becomes a convolution with a chirp. */
static void run_bluestein(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    int64_t m = f->inner->n;
    struct complex *a = (struct complex *)(void *)scratch;
    struct complex *in = (struct complex *)(void *)x;
    const struct complex *chirp = (const struct complex *)(const void *)f->chirp;
    const struct complex *kernel = (const struct complex *)(const void *)f->kernel;
    /* The inverse is the conjugate of the transform of the conjugate. */
    for (int64_t i = 0; i < f->n; i++) {
        struct complex v = {in[i].re, inverse ? -in[i].im : in[i].im};
        a[i] = multiply(v, chirp[i]);
    }
    memset(a + f->n, 0, (size_t)(m - f->n) * sizeof *a);
    ct_fft_run(f->inner, false, scratch, scratch + 2 * m);
    for (int64_t i = 0; i < m; i++)
        a[i] = multiply(a[i], kernel[i]);
    ct_fft_run(f->inner, true, scratch, scratch + 2 * m);
    for (int64_t i = 0; i < f->n; i++) {
        struct complex v = multiply(a[i], chirp[i]);
        in[i].re = v.re / (double)m;
        in[i].im = (inverse ? -v.im : v.im) / (double)m;
    }
}

void ct_fft_run(const struct ct_fft *f, bool inverse, double *x, double *scratch)
{
    if (f->inner)
        run_bluestein(f, inverse, x, scratch);
    else
        run_mixed(f, inverse, x, scratch);
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
    CT_TRY(ct_fft_init(f->inner, prepare, m));
    for (int64_t i = 0; i < f->n; i++) {
        /* i^2 modulo 2n keeps the angle small, and so exact. */
        int64_t square = (int64_t)((unsigned __int128)i * (unsigned __int128)i %
                                   (unsigned __int128)(2 * f->n));
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

ct_status ct_fft_init(struct ct_fft *f, struct ct_prepare *prepare, int64_t n)
{
    *f = (struct ct_fft){.n = n};
    if (n > INT64_C(1) << 40)
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED,
                       "a Fourier transform of length %lld", (long long)n);
    if (!factorise(f))
        return init_bluestein(f, prepare);
    double *roots = take(prepare, n);
    if (!roots)
        return ct_fail_memory(prepare->error, (size_t)n * 16, "a Fourier transform");
    for (int64_t i = 0; i < n; i++) {
        double angle = 2 * pi * (double)i / (double)n;
        roots[2 * i] = cos(angle);
        roots[2 * i + 1] = -sin(angle);
    }
    f->roots = roots;
    return CORTEN_OK;
}
