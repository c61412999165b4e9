/* Max, Min, Mean, Sum of any number of inputs: folded from the left into the output. */
#include <string.h>

#include "ops/broadcast.h"
#include "ops/elementwise/loops.h"
#include "ops/elementwise/values.h"

static enum ct_binary op_of(const struct ct_node *node)
{
    if (!strcmp(node->op_type, "Max"))
        return CT_BINARY_MAX;
    return strcmp(node->op_type, "Min") ? CT_BINARY_ADD : CT_BINARY_MIN;
}

static ct_status check_inputs(struct ct_infer *infer)
{
    for (int i = 0; i < infer->n_in; i++) {
        if (!infer->in[i])
            return ct_infer_fail(infer, "input %d is missing", i);
        CT_TRY(ct_infer_check_rank(infer, i, 0, CT_MAX_RANK));
        CT_TRY(ct_infer_check_same_dtype(infer, 0, i));
    }
    return CORTEN_OK;
}

static ct_status infer_variadic(struct ct_infer *infer)
{
    ct_dim dims[CT_MAX_RANK];
    int rank;
    CT_TRY(check_inputs(infer));
    CT_TRY(ct_infer_broadcast(infer, 0, infer->n_in, &rank, dims));
    ct_infer_set(infer, 0, infer->in[0]->dtype, rank, rank < 0 ? NULL : dims);
    if (infer->n_in == 2)
        return ct_infer_binary_values(infer, op_of(infer->node), infer->in[0], infer->in[1]);
    return CORTEN_OK;
}

/* Before opset 8 all shapes are equal. */
static ct_status infer_variadic_1(struct ct_infer *infer)
{
    CT_TRY(check_inputs(infer));
    struct ct_fact merged = *infer->in[0];
    merged.constant = NULL;
    merged.values = NULL;
    for (int i = 1; i < infer->n_in; i++) {
        struct ct_fact other = *infer->in[i];
        other.constant = NULL;
        other.values = NULL;
        if (!ct_fact_merge(&merged, &other))
            return ct_infer_fail(infer, "inputs 0 and %d must have one shape", i);
    }
    ct_infer_set(infer, 0, merged.dtype, merged.rank, merged.rank < 0 ? NULL : merged.dims);
    return CORTEN_OK;
}

struct variadic_state {
    struct ct_binary_loop loop;
    double scale;                /* of the result: Mean; 0: none */
    struct ct_broadcast steps[]; /* first: inputs 0 and 1 (or 0 alone); then output and i */
};

static ct_status prepare_variadic(struct ct_prepare *prepare)
{
    size_t n_steps = prepare->n_in > 2 ? (size_t)prepare->n_in - 1 : 1;
    size_t size_bytes = sizeof(struct variadic_state) + n_steps * sizeof(struct ct_broadcast);
    struct variadic_state *state = ct_prepare_alloc(prepare, size_bytes);
    if (!state)
        return ct_fail_memory(prepare->error, size_bytes, "an operator's state");
    const struct ct_tensor *out = prepare->out[0];
    ct_binary_loop_init(&state->loop, op_of(prepare->node), ct_class_of(out->dtype));
    if (!strcmp(prepare->node->op_type, "Mean"))
        state->scale = prepare->n_in;
    for (size_t i = 0; i < n_steps; i++) {
        const struct ct_tensor *in[] = {i ? out : prepare->in[0],
                                        prepare->n_in > 1 ? prepare->in[i + 1] : NULL};
        ct_broadcast_init(&state->steps[i], out, prepare->n_in > 1 ? 2 : 1, in);
    }
    prepare->state = state;
    prepare->kernel = state->loop.kernel->name;
    /* Later inputs are read after the output has been written: only the first may be shared. */
    if (ct_same_shape(prepare->in[0], out))
        ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

struct variadic_job {
    const struct variadic_state *state;
    const struct ct_broadcast *step;
    const struct ct_tensor *a, *b;
    struct ct_tensor *out;
};

static void run_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    const struct variadic_job *job = arg;
    const size_t *step = job->step->step;
    struct ct_source a = {job->a->dtype, job->a->data, (size_t)in_first[0], step[0], 0};
    struct ct_source b = {job->b->dtype, job->b->data, (size_t)in_first[1], step[1], 0};
    ct_binary_row(&job->state->loop, job->out->dtype, job->out->data, (size_t)out_first, &a, &b,
                  (size_t)n);
}

static void run_scale_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    (void)in_first;
    const struct variadic_job *job = arg;
    struct ct_binary_loop loop;
    enum ct_class class_ = job->state->loop.kernel->class_;
    union ct_params divisor;
    ct_binary_loop_init(&loop, CT_BINARY_DIV, class_);
    ct_params_set(&divisor, class_, 0, job->state->scale);
    struct ct_source a = {job->out->dtype, job->out->data, (size_t)out_first, 1, 0};
    struct ct_source b = {ct_class_dtype(class_), &divisor, 0, 0, 0};
    ct_binary_row(&loop, job->out->dtype, job->out->data, (size_t)out_first, &a, &b, (size_t)n);
}

static ct_status run_variadic(const struct ct_run *run)
{
    const struct variadic_state *state = run->state;
    struct ct_tensor *out = run->out[0];
    struct variadic_job job = {.state = state, .out = out, .a = run->in[0]};
    if (run->n_in == 1 && out->data != run->in[0]->data)
        ct_copy_elems(out->dtype, out->data, 0, run->in[0]->data, 0, ct_count(out));
    for (int i = 1; i < run->n_in; i++) {
        job.step = &state->steps[i - 1];
        job.b = run->in[i];
        ct_broadcast_run(job.step, run->exec->pool, state->loop.elem_ns, run_row, &job);
        job.a = out;
    }
    if (state->scale > 1)
        ct_broadcast_run(&state->steps[0], run->exec->pool, state->loop.elem_ns, run_scale_row,
                         &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_variadic = {
    .infer = infer_variadic,
    .prepare = prepare_variadic,
    .run = run_variadic,
    .min_in = 1,
    .max_in = -1,
};

const struct ct_op ct_op_variadic_1 = {
    .infer = infer_variadic_1,
    .prepare = prepare_variadic,
    .run = run_variadic,
    .min_in = 1,
    .max_in = -1,
};
