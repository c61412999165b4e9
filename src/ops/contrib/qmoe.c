/* QMoE: MoE whose weights are codes. Those of an expert become floats when tokens go to it, which is
 * what the documentation describes; activations stay as they are at every accuracy_level.
 *   int    codes of 2, 4 or 8 bits along the inputs, a zero point (half the range without one), a
 *          scale for each output, or for each block of inputs of one;
 *   fp8    float8e4m3fn, a scale for each square block, or one for an expert;
 *   fp4, nvfp4   float4e2m1, a scale for 32 or 16 inputs (float8e8m0, float8e4m3fn), and one for an
 *          expert. */
#include "ops/contrib/moe.h"

enum { X, ROUTER, MIXING = 14, GLOBALS = 15, N_INPUTS = 20 };

static const struct ct_moe_inputs inputs = {{2, 5, 8}, {4, 7, 10}};
static const int scale_inputs[] = {3, 6, 9}, zero_inputs[] = {11, 12, 13};
static const unsigned float_inputs =
    1u << X | 1u << ROUTER | 1u << 4 | 1u << 7 | 1u << 10 | 1u << MIXING;

enum kind { INT, FP8, FP4, NVFP4, N_KINDS };

struct state {
    struct ct_moe moe;
    struct ct_widen widen;
    enum kind kind;
    int bits[3];
    int64_t block; /* inputs under one scale; 0: all */
    size_t weights_at;
};

/* ------------------------------------------------------------------ infer */

static ct_status read_kind(const struct ct_infer *infer, enum kind *kind, int64_t *block,
                           int bits[3])
{
    static const char *const names[N_KINDS] = {"int", "fp8", "fp4", "nvfp4"};
    static const char *const overrides[] = {"fc1_expert_weight_bits", "fc2_expert_weight_bits",
                                            "fc3_expert_weight_bits"};
    int found = 0;
    while (found < N_KINDS && !ct_attr_is(infer->node, "quant_type", names[found], "int"))
        found++;
    if (found == N_KINDS)
        return ct_infer_fail(infer, "quant_type: expected int, fp8, fp4 or nvfp4");
    if (ct_attr_int(infer->node, "weights_prepacked", -1) > 0)
        return ct_infer_fail(infer, "weights_prepacked: expected -1 or 0");
    *kind = (enum kind)found;
    *block = ct_attr_int(infer->node, "block_size", 0);
    *block = found == FP4 ? 32 : found == NVFP4 ? 16 : *block < 0 ? 0 : *block;
    int64_t all = ct_attr_int(infer->node, "expert_weight_bits", 4);
    for (int i = 0; i < 3; i++) {
        int64_t n = ct_attr_int(infer->node, overrides[i], all);
        if (found == INT && n != 2 && n != 4 && n != 8)
            return ct_infer_fail(infer, "%s is %lld, expected 2, 4 or 8", overrides[i],
                                 (long long)n);
        bits[i] = found == FP8 ? 8 : found == INT ? (int)n : 4;
    }
    return CORTEN_OK;
}

static ct_dim bytes_of(ct_dim codes, int bits)
{
    return !ct_dim_known(codes) || codes > INT64_MAX / 8 ? codes : (codes * bits + 7) / 8;
}

static ct_dim blocks_of(ct_dim n, int64_t block)
{
    return ct_dim_known(n) && block ? n / block + (n % block != 0) : n;
}

static ct_dim inter_of(const struct ct_infer *infer, int bits)
{
    const struct ct_fact *fc2 = ct_infer_in(infer, inputs.fc[1]);
    if (!fc2 || fc2->rank != 3 || !ct_dim_known(fc2->dims[2]))
        return CT_DIM_UNKNOWN;
    return fc2->dims[2] > INT64_MAX / 8 ? INT64_MAX / 8 : fc2->dims[2] * 8 / bits;
}

