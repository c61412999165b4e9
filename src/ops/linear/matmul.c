#include "ops/linear/matmul.h"

#include <stdio.h>
#include <string.h>

#include "ops/linear/unaligned.h"

#define T double
#define FN(name) f64_##name
#include "ops/linear/plain_gemm.h"

#define T uint32_t
#define FN(name) u32_##name
#include "ops/linear/plain_gemm.h"

#define T uint64_t
#define FN(name) u64_##name
#include "ops/linear/plain_gemm.h"

struct ct_matmul_spec ct_matmul_spec_default(void)
{
    return (struct ct_matmul_spec){
        .a = 0, .b = 1, .alpha = 1, .beta = 1, .bias = -1, .residual = -1};
}

/* ------------------------------------------------------------------ shapes */

/* Dimensions of a matrix (or vector) operand: rows and columns as the product sees them. */
static void matrix_of(const struct ct_fact *f, bool transposed, bool left, ct_dim *rows,
                      ct_dim *cols)
{
    if (f->rank == 1) {
        *rows = left ? 1 : f->dims[0];
        *cols = left ? f->dims[0] : 1;
        return;
    }
    *rows = f->dims[f->rank - (transposed ? 1 : 2)];
    *cols = f->dims[f->rank - (transposed ? 2 : 1)];
}

ct_status ct_matmul_shape(const struct ct_infer *infer, const struct ct_matmul_spec *spec,
                          int *rank, ct_dim *dims)
{
    const struct ct_fact *a = ct_infer_in(infer, spec->a), *b = ct_infer_in(infer, spec->b);
    ct_dim m, ka, kb, n;
    *rank = -1;
    CT_TRY(ct_infer_check_rank(infer, spec->a, spec->a_transposed ? 2 : 1, -1));
    CT_TRY(ct_infer_check_rank(infer, spec->b, spec->b_transposed ? 2 : 1, -1));
    if (a->rank < 0 || b->rank < 0)
        return CORTEN_OK;
    matrix_of(a, spec->a_transposed, true, &m, &ka);
    matrix_of(b, spec->b_transposed, false, &kb, &n);
    if (ct_dim_known(ka) && ct_dim_known(kb) && ka != kb)
        return ct_infer_fail(infer, "the operands have inner dimensions %lld and %lld",
                             (long long)ka, (long long)kb);
    int batch_a = a->rank > 2 ? a->rank - 2 : 0, batch_b = b->rank > 2 ? b->rank - 2 : 0;
    CT_TRY(ct_infer_broadcast_dims(infer, batch_a, a->dims, batch_b, b->dims, rank, dims));
    if (a->rank > 1)
        dims[(*rank)++] = m;
    if (b->rank > 1)
        dims[(*rank)++] = n;
    return CORTEN_OK;
}

/* A term broadcasts to the output and does not make it larger. */
static ct_status check_term(const struct ct_infer *infer, int index, int rank, const ct_dim *dims)
{
    const struct ct_fact *f = index < 0 ? NULL : ct_infer_in(infer, index);
    if (!f || f->rank < 0 || rank < 0)
        return CORTEN_OK;
    if (f->rank > rank)
        return ct_infer_fail(infer, "input %d has rank %d, more than the product's %d", index,
                             f->rank, rank);
    for (int i = 0; i < f->rank; i++) {
        ct_dim have = f->dims[i], want = dims[rank - f->rank + i];
        if (ct_dim_known(have) && ct_dim_known(want) && have != 1 && have != want)
            return ct_infer_fail(infer, "input %d has dimension %lld where 1 or %lld is expected",
                                 index, (long long)have, (long long)want);
    }
    return CORTEN_OK;
}

ct_status ct_matmul_infer(struct ct_infer *infer, const struct ct_matmul_spec *spec)
{
    ct_dim dims[CT_MAX_RANK];
    int rank;
    CT_TRY(ct_infer_check_same_dtype(infer, spec->a, spec->b));
    if (spec->bias >= 0)
        CT_TRY(ct_infer_check_same_dtype(infer, spec->a, spec->bias));
    if (spec->residual >= 0)
        CT_TRY(ct_infer_check_same_dtype(infer, spec->a, spec->residual));
    CT_TRY(ct_matmul_shape(infer, spec, &rank, dims));
    CT_TRY(check_term(infer, spec->bias, rank, dims));
    CT_TRY(check_term(infer, spec->residual, rank, dims));
    ct_infer_set(infer, 0, ct_infer_in(infer, spec->a)->dtype, rank, dims);
    return CORTEN_OK;
}

