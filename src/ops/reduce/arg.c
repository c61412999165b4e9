/* ArgMax and ArgMin. Of equal elements the first counts, or the last with select_last_index; a NaN
 * is beyond everything, as in NumPy. */
#include "graph/op.h"

#include <string.h>

enum { WIDTH = 64, BUFFER = 512 };

struct state {
    bool min, last;
    size_t outer, n, inner, chunks;
};

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    bool keep = ct_attr_int(infer->node, "keepdims", 1) != 0;
    ct_dim dims[CT_MAX_RANK];
    int axis, rank = 0;
    ct_infer_set(infer, 0, CORTEN_I64, -1, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    /* A number is a vector of one element. */
    int in_rank = x->rank ? x->rank : 1;
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", 0), in_rank, &axis));
    for (int i = 0; i < x->rank; i++) {
        if (i != axis)
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    }
    ct_infer_set(infer, 0, CORTEN_I64, rank, dims);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of ArgMax");
    int64_t axis = ct_attr_int(prepare->node, "axis", 0);
    int at = (int)(axis < 0 ? axis + x->rank : axis);
    state->min = !strcmp(prepare->node->op_type, "ArgMin");
    state->last = ct_attr_int(prepare->node, "select_last_index", 0) != 0;
    state->outer = state->n = state->inner = 1;
    if (x->rank > 0) {
        state->outer = (size_t)ct_dims_product(x->dims, 0, at);
        state->n = (size_t)x->dims[at];
        state->inner = (size_t)ct_dims_product(x->dims, at + 1, x->rank);
    }
    state->chunks = (state->inner + WIDTH - 1) / WIDTH;
    prepare->state = state;
    return CORTEN_OK;
}

struct job {
    const struct state *state;
    const struct ct_tensor *x;
    int64_t *y;
    bool floats;
};

/* Elements as numbers of which the largest is looked for: doubles, or int64 (which hold a u64 with
 * its top bit turned over). */
union number {
    double f;
    int64_t i;
};

static void load(const struct job *job, size_t at, size_t n, union number *to)
{
    const struct ct_tensor *x = job->x;
    bool min = job->state->min;
    if (job->floats) {
        ct_load_f64(x->dtype, x->data, at, n, &to->f);
        for (size_t i = 0; min && i < n; i++)
            to[i].f = -to[i].f;
        return;
    }
    ct_load_i64(x->dtype, x->data, at, n, &to->i);
    int64_t flip = (x->dtype == CORTEN_U64 ? INT64_MIN : 0) ^ (min ? -1 : 0);
    for (size_t i = 0; i < n; i++)
        to[i].i ^= flip;
}

/* Whether x takes the place of the best so far, which came before it. */
static bool beats(const struct job *job, union number x, union number best)
{
    bool last = job->state->last;
    if (!job->floats)
        return last ? x.i >= best.i : x.i > best.i;
    if (best.f != best.f)
        return last && x.f != x.f;
    return x.f != x.f || (last ? x.f >= best.f : x.f > best.f);
}

static void columns(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->state;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t outer = (size_t)item / s->chunks, from = (size_t)item % s->chunks * WIDTH;
        size_t width = s->inner - from < WIDTH ? s->inner - from : WIDTH;
        size_t first = outer * s->n * s->inner + from;
        union number best[WIDTH], line[WIDTH];
        int64_t *y = job->y + outer * s->inner + from;
        load(job, first, width, best);
        memset(y, 0, width * sizeof *y);
        for (size_t i = 1; i < s->n; i++) {
            load(job, first + i * s->inner, width, line);
            for (size_t c = 0; c < width; c++) {
                if (beats(job, line[c], best[c])) {
                    best[c] = line[c];
                    y[c] = (int64_t)i;
                }
            }
        }
    }
}

static void rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    size_t n = job->state->n;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        size_t first = (size_t)item * n;
        union number best, line[BUFFER];
        int64_t found = 0;
        load(job, first, 1, &best);
        for (size_t i = 0; i < n; i += BUFFER) {
            size_t m = n - i < BUFFER ? n - i : BUFFER;
            load(job, first + i, m, line);
            for (size_t j = i == 0; j < m; j++) {
                if (beats(job, line[j], best)) {
                    best = line[j];
                    found = (int64_t)(i + j);
                }
            }
        }
        job->y[item] = found;
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {s, run->in[0], run->out[0]->data, ct_dtype_is_float(run->in[0]->dtype)};
    if (s->outer == 0 || s->inner == 0)
        return CORTEN_OK;
    if (s->n == 0)
        return ct_run_fail(run, "an axis of 0 elements has no largest or smallest");
    if (s->inner == 1)
        ct_run_parallel(run, (int64_t)s->outer, 3 * (double)s->n, rows, &job);
    else
        ct_run_parallel(run, (int64_t)(s->outer * s->chunks), 3 * (double)s->n * WIDTH, columns,
                        &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_arg = {
    .infer = infer, .prepare = prepare, .run = run, .min_in = 1, .max_in = 1, .min_out = 1};
