/* Softmax, LogSoftmax and Hardmax. Versions 1 and 11 see the input as a matrix (the axes from
 * `axis` on are one row); version 13 works along one axis. */
#include "kernels/attention.h"
#include "kernels/softmax.h"
#include "ops/norm/rows.h"

#include <math.h>
#include <string.h>

struct state {
    struct ct_rows rows;
    const struct ct_softmax_f32_kernel *kernel;
};

static void softmax_f32(const void *arg, const float *x, float *y, size_t n)
{
    const struct state *state = arg;
    state->kernel->fn->softmax(x, y, n);
}

/* f16 as ONNX's definition has it, in its own type: exponentials and their sum are rounded, so that
 * a graph and its function body give the same. The sum of very long rows is not: it would be
 * infinite. */
static void softmax_f16(const void *arg, const float *x, float *y, size_t n)
{
    enum { BLOCK = 256 };
    uint16_t bits[BLOCK];
    float sum = 0;
    (void)arg;
    memmove(y, x, n * sizeof *y);
    struct ct_attention_f32_row row = {.s = y, .n = n, .scale = 1, .max = -HUGE_VALF};
    const struct ct_attention_f32_kernel *kernel = ct_attention_f32_select(ct_cpu_features());
    kernel->fn->softmax(&row, 1);
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t m = n - i < BLOCK ? n - i : BLOCK;
        ct_store_f32(CORTEN_F16, bits, 0, m, y + i);
        ct_load_f32(CORTEN_F16, bits, 0, m, y + i);
        for (size_t j = 0; j < m; j++)
            sum += y[i + j];
    }
    if (sum < 65504.0f)
        sum = ct_f16_to_f32(ct_f32_to_f16(sum));
    kernel->fn->scale(y, n, 1.0f / sum);
}

static void log_softmax_f32(const void *arg, const float *x, float *y, size_t n)
{
    const struct state *state = arg;
    state->kernel->fn->log_softmax(x, y, n);
}

static double max_f64(const double *x, size_t n)
{
    double max = x[0];
    for (size_t i = 1; i < n; i++)
        if (x[i] > max || x[i] != x[i])
            max = x[i];
    return max;
}

static void softmax_f64(const void *arg, const double *x, double *y, size_t n)
{
    double max = max_f64(x, n), sum = 0;
    (void)arg;
    for (size_t i = 0; i < n; i++) {
        y[i] = exp(x[i] - max);
        sum += y[i];
    }
    for (size_t i = 0; i < n; i++)
        y[i] /= sum;
}

static void log_softmax_f64(const void *arg, const double *x, double *y, size_t n)
{
    double max = max_f64(x, n), sum = 0;
    (void)arg;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    double shift = max + log(sum);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] - shift;
}

static void hardmax_f32(const void *arg, const float *x, float *y, size_t n)
{
    size_t best = 0;
    (void)arg;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    memset(y, 0, n * sizeof *y);
    y[best] = 1;
}

static void hardmax_f64(const void *arg, const double *x, double *y, size_t n)
{
    size_t best = 0;
    (void)arg;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    memset(y, 0, n * sizeof *y);
    y[best] = 1;
}

/* The matrix form allows axis == rank: rows of one element. */
static ct_status matrix_axis(const struct ct_node *node, int rank, int *axis, corten_error *error)
{
    int64_t a = ct_attr_int(node, "axis", 1);
    if (rank <= 1 && a == 1 && !ct_node_attr(node, "axis"))
        a = 0;
    if (a < -rank || a > rank)
        return ct_fail(error, CORTEN_INVALID_MODEL, "axis %lld is out of range for rank %d",
                       (long long)a, rank);
    *axis = (int)(a < 0 ? a + rank : a);
    return CORTEN_OK;
}

static ct_status infer_matrix(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int axis;
    CT_TRY(ct_infer_unary(infer));
    if (x && x->rank >= 0)
        CT_TRY(matrix_axis(infer->node, x->rank, &axis, infer->error));
    return CORTEN_OK;
}