void ct_matmul_cost(const struct ct_infer *infer, const struct ct_matmul_spec *spec,
                    struct ct_cost *cost)
{
    const struct ct_fact *a = ct_infer_in(infer, spec->a);
    ct_dim dims[CT_MAX_RANK], m, k;
    int rank;
    double flops = 2;
    if (ct_matmul_shape(infer, spec, &rank, dims) != CORTEN_OK)
        return;
    matrix_of(a, spec->a_transposed, true, &m, &k);
    for (int i = 0; i < rank; i++)
        flops *= (double)dims[i];
    cost->flops += flops * (double)k;
}

/* ------------------------------------------------------------------ prepare */

/* Strides of a dense tensor's batch dimensions, broadcast to the problem's. `inner`: elements of
 * one matrix. */
static void batch_strides(const struct ct_gemm_problem *p, const struct ct_tensor *t, int64_t inner,
                          int64_t *strides)
{
    int own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t stride = inner;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        int d = i - (p->batch_rank - own);
        strides[i] = d < 0 || t->dims[d] == 1 ? 0 : stride;
        if (d >= 0)
            stride *= t->dims[d];
    }
}

static void term_of(const struct ct_gemm_problem *p, const struct ct_tensor *t,
                    struct ct_gemm_term *term, int64_t *strides)
{
    int64_t cols = t->rank > 0 ? t->dims[t->rank - 1] : 1;
    int64_t rows = t->rank > 1 ? t->dims[t->rank - 2] : 1;
    term->col_stride = cols == 1 ? 0 : 1;
    term->row_stride = rows == 1 ? 0 : cols;
    batch_strides(p, t, rows * cols, strides);
}

static void describe(const struct ct_prepare *prepare, struct ct_matmul *mm)
{
    const struct ct_matmul_spec *spec = &mm->spec;
    const struct ct_tensor *a = prepare->in[spec->a], *b = prepare->in[spec->b];
    int64_t m = a->rank == 1 ? 1 : a->dims[a->rank - (spec->a_transposed ? 1 : 2)];
    int64_t k = a->rank == 1 ? a->dims[0] : a->dims[a->rank - (spec->a_transposed ? 2 : 1)];
    int64_t n = b->rank == 1 ? 1 : b->dims[b->rank - (spec->b_transposed ? 2 : 1)];
    struct ct_gemm_problem *p = &mm->problem;
    ct_gemm_problem_init(p, m, n, k);
    p->a_transposed = spec->a_transposed;
    p->b_transposed = spec->b_transposed;
    if (spec->a_transposed)
        p->lda = m;
    if (spec->b_transposed)
        p->ldb = k;
    int batch_a = a->rank > 2 ? a->rank - 2 : 0, batch_b = b->rank > 2 ? b->rank - 2 : 0;
    p->batch_rank = batch_a > batch_b ? batch_a : batch_b;
    mm->batch = 1;
    for (int i = 0; i < p->batch_rank; i++) {
        int da = i - (p->batch_rank - batch_a), db = i - (p->batch_rank - batch_b);
        int64_t size_a = da < 0 ? 1 : a->dims[da], size_b = db < 0 ? 1 : b->dims[db];
        p->batch_dims[i] = size_a == 1 ? size_b : size_a;
        mm->batch *= p->batch_dims[i];
    }
    batch_strides(p, a, m * k, p->a_strides);
    batch_strides(p, b, k * n, p->b_strides);
    int64_t stride = m * n;
    for (int i = p->batch_rank - 1; i >= 0; i--) {
        p->c_strides[i] = stride;
        stride *= p->batch_dims[i];
    }
    p->post.alpha = spec->alpha;
    p->post.beta = spec->beta;
    p->post.act = spec->act;
    p->post.act_params[0] = spec->act_params[0];
    p->post.act_params[1] = spec->act_params[1];
    if (spec->bias >= 0)
        term_of(p, prepare->in[spec->bias], &p->post.bias, p->bias_strides);
    if (spec->residual >= 0)
        term_of(p, prepare->in[spec->residual], &p->post.residual, p->residual_strides);
}

