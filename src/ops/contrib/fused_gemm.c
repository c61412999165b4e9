/* Products with something around them: com.microsoft's FusedMatMul, TransposeMatMul,
 * FusedMatMulActivation, FusedGemm and GemmFastGelu. */
#include "ops/contrib/contrib.h"
#include "ops/linear/matmul.h"

#include <float.h>
#include <string.h>

enum kind { MATMUL, MATMUL_ACT, GEMM, FAST_GELU };

struct fused {
    struct ct_matmul_spec spec;
    bool batch_first[2]; /* A, B: the first dimension is the matrix's, those before the last the
                            batch's: [M, batch…, K] */
};

/* ------------------------------------------------------------------ attributes */

static const struct {
    const char *name;
    enum ct_act act;
    float params[2];
} activations[] = {
    {"Relu", CT_ACT_RELU, {0, 0}},
    {"LeakyRelu", CT_ACT_LEAKY_RELU, {0.01f, 0}},
    {"Sigmoid", CT_ACT_SIGMOID, {0, 0}},
    {"Tanh", CT_ACT_TANH, {0, 0}},
    {"HardSigmoid", CT_ACT_HARD_SIGMOID, {0.2f, 0.5f}},
    {"Clip", CT_ACT_CLIP, {-FLT_MAX, FLT_MAX}},
    {"Gelu", CT_ACT_GELU_ERF, {0, 0}},
    {"Silu", CT_ACT_SILU, {0, 0}},
    {"HardSwish", CT_ACT_HARD_SWISH, {0, 0}},
};

static bool read_activation(const struct ct_node *node, struct ct_matmul_spec *spec)
{
    if (ct_attr_is(node, "activation", "", ""))
        return true;
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (!ct_attr_is(node, "activation", activations[i].name, ""))
            continue;
        spec->act = activations[i].act;
        spec->act_params[0] = ct_attr_float(node, "activation_alpha", activations[i].params[0]);
        spec->act_params[1] = ct_attr_float(node, "activation_beta", activations[i].params[1]);
        return true;
    }
    return false;
}

static bool read_fused(const struct ct_node *node, enum kind kind, struct fused *f)
{
    *f = (struct fused){.spec = ct_matmul_spec_default()};
    f->spec.alpha = ct_attr_float(node, "alpha", 1);
    f->spec.a_transposed = ct_attr_int(node, "transA", 0) != 0;
    f->spec.b_transposed = ct_attr_int(node, "transB", 0) != 0;
    bool third = node->n_in > 2 && node->in[2].value;
    if (kind == GEMM && third) {
        f->spec.residual = 2;
        f->spec.beta = ct_attr_float(node, "beta", 1);
    }
    if (kind == FAST_GELU) {
        f->spec = ct_matmul_spec_default();
        f->spec.act = CT_ACT_GELU_TANH;
        f->spec.bias = third ? 2 : -1;
        return true;
    }
    if (kind == MATMUL || kind == MATMUL_ACT) {
        f->batch_first[0] = ct_attr_int(node, "transBatchA", 0) != 0;
        f->batch_first[1] = ct_attr_int(node, "transBatchB", 0) != 0;
    }
    return kind == MATMUL || read_activation(node, &f->spec);
}

/* ------------------------------------------------------------------ batches that lie inside */

/* [M, batch…, K] as [batch…, M, K]. */
static void turn_dims(int rank, int64_t *dims)
{
    int64_t first = dims[0];
    for (int i = 0; i + 2 < rank; i++)
        dims[i] = dims[i + 1];
    dims[rank - 2] = first;
}

struct turned {
    struct ct_fact facts[2];
    const struct ct_fact *in[4];
    struct ct_infer infer;
};

static ct_status turn_facts(const struct ct_infer *infer, struct fused *f, struct turned *t)
{
    t->infer = *infer;
    for (int i = 0; i < infer->n_in && i < 4; i++)
        t->in[i] = infer->in[i];
    t->infer.in = t->in;
    for (int i = 0; i < 2; i++) {
        const struct ct_fact *fact = ct_infer_in(infer, i);
        /* Vectors know no transposing. */
        if (fact->rank == 1)
            *(i ? &f->spec.b_transposed : &f->spec.a_transposed) = false;
        if (!f->batch_first[i] || fact->rank < 0)
            continue;
        if (fact->rank < 3) {
            f->batch_first[i] = false;
            continue;
        }
        t->facts[i] = *fact;
        turn_dims(fact->rank, t->facts[i].dims);
        t->in[i] = &t->facts[i];
    }
    return CORTEN_OK;
}

static ct_status infer_as(struct ct_infer *infer, enum kind kind)
{
    struct fused f;
    struct turned t;
    if (!read_fused(infer->node, kind, &f))
        return ct_infer_fail(infer, "the activation is not known");
    if (kind == GEMM) {
        CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
        CT_TRY(ct_infer_check_rank(infer, 1, 2, 2));
    }
    if (kind == MATMUL_ACT && ct_attr_is(infer->node, "activation", "", ""))
        return ct_infer_fail(infer, "the attribute activation is missing");
    if (f.spec.act != CT_ACT_NONE)
        CT_TRY(ct_infer_check_dtype(infer, 0, CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16)));
    CT_TRY(turn_facts(infer, &f, &t));
    return ct_matmul_infer(&t.infer, &f.spec);
}

