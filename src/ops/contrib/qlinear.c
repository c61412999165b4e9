/* QLinearAdd, QLinearMul, QLinearWhere, QLinearSigmoid, QLinearLeakyRelu and QLinearConcat: what
 * there is to compute for a byte is put into a table first. */
#include "ops/contrib/qlinear.h"

#include <math.h>

#include "ops/broadcast.h"

ct_status ct_qlinear_check(const struct ct_infer *infer, int scale, int zero, int like)
{
    if (!ct_infer_in(infer, scale))
        return ct_infer_fail(infer, "input %d, a scale, is missing", scale);
    CT_TRY(ct_infer_check_dtype(infer, scale, CT_BIT(F32)));
    CT_TRY(ct_contrib_scalar(infer, scale));
    CT_TRY(ct_infer_check_same_dtype(infer, like, zero));
    return ct_contrib_scalar(infer, zero);
}

struct ct_qlinear ct_qlinear_read(const struct ct_tensor *scale, const struct ct_tensor *zero,
                                  ct_dtype dtype)
{
    struct ct_qlinear q = {ct_contrib_f32(scale, 0, 1), (float)ct_contrib_i64(zero, 0), 0, 0,
                           dtype == CORTEN_I8};
    ct_int_range(dtype, &q.low, &q.high);
    return q;
}

float ct_qlinear_dynamic(const float *x, size_t n, uint8_t *to, uint8_t *zero_point)
{
    float low = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    float scale = high == low ? 1 : (high - low) / 255;
    float zero = rintf(fminf(fmaxf(-low / scale, 0), 255));
    *zero_point = (uint8_t)zero;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)ct_quantize_f32(x[i] / scale, zero, 0, 255);
    return scale;
}

/* ------------------------------------------------------------------ Add, Mul, Where */

enum { A_SCALE = 1, A_ZERO, B, B_SCALE, B_ZERO, C_SCALE, C_ZERO };

static ct_status infer_binary(struct ct_infer *infer)
{
    ct_dim dims[CT_MAX_RANK];
    int rank;
    if (!ct_infer_in(infer, B))
        return ct_infer_fail(infer, "the second operand is missing");
    CT_TRY(ct_infer_check_same_dtype(infer, 0, B));
    CT_TRY(ct_qlinear_check(infer, A_SCALE, A_ZERO, 0));
    CT_TRY(ct_qlinear_check(infer, B_SCALE, B_ZERO, 0));
    CT_TRY(ct_qlinear_check(infer, C_SCALE, C_ZERO, 0));
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, B);
    ct_infer_set(infer, 0, a->dtype, -1, NULL);
    if (a->rank < 0 || b->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_broadcast_dims(infer, a->rank, a->dims, b->rank, b->dims, &rank, dims));
    ct_infer_set(infer, 0, a->dtype, rank, dims);
    return CORTEN_OK;
}

enum { CONDITION, X, X_SCALE, X_ZERO, Y, Y_SCALE, Y_ZERO, Z_SCALE, Z_ZERO };