/* Elements [first, first + n), at any alignment, rounded to bfloat16. */
static void load_bf16(const struct ct_tensor *constant, size_t first, size_t n, uint16_t *to)
{
    enum { BLOCK = 512 };
    float block[BLOCK];
    for (size_t i = 0; i < n; i += BLOCK) {
        size_t m = n - i < BLOCK ? n - i : BLOCK;
        ct_load_f32_unaligned(constant->dtype, constant->data, first + i, m, block);
        ct_store_f32(CORTEN_BF16, to, i, m, block);
    }
}

/* All matrices of a constant b, one after the other, by way of p->b_dtype. */
static ct_status pack_b(void *arg, const struct ct_tensor *constant, void *packed,
                        struct ct_pool *pool, corten_error *error)
{
    const struct ct_gemm_problem *p = arg;
    ct_dtype dtype = p->b_dtype == CORTEN_BF16 ? CORTEN_BF16 : CORTEN_F32;
    size_t elem = ct_dtype_elem_bytes(dtype), matrix = (size_t)p->k * (size_t)p->n;
    size_t count = matrix ? ct_count(constant) / matrix : 0;
    size_t packed_bytes = ct_gemm_f32_packed_b_bytes(p);
    bool aligned = ((uintptr_t)constant->data & (elem - 1)) == 0;
    char *copy = NULL;
    if (constant->dtype != dtype || !aligned) {
        copy = ct_alloc(ct_default_allocator(), matrix * elem);
        if (!copy)
            return ct_fail_memory(error, matrix * elem, "packing a weight");
    }
    for (size_t i = 0; i < count; i++) {
        const char *from = copy ? copy : (const char *)constant->data + i * matrix * elem;
        if (copy && dtype == CORTEN_BF16)
            load_bf16(constant, i * matrix, matrix, (uint16_t *)(void *)copy);
        else if (copy)
            ct_load_f32_unaligned(constant->dtype, constant->data, i * matrix, matrix,
                                  (float *)(void *)copy);
        ct_gemm_f32_pack_b(pool, p, from, (char *)packed + i * packed_bytes);
    }
    ct_release(ct_default_allocator(), copy, matrix * elem);
    return CORTEN_OK;
}

static const struct ct_gemm_f32_kernel *kernel_of(const struct ct_gemm_problem *p)
{
    return p->b_dtype == CORTEN_BF16 ? ct_gemm_bf16_select(ct_cpu_features())
                                     : ct_gemm_f32_select(ct_cpu_features());
}

