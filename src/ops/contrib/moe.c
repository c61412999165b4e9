/* MoE: each token goes through the k experts that its router values choose. Tokens of an expert are
 * gathered, so that its weights are read once. gelu is the form with tanh, as in ONNX Runtime. */
#include "ops/contrib/moe.h"

#include <math.h>
#include <string.h>

#include "ops/gemm_driver.h"

enum { X, ROUTER };

/* ------------------------------------------------------------------ infer */

static ct_status read_sizes(const struct ct_infer *infer, const struct ct_moe_inputs *in,
                            struct ct_moe_sizes *s)
{
    static const char *const names[CT_MOE_ACTS] = {"relu", "gelu", "silu", "swiglu", "identity"};
    const struct ct_fact *x = ct_infer_in(infer, X), *router = ct_infer_in(infer, ROUTER);
    int act = 0;
    while (act < CT_MOE_ACTS && !ct_attr_is(infer->node, "activation_type", names[act], "relu"))
        act++;
    if (act == CT_MOE_ACTS)
        return ct_infer_fail(infer, "the activation is not known");
    s->act = (enum ct_moe_act)act;
    s->k = ct_attr_int(infer->node, "k", 1);
    int64_t fusion = ct_attr_int(infer->node, "swiglu_fusion", 0);
    if (fusion < 0 || fusion > 2)
        return ct_infer_fail(infer, "swiglu_fusion is %lld, 0 to 2 is expected", (long long)fusion);
    s->fusion = act == CT_MOE_SWIGLU ? (int)fusion : 0;
    if (act == CT_MOE_SWIGLU && !fusion && !ct_infer_in(infer, in->fc[2]))
        return ct_infer_fail(infer, "swiglu needs fc3, or swiglu_fusion");
    s->hidden = x->rank > 0 ? x->dims[x->rank - 1] : CT_DIM_UNKNOWN;
    s->tokens = router->rank == 2 ? router->dims[0] : CT_DIM_UNKNOWN;
    s->experts = router->rank == 2 ? router->dims[1] : CT_DIM_UNKNOWN;
    s->wide = s->inter;
    if (s->fusion && ct_dim_known(s->wide))
        s->wide = s->wide > INT64_MAX / 2 ? INT64_MAX : 2 * s->wide;
    if (s->k < 1 || (ct_dim_known(s->experts) && s->k > s->experts))
        return ct_infer_fail(infer, "k is %lld", (long long)s->k);
    return CORTEN_OK;
}

ct_status ct_moe_check(const struct ct_infer *infer, int index, int rank, const ct_dim *dims)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, rank, rank));
    for (int i = 0; f && i < f->rank; i++)
        CT_TRY(ct_contrib_agree(infer, "dimensions of the experts", f->dims[i], dims[i]));
    return CORTEN_OK;
}

ct_status ct_moe_infer(struct ct_infer *infer, const struct ct_moe_inputs *in,
                       struct ct_moe_sizes *s)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    CT_TRY(ct_infer_check_rank(infer, X, 2, 3));
    if (!ct_infer_in(infer, ROUTER) || !ct_infer_in(infer, in->fc[0]) ||
        !ct_infer_in(infer, in->fc[1]))
        return ct_infer_fail(infer, "router_probs, fc1 and fc2 must be there");
    if (ct_attr_int(infer->node, "use_sparse_mixer", 0))
        return ct_infer_fail(infer, "use_sparse_mixer is not possible");
    CT_TRY(read_sizes(infer, in, s));
    ct_dim tokens = CT_DIM_UNKNOWN;
    if (x->rank == 2)
        tokens = x->dims[0];
    else if (x->rank == 3 && ct_dim_known(x->dims[0]) && ct_dim_known(x->dims[1]))
        tokens = ct_dim_mul(infer, x->dims[0], x->dims[1]);
    CT_TRY(ct_infer_check_same_dtype(infer, X, ROUTER));
    CT_TRY(ct_moe_check(infer, ROUTER, 2, (ct_dim[]){tokens, s->experts}));
    const ct_dim outputs[] = {s->wide, s->hidden, s->inter};
    for (int i = 0; i < 3; i++) {
        CT_TRY(ct_infer_check_same_dtype(infer, X, in->bias[i]));
        CT_TRY(ct_moe_check(infer, in->bias[i], 2, (ct_dim[]){s->experts, outputs[i]}));
    }
    ct_infer_same(infer, 0, X);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Scratch of a product of any number of rows up to `most`. */
static size_t gemm_scratch(int64_t most, int64_t n, int64_t k, int threads)
{
    size_t bytes = 0;
    for (int64_t m = 1; m <= most; m++) {
        struct ct_gemm_problem p;
        ct_gemm_problem_init(&p, m, n, k);
        p.b_transposed = true;
        p.ldb = k;
        size_t some = ct_gemm_f32_scratch_bytes(&p, threads);
        size_t alone = ct_gemm_f32_scratch_bytes(&p, 1);
        bytes = some > bytes ? some : bytes;
        bytes = alone > bytes ? alone : bytes;
    }
    return bytes;
}