/* Weights of n outputs from k inputs, and what belongs to them. */
static ct_status check_product(const struct ct_infer *infer, int i, enum kind kind, int64_t block,
                               int bits, ct_dim experts, ct_dim n, ct_dim k)
{
    const int weights = inputs.fc[i], scale = scale_inputs[i], zero = zero_inputs[i];
    if (!ct_infer_in(infer, weights))
        return CORTEN_OK;
    CT_TRY(ct_infer_check_dtype(infer, weights, kind == FP8 ? CT_BIT(F8E4M3FN) : CT_BIT(U8)));
    CT_TRY(ct_moe_check(infer, weights, 3, (ct_dim[]){experts, n, bytes_of(k, bits)}));
    if (ct_dim_known(k) && (k > INT32_MAX || k * bits % 8 || (block && kind != FP8 && k % block)))
        return ct_infer_fail(infer, "%lld inputs are no whole number of blocks", (long long)k);
    ct_dim across = blocks_of(k, block);
    if (kind == FP8 && !block) {
        if (ct_infer_in(infer, scale))
            return ct_infer_fail(infer, "fp8 without blocks has a scale for each expert only");
    } else if (!ct_infer_in(infer, scale)) {
        return ct_infer_fail(infer, "input %d, the scales, must be there", scale);
    } else if (block) {
        ct_dim down = kind == FP8 ? blocks_of(n, block) : n;
        CT_TRY(ct_moe_check(infer, scale, 3, (ct_dim[]){experts, down, across}));
    } else {
        CT_TRY(ct_moe_check(infer, scale, 2, (ct_dim[]){experts, n}));
    }
    if (ct_infer_in(infer, zero) && kind != INT)
        return ct_infer_fail(infer, "only quant_type int has zero points");
    CT_TRY(ct_infer_check_dtype(infer, zero, CT_BIT(U8)));
    if (block)
        return ct_moe_check(infer, zero, 3, (ct_dim[]){experts, n, bytes_of(across, bits)});
    return ct_moe_check(infer, zero, 2, (ct_dim[]){experts, bytes_of(n, bits)});
}

static ct_status check_globals(const struct ct_infer *infer, enum kind kind, int64_t block,
                               ct_dim experts)
{
    for (int i = 0; i < 2; i++) {
        CT_TRY(ct_infer_check_dtype(infer, GLOBALS + i, CT_BIT(F32)));
        CT_TRY(ct_contrib_vector(infer, GLOBALS + i, experts));
        if (kind != INT && !(kind == FP8 && block) && !ct_infer_in(infer, GLOBALS + i))
            return ct_infer_fail(infer, "input %d, a scale for each expert, must be there",
                                 GLOBALS + i);
    }
    if (kind != INT && ct_infer_in(infer, inputs.fc[2]) && !(kind == FP8 && block))
        return ct_infer_fail(infer, "fc3 has no scale for each expert");
    for (int i = GLOBALS + 2; i < N_INPUTS + 1; i++)
        if (ct_infer_in(infer, i))
            return ct_infer_fail(infer, "activations with scales are not possible here");
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    enum kind kind;
    int64_t block;
    int bits[3];
    CT_TRY(read_kind(infer, &kind, &block, bits));
    struct ct_moe_sizes s = {.inter = inter_of(infer, bits[1])};
    CT_TRY(ct_moe_infer(infer, &inputs, &s));
    const ct_dim outputs[] = {s.wide, s.hidden, s.inter}, from[] = {s.hidden, s.inter, s.hidden};
    for (int i = 0; i < 3; i++)
        CT_TRY(check_product(infer, i, kind, block, bits[i], s.experts, outputs[i], from[i]));
    CT_TRY(ct_infer_check_same_dtype(infer, X, MIXING));
    CT_TRY(ct_moe_check(infer, MIXING, 2, (ct_dim[]){s.tokens, s.experts}));
    return check_globals(infer, kind, block, s.experts);
}

