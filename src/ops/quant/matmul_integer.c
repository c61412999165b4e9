/* MatMulInteger and QLinearMatMul. Bytes go to the 8-bit GEMM; for float8 both operands are
 * widened, with their zero points taken away, and multiplied row by row. */
#include "ops/quant/byte_product.h"
#include "ops/quant/round.h"

#include <string.h>

/* Where the inputs are; -1: there is no such input. */
struct places {
    int a, a_zero, b, b_zero, a_scale, b_scale, y_scale, y_zero;
};
static const struct places integer_places = {0, 2, 1, 3, -1, -1, -1, -1};
static const struct places qlinear_places = {0, 2, 3, 5, 1, 4, 6, 7};

struct matmul {
    const struct places *at;
    struct ct_byte_product bytes; /* the rest is for float8 */
    int64_t m, n, k, batch;
    int rank;                                                                  /* of the batch */
    int64_t dims[CT_MAX_RANK], a_strides[CT_MAX_RANK], b_strides[CT_MAX_RANK]; /* matrices */
    size_t a_at, b_at, c_at;                                                   /* in scratch */
};

/* ------------------------------------------------------------------ infer */

/* One number, one for each row (column) of a matrix, or one for each of all matrices. */
static ct_status check_parameter(const struct ct_infer *infer, int i, ct_dim lines, int matrix)
{
    const struct ct_fact *p = i < 0 ? NULL : ct_infer_in(infer, i), *x = ct_infer_in(infer, matrix);
    if (!p || p->rank < 0 || !x || x->rank < 0)
        return CORTEN_OK;
    ct_dim count = 1, all = lines;
    for (int d = 0; d < p->rank; d++)
        count = ct_dim_mul(infer, count, p->dims[d]);
    for (int d = 0; d < x->rank - 2; d++)
        all = ct_dim_mul(infer, all, x->dims[d]);
    if (!ct_dim_known(count) || !ct_dim_known(lines) || !ct_dim_known(all))
        return CORTEN_OK;
    if (count != 1 && count != lines && count != all)
        return ct_infer_fail(infer, "input %d has %lld elements, expected 1 or %lld", i,
                             (long long)count, (long long)lines);
    return CORTEN_OK;
}

static ct_status infer_product(struct ct_infer *infer, const struct places *at, ct_dtype dtype)
{
    const struct ct_fact *a = ct_infer_in(infer, at->a), *b = ct_infer_in(infer, at->b);
    if (!a || !b)
        return ct_infer_fail(infer, "both operands must be present");
    CT_TRY(ct_infer_check_rank(infer, at->a, 1, -1));
    CT_TRY(ct_infer_check_rank(infer, at->b, 1, -1));
    CT_TRY(ct_infer_check_same_dtype(infer, at->a, at->a_zero));
    CT_TRY(ct_infer_check_same_dtype(infer, at->b, at->b_zero));
    ct_infer_set(infer, 0, dtype, -1, NULL);
    if (a->rank < 0 || b->rank < 0)
        return CORTEN_OK;
    ct_dim k = a->dims[a->rank - 1], k_b = b->dims[b->rank > 1 ? b->rank - 2 : 0];
    if (ct_dim_known(k) && ct_dim_known(k_b) && k != k_b)
        return ct_infer_fail(infer, "cannot multiply: the operands have %lld columns and %lld rows",
                             (long long)k, (long long)k_b);
    ct_dim dims[CT_MAX_RANK];
    int rank = 0;
    CT_TRY(ct_infer_broadcast_dims(infer, a->rank > 2 ? a->rank - 2 : 0, a->dims,
                                   b->rank > 2 ? b->rank - 2 : 0, b->dims, &rank, dims));
    ct_dim m = a->rank > 1 ? a->dims[a->rank - 2] : 1, n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    for (int i = 0; i < 3; i++) {
        CT_TRY(check_parameter(infer, i == 0 ? at->a_zero : i == 1 ? at->a_scale : -1, m, at->a));
        CT_TRY(check_parameter(infer, i == 0 ? at->b_zero : i == 1 ? at->b_scale : -1, n, at->b));
        CT_TRY(check_parameter(infer, i == 0 ? at->y_scale : i == 1 ? at->y_zero : -1, 1, at->a));
    }
    if (a->rank > 1)
        dims[rank++] = m;
    if (b->rank > 1)
        dims[rank++] = n;
    ct_infer_set(infer, 0, dtype, rank, dims);
    return CORTEN_OK;
}

static ct_status infer_integer(struct ct_infer *infer)
{
    CT_TRY(ct_infer_check_dtype(infer, 1, CT_BIT(U8) | CT_BIT(I8)));
    return infer_product(infer, &integer_places, CORTEN_I32);
}

