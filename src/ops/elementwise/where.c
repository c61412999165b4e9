/* Where: elements of x or of y, moved by their size. */
#include "ops/broadcast.h"

struct bytes16 {
    uint64_t words[2];
};

#define T uint8_t
#define FN(name) name##_1
#include "ops/elementwise/where_rows.h"
#undef T
#undef FN
#define T uint16_t
#define FN(name) name##_2
#include "ops/elementwise/where_rows.h"
#undef T
#undef FN
#define T uint32_t
#define FN(name) name##_4
#include "ops/elementwise/where_rows.h"
#undef T
#undef FN
#define T uint64_t
#define FN(name) name##_8
#include "ops/elementwise/where_rows.h"
#undef T
#undef FN
#define T struct bytes16
#define FN(name) name##_16
#include "ops/elementwise/where_rows.h"

typedef void (*where_fn)(void *to, const uint8_t *condition, size_t condition_step, const void *x,
                         size_t x_step, const void *y, size_t y_step, size_t n);

/* Shape arithmetic: a condition that is known chooses among dimensions. */
static ct_status infer_values(struct ct_infer *infer)
{
    const struct ct_fact *condition = infer->in[0], *x = infer->in[1], *y = infer->in[2];
    if (!x->values || !y->values || !condition->values || condition->rank > 1)
        return CORTEN_OK;
    int n = condition->n_values;
    int n_out = n > 1 ? n : x->n_values > 1 ? x->n_values : y->n_values;
    if (n > CT_FACT_MAX_VALUES || n == 0 || (n > 1 && n != n_out) ||
        (x->n_values != 1 && x->n_values != n_out) || (y->n_values != 1 && y->n_values != n_out))
        return CORTEN_OK;
    ct_dim values[CT_FACT_MAX_VALUES];
    for (int i = 0; i < n_out; i++) {
        ct_dim chosen = condition->values[n > 1 ? i : 0];
        ct_dim of_x = x->values[x->n_values > 1 ? i : 0], of_y = y->values[y->n_values > 1 ? i : 0];
        if (ct_dim_known(chosen))
            values[i] = chosen ? of_x : of_y;
        else
            values[i] = of_x == of_y ? of_x : CT_DIM_UNKNOWN;
    }
    return ct_infer_set_values(infer, 0, values, n_out);
}

static ct_status infer_where(struct ct_infer *infer)
{
    ct_dim dims[CT_MAX_RANK];
    int rank;
    for (int i = 0; i < 3; i++) {
        if (!infer->in[i])
            return ct_infer_fail(infer, "input %d is missing", i);
        CT_TRY(ct_infer_check_rank(infer, i, 0, CT_MAX_RANK));
    }
    CT_TRY(ct_infer_check_dtype(infer, 0, CT_BIT(BOOL)));
    CT_TRY(ct_infer_check_same_dtype(infer, 1, 2));
    CT_TRY(ct_infer_broadcast(infer, 0, 3, &rank, dims));
    ct_dtype dtype = infer->in[1]->dtype ? infer->in[1]->dtype : infer->in[2]->dtype;
    ct_infer_set(infer, 0, dtype, rank, rank < 0 ? NULL : dims);
    return infer_values(infer);
}

struct where_state {
    struct ct_broadcast broadcast;
    where_fn fn;
    size_t elem_bytes;
};

static ct_status prepare_where(struct ct_prepare *prepare)
{
    struct where_state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "an operator's state");
    const struct ct_tensor *out = prepare->out[0];
    ct_broadcast_init(&state->broadcast, out, 3, prepare->in);
    state->elem_bytes = ct_dtype_elem_bytes(out->dtype);
    state->fn = state->elem_bytes == 1   ? where_1
                : state->elem_bytes == 2 ? where_2
                : state->elem_bytes == 4 ? where_4
                : state->elem_bytes == 8 ? where_8
                                         : where_16;
    prepare->state = state;
    for (int i = 2; i >= 1; i--)
        if (ct_same_shape(prepare->in[i], out))
            ct_prepare_in_place(prepare, 0, i);
    return CORTEN_OK;
}

struct where_job {
    const struct where_state *state;
    const struct ct_run *run;
};

static void run_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    const struct where_job *job = arg;
    struct ct_tensor *const *in = job->run->in;
    const size_t *step = job->state->broadcast.step, size = job->state->elem_bytes;
    job->state->fn((char *)job->run->out[0]->data + (size_t)out_first * size,
                   CT_DATA(const uint8_t, in[0]) + in_first[0], step[0],
                   (const char *)in[1]->data + (size_t)in_first[1] * size, step[1],
                   (const char *)in[2]->data + (size_t)in_first[2] * size, step[2], (size_t)n);
}

static ct_status run_where(const struct ct_run *run)
{
    struct where_job job = {run->state, run};
    ct_broadcast_run(&job.state->broadcast, run->exec->pool, 0.5, run_row, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_where = {
    .infer = infer_where,
    .prepare = prepare_where,
    .run = run_where,
    .min_in = 3,
    .max_in = 3,
    .typed_input = 1,
};