static ct_status prepare_packed(struct ct_prepare *prepare, struct ct_matmul *mm)
{
    struct ct_gemm_problem *p = &mm->problem;
    const struct ct_tensor *b = prepare->in[mm->spec.b];
    size_t matrix = (size_t)p->k * (size_t)p->n, bytes = ct_gemm_f32_packed_b_bytes(p), total;
    const void *packed;
    char key[64];
    if (!ct_mul_size(bytes, ct_count(b) / matrix, &total))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "a packed weight is too large");
    snprintf(key, sizeof key, "%s:%s%d:%lldx%lld", kernel_of(p)->name + sizeof "ct_gemm" - 1,
             p->b_dtype == CORTEN_BF16 ? "bf16:" : "", p->b_transposed, (long long)p->k,
             (long long)p->n);
    CT_TRY(ct_prepare_pack(prepare, mm->spec.b, key, total, pack_b, p, &packed));
    mm->packed = packed;
    p->b_packed = true;
    for (int i = 0; i < p->batch_rank; i++)
        p->b_strides[i] = p->b_strides[i] / (int64_t)matrix * (int64_t)(bytes / sizeof(float));
    return CORTEN_OK;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static ct_status prepare_f32(struct ct_prepare *prepare, struct ct_matmul *mm)
{
    const struct ct_matmul_spec *spec = &mm->spec;
    const struct ct_tensor *b = prepare->in[spec->b];
    struct ct_gemm_problem *p = &mm->problem;
    bool constant = ct_prepare_may_pack(prepare, spec->b) && ct_count(b) > 0;
    bool by_choice = mm->dtype == CORTEN_F32 && prepare->precision == CORTEN_PRECISION_BF16;
    if (constant && (by_choice || mm->dtype == CORTEN_BF16))
        p->b_dtype = CORTEN_BF16;
    if (constant && mm->dtype == CORTEN_F32)
        prepare->product = by_choice ? CT_PRODUCT_BF16 : CT_PRODUCT_F32;
    if (constant && ct_gemm_f32_wants_packed_b(p))
        CT_TRY(prepare_packed(prepare, mm));
    unsigned ins = 1u << spec->a;
    if (!mm->packed)
        ins |= 1u << spec->b;
    if (spec->bias >= 0)
        ins |= 1u << spec->bias;
    if (spec->residual >= 0)
        ins |= 1u << spec->residual;
    CT_TRY(ct_widen_init(&mm->widen, prepare, CORTEN_F32, ins, 1));
    mm->gemm_at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    /* A run may have one thread only. */
    size_t bytes =
        max_size(ct_gemm_f32_scratch_bytes(p, prepare->threads), ct_gemm_f32_scratch_bytes(p, 1));
    if (!ct_add_size(mm->gemm_at, bytes, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    prepare->kernel = kernel_of(p)->name;
    return CORTEN_OK;
}

ct_status ct_matmul_prepare(struct ct_prepare *prepare, const struct ct_matmul_spec *spec,
                            struct ct_matmul *matmul)
{
    matmul->spec = *spec;
    if (spec->bias >= 0 && (spec->bias >= prepare->n_in || !prepare->in[spec->bias]))
        matmul->spec.bias = -1;
    if (spec->residual >= 0 && (spec->residual >= prepare->n_in || !prepare->in[spec->residual]))
        matmul->spec.residual = -1;
    matmul->dtype = prepare->in[spec->a]->dtype;
    describe(prepare, matmul);
    bool by_f32 =
        ct_dtype_in(matmul->dtype, CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16) | CT_FLOATS_NARROW);
    return by_f32 ? prepare_f32(prepare, matmul) : CORTEN_OK;
}

/* ------------------------------------------------------------------ run */

struct plain_job {
    const struct ct_matmul *mm;
    const struct ct_run *run;
    const void *a, *b;
    void *c;
};

/* c = alpha * c + beta * residual, rows [begin, end) of one matrix, in double. */
static void plain_post(const struct plain_job *job, size_t at, int64_t residual_at, int64_t begin,
                       int64_t end)
{
    const struct ct_gemm_problem *p = &job->mm->problem;
    const struct ct_gemm_term *term = &p->post.residual;
    const struct ct_tensor *r =
        job->mm->spec.residual >= 0 ? job->run->in[job->mm->spec.residual] : NULL;
    bool integer = job->mm->dtype != CORTEN_F64;
    bool exact = integer && p->post.alpha == 1.0f && p->post.beta == 1.0f;
    if (!r && p->post.alpha == 1.0f)
        return;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < p->n; j++) {
            size_t to = at + (size_t)(i * p->n + j);
            size_t from = (size_t)(residual_at + i * term->row_stride + j * term->col_stride);
            if (exact) {
                int64_t x, y;
                ct_load_i64(job->mm->dtype, job->c, to, 1, &x);
                ct_load_i64(r->dtype, r->data, from, 1, &y);
                x = (int64_t)((uint64_t)x + (uint64_t)y);
                ct_store_i64(job->mm->dtype, job->c, to, 1, &x);
                continue;
            }
            double x, y = 0;
            ct_load_f64(job->mm->dtype, job->c, to, 1, &x);
            if (r)
                ct_load_f64(r->dtype, r->data, from, 1, &y);
            x = (double)p->post.alpha * x + (double)p->post.beta * y;
            if (integer)
                ct_convert(job->mm->dtype,
                           (char *)job->c + to * ct_dtype_elem_bytes(job->mm->dtype), CORTEN_F64,
                           &x, 1, true);
            else
                ((double *)job->c)[to] = x;
        }
    }
}

