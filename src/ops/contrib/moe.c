/* MoE: each token goes through the k experts that its router values choose; an expert is two
 * products with an activation between, or for swiglu two halves of one. Tokens of an expert are
 * gathered, so that its weights are read once. gelu is the form with tanh, as in ONNX Runtime. */
#include <math.h>
#include <string.h>

#include "ops/contrib/contrib.h"
#include "ops/gemm_driver.h"
#include "ops/widen.h"

enum { X, ROUTER, FC1, BIAS1, FC2, BIAS2, FC3, BIAS3 };
enum act { RELU, GELU, SILU, SWIGLU, IDENTITY, N_ACTS };

struct sizes {
    ct_dim tokens, hidden, experts, inter;
    int64_t k;
    enum act act;
    int fusion; /* of swiglu: 1: the halves alternate, 2: one after the other; 0: FC1 and FC3 */
};

/* ------------------------------------------------------------------ infer */

static ct_status read_sizes(const struct ct_infer *infer, struct sizes *s)
{
    static const char *const names[N_ACTS] = {"relu", "gelu", "silu", "swiglu", "identity"};
    const struct ct_fact *x = ct_infer_in(infer, X), *router = ct_infer_in(infer, ROUTER);
    const struct ct_fact *fc2 = ct_infer_in(infer, FC2);
    int act = 0;
    while (act < N_ACTS && !ct_attr_is(infer->node, "activation_type", names[act], "relu"))
        act++;
    if (act == N_ACTS)
        return ct_infer_fail(infer, "the activation is not known");
    s->act = (enum act)act;
    s->k = ct_attr_int(infer->node, "k", 1);
    int64_t fusion = ct_attr_int(infer->node, "swiglu_fusion", 0);
    if (fusion < 0 || fusion > 2)
        return ct_infer_fail(infer, "swiglu_fusion is %lld, 0 to 2 is expected", (long long)fusion);
    s->fusion = act == SWIGLU ? (int)fusion : 0;
    if (act == SWIGLU && !fusion && !ct_infer_in(infer, FC3))
        return ct_infer_fail(infer, "swiglu needs fc3, or swiglu_fusion");
    s->hidden = x->rank > 0 ? x->dims[x->rank - 1] : CT_DIM_UNKNOWN;
    s->tokens = router->rank == 2 ? router->dims[0] : CT_DIM_UNKNOWN;
    s->experts = router->rank == 2 ? router->dims[1] : CT_DIM_UNKNOWN;
    s->inter = fc2 && fc2->rank == 3 ? fc2->dims[2] : CT_DIM_UNKNOWN;
    if (s->k < 1 || (ct_dim_known(s->experts) && s->k > s->experts))
        return ct_infer_fail(infer, "k is %lld", (long long)s->k);
    return CORTEN_OK;
}

static ct_status check(const struct ct_infer *infer, int index, int rank, const ct_dim *dims)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_same_dtype(infer, X, index));
    CT_TRY(ct_infer_check_rank(infer, index, rank, rank));
    for (int i = 0; f && i < f->rank; i++)
        CT_TRY(ct_contrib_agree(infer, "dimensions of the experts", f->dims[i], dims[i]));
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    struct sizes s;
    CT_TRY(ct_infer_check_rank(infer, X, 2, 3));
    if (!ct_infer_in(infer, ROUTER) || !ct_infer_in(infer, FC1) || !ct_infer_in(infer, FC2))
        return ct_infer_fail(infer, "router_probs, fc1 and fc2 must be there");
    if (ct_attr_int(infer->node, "use_sparse_mixer", 0))
        return ct_infer_fail(infer, "use_sparse_mixer is not possible");
    CT_TRY(read_sizes(infer, &s));
    ct_dim tokens = CT_DIM_UNKNOWN;
    if (x->rank == 2)
        tokens = x->dims[0];
    else if (x->rank == 3 && ct_dim_known(x->dims[0]) && ct_dim_known(x->dims[1]))
        tokens = ct_dim_mul(infer, x->dims[0], x->dims[1]);
    ct_dim wide = s.inter;
    if (s.fusion && ct_dim_known(wide))
        wide = wide > INT64_MAX / 2 ? INT64_MAX : 2 * wide;
    CT_TRY(check(infer, ROUTER, 2, (ct_dim[]){tokens, s.experts}));
    CT_TRY(check(infer, FC1, 3, (ct_dim[]){s.experts, wide, s.hidden}));
    CT_TRY(check(infer, BIAS1, 2, (ct_dim[]){s.experts, wide}));
    CT_TRY(check(infer, FC2, 3, (ct_dim[]){s.experts, s.hidden, s.inter}));
    CT_TRY(check(infer, BIAS2, 2, (ct_dim[]){s.experts, s.hidden}));
    CT_TRY(check(infer, FC3, 3, (ct_dim[]){s.experts, s.inter, s.hidden}));
    CT_TRY(check(infer, BIAS3, 2, (ct_dim[]){s.experts, s.inter}));
    ct_infer_same(infer, 0, X);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct sizes s;
    struct ct_widen widen;
    int64_t wide; /* outputs of fc1 */
    size_t weights_at, rows_at, first_at, second_at, third_at, gemm_at;
};

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

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "an operator's state");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_sizes(&facts.infer, &st->s));
    const struct sizes *s = &st->s;
    st->wide = s->fusion ? 2 * s->inter : s->inter;
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, 255, 1));
    CT_TRY(reserve(prepare, s->tokens, s->experts, &st->weights_at));
    CT_TRY(reserve(prepare, s->tokens, s->hidden, &st->rows_at));
    CT_TRY(reserve(prepare, s->tokens, st->wide, &st->first_at));
    CT_TRY(reserve(prepare, s->tokens, s->hidden, &st->second_at));
    CT_TRY(reserve(prepare, s->tokens, s->inter, &st->third_at));
    size_t a = gemm_scratch(s->tokens, st->wide, s->hidden, prepare->threads);
    size_t b = gemm_scratch(s->tokens, s->hidden, s->inter, prepare->threads);
    size_t c = gemm_scratch(s->tokens, s->inter, s->hidden, prepare->threads);
    a = a > b ? a : b;
    prepare->state = st;
    return ct_contrib_reserve(prepare, a > c ? a : c, 1, &st->gemm_at);
}

