/* LinearAttention: a recurrence over the sequence with a matrix as state for each key head.
 * All of it in f32, step by step; heads are independent. */
#include "graph/op.h"
#include "ops/widen.h"

#include <math.h>
#include <string.h>

enum { QUERY, KEY, VALUE, PAST, DECAY, BETA };

struct rule {
    bool gated, delta;
};

static bool read_rule(const struct ct_node *node, struct rule *rule)
{
    const char *attr = "update_rule", *usual = "gated_delta";
    rule->gated =
        ct_attr_is(node, attr, "gated", usual) || ct_attr_is(node, attr, "gated_delta", usual);
    rule->delta =
        ct_attr_is(node, attr, "delta", usual) || ct_attr_is(node, attr, "gated_delta", usual);
    return rule->gated || rule->delta || ct_attr_is(node, attr, "linear", usual);
}

struct shape {
    ct_dim batch, len, k_size, v_size;
    int64_t heads, kv_heads;
};

static ct_status split(const struct ct_infer *infer, int index, int64_t heads, ct_dim *size)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    ct_dim width = f->rank == 3 ? f->dims[2] : CT_DIM_UNKNOWN;
    *size = CT_DIM_UNKNOWN;
    if (!ct_dim_known(width))
        return CORTEN_OK;
    if (width % heads)
        return ct_infer_fail(infer, "input %d of width %lld cannot be split into %lld heads", index,
                             (long long)width, (long long)heads);
    *size = width / heads;
    return CORTEN_OK;
}

static ct_status agree(const struct ct_infer *infer, int index, int dim, ct_dim want)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    if (!f || f->rank <= dim || !ct_dim_known(f->dims[dim]) || !ct_dim_known(want) ||
        f->dims[dim] == want)
        return CORTEN_OK;
    return ct_infer_fail(infer, "dimension %d of input %d is %lld, %lld is expected", dim, index,
                         (long long)f->dims[dim], (long long)want);
}

/* The last dimension of decay or beta: one of two. */
static ct_status one_of(const struct ct_infer *infer, int index, ct_dim a, ct_dim b)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    if (!f || f->rank != 3 || !ct_dim_known(f->dims[2]) || !ct_dim_known(b) || f->dims[2] == a ||
        f->dims[2] == b)
        return CORTEN_OK;
    return ct_infer_fail(infer, "input %d has width %lld, %lld or %lld is expected", index,
                         (long long)f->dims[2], (long long)a, (long long)b);
}

