/* Running code for float or double on tensors of other number types: inputs are converted into
 * scratch memory, outputs are computed there and converted back. f32 and f64 pass through.
 *
 *   prepare: ct_widen_init(&state->widen, prepare, dtype, 1 << 0 | 1 << 1, 1 << 0);
 *   run:     const float *x = ct_widen_in(&state->widen, run, 0);
 *            float *y = ct_widen_out(&state->widen, run, 0);
 *            …
 *            ct_widen_done(&state->widen, run, 0);
 */
#ifndef CT_OPS_WIDEN_H
#define CT_OPS_WIDEN_H

#include "graph/op.h"

enum { CT_WIDEN_MAX = 16 };

struct ct_widen {
    ct_dtype dtype; /* CORTEN_F32 or CORTEN_F64: what the code computes with */
    size_t in_at[CT_WIDEN_MAX], out_at[CT_WIDEN_MAX]; /* in scratch; SIZE_MAX: the tensor itself */
    size_t scratch_bytes; /* end of its part of the scratch memory, aligned */
};

/** The type to compute with on `dtype`: f64 for f64 and integers of 32 and 64 bits, else f32. */
ct_dtype ct_widen_dtype(ct_dtype dtype);
/** Lays out scratch memory from prepare->scratch_bytes on, and raises that. Bit i of `ins` and
 *  `outs`: input, output i is converted when its type is not `dtype`. LIMIT_EXCEEDED on overflow. */
ct_status ct_widen_init(struct ct_widen *widen, struct ct_prepare *prepare, ct_dtype dtype,
                        unsigned ins, unsigned outs);
/** Elements of input i as widen->dtype; NULL for an absent input. Converts when called. */
const void *ct_widen_in(const struct ct_widen *widen, const struct ct_run *run, int i);
/** Where to write output i; NULL when it is not wanted. */
void *ct_widen_out(const struct ct_widen *widen, const struct ct_run *run, int i);
/** Converts output i into its tensor. */
void ct_widen_done(const struct ct_widen *widen, const struct ct_run *run, int i);

#endif