/* ------------------------------------------------------------------ run */

/* Softmax of the router values; what is not among the k largest becomes 0. */
static void route(const struct sizes *s, const float *router, bool normalises, float *weights)
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

static void product(const struct ct_run *run, int64_t m, int64_t n, int64_t k, const float *a,
                    const float *b, const float *bias, float *c)
{
    const struct state *st = run->state;
    struct ct_gemm_problem p;
    ct_gemm_problem_init(&p, m, n, k);
    p.b_transposed = true;
    p.ldb = k;
    if (bias)
        p.post.bias = (struct ct_gemm_term){bias, 0, 1};
    ct_gemm_f32_run(run->exec->pool, &p, a, b, c, ct_contrib_scratch(run, st->gemm_at));
}

static float swiglu(const struct ct_node *node, float g, float l)
{
    float limit = ct_attr_float(node, "swiglu_limit", HUGE_VALF);
    g = fminf(g, limit);
    l = fminf(fmaxf(l, -limit), limit);
    float alpha = ct_attr_float(node, "activation_alpha", 1);
    return g / (1 + expf(-alpha * g)) * (l + ct_attr_float(node, "activation_beta", 0));
}

static float activate(enum act act, float x)
{
    switch (act) {
    case RELU: return x > 0 ? x : 0;
    case GELU: return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    case SILU: return x / (1 + expf(-x));
    default: return x;
    }
}

struct experts {
    const float *x, *fc[3], *bias[3];
    float *y;
};

static const float *bias_of(const struct experts *e, int i, int64_t expert, int64_t n)
{
    return e->bias[i] ? e->bias[i] + expert * n : NULL;
}

static void one_expert(const struct ct_run *run, const struct experts *w, int64_t expert)
{
    const struct state *st = run->state;
    const struct sizes *s = &st->s;
    const float *weights = ct_contrib_scratch(run, st->weights_at);
    float *rows = ct_contrib_scratch(run, st->rows_at),
          *first = ct_contrib_scratch(run, st->first_at);
    float *second = ct_contrib_scratch(run, st->second_at);
    float *third = ct_contrib_scratch(run, st->third_at);
    int64_t m = 0, h = s->hidden, n = s->inter;
    for (int64_t t = 0; t < s->tokens; t++)
        if (weights[t * s->experts + expert] != 0)
            memcpy(rows + m++ * h, w->x + t * h, (size_t)h * sizeof *rows);
    if (m == 0)
        return;
    product(run, m, st->wide, h, rows, w->fc[0] + expert * st->wide * h,
            bias_of(w, 0, expert, st->wide), first);
    if (w->fc[2])
        product(run, m, n, h, rows, w->fc[2] + expert * n * h, bias_of(w, 2, expert, n), third);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            const float *row = first + i * st->wide;
            float *to = third + i * n + j;
            if (s->act == SWIGLU)
                *to = s->fusion == 1   ? swiglu(run->node, row[2 * j], row[2 * j + 1])
                      : s->fusion == 2 ? swiglu(run->node, row[j], row[n + j])
                                       : swiglu(run->node, row[j], *to);
            else
                *to = activate(s->act, row[j]) * (w->fc[2] ? *to : 1);
        }
    product(run, m, h, n, third, w->fc[1] + expert * h * n, bias_of(w, 1, expert, h), second);
    for (int64_t t = 0; t < s->tokens; t++) {
        float weight = weights[t * s->experts + expert];
        if (weight == 0)
            continue;
        for (int64_t i = 0; i < h; i++)
            w->y[t * h + i] += weight * second[i];
        second += h;
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const float *in[8] = {0};
    for (int i = 0; i < run->n_in; i++)
        in[i] = run->in[i] ? ct_widen_in(&st->widen, run, i) : NULL;
    struct experts w = {in[X],
                        {in[FC1], in[FC2], in[FC3]},
                        {in[BIAS1], in[BIAS2], in[BIAS3]},
                        ct_widen_out(&st->widen, run, 0)};
    memset(w.y, 0, ct_count(run->out[0]) * sizeof *w.y);
    route(&st->s, in[ROUTER], ct_attr_int(run->node, "normalize_routing_weights", 0) != 0,
          ct_contrib_scratch(run, st->weights_at));
    for (int64_t e = 0; e < st->s.experts; e++)
        one_expert(run, &w, e);
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_moe = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 8, .min_out = 1};
