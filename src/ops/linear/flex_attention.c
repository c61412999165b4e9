/* FlexAttention: attention whose scores and probabilities can go through a subgraph each. The
 * whole matrices of both exist, since the subgraphs see them whole. */
#include "graph/op.h"
#include "ops/widen.h"

#include <math.h>
#include <string.h>

enum { Q, K, V };

static ct_dtype scores_dtype(const struct ct_node *node, ct_dtype input)
{
    int64_t usual = input == CORTEN_F64 ? CORTEN_F64 : CORTEN_F32;
    return (ct_dtype)ct_attr_int(node, "softmax_precision", usual);
}

static ct_status agree(const struct ct_infer *infer, const char *what, ct_dim a, ct_dim b)
{
    if (ct_dim_known(a) && ct_dim_known(b) && a != b)
        return ct_infer_fail(infer, "%s differ: %lld and %lld", what, (long long)a, (long long)b);
    return CORTEN_OK;
}

static ct_status infer_graph(struct ct_infer *infer, const char *name, const ct_dim *dims)
{
    struct ct_graph *graph = ct_attr_graph(infer->node, name);
    ct_dtype dtype = scores_dtype(infer->node, ct_infer_in(infer, Q)->dtype);
    struct ct_fact in, out;
    if (!graph)
        return CORTEN_OK;
    if (graph->n_inputs != 1 || graph->n_outputs != 1)
        return ct_infer_fail(infer, "%s has %zu inputs and %zu outputs, 1 and 1 are expected", name,
                             graph->n_inputs, graph->n_outputs);
    if (!infer->subgraph)
        return CORTEN_OK;
    ct_fact_init(&in);
    ct_fact_init(&out);
    ct_fact_set(&in, dtype, 4, dims);
    const struct ct_fact *inputs[] = {&in};
    return infer->subgraph(infer, graph, inputs, &out);
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *q = ct_infer_in(infer, Q), *k = ct_infer_in(infer, K),
                         *v = ct_infer_in(infer, V);
    int64_t dtype = ct_attr_int(infer->node, "softmax_precision", CORTEN_F32);
    ct_dim y[4] = {CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN, CT_DIM_UNKNOWN}, scores[4];
    if (dtype < 0 || dtype > 63 || !ct_dtype_in((ct_dtype)dtype, CT_FLOATS))
        return ct_infer_fail(infer, "softmax_precision %lld is no float type", (long long)dtype);
    for (int i = Q; i <= V; i++) {
        CT_TRY(ct_infer_check_rank(infer, i, 4, 4));
        CT_TRY(ct_infer_check_same_dtype(infer, Q, i));
    }
    memcpy(scores, y, sizeof y);
    if (q->rank == 4 && k->rank == 4 && v->rank == 4) {
        CT_TRY(agree(infer, "batch sizes of Q and K", q->dims[0], k->dims[0]));
        CT_TRY(agree(infer, "batch sizes of Q and V", q->dims[0], v->dims[0]));
        CT_TRY(agree(infer, "heads of K and V", k->dims[1], v->dims[1]));
        CT_TRY(agree(infer, "lengths of K and V", k->dims[2], v->dims[2]));
        CT_TRY(agree(infer, "head sizes of Q and K", q->dims[3], k->dims[3]));
        if (ct_dim_known(q->dims[1]) && ct_dim_known(k->dims[1]) &&
            (k->dims[1] <= 0 || q->dims[1] % k->dims[1]))
            return ct_infer_fail(infer, "%lld heads cannot share %lld heads of keys",
                                 (long long)q->dims[1], (long long)k->dims[1]);
        memcpy(y, q->dims, 3 * sizeof *y);
        y[3] = v->dims[3];
        memcpy(scores, q->dims, 3 * sizeof *scores);
        scores[3] = k->dims[2];
    }
    CT_TRY(infer_graph(infer, "score_mod", scores));
    CT_TRY(infer_graph(infer, "prob_mod", scores));
    ct_infer_set(infer, 0, q->dtype, 4, y);
    return CORTEN_OK;
}

struct state {
    struct ct_widen widen; /* to f64 */
    int64_t batch, heads, kv_heads, q_len, kv_len, size, v_size;
    ct_dtype dtype; /* of scores and probabilities */
    double scale;
    size_t scores_at, typed_at; /* as f64, as dtype */
};

