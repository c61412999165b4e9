/* Products of bytes on the 8-bit GEMM: QGemm, MatMulIntegerToFloat and DynamicQuantizeMatMul. */
#include "ops/contrib/qlinear.h"
#include "ops/gemm_i8_driver.h"
#include "ops/quant/byte_product.h"

#include <math.h>
#include <stdio.h>

/* Where the inputs are; -1: there is no such input. */
struct places {
    int a_scale, a_zero, b, b_scale, b_zero, bias, c, y_scale, y_zero;
};
static const struct places to_float = {2, 4, 1, 3, 5, 6, -1, -1, -1};
static const struct places dynamic = {-1, -1, 1, 2, 3, 4, -1, -1, -1};
static const struct places gemm = {1, 2, 3, 4, 5, -1, 6, 7, 8};

struct state {
    const struct places *at;
    struct ct_gemm_i8_problem problem;
    int rank; /* of the batch */
    int64_t batch, dims[CT_MAX_RANK], a_strides[CT_MAX_RANK], b_strides[CT_MAX_RANK];
    const void *packed;
    size_t scales_at, bias_at, a_at, zero_at, gemm_at;
};

/* ------------------------------------------------------------------ infer */

/* One number, or one for each column. */
static ct_status check_columns(const struct ct_infer *infer, int index, ct_dim n)
{
    ct_dim count = index < 0 || !ct_infer_in(infer, index) ? 1 : ct_contrib_count(infer, index);
    if (!ct_dim_known(count) || count == 1)
        return CORTEN_OK;
    CT_TRY(ct_infer_check_rank(infer, index, 1, 1));
    return ct_contrib_vector(infer, index, n);
}

static ct_status check_parameters(const struct ct_infer *infer, const struct places *at, ct_dim n)
{
    const int scales[] = {at->a_scale, at->b_scale, at->y_scale};
    for (int i = 0; i < 3; i++)
        if (scales[i] >= 0)
            CT_TRY(ct_infer_check_dtype(infer, scales[i], CT_BIT(F32)));
    if (at->a_zero >= 0)
        CT_TRY(ct_infer_check_same_dtype(infer, 0, at->a_zero));
    CT_TRY(ct_infer_check_same_dtype(infer, at->b, at->b_zero));
    if (at->a_scale >= 0)
        CT_TRY(ct_contrib_scalar(infer, at->a_scale));
    if (at->a_zero >= 0)
        CT_TRY(ct_contrib_scalar(infer, at->a_zero));
    CT_TRY(check_columns(infer, at->b_scale, n));
    CT_TRY(check_columns(infer, at->b_zero, n));
    if (at->bias >= 0) {
        CT_TRY(ct_infer_check_dtype(infer, at->bias, CT_BIT(F32)));
        CT_TRY(ct_contrib_vector(infer, at->bias, n));
    }
    return CORTEN_OK;
}

static ct_status infer_matmul(struct ct_infer *infer, const struct places *at)
{
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, at->b);
    CT_TRY(ct_infer_check_dtype(infer, at->b, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_rank(infer, 0, 1, -1));
    CT_TRY(ct_infer_check_rank(infer, at->b, 2, -1));
    ct_infer_set(infer, 0, CORTEN_F32, -1, NULL);
    CT_TRY(check_parameters(infer, at, b->rank > 1 ? b->dims[b->rank - 1] : CT_DIM_UNKNOWN));
    if (a->rank < 0 || b->rank < 0)
        return CORTEN_OK;
    CT_TRY(ct_contrib_agree(infer, "inner dimensions", a->dims[a->rank - 1], b->dims[b->rank - 2]));
    ct_dim dims[CT_MAX_RANK];
    int rank;
    CT_TRY(ct_infer_broadcast_dims(infer, a->rank > 2 ? a->rank - 2 : 0, a->dims, b->rank - 2,
                                   b->dims, &rank, dims));
    if (a->rank > 1)
        dims[rank++] = a->dims[a->rank - 2];
    dims[rank++] = b->dims[b->rank - 1];
    ct_infer_set(infer, 0, CORTEN_F32, rank, dims);
    return CORTEN_OK;
}

static ct_status infer_to_float(struct ct_infer *infer)
{
    return infer_matmul(infer, &to_float);
}

static ct_status infer_dynamic(struct ct_infer *infer)
{
    return infer_matmul(infer, &dynamic);
}