static ct_status check_inputs(const struct ct_infer *infer, const struct rule *rule)
{
    if ((ct_infer_in(infer, DECAY) != NULL) != rule->gated)
        return ct_infer_fail(infer, "decay goes with the gated rules, and only with those");
    if ((ct_infer_in(infer, BETA) != NULL) != rule->delta)
        return ct_infer_fail(infer, "beta goes with the delta rules, and only with those");
    for (int i = QUERY; i <= BETA; i++) {
        int rank = i == PAST ? 4 : 3;
        CT_TRY(ct_infer_check_rank(infer, i, rank, rank));
        if (i != PAST)
            CT_TRY(ct_infer_check_same_dtype(infer, QUERY, i));
    }
    return ct_infer_check_dtype(infer, PAST, CT_BIT(F16) | CT_BIT(BF16) | CT_BIT(F32));
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *q = ct_infer_in(infer, QUERY), *past = ct_infer_in(infer, PAST);
    struct shape s = {.heads = ct_attr_int(infer->node, "q_num_heads", 0),
                      .kv_heads = ct_attr_int(infer->node, "kv_num_heads", 0)};
    struct rule rule;
    ct_dim key_size;
    if (!read_rule(infer->node, &rule))
        return ct_infer_fail(infer, "update_rule is linear, gated, delta or gated_delta");
    if (s.heads <= 0 || s.kv_heads <= 0 || s.heads % s.kv_heads)
        return ct_infer_fail(infer, "%lld heads cannot share %lld heads of keys",
                             (long long)s.heads, (long long)s.kv_heads);
    CT_TRY(check_inputs(infer, &rule));
    s.batch = q->rank == 3 ? q->dims[0] : CT_DIM_UNKNOWN;
    s.len = q->rank == 3 ? q->dims[1] : CT_DIM_UNKNOWN;
    CT_TRY(split(infer, QUERY, s.heads, &s.k_size));
    CT_TRY(split(infer, KEY, s.kv_heads, &key_size));
    CT_TRY(split(infer, VALUE, s.kv_heads, &s.v_size));
    if (ct_dim_known(key_size) && ct_dim_known(s.k_size) && key_size != s.k_size)
        return ct_infer_fail(infer, "head sizes of query and key differ: %lld and %lld",
                             (long long)s.k_size, (long long)key_size);
    for (int i = KEY; i <= BETA; i++) {
        CT_TRY(agree(infer, i, 0, s.batch));
        if (i != PAST)
            CT_TRY(agree(infer, i, 1, s.len));
    }
    ct_dim wide =
        ct_infer_in(infer, KEY)->rank == 3 ? ct_infer_in(infer, KEY)->dims[2] : CT_DIM_UNKNOWN;
    CT_TRY(one_of(infer, DECAY, s.kv_heads, wide));
    CT_TRY(one_of(infer, BETA, s.kv_heads, 1));
    CT_TRY(agree(infer, PAST, 1, s.kv_heads));
    CT_TRY(agree(infer, PAST, 2, s.k_size));
    CT_TRY(agree(infer, PAST, 3, s.v_size));
    ct_dim y[3] = {s.batch, s.len, CT_DIM_UNKNOWN};
    if (ct_dim_known(s.v_size))
        y[2] = ct_dim_mul(infer, s.v_size, s.heads);
    ct_dim state[4] = {s.batch, s.kv_heads, s.k_size, s.v_size};
    ct_infer_set(infer, 0, q->dtype, 3, y);
    ct_infer_set(infer, 1, past ? past->dtype : q->dtype, 4, state);
    return CORTEN_OK;
}

struct state {
    struct rule rule;
    struct ct_widen widen;
    int64_t batch, len, heads, kv_heads, k_size, v_size;
    bool wide_decay;  /* one for each element of a key, else one for a head */
    bool shared_beta; /* one for all heads */
    float scale;
    size_t state_at, worker_at;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_node *node = prepare->node;
    const struct ct_tensor *q = prepare->in[QUERY], *v = prepare->in[VALUE];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a linear attention");
    read_rule(node, &s->rule);
    s->batch = q->dims[0];
    s->len = q->dims[1];
    s->heads = ct_attr_int(node, "q_num_heads", 1);
    s->kv_heads = ct_attr_int(node, "kv_num_heads", 1);
    s->k_size = q->dims[2] / s->heads;
    s->v_size = v->dims[2] / s->kv_heads;
    s->wide_decay = s->rule.gated && prepare->in[DECAY]->dims[2] != s->kv_heads;
    s->shared_beta = s->rule.delta && prepare->in[BETA]->dims[2] != s->kv_heads;
    s->scale = ct_attr_float(node, "scale", 0);
    if (s->scale == 0.0f)
        s->scale = s->k_size ? (float)(1 / sqrt((double)s->k_size)) : 1;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F32, 0x3F, 1));
    size_t bytes, worker;
    s->state_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_mul_size((size_t)(s->batch * s->kv_heads * s->k_size), (size_t)s->v_size, &bytes) ||
        !ct_mul_size(bytes, sizeof(float), &bytes) ||
        !ct_add_size(s->state_at, bytes, &s->worker_at) ||
        !ct_mul_size((size_t)s->v_size * sizeof(float), (size_t)prepare->threads, &worker) ||
        !ct_add_size(s->worker_at, worker, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the state is too large");
    prepare->state = s;
    return CORTEN_OK;
}