static ct_status infer_where(struct ct_infer *infer)
{
    const struct ct_fact *x = ct_infer_in(infer, X), *y = ct_infer_in(infer, Y);
    const struct ct_fact *c = ct_infer_in(infer, CONDITION);
    ct_dim dims[CT_MAX_RANK], all[CT_MAX_RANK];
    int rank, all_rank;
    CT_TRY(ct_infer_check_dtype(infer, X, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_same_dtype(infer, X, Y));
    CT_TRY(ct_qlinear_check(infer, X_SCALE, X_ZERO, X));
    CT_TRY(ct_qlinear_check(infer, Y_SCALE, Y_ZERO, X));
    CT_TRY(ct_qlinear_check(infer, Z_SCALE, Z_ZERO, X));
    ct_infer_set(infer, 0, x->dtype, -1, NULL);
    if (x->rank < 0 || y->rank < 0 || c->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_infer_broadcast_dims(infer, x->rank, x->dims, y->rank, y->dims, &rank, dims));
    CT_TRY(ct_infer_broadcast_dims(infer, rank, dims, c->rank, c->dims, &all_rank, all));
    ct_infer_set(infer, 0, x->dtype, all_rank, all);
    return CORTEN_OK;
}

static ct_status prepare_broadcast(struct ct_prepare *prepare, int n, const int *inputs)
{
    struct ct_broadcast *broadcast = ct_prepare_alloc(prepare, sizeof *broadcast);
    const struct ct_tensor *in[CT_BROADCAST_MAX];
    if (!broadcast)
        return ct_fail_memory(prepare->error, sizeof *broadcast, "an operator's state");
    for (int i = 0; i < n; i++)
        in[i] = prepare->in[inputs[i]];
    ct_broadcast_init(broadcast, prepare->out[0], n, in);
    prepare->state = broadcast;
    return CORTEN_OK;
}

static ct_status prepare_binary(struct ct_prepare *prepare)
{
    return prepare_broadcast(prepare, 2, (const int[]){0, B});
}

static ct_status prepare_where(struct ct_prepare *prepare)
{
    return prepare_broadcast(prepare, 3, (const int[]){CONDITION, X, Y});
}

struct job {
    const struct ct_broadcast *broadcast;
    const uint8_t *a, *b, *condition;
    uint8_t *y;
    float a_table[256], b_table[256]; /* operands in units of the result */
    uint8_t a_bytes[256], b_bytes[256];
    struct ct_qlinear out;
};

static void add_row(void *arg, int64_t out_first, const int64_t *first, int64_t n)
{
    const struct job *job = arg;
    const uint8_t *a = job->a + first[0], *b = job->b + first[1];
    size_t a_step = job->broadcast->step[0], b_step = job->broadcast->step[1];
    uint8_t *y = job->y + out_first;
    for (int64_t i = 0; i < n; i++)
        y[i] = (uint8_t)ct_quantize_f32(job->a_table[a[(size_t)i * a_step]] +
                                            job->b_table[b[(size_t)i * b_step]],
                                        job->out.zero, job->out.low, job->out.high);
}

static void mul_row(void *arg, int64_t out_first, const int64_t *first, int64_t n)
{
    const struct job *job = arg;
    const uint8_t *a = job->a + first[0], *b = job->b + first[1];
    size_t a_step = job->broadcast->step[0], b_step = job->broadcast->step[1];
    uint8_t *y = job->y + out_first;
    for (int64_t i = 0; i < n; i++)
        y[i] = (uint8_t)ct_quantize_f32(job->a_table[a[(size_t)i * a_step]] *
                                            job->b_table[b[(size_t)i * b_step]] * job->out.scale,
                                        job->out.zero, job->out.low, job->out.high);
}

static void where_row(void *arg, int64_t out_first, const int64_t *first, int64_t n)
{
    const struct job *job = arg;
    const uint8_t *c = job->condition + first[0], *a = job->a + first[1], *b = job->b + first[2];
    const size_t *step = job->broadcast->step;
    uint8_t *y = job->y + out_first;
    for (int64_t i = 0; i < n; i++)
        y[i] = c[(size_t)i * step[0]] ? job->a_bytes[a[(size_t)i * step[1]]]
                                      : job->b_bytes[b[(size_t)i * step[2]]];
}

static ct_status run_binary(const struct ct_run *run, bool product)
{
    struct job job = {.broadcast = run->state,
                      .a = run->in[0]->data,
                      .b = run->in[B]->data,
                      .y = run->out[0]->data};
    ct_dtype dtype = run->in[0]->dtype;
    struct ct_qlinear a = ct_qlinear_read(run->in[A_SCALE], run->in[A_ZERO], dtype);
    struct ct_qlinear b = ct_qlinear_read(run->in[B_SCALE], run->in[B_ZERO], dtype);
    job.out = ct_qlinear_read(run->in[C_SCALE], ct_contrib_run_in(run, C_ZERO), dtype);
    float a_ratio = product ? 1 : a.scale / job.out.scale;
    float b_ratio = product ? 1 : b.scale / job.out.scale;
    if (product)
        job.out.scale = a.scale * b.scale / job.out.scale;
    for (unsigned i = 0; i < 256; i++) {
        job.a_table[i] = ((float)ct_qlinear_int(&a, i) - a.zero) * a_ratio;
        job.b_table[i] = ((float)ct_qlinear_int(&b, i) - b.zero) * b_ratio;
    }
    ct_broadcast_run(job.broadcast, run->exec->pool, 2, product ? mul_row : add_row, &job);
    return CORTEN_OK;
}

static ct_status run_add(const struct ct_run *run)
{
    return run_binary(run, false);
}

static ct_status run_mul(const struct ct_run *run)
{
    return run_binary(run, true);
}

/* Bytes of one quantisation as those of another. */
static void requantise_table(const struct ct_qlinear *from, const struct ct_qlinear *to,
                             uint8_t *table)
{
    bool same = from->scale == to->scale && from->zero == to->zero;
    for (unsigned i = 0; i < 256; i++)
        table[i] = same ? (uint8_t)i : ct_qlinear_byte(to, ct_qlinear_real(from, i));
}

static ct_status run_where(const struct ct_run *run)
{
    struct job job = {.broadcast = run->state,
                      .a = run->in[X]->data,
                      .b = run->in[Y]->data,
                      .condition = run->in[CONDITION]->data,
                      .y = run->out[0]->data};
    ct_dtype dtype = run->in[X]->dtype;
    struct ct_qlinear x = ct_qlinear_read(run->in[X_SCALE], run->in[X_ZERO], dtype);
    struct ct_qlinear y = ct_qlinear_read(run->in[Y_SCALE], run->in[Y_ZERO], dtype);
    struct ct_qlinear z = ct_qlinear_read(run->in[Z_SCALE], run->in[Z_ZERO], dtype);
    requantise_table(&x, &z, job.a_bytes);
    requantise_table(&y, &z, job.b_bytes);
    ct_broadcast_run(job.broadcast, run->exec->pool, 1.5, where_row, &job);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ Sigmoid, LeakyRelu */

static ct_status infer_unary(struct ct_infer *infer)
{
    CT_TRY(ct_qlinear_check(infer, 1, 2, 0));
    CT_TRY(ct_qlinear_check(infer, 3, 4, 0));
    ct_infer_same(infer, 0, 0);
    return CORTEN_OK;
}

static ct_status prepare_unary(struct ct_prepare *prepare)
{
    ct_prepare_in_place(prepare, 0, 0);
    return CORTEN_OK;
}

struct map {
    const uint8_t *x;
    uint8_t *y, table[256];
};

static void map_bytes(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct map *m = arg;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        m->y[i] = m->table[m->x[i]];
}

static ct_status run_unary(const struct ct_run *run, bool sigmoid)
{
    struct map m = {run->in[0]->data, run->out[0]->data, {0}};
    ct_dtype dtype = run->in[0]->dtype;
    struct ct_qlinear x = ct_qlinear_read(run->in[1], run->in[2], dtype);
    struct ct_qlinear y = ct_qlinear_read(run->in[3], ct_contrib_run_in(run, 4), dtype);
    float alpha = ct_attr_float(run->node, "alpha", 0.01f);
    for (unsigned i = 0; i < 256; i++) {
        float v = ct_qlinear_real(&x, i);
        v = sigmoid ? 1 / (1 + expf(-v)) : v < 0 ? alpha * v : v;
        m.table[i] = ct_qlinear_byte(&y, v);
    }
    ct_run_parallel(run, (int64_t)ct_count(run->in[0]), 0.8, map_bytes, &m);
    return CORTEN_OK;
}

static ct_status run_sigmoid(const struct ct_run *run)
{
    return run_unary(run, true);
}

static ct_status run_leaky_relu(const struct ct_run *run)
{
    return run_unary(run, false);
}

/* ------------------------------------------------------------------ Concat */

enum { FIRST_PART = 2, PART_INPUTS = 3 };

static ct_status infer_concat(struct ct_infer *infer)
{
    const struct ct_fact *zero = ct_infer_in(infer, 1);
    ct_dim dims[CT_MAX_RANK];
    int rank = -1, axis = 0;
    bool known = true;
    int64_t attr;
    const struct ct_attr *a = ct_node_attr(infer->node, "axis");
    if (!a || a->type != CT_ATTR_INT)
        return ct_infer_fail(infer, "the attribute axis is missing");
    attr = a->i;
    if (infer->n_in < FIRST_PART + PART_INPUTS || (infer->n_in - FIRST_PART) % PART_INPUTS || !zero)
        return ct_infer_fail(infer, "each part has a tensor, a scale and a zero point");
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_qlinear_check(infer, 0, 1, 1));
    ct_infer_set(infer, 0, zero->dtype, -1, NULL);
    for (int i = FIRST_PART; i < infer->n_in; i += PART_INPUTS) {
        const struct ct_fact *x = ct_infer_in(infer, i);
        if (!x)
            return ct_infer_fail(infer, "input %d is missing", i);
        if (x->layout != ct_infer_in(infer, FIRST_PART)->layout)
            return ct_infer_fail(infer, "input %d is in another layout than those before", i);
        CT_TRY(ct_infer_check_same_dtype(infer, 1, i));
        CT_TRY(ct_qlinear_check(infer, i + 1, i + 2, 1));
        known = known && x->rank >= 0;
        if (!known)
            continue;
        if (rank < 0) {
            rank = x->rank;
            CT_TRY(ct_infer_axis(infer, attr, rank, &axis));
            for (int d = 0; d < rank; d++)
                dims[d] = x->dims[d];
            continue;
        }
        CT_TRY(ct_infer_check_rank(infer, i, rank, rank));
        for (int d = 0; d < rank; d++) {
            if (d != axis)
                CT_TRY(ct_contrib_agree(infer, "parts", dims[d], x->dims[d]));
            else
                dims[d] = ct_dim_add(infer, dims[d], x->dims[d]);
        }
    }
    if (known)
        ct_infer_set(infer, 0, zero->dtype, rank, dims);
    if (infer->out[0])
        infer->out[0]->layout = ct_infer_in(infer, FIRST_PART)->layout;
    return CORTEN_OK;
}

struct concat {
    uint8_t (*tables)[256]; /* of each part */
    const struct ct_run *run;
    int64_t *rows; /* bytes of each part in one of the outer indices */
    int64_t row;   /* of all */
    int n_parts;
};

static void concat_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct concat *c = arg;
    (void)worker;
    for (int64_t o = begin; o < end; o++) {
        uint8_t *y = CT_DATA(uint8_t, c->run->out[0]) + o * c->row;
        for (int k = 0; k < c->n_parts; y += c->rows[k], k++) {
            const uint8_t *x = c->run->in[FIRST_PART + k * PART_INPUTS]->data;
            x += o * c->rows[k];
            for (int64_t i = 0; i < c->rows[k]; i++)
                y[i] = c->tables[k][x[i]];
        }
    }
}