static ct_status infer_gemm(struct ct_infer *infer)
{
    const struct ct_fact *a = ct_infer_in(infer, 0), *b = ct_infer_in(infer, gemm.b);
    const struct ct_fact *c = ct_infer_in(infer, gemm.c), *zero = ct_infer_in(infer, gemm.y_zero);
    bool trans_a = ct_attr_int(infer->node, "transA", 0) != 0;
    bool trans_b = ct_attr_int(infer->node, "transB", 0) != 0;
    CT_TRY(ct_infer_check_dtype(infer, gemm.b, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_dtype(infer, gemm.c, CT_BIT(I32)));
    CT_TRY(ct_infer_check_dtype(infer, gemm.y_zero, CT_BIT(U8) | CT_BIT(I8)));
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, gemm.b, 2, 2));
    CT_TRY(ct_contrib_scalar(infer, gemm.y_scale));
    CT_TRY(ct_contrib_scalar(infer, gemm.y_zero));
    if (!ct_infer_in(infer, gemm.y_scale) != !zero)
        return ct_infer_fail(infer, "y_scale and y_zero_point go together");
    ct_dtype dtype = zero ? zero->dtype : CORTEN_F32;
    ct_infer_set(infer, 0, dtype, -1, NULL);
    if (a->rank != 2 || b->rank != 2)
        return CORTEN_OK;
    ct_dim n = b->dims[trans_b ? 0 : 1], m = a->dims[trans_a ? 1 : 0];
    CT_TRY(ct_contrib_agree(infer, "inner dimensions", a->dims[trans_a ? 0 : 1],
                            b->dims[trans_b ? 1 : 0]));
    CT_TRY(check_parameters(infer, &gemm, n));
    if (c && c->rank >= 0) {
        CT_TRY(ct_infer_check_rank(infer, gemm.c, 0, 2));
        const ct_dim want[2] = {m, n};
        for (int i = 0; i < c->rank; i++)
            if (c->dims[i] != 1)
                CT_TRY(
                    ct_contrib_agree(infer, "dimensions of C", c->dims[i], want[2 - c->rank + i]));
    }
    ct_infer_set(infer, 0, dtype, 2, (ct_dim[]){m, n});
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

static void batch_strides(const struct state *s, const struct ct_tensor *t, int64_t *strides)
{
    int own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t stride = own ? t->dims[t->rank - 1] * t->dims[t->rank - 2] : 0;
    for (int i = s->rank - 1; i >= 0; i--) {
        int d = i - (s->rank - own);
        strides[i] = d < 0 || t->dims[d] == 1 ? 0 : stride;
        if (d >= 0)
            stride *= t->dims[d];
    }
}

static ct_status pack(void *arg, const struct ct_tensor *b, void *packed, struct ct_pool *pool,
                      corten_error *error)
{
    (void)error;
    ct_gemm_i8_pack_b(pool, arg, b->data, packed);
    return CORTEN_OK;
}

/* Zero points are part of a packed B, so both must be constants. */
static ct_status prepare_packed(struct ct_prepare *prepare, struct state *s)
{
    const struct ct_tensor *b = prepare->in[s->at->b];
    const struct ct_tensor *zero = ct_contrib_in(prepare, s->at->b_zero);
    struct ct_gemm_i8_problem *p = &s->problem;
    char what[40], key[64];
    if (!ct_prepare_may_pack(prepare, s->at->b) || b->rank > 2 || !ct_count(b) ||
        (zero && !zero->data))
        return CORTEN_OK;
    if (zero) {
        p->b_zero = zero->data;
        p->b_zero_stride = ct_count(zero) > 1;
    }
    snprintf(what, sizeof what, "qgemm:%d:%lldx%lld", p->b_transposed, (long long)p->k,
             (long long)p->n);
    ct_byte_key(what, zero, key, sizeof key);
    CT_TRY(
        ct_prepare_pack(prepare, s->at->b, key, ct_gemm_i8_packed_b_bytes(p), pack, p, &s->packed));
    p->b_packed = true;
    return CORTEN_OK;
}