static ct_status reserve(struct ct_prepare *prepare, int64_t rows, int64_t cols, size_t *at)
{
    size_t count;
    if (!ct_shape_count(2, (int64_t[]){rows, cols}, &count))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the experts are too large");
    return ct_contrib_reserve(prepare, count, sizeof(float), at);
}

ct_status ct_moe_prepare(struct ct_prepare *prepare, const struct ct_moe_inputs *in,
                         struct ct_moe *moe)
{
    struct ct_contrib_facts facts;
    struct ct_moe_sizes *s = &moe->s;
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, in, s));
    CT_TRY(reserve(prepare, s->tokens, s->experts, &moe->weights_at));
    CT_TRY(reserve(prepare, s->tokens, s->hidden, &moe->rows_at));
    CT_TRY(reserve(prepare, s->tokens, s->wide, &moe->first_at));
    CT_TRY(reserve(prepare, s->tokens, s->hidden, &moe->second_at));
    CT_TRY(reserve(prepare, s->tokens, s->inter, &moe->third_at));
    size_t a = gemm_scratch(s->tokens, s->wide, s->hidden, prepare->threads);
    size_t b = gemm_scratch(s->tokens, s->hidden, s->inter, prepare->threads);
    size_t c = gemm_scratch(s->tokens, s->inter, s->hidden, prepare->threads);
    a = a > b ? a : b;
    return ct_contrib_reserve(prepare, a > c ? a : c, 1, &moe->gemm_at);
}

/* ------------------------------------------------------------------ run */

/* Softmax of the router values; what is not among the k largest becomes 0. */
static void route(const struct ct_moe_sizes *s, const float *router, bool normalises,
                  float *weights)
{
    int64_t n = s->experts;
    for (int64_t t = 0; t < s->tokens; t++, router += n, weights += n) {
        float max = -HUGE_VALF;
        double all = 0, chosen = 0;
        for (int64_t e = 0; e < n; e++)
            max = router[e] > max ? router[e] : max;
        for (int64_t e = 0; e < n; e++)
            all += (double)expf(router[e] - max);
        memset(weights, 0, (size_t)n * sizeof *weights);
        for (int64_t i = 0; i < s->k; i++) {
            int64_t best = -1;
            for (int64_t e = 0; e < n; e++)
                if (weights[e] == 0 && (best < 0 || router[e] > router[best]))
                    best = e;
            if (best < 0)
                break;
            weights[best] = fmaxf(expf(router[best] - max), 1e-38f);
            chosen += (double)weights[best];
        }
        for (int64_t e = 0; e < n; e++)
            weights[e] = (float)((double)weights[e] / (normalises ? chosen : all));
    }
}

/* Other weights for the experts that were chosen. */
static void mix(const struct ct_moe_sizes *s, const float *mixing, bool normalises, float *weights)
{
    for (int64_t t = 0; t < s->tokens; t++, mixing += s->experts, weights += s->experts) {
        double sum = 0;
        for (int64_t e = 0; e < s->experts; e++) {
            weights[e] = weights[e] != 0 ? mixing[e] : 0;
            sum += (double)weights[e];
        }
        for (int64_t e = 0; e < s->experts && normalises && sum != 0; e++)
            weights[e] = (float)((double)weights[e] / sum);
    }
}

static void product(const struct ct_run *run, const struct ct_moe *moe, int64_t m, int64_t n,
                    int64_t k, const float *a, const float *b, const float *bias, float *c)
{
    struct ct_gemm_problem p;
    ct_gemm_problem_init(&p, m, n, k);
    p.b_transposed = true;
    p.ldb = k;
    if (bias)
        p.post.bias = (struct ct_gemm_term){bias, 0, 1};
    ct_gemm_f32_run(run->exec->pool, &p, a, b, c, ct_contrib_scratch(run, moe->gemm_at));
}

static float swiglu(const struct ct_node *node, float g, float l)
{
    float limit = ct_attr_float(node, "swiglu_limit", HUGE_VALF);
    g = fminf(g, limit);
    l = fminf(fmaxf(l, -limit), limit);
    float alpha = ct_attr_float(node, "activation_alpha", 1);
    return g / (1 + expf(-alpha * g)) * (l + ct_attr_float(node, "activation_beta", 0));
}

static float activate(enum ct_moe_act act, float x)
{
    switch (act) {
    case CT_MOE_RELU: return x > 0 ? x : 0;
    case CT_MOE_GELU: return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case CT_MOE_SILU: return x / (1 + expf(-x));
    default: return x;
    }
}

static const float *bias_of(const struct ct_moe_call *call, int i, int64_t expert, int64_t n)
{
    return call->bias[i] ? call->bias[i] + expert * n : NULL;
}

/* Outputs of the first product, in `third`, with those of the third. */
static void activate_rows(const struct ct_run *run, const struct ct_moe *moe, int64_t m, bool gated)
{
    const struct ct_moe_sizes *s = &moe->s;
    const float *first = ct_contrib_scratch(run, moe->first_at);
    float *third = ct_contrib_scratch(run, moe->third_at);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < s->inter; j++) {
            const float *row = first + i * s->wide;
            float *to = third + i * s->inter + j;
            if (s->act == CT_MOE_SWIGLU)
                *to = s->fusion == 1   ? swiglu(run->node, row[2 * j], row[2 * j + 1])
                      : s->fusion == 2 ? swiglu(run->node, row[j], row[s->inter + j])
                                       : swiglu(run->node, row[j], *to);
            else
                *to = activate(s->act, row[j]) * (gated ? *to : 1);
        }
}

