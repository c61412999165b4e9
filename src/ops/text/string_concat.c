/* StringConcat. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/text/strings.h"

static ct_status infer(struct ct_infer *infer)
{
    int rank;
    ct_dim dims[CT_MAX_RANK];
    CT_TRY(ct_infer_check_same_dtype(infer, 0, 1));
    CT_TRY(ct_infer_check_rank(infer, 0, 0, CT_MAX_RANK));
    CT_TRY(ct_infer_check_rank(infer, 1, 0, CT_MAX_RANK));
    CT_TRY(ct_infer_broadcast(infer, 0, 2, &rank, dims));
    ct_infer_set(infer, 0, CORTEN_STRING, rank, dims);
    return CORTEN_OK;
}

struct concat {
    const corten_string *a, *b;
    size_t step_a, step_b;
    corten_string *out; /* NULL: only adds up sizes */
    char *bytes;
    size_t size_bytes;
    bool overflow;
};

static void concat_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    struct concat *c = arg;
    for (int64_t i = 0; i < n; i++) {
        corten_string a = c->a[in_first[0] + i * (int64_t)c->step_a];
        corten_string b = c->b[in_first[1] + i * (int64_t)c->step_b];
        if (!c->out) {
            c->overflow |= !ct_add_size(c->size_bytes, a.size_bytes, &c->size_bytes) ||
                           !ct_add_size(c->size_bytes, b.size_bytes, &c->size_bytes);
            continue;
        }
        c->out[out_first + i] = (corten_string){c->bytes, a.size_bytes + b.size_bytes};
        if (a.size_bytes)
            memcpy(c->bytes, a.data, a.size_bytes);
        if (b.size_bytes)
            memcpy(c->bytes + a.size_bytes, b.data, b.size_bytes);
        c->bytes += a.size_bytes + b.size_bytes;
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *in[] = {run->in[0], run->in[1]};
    struct ct_tensor shape = {.rank = 0};
    shape.rank = in[0]->rank > in[1]->rank ? in[0]->rank : in[1]->rank;
    for (int i = 0; i < shape.rank; i++) {
        int64_t sizes[2];
        for (int k = 0; k < 2; k++) {
            int at = i - (shape.rank - in[k]->rank);
            sizes[k] = at < 0 ? 1 : in[k]->dims[at];
        }
        shape.dims[i] = sizes[0] == 1 ? sizes[1] : sizes[0];
    }
    if (!run->out[0])
        return CORTEN_OK;
    struct ct_broadcast broadcast;
    ct_broadcast_init(&broadcast, &shape, 2, in);
    struct concat c = {
        .a = in[0]->data,
        .b = in[1]->data,
        .step_a = broadcast.step[0],
        .step_b = broadcast.step[1],
    };
    size_t n_elems;
    if (!ct_shape_count(shape.rank, shape.dims, &n_elems))
        return ct_run_fail(run, "the result is too large");
    if (n_elems)
        ct_broadcast_run(&broadcast, NULL, 1, concat_row, &c);
    if (c.overflow)
        return ct_run_fail(run, "the result is too large");
    CT_TRY(ct_run_strings(run, 0, shape.rank, shape.dims, c.size_bytes, &c.bytes));
    c.out = run->out[0]->data;
    if (n_elems)
        ct_broadcast_run(&broadcast, NULL, 1, concat_row, &c);
    return CORTEN_OK;
}

const struct ct_op ct_op_string_concat = {
    .infer = infer,
    .run = run,
    .flags = CT_OP_ALLOCATES,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
};