static void plain_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct plain_job *job = arg;
    const struct ct_gemm_problem *p = &job->mm->problem;
    int64_t ar = p->a_transposed ? 1 : p->lda, ac = p->a_transposed ? p->lda : 1;
    int64_t br = p->b_transposed ? 1 : p->ldb, bc = p->b_transposed ? p->ldb : 1;
    (void)worker;
    while (begin < end) {
        int64_t matrix = begin / p->m, row = begin % p->m;
        int64_t rows = end - begin < p->m - row ? end - begin : p->m - row;
        int64_t a = 0, b = 0, c = 0, r = 0, rest = matrix;
        for (int i = p->batch_rank - 1; i >= 0; i--) {
            int64_t index = rest % p->batch_dims[i];
            rest /= p->batch_dims[i];
            a += index * p->a_strides[i];
            b += index * p->b_strides[i];
            c += index * p->c_strides[i];
            r += index * p->residual_strides[i];
        }
        if (job->mm->dtype == CORTEN_F64)
            f64_gemm_rows((const double *)job->a + a, ar, ac, (const double *)job->b + b, br, bc,
                          (double *)job->c + c, row, row + rows, p->n, p->k);
        else if (ct_dtype_elem_bytes(job->mm->dtype) == 4)
            u32_gemm_rows((const uint32_t *)job->a + a, ar, ac, (const uint32_t *)job->b + b, br,
                          bc, (uint32_t *)job->c + c, row, row + rows, p->n, p->k);
        else
            u64_gemm_rows((const uint64_t *)job->a + a, ar, ac, (const uint64_t *)job->b + b, br,
                          bc, (uint64_t *)job->c + c, row, row + rows, p->n, p->k);
        plain_post(job, (size_t)c, r, row, row + rows);
        begin += rows;
    }
}

ct_status ct_matmul_run(const struct ct_matmul *mm, const struct ct_run *run)
{
    const struct ct_matmul_spec *spec = &mm->spec;
    if (mm->dtype == CORTEN_F64 || ct_dtype_is_int(mm->dtype)) {
        struct plain_job job = {mm, run, run->in[spec->a]->data, run->in[spec->b]->data,
                                run->out[0]->data};
        double row_ns = (double)mm->problem.n * (double)mm->problem.k * 0.5;
        ct_run_parallel(run, mm->batch * mm->problem.m, row_ns, plain_rows, &job);
        return CORTEN_OK;
    }
    struct ct_gemm_problem p = mm->problem;
    const float *a = ct_widen_in(&mm->widen, run, spec->a);
    const void *b = mm->packed ? mm->packed : ct_widen_in(&mm->widen, run, spec->b);
    float *c = ct_widen_out(&mm->widen, run, 0);
    if (spec->bias >= 0)
        p.post.bias.p = ct_widen_in(&mm->widen, run, spec->bias);
    if (spec->residual >= 0)
        p.post.residual.p = ct_widen_in(&mm->widen, run, spec->residual);
    ct_gemm_f32_run(run->exec->pool, &p, a, b, c, (char *)run->scratch + mm->gemm_at);
    ct_widen_done(&mm->widen, run, 0);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ the operator */

static ct_status infer(struct ct_infer *infer)
{
    struct ct_matmul_spec spec = ct_matmul_spec_default();
    return ct_matmul_infer(infer, &spec);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct ct_matmul_spec spec = ct_matmul_spec_default();
    struct ct_matmul *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a product");
    prepare->state = state;
    return ct_matmul_prepare(prepare, &spec, state);
}

static ct_status run(const struct ct_run *run)
{
    return ct_matmul_run(run->state, run);
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct ct_matmul_spec spec = ct_matmul_spec_default();
    ct_matmul_cost(infer, &spec, cost);
}

const struct ct_op ct_op_matmul = {.infer = infer,
                                   .prepare = prepare,
                                   .run = run,
                                   .cost = cost,
                                   .min_in = 2,
                                   .max_in = 2,
                                   .min_out = 1};