/* ------------------------------------------------------------------ prepare */

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    size_t count;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_kind(&facts.infer, &st->kind, &st->block, st->bits));
    st->moe.s.inter = inter_of(&facts.infer, st->bits[1]);
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, float_inputs, 1));
    CT_TRY(ct_moe_prepare(prepare, &inputs, &st->moe));
    prepare->state = st;
    if (!ct_shape_count(2, (int64_t[]){st->moe.s.wide, st->moe.s.hidden}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the experts are too large");
    return ct_contrib_reserve(prepare, count, sizeof(float), &st->weights_at);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct ct_run *run;
    int product;
    int64_t expert, outputs, inputs;
    float *to;
};

static unsigned code_at(const struct ct_tensor *t, int64_t row, int64_t row_bytes, int64_t i,
                        int bits)
{
    unsigned byte = CT_DATA(const uint8_t, t)[row * row_bytes + i * bits / 8];
    return byte >> (i * bits % 8) & ((1u << bits) - 1);
}

/* Subtracts the zero points from the codes of an output. */
static void load_ints(const struct job *job, int64_t n, float *to)
{
    const struct state *st = job->run->state;
    const int bits = st->bits[job->product];
    const struct ct_tensor *codes = job->run->in[inputs.fc[job->product]];
    const struct ct_tensor *zeros = ct_contrib_run_in(job->run, zero_inputs[job->product]);
    int64_t k = job->inputs, row = job->expert * job->outputs + n, bytes = k * bits / 8;
    int64_t block = st->block ? st->block : k;
    for (int64_t first = 0; first < k; first += block) {
        float zero = (float)(1 << (bits - 1));
        if (zeros && st->block)
            zero = (float)code_at(zeros, row, zeros->dims[2], first / block, bits);
        else if (zeros)
            zero = (float)code_at(zeros, job->expert, zeros->dims[1], n, bits);
        for (int64_t i = first; i < first + block; i++)
            to[i] = (float)code_at(codes, row, bytes, i, bits) - zero;
    }
}

static void scale_row(const struct job *job, int64_t n, float *to)
{
    const struct state *st = job->run->state;
    const struct ct_tensor *scales = ct_contrib_run_in(job->run, scale_inputs[job->product]);
    const struct ct_tensor *all = ct_contrib_run_in(job->run, GLOBALS + job->product);
    int64_t k = job->inputs, block = st->block ? st->block : k;
    float global = st->kind == INT || (st->kind == FP8 && st->block) || job->product == 2
                       ? 1
                       : ct_contrib_f32(all, (size_t)job->expert, 1);
    int64_t rows = job->outputs, row = n;
    if (st->kind == FP8 && st->block) {
        rows = blocks_of(rows, block);
        row = n / block;
    }
    int64_t across = blocks_of(k, block), first_scale = (job->expert * rows + row) * across;
    for (int64_t first = 0; first < k; first += block) {
        float scale = ct_contrib_f32(scales, (size_t)(first_scale + first / block), 1) * global;
        for (int64_t i = first; i < first + block && i < k; i++)
            to[i] *= scale;
    }
}

static void load_outputs(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->run->state;
    const struct ct_tensor *codes = job->run->in[inputs.fc[job->product]];
    (void)worker;
    for (int64_t n = begin; n < end; n++) {
        float *to = job->to + n * job->inputs;
        size_t first = (size_t)((job->expert * job->outputs + n) * job->inputs);
        if (st->kind == INT)
            load_ints(job, n, to);
        else
            ct_load_f32(st->kind == FP8 ? CORTEN_F8E4M3FN : CORTEN_F4E2M1, codes->data, first,
                        (size_t)job->inputs, to);
        scale_row(job, n, to);
    }
}

static const float *weights(const struct ct_run *run, const struct ct_moe_call *call, int i,
                            int64_t expert)
{
    const struct state *st = run->state;
    const struct ct_moe_sizes *s = &st->moe.s;
    (void)call;
    struct job job = {run,
                      i,
                      expert,
                      i == 0   ? s->wide
                      : i == 1 ? s->hidden
                               : s->inter,
                      i == 1 ? s->inter : s->hidden,
                      ct_contrib_scratch(run, st->weights_at)};
    ct_run_parallel(run, job.outputs, 2 * (double)job.inputs, load_outputs, &job);
    return job.to;
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    struct ct_moe_call call = {.x = ct_widen_in(&st->widen, run, X),
                               .router = ct_widen_in(&st->widen, run, ROUTER),
                               .mixing = ct_widen_in(&st->widen, run, MIXING),
                               .over_chosen = true, /* as ONNX Runtime does here, not in MoE */
                               .weights = weights,
                               .y = ct_widen_out(&st->widen, run, 0)};
    for (int i = 0; i < 3; i++)
        call.bias[i] = ct_widen_in(&st->widen, run, inputs.bias[i]);
    ct_moe_run(run, &st->moe, &inputs, &call);
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_qmoe = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 21, .min_out = 1};
