#include "ops/quant/byte_product.h"

#include <stdio.h>

#include "ops/quant/round.h"

/* ------------------------------------------------------------------ parameters */

static int64_t count_of(const struct ct_tensor *t)
{
    return t ? (int64_t)ct_count(t) : 0;
}

static float scale_at(const struct ct_tensor *t, int64_t i)
{
    float x = 1;
    if (t)
        ct_load_f32(t->dtype, t->data, (size_t)i, 1, &x);
    return x;
}

void ct_byte_scales(const struct ct_tensor *a, const struct ct_tensor *b, const struct ct_tensor *y,
                    int64_t n, int64_t first, float *scales)
{
    float left = scale_at(a, 0), below = scale_at(y, 0);
    if (count_of(b) > 1)
        ct_load_f32(b->dtype, b->data, (size_t)first, (size_t)n, scales);
    else
        for (int64_t i = 0; i < n; i++)
            scales[i] = scale_at(b, 0);
    for (int64_t i = 0; i < n; i++)
        scales[i] = left * scales[i] / below;
}

void ct_byte_key(const char *what, const struct ct_tensor *zero, char *key, size_t size_bytes)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a of the zero points, which are packed too */
    size_t n = zero ? ct_count(zero) : 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ ((const uint8_t *)zero->data)[i]) * 1099511628211u;
    snprintf(key, size_bytes, "%s:%016llx", what, (unsigned long long)hash);
}