static ct_status prepare_as(struct ct_prepare *prepare, const struct places *at)
{
    const struct ct_tensor *a = prepare->in[0], *b = prepare->in[at->b], *y = prepare->out[0];
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "the state of a product");
    bool trans_a = at == &gemm && ct_attr_int(prepare->node, "transA", 0) != 0;
    bool trans_b = at == &gemm && ct_attr_int(prepare->node, "transB", 0) != 0;
    struct ct_gemm_i8_problem *p = &s->problem;
    s->at = at;
    int64_t n = b->dims[b->rank - (trans_b ? 2 : 1)], k = b->dims[b->rank - (trans_b ? 1 : 2)];
    int64_t m = a->rank > 1 ? a->dims[a->rank - (trans_a ? 1 : 2)] : 1;
    /* One product for all matrices of A when there is one B. */
    if (b->rank == 2 && a->rank > 2)
        m = ct_dims_product(a->dims, 0, a->rank - 1);
    else
        s->rank = (a->rank > b->rank ? a->rank : b->rank) - 2;
    s->rank = s->rank < 0 ? 0 : s->rank;
    ct_gemm_i8_problem_init(p, m, n, k);
    p->a_transposed = trans_a;
    p->b_transposed = trans_b;
    p->lda = trans_a ? m : k;
    p->ldb = trans_b ? k : n;
    p->a_signed = a->dtype == CORTEN_I8;
    p->b_signed = b->dtype == CORTEN_I8;
    s->batch = 1;
    for (int i = 0; i < s->rank; i++)
        s->batch *= s->dims[i] = y->dims[i];
    batch_strides(s, a, s->a_strides);
    batch_strides(s, b, s->b_strides);
    CT_TRY(prepare_packed(prepare, s));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)n, sizeof(float), &s->scales_at));
    CT_TRY(ct_contrib_reserve(prepare, (size_t)n, sizeof(int32_t), &s->bias_at));
    CT_TRY(ct_contrib_reserve(prepare, 1, CT_ALIGN, &s->zero_at));
    if (at == &dynamic)
        CT_TRY(ct_contrib_reserve(prepare, ct_count(a), 1, &s->a_at));
    size_t sums = ct_count(y);
    if (at == &gemm)
        CT_TRY(ct_contrib_reserve(prepare, sums, sizeof(int32_t), &s->a_at));
    CT_TRY(ct_contrib_reserve(prepare, ct_gemm_i8_scratch_bytes(p), 1, &s->gemm_at));
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_to_float(struct ct_prepare *prepare)
{
    return prepare_as(prepare, &to_float);
}

static ct_status prepare_dynamic(struct ct_prepare *prepare)
{
    return prepare_as(prepare, &dynamic);
}

static ct_status prepare_gemm(struct ct_prepare *prepare)
{
    return prepare_as(prepare, &gemm);
}

/* ------------------------------------------------------------------ run */

/* Scales of the columns, times `factor`. */
static void load_scales(const struct ct_run *run, const struct state *s, float factor)
{
    const struct ct_tensor *t = run->in[s->at->b_scale];
    float *to = ct_contrib_scratch(run, s->scales_at);
    bool one = ct_count(t) == 1;
    for (int64_t j = 0; j < s->problem.n; j++)
        to[j] = ct_contrib_f32(t, one ? 0 : (size_t)j, 1) * factor;
}

static void set_b_zero(const struct ct_run *run, const struct state *s,
                       struct ct_gemm_i8_problem *p)
{
    const struct ct_tensor *zero = ct_contrib_run_in(run, s->at->b_zero);
    p->b_zero = zero ? zero->data : NULL;
    p->b_zero_stride = zero && ct_count(zero) > 1;
}

static void run_batch(const struct ct_run *run, const struct state *s,
                      const struct ct_gemm_i8_problem *p, const char *a)
{
    const char *b = s->packed ? s->packed : run->in[s->at->b]->data;
    float *y = run->out[0]->data;
    for (int64_t i = 0; i < s->batch; i++, y += p->m * p->n) {
        int64_t rest = i, a_at = 0, b_at = 0;
        for (int d = s->rank - 1; d >= 0; d--) {
            int64_t index = rest % s->dims[d];
            rest /= s->dims[d];
            a_at += index * s->a_strides[d];
            b_at += index * s->b_strides[d];
        }
        ct_gemm_i8_run(run->exec->pool, p, a + a_at, b + b_at, y,
                       ct_contrib_scratch(run, s->gemm_at));
    }
}

static void run_floats(const struct ct_run *run, const struct state *s,
                       struct ct_gemm_i8_problem *p, const char *a, float a_scale)
{
    const struct ct_tensor *bias = ct_contrib_run_in(run, s->at->bias);
    load_scales(run, s, a_scale);
    set_b_zero(run, s, p);
    p->post = (struct ct_gemm_i8_post){.output = CT_GEMM_I8_TO_F32,
                                       .scale = ct_contrib_scratch(run, s->scales_at),
                                       .scale_stride = 1,
                                       .bias_f32 = bias ? bias->data : NULL};
    run_batch(run, s, p, a);
}

static ct_status run_to_float(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct ct_gemm_i8_problem p = s->problem;
    const struct ct_tensor *zero = ct_contrib_run_in(run, to_float.a_zero);
    p.a_zero = zero ? zero->data : NULL;
    run_floats(run, s, &p, run->in[0]->data, ct_contrib_f32(run->in[to_float.a_scale], 0, 1));
    return CORTEN_OK;
}

