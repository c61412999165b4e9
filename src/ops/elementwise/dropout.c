/* Dropout. In inference it copies; in training it drops what NumPy's RandomState of the same seed
 * would, so that results can be compared.
 * Random numbers: M. Matsumoto, T. Nishimura, "Mersenne Twister", 1998 (MT19937). */
#include <string.h>

#include "ops/elementwise/loops.h"
#include "ops/random/rng.h"
#include "ops/strided_copy.h"

/* ------------------------------------------------------------------ MT19937 */

enum { MT_N = 624, MT_M = 397 };

struct mt {
    uint32_t words[MT_N];
    int at;
};

static void mt_seed(struct mt *mt, uint32_t seed)
{
    mt->words[0] = seed;
    for (uint32_t i = 1; i < MT_N; i++) {
        uint32_t last = mt->words[i - 1];
        mt->words[i] = UINT32_C(1812433253) * (last ^ last >> 30) + i;
    }
    mt->at = MT_N;
}

static uint32_t mt_twist(uint32_t high, uint32_t low)
{
    uint32_t x = (high & UINT32_C(0x80000000)) | (low & UINT32_C(0x7fffffff));
    return x >> 1 ^ (x & 1 ? UINT32_C(0x9908b0df) : 0);
}

static uint32_t mt_next(struct mt *mt)
{
    if (mt->at == MT_N) {
        uint32_t *w = mt->words;
        for (int i = 0; i < MT_N; i++)
            w[i] = w[(i + MT_M) % MT_N] ^ mt_twist(w[i], w[(i + 1) % MT_N]);
        mt->at = 0;
    }
    uint32_t x = mt->words[mt->at++];
    x ^= x >> 11;
    x ^= x << 7 & UINT32_C(0x9d2c5680);
    x ^= x << 15 & UINT32_C(0xefc60000);
    return x ^ x >> 18;
}

/* In [0, 1), 53 bits. */
static double mt_uniform(struct mt *mt)
{
    uint32_t high = mt_next(mt) >> 5, low = mt_next(mt) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
}

/* ------------------------------------------------------------------ infer */

/* mask_type NONE: the type of the data. */
static void set_outputs(struct ct_infer *infer, ct_dtype mask_type)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    ct_infer_same(infer, 0, 0);
    ct_infer_set(infer, 1, mask_type ? mask_type : in->dtype, in->rank,
                 in->rank < 0 ? NULL : in->dims);
}

static ct_status infer_old(struct ct_infer *infer)
{
    set_outputs(infer, CORTEN_DTYPE_NONE);
    return CORTEN_OK;
}

static ct_status infer_dropout(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_FLOATS | CT_F8S));
    CT_TRY(ct_infer_check_dtype(infer, 2, CT_BIT(BOOL)));
    for (int i = 1; i < 3; i++) {
        const struct ct_fact *one = ct_infer_in(infer, i);
        CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
        if (one && one->rank == 1 && ct_dim_known(one->dims[0]) && one->dims[0] != 1)
            return ct_infer_fail(infer, "input %d must be a scalar", i);
    }
    set_outputs(infer, CORTEN_BOOL);
    return CORTEN_OK;
}

static ct_status infer_bool_mask(struct ct_infer *infer)
{
    set_outputs(infer, CORTEN_BOOL);
    return CORTEN_OK;
}

static ct_status prepare_dropout(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

static void set_mask(struct ct_tensor *mask, size_t i, bool keep)
{
    float x = keep;
    if (mask)
        ct_store_f32(mask->dtype, mask->data, i, 1, &x);
}

static ct_status keep_all(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    struct ct_tensor *mask = run->n_out > 1 ? run->out[1] : NULL;
    size_t n = ct_count(in);
    if (run->out[0] && run->out[0]->data != in->data)
        ct_copy_elems(in->dtype, run->out[0]->data, 0, in->data, 0, n);
    float one = 1;
    uint64_t value[2] = {0};
    if (mask) {
        ct_store_f32(mask->dtype, value, 0, 1, &one);
        ct_fill_elems(mask->dtype, mask->data, 0, n, value, 0);
    }
    return CORTEN_OK;
}

static ct_status drop(const struct ct_run *run, double ratio)
{
    const struct ct_tensor *in = run->in[0];
    struct ct_tensor *out = run->out[0], *mask = run->n_out > 1 ? run->out[1] : NULL;
    if (!(ratio >= 0 && ratio < 1))
        return ct_run_fail(run, "the ratio is %g, which is outside [0, 1)", ratio);
    if (ratio == 0)
        return keep_all(run);
    bool has_seed = ct_node_attr(run->node, "seed") != NULL;
    uint64_t seed = has_seed ? (uint64_t)ct_attr_int(run->node, "seed", 0) : ct_rng_seed(run);
    struct mt mt;
    mt_seed(&mt, (uint32_t)seed);
    size_t n = ct_count(in);
    for (size_t i = 0; i < n; i++) {
        bool keep = mt_uniform(&mt) >= ratio;
        double x;
        ct_load_f64(in->dtype, in->data, i, 1, &x);
        x = (keep ? x : x * 0) / (1 - ratio);
        if (out)
            ct_store_f64(out->dtype, out->data, i, 1, &x);
        set_mask(mask, i, keep);
    }
    return CORTEN_OK;
}

static ct_status run_dropout(const struct ct_run *run)
{
    const struct ct_tensor *training = run->n_in > 2 ? run->in[2] : NULL;
    const struct ct_tensor *ratio = run->n_in > 1 ? run->in[1] : NULL;
    if (!training || !*CT_DATA(const bool, training))
        return keep_all(run);
    double number = 0.5;
    if (ratio)
        ct_load_f64(ratio->dtype, ratio->data, 0, 1, &number);
    return drop(run, number);
}

/* Opsets 1 to 6 train unless told not to. */
static ct_status run_dropout_1(const struct ct_run *run)
{
    if (ct_attr_int(run->node, "is_test", 0))
        return keep_all(run);
    return drop(run, (double)ct_attr_float(run->node, "ratio", 0.5f));
}

const struct ct_op ct_op_dropout = {
    .infer = infer_dropout,
    .prepare = prepare_dropout,
    .run = run_dropout,
    .flags = CT_OP_IMPURE,
    .min_in = 1,
    .max_in = 3,
    .max_out = 2,
};

const struct ct_op ct_op_dropout_10 = {
    .infer = infer_bool_mask,
    .prepare = prepare_dropout,
    .run = keep_all,
    .min_in = 1,
    .max_in = 1,
    .max_out = 2,
};

const struct ct_op ct_op_dropout_7 = {
    .infer = infer_old,
    .prepare = prepare_dropout,
    .run = keep_all,
    .min_in = 1,
    .max_in = 1,
    .max_out = 2,
};

const struct ct_op ct_op_dropout_1 = {
    .infer = infer_old,
    .prepare = prepare_dropout,
    .run = run_dropout_1,
    .flags = CT_OP_IMPURE,
    .min_in = 1,
    .max_in = 1,
    .max_out = 2,
};