struct job {
    const struct state *s;
    const float *in[6];
    float *y, *states, *work;
};

/* state [k_size, v_size] decays, and takes v (corrected) at k in. */
static void update(const struct job *job, int64_t b, int64_t t, int64_t h, float *state, float *v)
{
    const struct state *s = job->s;
    int64_t at = b * s->len + t, n = s->v_size;
    const float *k = job->in[KEY] + (at * s->kv_heads + h) * s->k_size;
    memcpy(v, job->in[VALUE] + (at * s->kv_heads + h) * n, (size_t)n * sizeof *v);
    for (int64_t d = 0; s->rule.gated && d < s->k_size; d++) {
        int64_t gate = at * s->kv_heads + h;
        float decay = expf(job->in[DECAY][s->wide_decay ? gate * s->k_size + d : gate]);
        for (int64_t m = 0; m < n; m++)
            state[d * n + m] *= decay;
    }
    if (s->rule.delta) {
        float beta = job->in[BETA][s->shared_beta ? at : at * s->kv_heads + h];
        for (int64_t d = 0; d < s->k_size; d++)
            for (int64_t m = 0; m < n; m++)
                v[m] -= state[d * n + m] * k[d];
        for (int64_t m = 0; m < n; m++)
            v[m] *= beta;
    }
    for (int64_t d = 0; d < s->k_size; d++)
        for (int64_t m = 0; m < n; m++)
            state[d * n + m] += k[d] * v[m];
}

static void read_out(const struct job *job, int64_t b, int64_t t, int64_t h, const float *state)
{
    const struct state *s = job->s;
    int64_t at = b * s->len + t, n = s->v_size, group = s->heads / s->kv_heads;
    for (int64_t g = h * group; g < (h + 1) * group; g++) {
        const float *q = job->in[QUERY] + (at * s->heads + g) * s->k_size;
        float *restrict y = job->y + (at * s->heads + g) * n;
        memset(y, 0, (size_t)n * sizeof *y);
        for (int64_t d = 0; d < s->k_size; d++)
            for (int64_t m = 0; m < n; m++)
                y[m] += q[d] * state[d * n + m];
        for (int64_t m = 0; m < n; m++)
            y[m] *= s->scale;
    }
}

static void heads(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    int64_t size = s->k_size * s->v_size;
    for (int64_t item = begin; item < end; item++) {
        float *state = job->states + item * size;
        if (job->in[PAST])
            memcpy(state, job->in[PAST] + item * size, (size_t)size * sizeof *state);
        else
            memset(state, 0, (size_t)size * sizeof *state);
        int64_t b = item / s->kv_heads, h = item % s->kv_heads;
        for (int64_t t = 0; t < s->len; t++) {
            update(job, b, t, h, state, job->work + (int64_t)worker * s->v_size);
            if (job->y)
                read_out(job, b, t, h, state);
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    char *scratch = run->scratch;
    struct job job = {.s = s,
                      .y = ct_widen_out(&s->widen, run, 0),
                      .states = (float *)(void *)(scratch + s->state_at),
                      .work = (float *)(void *)(scratch + s->worker_at)};
    for (int i = QUERY; i <= BETA; i++)
        job.in[i] = ct_widen_in(&s->widen, run, i);
    double head_ns = (double)s->len * (double)(s->k_size * s->v_size) * 1.5;
    ct_run_parallel(run, s->batch * s->kv_heads, head_ns, heads, &job);
    ct_widen_done(&s->widen, run, 0);
    if (run->n_out > 1 && run->out[1])
        ct_store_f32(run->out[1]->dtype, run->out[1]->data, 0, ct_count(run->out[1]), job.states);
    return CORTEN_OK;
}

const struct ct_op ct_op_linear_attention = {.infer = infer,
                                             .prepare = prepare,
                                             .run = run,
                                             .min_in = 3,
                                             .max_in = 6,
                                             .min_out = 1,
                                             .max_out = 2};