static bool reserve(struct ct_prepare *prepare, size_t count, size_t elem, size_t *at)
{
    size_t bytes;
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    return ct_mul_size(count, elem, &bytes) && bytes < SIZE_MAX / 4 &&
           ct_add_size(*at, bytes, &prepare->scratch_bytes);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *q = prepare->in[Q], *k = prepare->in[K], *v = prepare->in[V];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of an attention");
    s->batch = q->dims[0];
    s->heads = q->dims[1];
    s->kv_heads = k->dims[1];
    s->q_len = q->dims[2];
    s->kv_len = k->dims[2];
    s->size = q->dims[3];
    s->v_size = v->dims[3];
    s->dtype = scores_dtype(prepare->node, q->dtype);
    s->scale = (double)ct_attr_float(prepare->node, "scale", 0);
    if (!ct_node_attr(prepare->node, "scale"))
        s->scale = s->size ? 1 / sqrt((double)s->size) : 1;
    CT_TRY(ct_widen_init(&s->widen, prepare, CORTEN_F64, 7, 1));
    size_t rows, count;
    if (!ct_mul_size((size_t)(s->batch * s->heads), (size_t)s->q_len, &rows) ||
        !ct_mul_size(rows, (size_t)s->kv_len, &count) ||
        !reserve(prepare, count, sizeof(double), &s->scores_at) ||
        !reserve(prepare, count, ct_dtype_elem_bytes(s->dtype), &s->typed_at))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "the scores are too large");
    prepare->state = s;
    return CORTEN_OK;
}

struct job {
    const struct state *s;
    const double *q, *k, *v;
    double *scores, *y;
};

static int64_t kv_head(const struct state *s, int64_t row)
{
    int64_t head = row / s->q_len, b = head / s->heads, h = head % s->heads;
    return b * s->kv_heads + h / (s->heads / s->kv_heads);
}

static void score_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const double *q = job->q + row * s->size;
        const double *k = job->k + kv_head(s, row) * s->kv_len * s->size;
        for (int64_t j = 0; j < s->kv_len; j++) {
            double sum = 0;
            for (int64_t d = 0; d < s->size; d++)
                sum += q[d] * k[j * s->size + d];
            job->scores[row * s->kv_len + j] = sum * s->scale;
        }
    }
}

static void softmax_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    int64_t n = job->s->kv_len;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        double *x = job->scores + row * n, max = -HUGE_VAL, sum = 0;
        for (int64_t j = 0; j < n; j++)
            max = x[j] > max ? x[j] : max;
        for (int64_t j = 0; j < n; j++)
            sum += x[j] = exp(x[j] - max);
        for (int64_t j = 0; j < n; j++)
            x[j] /= sum;
    }
}

static void weigh_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        const double *v = job->v + kv_head(s, row) * s->kv_len * s->v_size;
        double *restrict y = job->y + row * s->v_size;
        memset(y, 0, (size_t)s->v_size * sizeof *y);
        for (int64_t j = 0; j < s->kv_len; j++)
            for (int64_t d = 0; d < s->v_size; d++)
                y[d] += job->scores[row * s->kv_len + j] * v[j * s->v_size + d];
    }
}

/* Rounds the matrix to its type and sends it through a subgraph, if there is one. */
static ct_status modify(const struct ct_run *run, const char *name, double *scores)
{
    const struct state *s = run->state;
    struct ct_graph *graph = ct_attr_graph(run->node, name);
    struct ct_tensor in = {.dtype = s->dtype,
                           .rank = 4,
                           .dims = {s->batch, s->heads, s->q_len, s->kv_len},
                           .data = (char *)run->scratch + s->typed_at};
    const struct ct_tensor *inputs[] = {&in};
    struct ct_tensor out = {0};
    size_t count = ct_count(&in);
    if (!graph)
        return CORTEN_OK;
    ct_store_f64(s->dtype, in.data, 0, count, scores);
    CT_TRY(ct_run_subgraph(run, graph, inputs, 1, &out, 1));
    bool fits = out.kind == CORTEN_TENSOR && ct_same_shape(&in, &out) && out.dtype == s->dtype;
    if (fits)
        ct_load_f64(out.dtype, out.data, 0, count, scores);
    ct_tensor_clear(&out);
    return fits ? CORTEN_OK
                : ct_run_fail(run, "%s changes the type or the shape of the scores", name);
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {.s = s,
                      .q = ct_widen_in(&s->widen, run, Q),
                      .k = ct_widen_in(&s->widen, run, K),
                      .v = ct_widen_in(&s->widen, run, V),
                      .scores = (double *)(void *)((char *)run->scratch + s->scores_at),
                      .y = ct_widen_out(&s->widen, run, 0)};
    int64_t rows = s->batch * s->heads * s->q_len;
    double kv = (double)s->kv_len;
    ct_run_parallel(run, rows, 10 + kv * (double)s->size, score_rows, &job);
    CT_TRY(modify(run, "score_mod", job.scores));
    ct_run_parallel(run, rows, 10 + kv * 10, softmax_rows, &job);
    CT_TRY(modify(run, "prob_mod", job.scores));
    ct_run_parallel(run, rows, 10 + kv * (double)s->v_size, weigh_rows, &job);
    ct_widen_done(&s->widen, run, 0);
    return CORTEN_OK;
}

const struct ct_op ct_op_flex_attention = {.infer = infer,
                                           .prepare = prepare,
                                           .run = run,
                                           .flags = CT_OP_SUBGRAPHS,
                                           .min_in = 3,
                                           .max_in = 3,
                                           .min_out = 1};
