/* com.microsoft.RotaryEmbedding: input [B,S,N*H] or [B,N,S,H], position_ids [1] (of the first
 * token) or [B,S], and caches [positions, rotated / 2]. */
#include "ops/contrib/contrib.h"
#include "ops/contrib/rope.h"
#include "ops/widen.h"

enum { X, POSITIONS, COS, SIN };

struct shape {
    ct_dim batch, seq, heads, size, half;
};

static ct_status read_shape(const struct ct_infer *infer, struct shape *s, bool *known)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *cos = ct_infer_in(infer, COS);
    int64_t heads = ct_attr_int(infer->node, "num_heads", 0);
    int64_t rotated = ct_attr_int(infer->node, "rotary_embedding_dim", 0);
    *known = false;
    if (heads < 0 || rotated < 0)
        return ct_infer_fail(infer, "num_heads and rotary_embedding_dim must not be negative");
    if (x->rank < 0 || cos->rank != 2 || !ct_dim_known(cos->dims[1]) ||
        !ct_dim_known(x->dims[x->rank - 1]))
        return CORTEN_OK;
    s->half = cos->dims[1];
    s->batch = x->dims[0];
    if (s->half > INT64_MAX / 2)
        return ct_infer_fail(infer, "the caches are too wide");
    if (x->rank == 4) {
        s->heads = x->dims[1];
        s->seq = x->dims[2];
        s->size = x->dims[3];
    } else {
        s->seq = x->dims[1];
        s->size = heads > 0 && rotated > 0 ? x->dims[2] / heads : 2 * s->half;
        if (!rotated && heads > 0 && x->dims[2] % heads == 0)
            s->size = x->dims[2] / heads;
        if (s->size <= 0 || x->dims[2] % s->size)
            return ct_infer_fail(infer, "a width of %lld is no multiple of the head size, %lld",
                                 (long long)x->dims[2], (long long)s->size);
        s->heads = x->dims[2] / s->size;
    }
    if (2 * s->half > s->size || (rotated > 0 && 2 * s->half != rotated))
        return ct_infer_fail(infer, "caches of width %lld do not fit heads of %lld elements",
                             (long long)s->half, (long long)s->size);
    *known = true;
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *p = ct_infer_in(infer, POSITIONS);
    const struct ct_fact *cos = ct_infer_in(infer, COS), *sin = ct_infer_in(infer, SIN);
    struct shape s = {0};
    bool known;
    CT_TRY(ct_infer_check_rank(infer, X, 3, 4));
    CT_TRY(ct_infer_check_dtype(infer, POSITIONS, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, POSITIONS, 1, 2));
    for (int i = COS; i <= SIN; i++) {
        CT_TRY(ct_infer_check_same_dtype(infer, X, i));
        CT_TRY(ct_infer_check_rank(infer, i, 2, 2));
    }
    if (cos->rank == 2 && sin->rank == 2)
        for (int i = 0; i < 2; i++)
            CT_TRY(ct_contrib_agree(infer, "cos_cache and sin_cache", cos->dims[i], sin->dims[i]));
    ct_infer_same(infer, 0, X);
    CT_TRY(read_shape(infer, &s, &known));
    if (p->rank == 1)
        return ct_contrib_vector(infer, POSITIONS, 1);
    if (p->rank == 2 && x->rank > 0) {
        CT_TRY(ct_contrib_agree(infer, "batch of position_ids", p->dims[0], x->dims[0]));
        CT_TRY(ct_contrib_agree(infer, "length of position_ids", p->dims[1],
                                x->dims[x->rank == 4 ? 2 : 1]));
    }
    return CORTEN_OK;
}

struct state {
    struct shape s;
    struct ct_widen widen;
    bool heads_first, interleaved;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    struct ct_contrib_facts facts;
    bool known;
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a rotation");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_shape(&facts.infer, &state->s, &known));
    state->heads_first = prepare->in[X]->rank == 4;
    state->interleaved = ct_attr_int(prepare->node, "interleaved", 0) != 0;
    CT_TRY(ct_widen_init(&state->widen, prepare, CORTEN_F32, 1u << X | 1u << COS | 1u << SIN, 1));
    prepare->state = state;
    return CORTEN_OK;
}

struct job {
    const struct state *state;
    const struct ct_run *run;
    const float *x, *cos, *sin;
    float *y;
    int bad;
};

static void places(void *arg, int64_t begin, int64_t end, int worker)
{
    struct job *job = arg;
    const struct shape *s = &job->state->s;
    const struct ct_tensor *positions = job->run->in[POSITIONS];
    const int64_t *ids = positions->data;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / s->seq, i = item % s->seq;
        int64_t position = positions->rank == 2 ? ids[item] : ids[0];
        if (position < 0 || position >= job->run->in[COS]->dims[0] ||
            (positions->rank == 1 && (position += i) >= job->run->in[COS]->dims[0])) {
            __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
            continue;
        }
        for (int64_t h = 0; h < s->heads; h++) {
            int64_t at = job->state->heads_first ? (b * s->heads + h) * s->seq + i
                                                 : (b * s->seq + i) * s->heads + h;
            ct_rope_head(job->x + at * s->size, job->y + at * s->size,
                         job->cos + position * s->half, job->sin + position * s->half, s->half,
                         s->size, job->state->interleaved);
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *state = run->state;
    const struct shape *s = &state->s;
    struct job job = {state,
                      run,
                      ct_widen_in(&state->widen, run, X),
                      ct_widen_in(&state->widen, run, COS),
                      ct_widen_in(&state->widen, run, SIN),
                      ct_widen_out(&state->widen, run, 0),
                      0};
    ct_run_parallel(run, s->batch * s->seq, 20 + (double)(s->heads * s->size), places, &job);
    ct_widen_done(&state->widen, run, 0);
    return job.bad ? ct_run_fail(run, "a position lies outside of the caches") : CORTEN_OK;
}

const struct ct_op ct_op_contrib_rotary_embedding = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 4, .max_in = 4, .min_out = 1};