static ct_status run_dynamic(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct ct_gemm_i8_problem p = s->problem;
    uint8_t *zero = ct_contrib_scratch(run, s->zero_at);
    float scale = ct_qlinear_dynamic(run->in[0]->data, ct_count(run->in[0]),
                                     ct_contrib_scratch(run, s->a_at), zero);
    p.a_zero = zero;
    run_floats(run, s, &p, ct_contrib_scratch(run, s->a_at), scale);
    return CORTEN_OK;
}

/* One row of C is a bias, which the product adds. */
static bool c_is_bias(const struct ct_tensor *c, int64_t n)
{
    return !c || (c->rank > 0 && (int64_t)ct_count(c) == n && c->dims[c->rank - 1] == n);
}

/* The sums, and a C that is a whole matrix. */
static void requantize_sums(const struct ct_run *run, const struct ct_gemm_i8_problem *p,
                            const int32_t *sums, const float *scales)
{
    const struct ct_tensor *c = ct_contrib_run_in(run, gemm.c), *y = run->out[0];
    int64_t cols = c->rank > 0 ? c->dims[c->rank - 1] : 1, rows = c->rank > 1 ? c->dims[0] : 1;
    for (int64_t at = 0; at < p->m * p->n; at++) {
        int64_t i = at / p->n, j = at % p->n;
        uint32_t sum =
            (uint32_t)sums[at] +
            (uint32_t)CT_DATA(const int32_t, c)[(rows == 1 ? 0 : i) * cols + (cols == 1 ? 0 : j)];
        float x = (float)(int32_t)sum * scales[j];
        if (p->post.output == CT_GEMM_I8_TO_F32)
            CT_DATA(float, y)[at] = x;
        else
            CT_DATA(uint8_t, y)
        [at] = (uint8_t)ct_quantize_f32(x, (float)p->post.zero, (float)p->post.low,
                                        (float)p->post.high);
    }
}

static ct_status run_gemm(const struct ct_run *run)
{
    const struct state *s = run->state;
    struct ct_gemm_i8_problem p = s->problem;
    const struct ct_tensor *c = ct_contrib_run_in(run, gemm.c), *y = run->out[0];
    const struct ct_tensor *y_zero = ct_contrib_run_in(run, gemm.y_zero);
    const char *b = s->packed ? s->packed : run->in[gemm.b]->data;
    bool bias = c_is_bias(c, p.n);
    float *scales = ct_contrib_scratch(run, s->scales_at), low = 0, high = 0;
    float y_scale = ct_contrib_f32(ct_contrib_run_in(run, gemm.y_scale), 0, 1);
    load_scales(run, s,
                ct_attr_float(run->node, "alpha", 1) * ct_contrib_f32(run->in[gemm.a_scale], 0, 1));
    set_b_zero(run, s, &p);
    p.a_zero = run->in[gemm.a_zero] ? run->in[gemm.a_zero]->data : NULL;
    p.bias = bias && c ? c->data : NULL;
    p.post =
        (struct ct_gemm_i8_post){.output = CT_GEMM_I8_TO_F32, .scale = scales, .scale_stride = 1};
    if (y_zero) {
        ct_int_range(y->dtype, &low, &high);
        p.post.output = CT_GEMM_I8_TO_BYTE;
        p.post.zero = (int32_t)ct_contrib_i64(y_zero, 0);
        p.post.low = (int32_t)low;
        p.post.high = (int32_t)high;
        for (int64_t j = 0; j < p.n; j++)
            scales[j] /= y_scale;
    }
    struct ct_gemm_i8_problem product = p;
    int32_t *sums = ct_contrib_scratch(run, s->a_at);
    if (!bias)
        product.post.output = CT_GEMM_I8_TO_I32;
    ct_gemm_i8_run(run->exec->pool, &product, run->in[0]->data, b, bias ? y->data : sums,
                   ct_contrib_scratch(run, s->gemm_at));
    if (!bias)
        requantize_sums(run, &p, sums, scales);
    return CORTEN_OK;
}

const struct ct_op ct_op_matmul_integer_to_float = {.infer = infer_to_float,
                                                    .prepare = prepare_to_float,
                                                    .run = run_to_float,
                                                    .min_in = 4,
                                                    .max_in = 7,
                                                    .min_out = 1};
const struct ct_op ct_op_dynamic_quantize_matmul = {.infer = infer_dynamic,
                                                    .prepare = prepare_dynamic,
                                                    .run = run_dynamic,
                                                    .min_in = 3,
                                                    .max_in = 5,
                                                    .min_out = 1};
const struct ct_op ct_op_qgemm = {.infer = infer_gemm,
                                  .prepare = prepare_gemm,
                                  .run = run_gemm,
                                  .min_in = 6,
                                  .max_in = 9,
                                  .min_out = 1};
