/* RotaryEmbedding: rotates pairs of each head's elements by angles whose sines and cosines come
 * from caches. Source: J. Su et al., "RoFormer", 2021. */
#include "graph/op.h"

enum { X, COS, SIN, POSITIONS };

struct shape {
    ct_dim batch, heads, seq, size;
};

static ct_status read_shape(const struct ct_infer *infer, struct shape *s)
{
    const struct ct_fact *x = ct_infer_in(infer, X);
    int64_t heads = ct_attr_int(infer->node, "num_heads", 0);
    if (x->rank == 4) {
        *s = (struct shape){x->dims[0], x->dims[1], x->dims[2], x->dims[3]};
        return CORTEN_OK;
    }
    if (heads <= 0)
        return ct_infer_fail(infer, "a 3-D input needs num_heads");
    *s = (struct shape){x->dims[0], heads, x->dims[1], CT_DIM_UNKNOWN};
    if (ct_dim_known(x->dims[2])) {
        if (x->dims[2] % heads)
            return ct_infer_fail(infer, "a width of %lld cannot be split into %lld heads",
                                 (long long)x->dims[2], (long long)heads);
        s->size = x->dims[2] / heads;
    }
    return CORTEN_OK;
}

static ct_status same(const struct ct_infer *infer, int index, int dim, ct_dim want)
{
    const struct ct_fact *f = ct_infer_in(infer, index);
    int at = dim < 0 ? f->rank + dim : dim;
    if (!ct_dim_known(f->dims[at]) || !ct_dim_known(want) || f->dims[at] == want)
        return CORTEN_OK;
    return ct_infer_fail(infer, "dimension %d of input %d is %lld, %lld is expected", at, index,
                         (long long)f->dims[at], (long long)want);
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *positions = ct_infer_in(infer, POSITIONS);
    struct shape s = {0};
    int rank = positions ? 2 : 3;
    int64_t rotated = ct_attr_int(infer->node, "rotary_embedding_dim", 0);
    CT_TRY(ct_infer_check_rank(infer, X, 3, 4));
    CT_TRY(ct_infer_check_dtype(infer, POSITIONS, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, POSITIONS, 2, 2));
    ct_infer_same(infer, 0, 0);
    if (rotated < 0 || rotated % 2)
        return ct_infer_fail(infer, "rotary_embedding_dim is %lld, an even number is expected",
                             (long long)rotated);
    for (int i = COS; i <= SIN; i++) {
        CT_TRY(ct_infer_check_same_dtype(infer, X, i));
        CT_TRY(ct_infer_check_rank(infer, i, rank, rank));
    }
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(read_shape(infer, &s));
    if (ct_dim_known(s.size) && (rotated > s.size || (!rotated && s.size % 2)))
        return ct_infer_fail(infer, "heads of %lld elements cannot be rotated", (long long)s.size);
    ct_dim half = rotated ? rotated / 2 : ct_dim_known(s.size) ? s.size / 2 : CT_DIM_UNKNOWN;
    if (positions && positions->rank == 2) {
        CT_TRY(same(infer, POSITIONS, 0, s.batch));
        CT_TRY(same(infer, POSITIONS, 1, s.seq));
    }
    for (int i = COS; i <= SIN; i++) {
        if (ct_infer_in(infer, i)->rank < 0)
            continue;
        CT_TRY(same(infer, i, -1, half));
        if (!positions) {
            CT_TRY(same(infer, i, 0, s.batch));
            CT_TRY(same(infer, i, 1, s.seq));
        }
    }
    const struct ct_fact *c = ct_infer_in(infer, COS);
    if (c->rank == rank)
        CT_TRY(ct_infer_in(infer, SIN)->rank == rank ? same(infer, SIN, 0, c->dims[0]) : CORTEN_OK);
    return CORTEN_OK;
}

