/* The mixed-radix transform for one type.
 *
 * Before including define
 *   T         float or double; the transform's roots are of this type
 *   COMPLEX, PASS, MULTIPLY, ROOT, RADIX_2, RADIX_4, RADIX_ODD   names of its parts
 *   RUN       void RUN(const struct ct_fft *, bool inverse, T *x, T *scratch): transforms n complex
 *             numbers in place; scratch holds as many */

struct COMPLEX {
    T re, im;
};

static struct COMPLEX MULTIPLY(struct COMPLEX a, struct COMPLEX b) {
    return (struct COMPLEX){a.re * b.re - a.im * b.im, a.re *b.im + a.im *b.re};
}

/* The k-th root of unity of the transform, conjugated when inverse. */
static struct COMPLEX
ROOT(const struct ct_fft *f, bool inverse, int64_t k) {
    const T *r = (const T *)f->roots + 2 * (k % f->n);
    return (struct COMPLEX){r[0], inverse ? -r[1] : r[1]};
}

struct PASS {
    const struct ct_fft *fft;
    bool inverse;
    int64_t m, stride; /* length of the transforms that remain, and of what has been done */
    const struct COMPLEX *x;
    struct COMPLEX *y;
};

static void RADIX_2(const struct PASS *p)
{
    for (int64_t q = 0; q < p->m; q++) {
        struct COMPLEX w = ROOT(p->fft, p->inverse, q * p->stride);
        const struct COMPLEX *a = p->x + p->stride * q, *b = a + p->stride * p->m;
        struct COMPLEX *y = p->y + p->stride * 2 * q;
        for (int64_t k = 0; k < p->stride; k++) {
            struct COMPLEX d = {a[k].re - b[k].re, a[k].im - b[k].im};
            y[k] = (struct COMPLEX){a[k].re + b[k].re, a[k].im + b[k].im};
            y[k + p->stride] = MULTIPLY(d, w);
        }
    }
}

static void RADIX_4(const struct PASS *p)
{
    int64_t step = p->stride * p->m, s = p->stride;
    T turn = p->inverse ? -1 : 1;
    for (int64_t q = 0; q < p->m; q++) {
        struct COMPLEX w1 = ROOT(p->fft, p->inverse, q * s);
        struct COMPLEX w2 = MULTIPLY(w1, w1), w3 = MULTIPLY(w2, w1);
        const struct COMPLEX *x = p->x + s * q;
        struct COMPLEX *y = p->y + s * 4 * q;
        for (int64_t k = 0; k < s; k++) {
            struct COMPLEX a = x[k], b = x[k + step], c = x[k + 2 * step], d = x[k + 3 * step];
            struct COMPLEX ac = {a.re + c.re, a.im + c.im}, bd = {b.re + d.re, b.im + d.im};
            struct COMPLEX a_c = {a.re - c.re, a.im - c.im};
            /* i (b - d), or -i of it */
            struct COMPLEX jbd = {-turn * (b.im - d.im), turn * (b.re - d.re)};
            y[k] = (struct COMPLEX){ac.re + bd.re, ac.im + bd.im};
            y[k + s] = MULTIPLY(w1, (struct COMPLEX){a_c.re - jbd.re, a_c.im - jbd.im});
            y[k + 2 * s] = MULTIPLY(w2, (struct COMPLEX){ac.re - bd.re, ac.im - bd.im});
            y[k + 3 * s] = MULTIPLY(w3, (struct COMPLEX){a_c.re + jbd.re, a_c.im + jbd.im});
        }
    }
}

/* Elements r and radix - r of the small transform are made of the same two sums, over the sums and
 * over the differences of opposite inputs. */
static void RADIX_ODD(const struct PASS *p, int radix)
{
    int64_t step = p->stride * p->m, s = p->stride, turn = p->fft->n / radix;
    for (int64_t q = 0; q < p->m; q++)
        for (int64_t k = 0; k < s; k++) {
            const struct COMPLEX *x = p->x + s * q + k;
            struct COMPLEX *y = p->y + s * radix * q + k, sum = x[0];
            for (int t = 1; t < radix; t++) {
                sum.re += x[t * step].re;
                sum.im += x[t * step].im;
            }
            y[0] = sum;
            for (int r = 1; r <= radix / 2; r++) {
                struct COMPLEX even = x[0], odd = {0, 0};
                for (int t = 1; t <= radix / 2; t++) {
                    const struct COMPLEX *a = x + t * step, *b = x + (radix - t) * step;
                    struct COMPLEX w = ROOT(p->fft, p->inverse, t * r % radix * turn);
                    even.re += w.re * (a->re + b->re);
                    even.im += w.re * (a->im + b->im);
                    odd.im += w.im * (a->re - b->re);
                    odd.re -= w.im * (a->im - b->im);
                }
                struct COMPLEX up = {even.re + odd.re, even.im + odd.im};
                struct COMPLEX down = {even.re - odd.re, even.im - odd.im};
                y[s * r] = MULTIPLY(up, ROOT(p->fft, p->inverse, q * r * s));
                y[s * (radix - r)] = MULTIPLY(down, ROOT(p->fft, p->inverse, q * (radix - r) * s));
            }
        }
}

static void RUN(const struct ct_fft *f, bool inverse, T *x, T *scratch)
{
    struct COMPLEX *from = (struct COMPLEX *)(void *)x, *to = (struct COMPLEX *)(void *)scratch;
    int64_t left = f->n, stride = 1;
    for (int i = 0; i < f->n_factors; i++) {
        struct PASS p = {f, inverse, left / f->factors[i], stride, from, to};
        if (f->factors[i] == 4)
            RADIX_4(&p);
        else if (f->factors[i] == 2)
            RADIX_2(&p);
        else
            RADIX_ODD(&p, f->factors[i]);
        left /= f->factors[i];
        stride *= f->factors[i];
        struct COMPLEX *swap = from;
        from = to;
        to = swap;
    }
    if ((T *)(void *)from != x)
        memcpy(x, from, (size_t)f->n * sizeof *from);
}

#undef T
#undef COMPLEX
#undef PASS
#undef MULTIPLY
#undef ROOT
#undef RADIX_2
#undef RADIX_4
#undef RADIX_ODD
#undef RUN