static ct_status infer_qlinear(struct ct_infer *infer)
{
    ct_dtypes bytes = CT_BIT(U8) | CT_BIT(I8) | (CT_F8S & ~CT_BIT(F8E8M0));
    const struct ct_fact *zero = ct_infer_in(infer, 7);
    for (int i = 1; i < 8; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be present", i);
    CT_TRY(ct_infer_check_dtype(infer, 3, bytes));
    CT_TRY(ct_infer_check_dtype(infer, 7, bytes));
    for (int i = 1; i < 7; i += i == 4 ? 2 : 3)
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16)));
    return infer_product(infer, &qlinear_places, zero->dtype);
}

/* ------------------------------------------------------------------ float8 */

/* c[n] = a[k] * b[k][n] */
static void multiply_row(const double *restrict a, const double *restrict b, int64_t k, int64_t n,
                         double *restrict c)
{
    for (int64_t j = 0; j < n; j++)
        c[j] = 0;
    for (int64_t p = 0; p < k; p++, b += n)
        for (int64_t j = 0; j < n; j++)
            c[j] += a[p] * b[j];
}

struct call {
    const struct matmul *state;
    const struct ct_run *run;
};

static const struct ct_tensor *input(const struct ct_run *run, int i)
{
    return i < 0 || i >= run->n_in ? NULL : run->in[i];
}

/* A parameter of line `line` (of `lines`) of matrix `matrix`. */
static double parameter(const struct ct_tensor *t, int64_t matrix, int64_t line, int64_t lines)
{
    double x = 0;
    if (!t)
        return 0;
    int64_t count = (int64_t)ct_count(t);
    int64_t i = count == 1 ? 0 : count == lines ? line : matrix * lines + line;
    ct_load_f64(t->dtype, t->data, (size_t)i, 1, &x);
    return x;
}

/* Widens row r of a matrix [.., rows, cols]. `by_row`: there is a zero point for each row, else for
 * each column. */
static void widen_row(const struct ct_tensor *x, const struct ct_tensor *zero, int64_t r,
                      int64_t rows, int64_t cols, bool by_row, double *to)
{
    ct_load_f64(x->dtype, x->data, (size_t)(r * cols), (size_t)cols, to);
    for (int64_t j = 0; j < cols; j++)
        to[j] -=
            by_row ? parameter(zero, r / rows, r % rows, rows) : parameter(zero, r / rows, j, cols);
}

static double *scratch_at(const struct ct_run *run, size_t at)
{
    return (double *)(void *)((char *)run->scratch + at);
}

static void widen_b(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct matmul *s = c->state;
    (void)worker;
    for (int64_t r = begin; r < end; r++)
        widen_row(c->run->in[s->at->b], input(c->run, s->at->b_zero), r, s->k, s->n, false,
                  scratch_at(c->run, s->b_at) + r * s->n);
}

static void requantize(const struct call *c, int64_t a_matrix, int64_t b_matrix, int64_t row,
                       const double *sums, size_t to)
{
    const struct matmul *s = c->state;
    const struct ct_run *run = c->run;
    const struct ct_tensor *y = run->out[0];
    double zero = parameter(input(run, s->at->y_zero), 0, 0, 1);
    double y_scale = parameter(input(run, s->at->y_scale), 0, 0, 1);
    double a_scale = parameter(input(run, s->at->a_scale), a_matrix, row, s->m);
    float low = 0, high = 0;
    if (ct_dtype_is_int(y->dtype))
        ct_int_range(y->dtype, &low, &high);
    for (int64_t j = 0; j < s->n; j++) {
        double b_scale = parameter(input(run, s->at->b_scale), b_matrix, j, s->n);
        double v = sums[j] * (double)((float)a_scale * (float)b_scale / (float)y_scale);
        if (ct_dtype_is_int(y->dtype)) {
            v = rint(v) + zero;
            v = v > (double)low ? v < (double)high ? v : (double)high : (double)low;
        } else {
            v += zero;
        }
        ct_store_f64(y->dtype, y->data, to + (size_t)j, 1, &v);
    }
}

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct call *c = arg;
    const struct matmul *s = c->state;
    double *a = scratch_at(c->run, s->a_at) + worker * s->k;
    double *sums = scratch_at(c->run, s->c_at) + worker * s->n;
    for (int64_t i = begin; i < end; i++) {
        int64_t matrix = i / s->m, row = i % s->m, a_matrix = 0, b_matrix = 0;
        for (int d = s->rank - 1; d >= 0; matrix /= s->dims[d], d--) {
            a_matrix += matrix % s->dims[d] * s->a_strides[d];
            b_matrix += matrix % s->dims[d] * s->b_strides[d];
        }
        widen_row(c->run->in[s->at->a], input(c->run, s->at->a_zero), a_matrix * s->m + row, s->m,
                  s->k, true, a);
        multiply_row(a, scratch_at(c->run, s->b_at) + b_matrix * s->k * s->n, s->k, s->n, sums);
        requantize(c, a_matrix, b_matrix, row, sums, (size_t)(i * s->n));
    }
}