/* The axis as it lies in memory. */
static int memory_axis(const struct ct_run *run, const struct ct_tensor *y)
{
    int64_t attr = ct_attr_int(run->node, "axis", 0);
    int axis = (int)(attr < 0 ? attr + y->rank : attr);
    if (y->layout == CT_LAYOUT_NXC && axis > 0)
        return axis == 1 ? y->rank - 1 : axis - 1;
    return axis;
}

static ct_status prepare_concat(struct ct_prepare *prepare)
{
    size_t parts = (size_t)(prepare->n_in - FIRST_PART) / PART_INPUTS, at;
    CT_TRY(ct_contrib_reserve(prepare, parts, sizeof(int64_t), &at));
    return ct_contrib_reserve(prepare, parts, 256, &at);
}

static ct_status run_concat(const struct ct_run *run)
{
    const struct ct_tensor *y = run->out[0];
    int64_t dims[CT_MAX_RANK + 1], part_dims[CT_MAX_RANK + 1];
    int axis = memory_axis(run, y), rank = ct_memory_dims(y, dims);
    struct ct_qlinear to = ct_qlinear_read(run->in[0], run->in[1], y->dtype);
    struct concat c = {.run = run, .n_parts = (run->n_in - FIRST_PART) / PART_INPUTS};
    c.rows = run->scratch;
    c.tables = (uint8_t(*)[256])((char *)run->scratch +
                                 ct_align_up((size_t)c.n_parts * sizeof *c.rows, CT_ALIGN));
    c.row = ct_dims_product(dims, axis, rank);
    for (int k = 0; k < c.n_parts; k++) {
        struct ct_tensor *const *part = &run->in[FIRST_PART + k * PART_INPUTS];
        struct ct_qlinear from = ct_qlinear_read(part[1], part[2], part[0]->dtype);
        ct_memory_dims(part[0], part_dims);
        c.rows[k] = ct_dims_product(part_dims, axis, rank);
        requantise_table(&from, &to, c.tables[k]);
    }
    ct_run_parallel(run, ct_dims_product(dims, 0, axis), 0.8 * (double)c.row, concat_rows, &c);
    return CORTEN_OK;
}