static ct_status infer_axis(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, 0);
    int axis;
    CT_TRY(ct_infer_unary(infer));
    if (x && x->rank > 0)
        CT_TRY(ct_infer_axis(infer, ct_attr_int(infer->node, "axis", -1), x->rank, &axis));
    return CORTEN_OK;
}

static ct_status prepare_rows(struct ct_prepare *prepare, bool matrix, ct_row_f32_fn f32,
                              ct_row_f64_fn f64, double elem_ns)
{
    const struct ct_tensor *x = prepare->in[0];
    struct state *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a softmax");
    int first, last = x->rank - 1;
    if (matrix) {
        CT_TRY(matrix_axis(prepare->node, x->rank, &first, prepare->error));
    } else {
        int64_t axis = ct_attr_int(prepare->node, "axis", -1);
        first = (int)(axis < 0 ? axis + x->rank : axis);
        if (x->rank == 0)
            first = 0;
        else
            last = first;
    }
    CT_TRY(ct_rows_init(&state->rows, x, first, last, prepare));
    state->kernel = ct_softmax_f32_select(ct_cpu_features());
    bool half = f32 == softmax_f32 && x->dtype == CORTEN_F16;
    state->rows.f32 = half ? softmax_f16 : f32;
    state->rows.f64 = f64;
    state->rows.arg = state;
    state->rows.elem_ns = elem_ns;
    prepare->state = state;
    prepare->kernel = f32 == hardmax_f32 ? NULL : state->kernel->name;
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_softmax_matrix(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, true, softmax_f32, softmax_f64, 0.6);
}
static ct_status prepare_softmax(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, false, softmax_f32, softmax_f64, 0.6);
}
static ct_status prepare_log_softmax_matrix(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, true, log_softmax_f32, log_softmax_f64, 0.6);
}
static ct_status prepare_log_softmax(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, false, log_softmax_f32, log_softmax_f64, 0.6);
}
static ct_status prepare_hardmax_matrix(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, true, hardmax_f32, hardmax_f64, 1);
}
static ct_status prepare_hardmax(struct ct_prepare *prepare)
{
    return prepare_rows(prepare, false, hardmax_f32, hardmax_f64, 1);
}

static ct_status run_rows(const struct ct_run *run)
{
    const struct state *state = run->state;
    ct_rows_run(&state->rows, run, run->in[0]->data, run->out[0]->data);
    return CORTEN_OK;
}

const struct ct_op ct_op_softmax_matrix = {.infer = infer_matrix,
                                           .prepare = prepare_softmax_matrix,
                                           .run = run_rows,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1};
const struct ct_op ct_op_softmax = {.infer = infer_axis,
                                    .prepare = prepare_softmax,
                                    .run = run_rows,
                                    .min_in = 1,
                                    .max_in = 1,
                                    .min_out = 1};
const struct ct_op ct_op_log_softmax_matrix = {.infer = infer_matrix,
                                               .prepare = prepare_log_softmax_matrix,
                                               .run = run_rows,
                                               .min_in = 1,
                                               .max_in = 1,
                                               .min_out = 1};
const struct ct_op ct_op_log_softmax = {.infer = infer_axis,
                                        .prepare = prepare_log_softmax,
                                        .run = run_rows,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .min_out = 1};
const struct ct_op ct_op_hardmax_matrix = {.infer = infer_matrix,
                                           .prepare = prepare_hardmax_matrix,
                                           .run = run_rows,
                                           .min_in = 1,
                                           .max_in = 1,
                                           .min_out = 1};
const struct ct_op ct_op_hardmax = {.infer = infer_axis,
                                    .prepare = prepare_hardmax,
                                    .run = run_rows,
                                    .min_in = 1,
                                    .max_in = 1,
                                    .min_out = 1};