static ct_status infer_matmul(struct ct_infer *infer)
{
    return infer_as(infer, MATMUL);
}

static ct_status infer_matmul_act(struct ct_infer *infer)
{
    return infer_as(infer, MATMUL_ACT);
}

static ct_status infer_gemm(struct ct_infer *infer)
{
    return infer_as(infer, GEMM);
}

static ct_status infer_fast_gelu(struct ct_infer *infer)
{
    return infer_as(infer, FAST_GELU);
}

/* ------------------------------------------------------------------ prepare, run */

/* Strides of the batch of an operand that lies as [M, batch…, K], and from row to row of it. */
static void turn_strides(const struct ct_gemm_problem *p, const struct ct_tensor *t,
                         int64_t *strides, int64_t *row_stride)
{
    int64_t stride = t->dims[t->rank - 1];
    int own = t->rank - 2;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        int d = i - (p->batch_rank - own);
        strides[i] = d < 0 || t->dims[d + 1] == 1 ? 0 : stride;
        if (d >= 0)
            stride *= t->dims[d + 1];
    }
    *row_stride = stride;
}

static ct_status prepare_as(struct ct_prepare *prepare, enum kind kind)
{
    struct fused f;
    struct ct_matmul *state = ct_prepare_alloc(prepare, sizeof *state);
    struct ct_tensor turned[2];
    const struct ct_tensor *in[4] = {0};
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a product");
    read_fused(prepare->node, kind, &f);
    for (int i = 0; i < prepare->n_in && i < 4; i++)
        in[i] = prepare->in[i];
    for (int i = 0; i < 2; i++) {
        if (in[i]->rank == 1)
            *(i ? &f.spec.b_transposed : &f.spec.a_transposed) = false;
        f.batch_first[i] = f.batch_first[i] && in[i]->rank > 2;
        if (!f.batch_first[i])
            continue;
        turned[i] = *in[i];
        turned[i].data = NULL; /* not packed: packing wants whole matrices one after the other */
        turn_dims(turned[i].rank, turned[i].dims);
        in[i] = &turned[i];
    }
    const struct ct_tensor *const *own = prepare->in;
    prepare->in = in;
    ct_status status = ct_matmul_prepare(prepare, &f.spec, state);
    prepare->in = own;
    CT_TRY(status);
    struct ct_gemm_problem *p = &state->problem;
    if (f.batch_first[0])
        turn_strides(p, own[0], p->a_strides, &p->lda);
    if (f.batch_first[1])
        turn_strides(p, own[1], p->b_strides, &p->ldb);
    prepare->state = state;
    return CORTEN_OK;
}

static ct_status prepare_matmul(struct ct_prepare *prepare)
{
    return prepare_as(prepare, MATMUL);
}

static ct_status prepare_matmul_act(struct ct_prepare *prepare)
{
    return prepare_as(prepare, MATMUL_ACT);
}

static ct_status prepare_gemm(struct ct_prepare *prepare)
{
    return prepare_as(prepare, GEMM);
}

static ct_status prepare_fast_gelu(struct ct_prepare *prepare)
{
    return prepare_as(prepare, FAST_GELU);
}

static ct_status run(const struct ct_run *run)
{
    return ct_matmul_run(run->state, run);
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct fused f;
    struct turned t;
    if (read_fused(infer->node, MATMUL, &f) && turn_facts(infer, &f, &t) == CORTEN_OK)
        ct_matmul_cost(&t.infer, &f.spec, cost);
}

const struct ct_op ct_op_fused_matmul = {.infer = infer_matmul,
                                         .prepare = prepare_matmul,
                                         .run = run,
                                         .cost = cost,
                                         .min_in = 2,
                                         .max_in = 2,
                                         .min_out = 1};
const struct ct_op ct_op_fused_matmul_activation = {.infer = infer_matmul_act,
                                                    .prepare = prepare_matmul_act,
                                                    .run = run,
                                                    .cost = cost,
                                                    .min_in = 2,
                                                    .max_in = 2,
                                                    .min_out = 1};
const struct ct_op ct_op_fused_gemm = {.infer = infer_gemm,
                                       .prepare = prepare_gemm,
                                       .run = run,
                                       .cost = cost,
                                       .min_in = 2,
                                       .max_in = 3,
                                       .min_out = 1};
const struct ct_op ct_op_gemm_fast_gelu = {.infer = infer_fast_gelu,
                                           .prepare = prepare_fast_gelu,
                                           .run = run,
                                           .cost = cost,
                                           .min_in = 2,
                                           .max_in = 3,
                                           .min_out = 1};