const struct ct_op ct_op_qlinear_add = {.infer = infer_binary,
                                        .prepare = prepare_binary,
                                        .run = run_add,
                                        .flags = CT_OP_ANY_LAYOUT,
                                        .min_in = 1,
                                        .max_in = 8,
                                        .min_out = 1};
const struct ct_op ct_op_qlinear_mul = {.infer = infer_binary,
                                        .prepare = prepare_binary,
                                        .run = run_mul,
                                        .flags = CT_OP_ANY_LAYOUT,
                                        .min_in = 1,
                                        .max_in = 8,
                                        .min_out = 1};
const struct ct_op ct_op_qlinear_where = {.infer = infer_where,
                                          .prepare = prepare_where,
                                          .run = run_where,
                                          .min_in = 9,
                                          .max_in = 9,
                                          .min_out = 1};
const struct ct_op ct_op_qlinear_sigmoid = {.infer = infer_unary,
                                            .prepare = prepare_unary,
                                            .run = run_sigmoid,
                                            .flags = CT_OP_ANY_LAYOUT,
                                            .min_in = 1,
                                            .max_in = 5,
                                            .min_out = 1};
const struct ct_op ct_op_qlinear_leaky_relu = {.infer = infer_unary,
                                               .prepare = prepare_unary,
                                               .run = run_leaky_relu,
                                               .flags = CT_OP_ANY_LAYOUT,
                                               .min_in = 1,
                                               .max_in = 5,
                                               .min_out = 1};
const struct ct_op ct_op_qlinear_concat = {.infer = infer_concat,
                                           .prepare = prepare_concat,
                                           .run = run_concat,
                                           .flags = CT_OP_LAYOUTS,
                                           .min_in = 5,
                                           .max_in = -1,
                                           .min_out = 1,
                                           .typed_input = 1};
