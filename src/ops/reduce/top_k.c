/* TopK: the k largest or smallest along an axis, in order; of equal elements the one with the
 * lower index comes first. NaN counts as larger than everything. */
#include "graph/op.h"

#include <string.h>

/* An element as a number whose order is that of the search: ascending `key`, then index. */
struct entry {
    uint64_t key;
    int64_t index;
};

struct state {
    int axis;
    size_t outer, n, inner, k;
    bool largest;
};

static ct_status infer_k(struct ct_infer *infer, int64_t k, bool k_known)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    ct_dim dims[CT_MAX_RANK];
    int axis;
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    ct_infer_set(infer, 1, CORTEN_I64, -1, NULL);
    if (x->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, 0, 1, -1));
    CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis));
    for (int i = 0; i < x->rank; i++)
        dims[i] = x->dims[i];
    dims[axis] = CT_DIM_UNKNOWN;
    if (k_known) {
        if (k < 0 || (ct_dim_known(x->dims[axis]) && k > x->dims[axis]))
            return ct_infer_fail(infer, "k is %lld, but axis %d has %lld elements", (long long)k,
                                 axis, (long long)x->dims[axis]);
        dims[axis] = k;
    }
    ct_infer_set(infer, 0, x->dtype, x->rank, dims);
    ct_infer_set(infer, 1, CORTEN_I64, x->rank, dims);
    return CORTEN_OK;
}

static ct_status infer_attr(struct ct_infer *infer)
{
    return infer_k(infer, ct_attr_int(infer->node, "k", -1), true);
}

static ct_status infer_input(struct ct_infer *infer)
{
    const int64_t *k;
    int count;
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(I64)));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, 1));
    CT_TRY(ct_infer_ints(infer, 1, &k, &count));
    if (k && count != 1)
        return ct_infer_fail(infer, "k has %d elements, 1 is expected", count);
    return infer_k(infer, k ? k[0] : 0, k != NULL);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *x = prepare->in[0];
    const struct ct_tensor *y = prepare->out[0];
    if (!y && prepare->n_out > 1)
        y = prepare->out[1];
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of TopK");
    int64_t axis = ct_attr_int(prepare->node, "axis", -1);
    state->axis = (int)(axis < 0 ? axis + x->rank : axis);
    state->outer = (size_t)ct_dims_product(x->dims, 0, state->axis);
    state->n = (size_t)x->dims[state->axis];
    state->inner = (size_t)ct_dims_product(x->dims, state->axis + 1, x->rank);
    state->k = y ? (size_t)y->dims[state->axis] : 0;
    state->largest = ct_attr_int(prepare->node, "largest", 1) != 0;
    size_t bytes;
    if (!ct_mul_size(state->k, sizeof(struct entry), &bytes) ||
        !ct_mul_size(bytes, (size_t)prepare->threads, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "k is too large");
    prepare->state = state;
    return CORTEN_OK;
}

/* Ascending keys: the bits of a float in two's complement order; zeros and NaNs made one. */
static uint64_t key_of_double(double x)
{
    uint64_t bits;
    if (x != x)
        return UINT64_MAX;
    x += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &x, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

enum { BUFFER = 128 };

static void load_keys(const struct ct_tensor *x, size_t at, size_t n, uint64_t *keys)
{
    if (ct_dtype_is_float(x->dtype)) {
        double values[BUFFER];
        ct_load_f64(x->dtype, x->data, at, n, values);
        for (size_t i = 0; i < n; i++)
            keys[i] = key_of_double(values[i]);
        return;
    }
    int64_t values[BUFFER];
    ct_load_i64(x->dtype, x->data, at, n, values);
    uint64_t flip = x->dtype == CORTEN_U64 ? 0 : UINT64_C(1) << 63;
    for (size_t i = 0; i < n; i++)
        keys[i] = (uint64_t)values[i] ^ flip;
}

static bool after(struct entry a, struct entry b)
{
    return a.key != b.key ? a.key > b.key : a.index > b.index;
}

/* A heap with the entry that comes last at the top. */
static void sift_down(struct entry *heap, size_t n, size_t i)
{
    struct entry e = heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= n)
            break;
        if (child + 1 < n && after(heap[child + 1], heap[child]))
            child++;
        if (!after(heap[child], e))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = e;
}

static void sort_heap(struct entry *heap, size_t n)
{
    while (n > 1) {
        struct entry last = heap[0];
        heap[0] = heap[--n];
        heap[n] = last;
        sift_down(heap, n, 0);
    }
}

struct job {
    const struct state *state;
    const struct ct_run *run;
    struct entry *entries;
};

/* The k entries that come first, of n elements `inner` apart. */
static void select_first(const struct state *s, const struct ct_tensor *x, size_t first,
                         struct entry *heap)
{
    uint64_t keys[BUFFER], flip = s->largest ? UINT64_MAX : 0;
    size_t count = 0, step = s->inner == 1 ? BUFFER : 1;
    for (size_t i = 0; i < s->n; i += step) {
        size_t m = s->n - i < step ? s->n - i : step;
        load_keys(x, first + i * s->inner, m, keys);
        for (size_t j = 0; j < m; j++) {
            struct entry e = {keys[j] ^ flip, (int64_t)(i + j)};
            if (count < s->k) {
                heap[count++] = e;
                if (count == s->k)
                    for (size_t h = count / 2; h-- > 0;)
                        sift_down(heap, count, h);
            } else if (after(heap[0], e)) {
                heap[0] = e;
                sift_down(heap, count, 0);
            }
        }
    }
    sort_heap(heap, count);
}

static void lines(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *s = job->state;
    const struct ct_tensor *x = job->run->in[0];
    struct ct_tensor *values = job->run->out[0];
    struct ct_tensor *indices = job->run->n_out > 1 ? job->run->out[1] : NULL;
    struct entry *heap = job->entries + (size_t)worker * s->k;
    for (int64_t item = begin; item < end; item++) {
        size_t outer = (size_t)item / s->inner, column = (size_t)item % s->inner;
        size_t from = outer * s->n * s->inner + column, to = outer * s->k * s->inner + column;
        select_first(s, x, from, heap);
        for (size_t i = 0; i < s->k; i++) {
            size_t at = to + i * s->inner;
            if (values)
                ct_copy_elems(x->dtype, values->data, at, x->data,
                              from + (size_t)heap[i].index * s->inner, 1);
            if (indices)
                CT_DATA(int64_t, indices)[at] = heap[i].index;
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct job job = {s, run, run->scratch};
    if (s->k > 0)
        ct_run_parallel(run, (int64_t)(s->outer * s->inner), 4 * (double)s->n + 40 * (double)s->k,
                        lines, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_top_k_attr = {.infer = infer_attr,
                                       .prepare = prepare,
                                       .run = run,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 2};
const struct ct_op ct_op_top_k = {.infer = infer_input,
                                  .prepare = prepare,
                                  .run = run,
                                  .min_in = 2,
                                  .max_in = 2,
                                  .min_out = 1,
                                  .max_out = 2};