static void one_expert(const struct ct_run *run, const struct ct_moe *moe, bool gated,
                       const struct ct_moe_call *call, int64_t expert)
{
    const struct ct_moe_sizes *s = &moe->s;
    const float *weights = ct_contrib_scratch(run, moe->weights_at);
    float *rows = ct_contrib_scratch(run, moe->rows_at);
    float *second = ct_contrib_scratch(run, moe->second_at);
    float *third = ct_contrib_scratch(run, moe->third_at);
    int64_t m = 0, h = s->hidden, n = s->inter;
    for (int64_t t = 0; t < s->tokens; t++)
        if (weights[t * s->experts + expert] != 0)
            memcpy(rows + m++ * h, call->x + t * h, (size_t)h * sizeof *rows);
    if (m == 0)
        return;
    product(run, moe, m, s->wide, h, rows, call->weights(run, call, 0, expert),
            bias_of(call, 0, expert, s->wide), ct_contrib_scratch(run, moe->first_at));
    if (gated)
        product(run, moe, m, n, h, rows, call->weights(run, call, 2, expert),
                bias_of(call, 2, expert, n), third);
    activate_rows(run, moe, m, gated);
    product(run, moe, m, h, n, third, call->weights(run, call, 1, expert),
            bias_of(call, 1, expert, h), second);
    for (int64_t t = 0; t < s->tokens; t++) {
        float weight = weights[t * s->experts + expert];
        if (weight == 0)
            continue;
        for (int64_t i = 0; i < h; i++)
            call->y[t * h + i] += weight * second[i];
        second += h;
    }
}

void ct_moe_run(const struct ct_run *run, const struct ct_moe *moe, const struct ct_moe_inputs *in,
                const struct ct_moe_call *call)
{
    bool gated = ct_contrib_run_in(run, in->fc[2]) != NULL;
    memset(call->y, 0, (size_t)(moe->s.tokens * moe->s.hidden) * sizeof *call->y);
    bool normalises = ct_attr_int(run->node, "normalize_routing_weights", 0) != 0;
    float *weights = ct_contrib_scratch(run, moe->weights_at);
    route(&moe->s, call->router, normalises || call->over_chosen, weights);
    if (call->mixing)
        mix(&moe->s, call->mixing, normalises, weights);
    for (int64_t e = 0; e < moe->s.experts; e++)
        one_expert(run, moe, gated, call, e);
}

/* ------------------------------------------------------------------ MoE */

static const struct ct_moe_inputs moe_inputs = {{2, 4, 6}, {3, 5, 7}};

struct state {
    struct ct_moe moe;
    struct ct_widen widen;
};

static ct_dim inter_of(const struct ct_infer *infer)
{
    const struct ct_fact *fc2 = ct_infer_in(infer, moe_inputs.fc[1]);
    return fc2 && fc2->rank == 3 ? fc2->dims[2] : CT_DIM_UNKNOWN;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_moe_sizes s = {.inter = inter_of(infer)};
    CT_TRY(ct_moe_infer(infer, &moe_inputs, &s));
    const ct_dim dims[][3] = {{s.experts, s.wide, s.hidden},
                              {s.experts, s.hidden, s.inter},
                              {s.experts, s.inter, s.hidden}};
    for (int i = 0; i < 3; i++) {
        CT_TRY(ct_infer_check_same_dtype(infer, X, moe_inputs.fc[i]));
        CT_TRY(ct_moe_check(infer, moe_inputs.fc[i], 3, dims[i]));
    }
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    struct ct_contrib_facts facts;
    ct_contrib_facts_init(&facts, prepare);
    st->moe.s.inter = inter_of(&facts.infer);
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, 255, 1));
    prepare->state = st;
    return ct_moe_prepare(prepare, &moe_inputs, &st->moe);
}

static const float *weights(const struct ct_run *run, const struct ct_moe_call *call, int i,
                            int64_t expert)
{
    const struct ct_tensor *t = run->in[moe_inputs.fc[i]];
    return call->fc[i] + expert * t->dims[1] * t->dims[2];
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    struct ct_moe_call call = {.weights = weights, .y = ct_widen_out(&st->widen, run, 0)};
    const float *in[8] = {0};
    for (int i = 0; i < run->n_in; i++)
        in[i] = run->in[i] ? ct_widen_in(&st->widen, run, i) : NULL;
    call.x = in[X];
    call.router = in[ROUTER];
    for (int i = 0; i < 3; i++) {
        call.fc[i] = in[moe_inputs.fc[i]];
        call.bias[i] = in[moe_inputs.bias[i]];
    }
    ct_moe_run(run, &st->moe, &moe_inputs, &call);
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_moe = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 8, .min_out = 1};