struct state {
    bool packed, interleaved;
    int64_t batch, heads, seq, size, half;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[X];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    size_t bytes;
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a rotation");
    s->packed = x->rank == 3;
    s->interleaved = ct_attr_int(prepare->node, "interleaved", 0) != 0;
    s->batch = x->dims[0];
    s->heads = s->packed ? ct_attr_int(prepare->node, "num_heads", 1) : x->dims[1];
    s->seq = x->dims[x->rank - 2];
    s->size = s->packed ? x->dims[2] / s->heads : x->dims[3];
    int64_t rotated = ct_attr_int(prepare->node, "rotary_embedding_dim", 0);
    s->half = (rotated ? rotated : s->size) / 2;
    /* For each thread: cos, sin, the head, and the result. */
    if (!ct_mul_size((size_t)s->size, 4 * sizeof(float), &bytes) ||
        !ct_mul_size(bytes, (size_t)prepare->threads, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "heads are too large");
    prepare->state = s;
    ct_prepare_in_place(prepare, 0, X);
    return CORTEN_OK;
}

struct job {
    const struct state *s;
    const struct ct_run *run;
    int bad; /* a position out of range */
};

static void rotate(const struct state *s, const float *restrict x, const float *restrict c,
                   const float *restrict sn, float *restrict y)
{
    int64_t n = s->half;
    if (s->interleaved) {
        for (int64_t i = 0; i < n; i++) {
            y[2 * i] = c[i] * x[2 * i] - sn[i] * x[2 * i + 1];
            y[2 * i + 1] = sn[i] * x[2 * i] + c[i] * x[2 * i + 1];
        }
    } else {
        for (int64_t i = 0; i < n; i++) {
            y[i] = c[i] * x[i] - sn[i] * x[n + i];
            y[n + i] = sn[i] * x[i] + c[i] * x[n + i];
        }
    }
    for (int64_t i = 2 * n; i < s->size; i++)
        y[i] = x[i];
}

/* Items are places of the sequences: all heads there share the angles. */
static void places(void *arg, int64_t begin, int64_t end, int worker)
{
    struct job *job = arg;
    const struct state *s = job->s;
    const struct ct_tensor *x = job->run->in[X], *cos = job->run->in[COS], *sin = job->run->in[SIN];
    const struct ct_tensor *positions = job->run->n_in > POSITIONS ? job->run->in[POSITIONS] : NULL;
    struct ct_tensor *y = job->run->out[0];
    float *c = (float *)job->run->scratch + (int64_t)worker * 4 * s->size;
    float *sn = c + s->size, *head = sn + s->size, *result = head + s->size;
    for (int64_t item = begin; item < end; item++) {
        int64_t b = item / s->seq, i = item % s->seq, angle = item;
        if (positions) {
            ct_load_i64(positions->dtype, positions->data, (size_t)item, 1, &angle);
            if (angle < 0 || angle >= cos->dims[0]) {
                __atomic_store_n(&job->bad, 1, __ATOMIC_RELAXED);
                continue;
            }
        }
        ct_load_f32(cos->dtype, cos->data, (size_t)(angle * s->half), (size_t)s->half, c);
        ct_load_f32(sin->dtype, sin->data, (size_t)(angle * s->half), (size_t)s->half, sn);
        for (int64_t h = 0; h < s->heads; h++) {
            size_t at = (size_t)((s->packed ? (b * s->seq + i) * s->heads + h
                                            : (b * s->heads + h) * s->seq + i) *
                                 s->size);
            ct_load_f32(x->dtype, x->data, at, (size_t)s->size, head);
            rotate(s, head, c, sn, result);
            ct_store_f32(y->dtype, y->data, at, (size_t)s->size, result);
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {s, run, 0};
    ct_run_parallel(run, s->batch * s->seq, 20 + (double)(s->heads * s->size), places, &job);
    return job.bad ? ct_run_fail(run, "a position lies outside of the caches") : CORTEN_OK;
}

const struct ct_op ct_op_rotary_embedding = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 3, .max_in = 4, .min_out = 1};