static ct_status run_f8(const struct ct_run *run)
{
    const struct matmul *s = run->state;
    struct call call = {s, run};
    int64_t b_rows = s->n ? (int64_t)ct_count(run->in[s->at->b]) / s->n : 0;
    ct_run_parallel(run, b_rows, (double)s->n * 5, widen_b, &call);
    ct_run_parallel(run, s->batch * s->m, (double)s->k * (double)s->n * 0.5, run_rows, &call);
    return CORTEN_OK;
}

static ct_status take(struct ct_prepare *prepare, size_t count, size_t *at)
{
    size_t bytes;
    if (!ct_mul_size(count, sizeof(double), &bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    return ct_byte_scratch(prepare, bytes, at);
}

/* Matrices from one index of each batch axis to the next. */
static void batch_strides(const struct matmul *s, const struct ct_tensor *t, int64_t *strides)
{
    int own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        int j = i - (s->rank - own);
        strides[i] = j < 0 || t->dims[j] == 1 ? 0 : step;
        step *= j < 0 ? 1 : t->dims[j];
    }
}

static ct_status prepare_f8(struct ct_prepare *prepare, struct matmul *s)
{
    const struct ct_tensor *a = prepare->in[s->at->a], *b = prepare->in[s->at->b];
    s->m = a->rank > 1 ? a->dims[a->rank - 2] : 1;
    s->n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    s->k = a->dims[a->rank - 1];
    s->rank = prepare->out[0]->rank - (a->rank > 1) - (b->rank > 1);
    s->batch = ct_dims_product(prepare->out[0]->dims, 0, s->rank);
    memcpy(s->dims, prepare->out[0]->dims, sizeof s->dims);
    batch_strides(s, a, s->a_strides);
    batch_strides(s, b, s->b_strides);
    size_t threads = (size_t)prepare->threads;
    CT_TRY(take(prepare, threads * (size_t)s->k, &s->a_at));
    CT_TRY(take(prepare, threads * (size_t)s->n, &s->c_at));
    prepare->run = run_f8;
    return take(prepare, ct_count(b), &s->b_at);
}

/* ------------------------------------------------------------------ bytes */

/* by_role[r]: the input of that role, or NULL. */
static void find_roles(const struct places *at, const struct ct_tensor *const *in, int n_in,
                       const struct ct_tensor *by_role[CT_BYTE_ROLES])
{
    const int inputs[CT_BYTE_ROLES] = {at->a,       at->a_zero,  at->b,
                                       at->b_zero,  at->a_scale, at->b_scale,
                                       at->y_scale, at->y_zero,  -1};
    for (int i = 0; i < CT_BYTE_ROLES; i++)
        by_role[i] = inputs[i] < 0 || inputs[i] >= n_in ? NULL : in[inputs[i]];
}

static ct_status run_matmul(const struct ct_run *run)
{
    const struct matmul *s = run->state;
    const struct ct_tensor *by_role[CT_BYTE_ROLES];
    find_roles(s->at, (const struct ct_tensor *const *)run->in, run->n_in, by_role);
    ct_byte_product_run(&s->bytes, run, by_role, run->out[0]);
    return CORTEN_OK;
}

static ct_status prepare_product(struct ct_prepare *prepare, const struct places *at)
{
    const ct_dtypes bytes = CT_BIT(U8) | CT_BIT(I8);
    const struct ct_tensor *by_role[CT_BYTE_ROLES];
    struct matmul *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a product");
    s->at = at;
    prepare->state = s;
    bool to_byte = at->y_scale >= 0;
    if (!ct_dtype_in(prepare->in[at->a]->dtype, bytes) ||
        !ct_dtype_in(prepare->in[at->b]->dtype, bytes) ||
        (to_byte && !ct_dtype_in(prepare->out[0]->dtype, bytes)))
        return prepare_f8(prepare, s);
    find_roles(at, prepare->in, prepare->n_in, by_role);
    return ct_byte_product_prepare(prepare, &s->bytes, by_role, at->b,
                                   by_role[CT_BYTE_B_ZERO] ? at->b_zero : -1,
                                   to_byte ? CT_GEMM_I8_TO_BYTE : CT_GEMM_I8_TO_I32);
}

static ct_status prepare_integer(struct ct_prepare *prepare)
{
    return prepare_product(prepare, &integer_places);
}

static ct_status prepare_qlinear(struct ct_prepare *prepare)
{
    return prepare_product(prepare, &qlinear_places);
}

const struct ct_op ct_op_matmul_integer = {
    .infer = infer_integer,
    .prepare = prepare_integer,
    .run = run_matmul,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};

const struct ct_op ct_op_qlinear_matmul = {
    .infer = infer_qlinear,
    .prepare = prepare_qlinear,
    .run = run_matmul,
    .min_in = 8,
    .max_in = 8,
    .min_out = 1,
};