ct_status ct_byte_scratch(struct ct_prepare *prepare, size_t size_bytes, size_t *at)
{
    *at = ct_align_up(prepare->scratch_bytes, CT_ALIGN);
    if (!ct_add_size(*at, size_bytes, &prepare->scratch_bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "scratch memory is too large");
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

/* Matrices from one index of each batch axis to the next. */
static void batch_strides(const struct ct_byte_product *s, const struct ct_tensor *t,
                          int64_t *strides)
{
    int own = t->rank > 2 ? t->rank - 2 : 0;
    int64_t step = 1;
    for (int i = s->rank - 1; i >= 0; i--) {
        int j = i - (s->rank - own);
        strides[i] = j < 0 || t->dims[j] == 1 ? 0 : step;
        step *= j < 0 ? 1 : t->dims[j];
    }
}

/* The matrices of a under one b are the rows of one matrix. */
static void join_rows(struct ct_byte_product *s, const struct ct_tensor *const *t, int64_t m,
                      int64_t k)
{
    bool one_b = count_of(t[CT_BYTE_B]) == k * s->problem.n &&
                 count_of(t[CT_BYTE_B_ZERO]) <= s->problem.n &&
                 count_of(t[CT_BYTE_B_SCALE]) <= s->problem.n;
    bool single = count_of(t[CT_BYTE_A_ZERO]) <= 1 && count_of(t[CT_BYTE_A_SCALE]) <= 1;
    if (s->batch < 2 || !one_b || !single || count_of(t[CT_BYTE_A]) != s->batch * m * k)
        return;
    s->problem.m = s->batch * m;
    s->batch = 1;
    s->rank = 0;
}

static void describe(const struct ct_prepare *prepare, struct ct_byte_product *s,
                     const struct ct_tensor *const *t)
{
    const struct ct_tensor *a = t[CT_BYTE_A], *b = t[CT_BYTE_B];
    int64_t m = a->rank > 1 ? a->dims[a->rank - 2] : 1, k = a->dims[a->rank - 1];
    int64_t n = b->rank > 1 ? b->dims[b->rank - 1] : 1;
    struct ct_gemm_i8_problem *p = &s->problem;
    ct_gemm_i8_problem_init(p, m, n, k);
    p->a_signed = a->dtype == CORTEN_I8;
    p->b_signed = b->dtype == CORTEN_I8;
    p->a_zero_stride = count_of(t[CT_BYTE_A_ZERO]) > 1;
    p->b_zero_stride = count_of(t[CT_BYTE_B_ZERO]) > 1;
    s->rank = prepare->out[0]->rank - (a->rank > 1) - (b->rank > 1);
    s->batch = ct_dims_product(prepare->out[0]->dims, 0, s->rank);
    for (int i = 0; i < s->rank; i++)
        s->dims[i] = prepare->out[0]->dims[i];
    batch_strides(s, a, s->a_strides);
    batch_strides(s, b, s->b_strides);
    join_rows(s, t, m, k);
}

struct packing {
    const struct ct_byte_product *product;
    const struct ct_tensor *zero;
};

static const void *zero_of(const struct ct_tensor *zero, int64_t matrix, int64_t lines)
{
    if (!zero)
        return NULL;
    return (const uint8_t *)zero->data + (count_of(zero) > lines ? matrix * lines : 0);
}

static ct_status pack(void *arg, const struct ct_tensor *constant, void *packed,
                      struct ct_pool *pool, corten_error *error)
{
    const struct packing *job = arg;
    const struct ct_byte_product *s = job->product;
    struct ct_gemm_i8_problem problem = s->problem;
    int64_t matrix = problem.k * problem.n, count = count_of(constant) / matrix;
    (void)error;
    for (int64_t i = 0; i < count; i++) {
        problem.b_zero = zero_of(job->zero, i, problem.n);
        ct_gemm_i8_pack_b(pool, &problem, (const uint8_t *)constant->data + i * matrix,
                          (char *)packed + (size_t)i * s->packed_bytes);
    }
    return CORTEN_OK;
}

static ct_status prepare_packed(struct ct_prepare *prepare, struct ct_byte_product *s,
                                const struct ct_tensor *b, const struct ct_tensor *zero, int b_in)
{
    struct packing job = {s, zero};
    char what[40], key[64];
    size_t total;
    s->packed_bytes = ct_gemm_i8_packed_b_bytes(&s->problem);
    if (!ct_mul_size(s->packed_bytes, (size_t)(count_of(b) / (s->problem.k * s->problem.n)),
                     &total))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "a packed weight is too large");
    snprintf(what, sizeof what, "i8:%lldx%lld", (long long)s->problem.k, (long long)s->problem.n);
    ct_byte_key(what, zero, key, sizeof key);
    CT_TRY(ct_prepare_pack(prepare, b_in, key, total, pack, &job, &s->packed));
    s->problem.b_packed = true;
    return CORTEN_OK;
}

ct_status ct_byte_product_prepare(struct ct_prepare *prepare, struct ct_byte_product *product,
                                  const struct ct_tensor *const tensors[CT_BYTE_ROLES], int b_in,
                                  int b_zero_in, enum ct_gemm_i8_output output)
{
    const struct ct_tensor *b = tensors[CT_BYTE_B], *zero = tensors[CT_BYTE_B_ZERO];
    struct ct_gemm_i8_problem *p = &product->problem;
    enum ct_act act = p->post.act;
    describe(prepare, product, tensors);
    p->post.act = act;
    p->post.output = output;
    if (ct_prepare_may_pack(prepare, b_in) && count_of(b) > 0 && (!zero || zero->data)) {
        CT_TRY(prepare_packed(prepare, product, b, zero, b_in));
        if (b_zero_in >= 0)
            ct_prepare_not_read(prepare, b_zero_in);
    }
    p->post.scale_stride = count_of(tensors[CT_BYTE_B_SCALE]) > 1;
    size_t scales = product->problem.post.scale_stride ? (size_t)p->n : 1;
    size_t row_scales = count_of(tensors[CT_BYTE_A_SCALE]) > 1 ? (size_t)p->m : 0;
    if (output != CT_GEMM_I8_TO_I32) {
        CT_TRY(ct_byte_scratch(prepare, scales * sizeof(float), &product->scale_at));
        CT_TRY(ct_byte_scratch(prepare, row_scales * sizeof(float), &product->row_scale_at));
    }
    prepare->kernel = ct_gemm_i8_select(ct_cpu_features())->name;
    return ct_byte_scratch(prepare, ct_gemm_i8_scratch_bytes(p), &product->gemm_at);
}

/* ------------------------------------------------------------------ run */

static int64_t first_of(const struct ct_tensor *t, int64_t matrix, int64_t lines)
{
    return count_of(t) > lines ? matrix * lines : 0;
}

static void set_scales(const struct ct_byte_product *s, const struct ct_run *run,
                       const struct ct_tensor *const *t, int64_t a_matrix, int64_t b_matrix,
                       struct ct_gemm_i8_problem *p)
{
    float *scales = (float *)(void *)((char *)run->scratch + s->scale_at);
    bool by_row = count_of(t[CT_BYTE_A_SCALE]) > 1;
    const struct ct_tensor *b_scale = t[CT_BYTE_B_SCALE];
    ct_byte_scales(by_row ? NULL : t[CT_BYTE_A_SCALE], b_scale, t[CT_BYTE_Y_SCALE],
                   p->post.scale_stride ? p->n : 1, first_of(b_scale, b_matrix, p->n), scales);
    p->post.scale = scales;
    if (!by_row)
        return;
    float *row_scales = (float *)(void *)((char *)run->scratch + s->row_scale_at);
    ct_byte_scales(NULL, t[CT_BYTE_A_SCALE], NULL, p->m,
                   first_of(t[CT_BYTE_A_SCALE], a_matrix, p->m), row_scales);
    p->post.row_scale = row_scales;
}

static void set_output(const struct ct_tensor *const *t, const struct ct_tensor *y,
                       struct ct_gemm_i8_post *post)
{
    float low, high;
    int64_t zero = 0;
    if (t[CT_BYTE_BIAS])
        post->bias_f32 = t[CT_BYTE_BIAS]->data;
    if (post->output != CT_GEMM_I8_TO_BYTE)
        return;
    ct_int_range(y->dtype, &low, &high);
    if (t[CT_BYTE_Y_ZERO])
        ct_load_i64(t[CT_BYTE_Y_ZERO]->dtype, t[CT_BYTE_Y_ZERO]->data, 0, 1, &zero);
    post->zero = (int32_t)zero;
    post->low = (int32_t)low;
    post->high = (int32_t)high;
}

void ct_byte_product_run(const struct ct_byte_product *s, const struct ct_run *run,
                         const struct ct_tensor *const tensors[CT_BYTE_ROLES],
                         const struct ct_tensor *y)
{
    struct ct_gemm_i8_problem p = s->problem;
    size_t c_bytes = p.post.output == CT_GEMM_I8_TO_BYTE ? 1 : 4;
    set_output(tensors, y, &p.post);
    for (int64_t i = 0; i < s->batch; i++) {
        int64_t a_matrix = 0, b_matrix = 0, rest = i;
        for (int d = s->rank - 1; d >= 0; d--) {
            a_matrix += rest % s->dims[d] * s->a_strides[d];
            b_matrix += rest % s->dims[d] * s->b_strides[d];
            rest /= s->dims[d];
        }
        if (p.post.output != CT_GEMM_I8_TO_I32)
            set_scales(s, run, tensors, a_matrix, b_matrix, &p);
        p.a_zero = zero_of(tensors[CT_BYTE_A_ZERO], a_matrix, p.m);
        p.b_zero = s->packed ? NULL : zero_of(tensors[CT_BYTE_B_ZERO], b_matrix, p.n);
        const char *b = s->packed ? (const char *)s->packed + (size_t)b_matrix * s->packed_bytes
                                  : (const char *)tensors[CT_BYTE_B]->data + b_matrix * p.k * p.n;
        ct_gemm_i8_run(
            run->exec->pool, &p, (const char *)tensors[CT_BYTE_A]->data + a_matrix * p.m * p.k, b,
            (char *)y->data + (size_t)(i * p.m * p.n) * c_bytes, (char *)run->scratch + s->gemm_at);
    }
}
