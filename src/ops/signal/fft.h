/* The discrete Fourier transform of any length in O(n log n).
 *
 * Lengths whose prime factors are small: Stockham's self-sorting transform of mixed radix (as in
 * P. N. Swarztrauber, "FFT algorithms for vector computers", 1984). Others: as a convolution of a
 * length that is a power of two (L. I. Bluestein, 1970). */
#ifndef CT_OPS_SIGNAL_FFT_H
#define CT_OPS_SIGNAL_FFT_H

#include "graph/op.h"

enum { CT_FFT_MAX_FACTORS = 64 };

struct ct_fft {
    int64_t n;
    bool single; /* compute in float, but for Bluestein */
    int n_factors;
    int factors[CT_FFT_MAX_FACTORS];
    const void *roots;    /* exp(-2 pi i k / n), n complex numbers, float if single */
    struct ct_fft *inner; /* Bluestein: the transform of the convolution; else NULL */
    const double *chirp;  /* exp(-pi i k^2 / n), n complex numbers */
    const double *kernel; /* transform of the conjugate chirp, inner->n complex numbers */
};

/** Memory lies in the plan. n > 0. */
ct_status ct_fft_init(struct ct_fft *fft, struct ct_prepare *prepare, int64_t n, bool single);
/** Doubles of scratch memory for one call. */
size_t ct_fft_scratch(const struct ct_fft *fft);
/** Transforms n complex numbers in place; `inverse` conjugates the roots and does not scale. */
void ct_fft_run(const struct ct_fft *fft, bool inverse, double *x, double *scratch);

#endif
