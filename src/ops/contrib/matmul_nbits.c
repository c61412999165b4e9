/* MatMulNBits: a [.., K] times weights of 2, 4 or 8 bits, [N, blocks of K, bytes], which stay
 * packed in memory. Some columns at a time are made floats, and multiplied: a few for products with
 * few rows, so that they stay in the second-level cache; whole panels for the GEMM driver. */
#include "ops/contrib/contrib.h"
#include "ops/gemm_driver.h"
#include "ops/widen.h"

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };
enum {
    FEW_ROWS = 8,
    COLUMNS = 8, /* at a time, for few rows */
    PANEL = 256, /* for many */
    LANES = 16,  /* bytes that are worked on together, */
    PAIRS = 32   /* and the elements in them */
};

struct shape {
    int64_t k, n, block, bits, blocks, blob;
};

/* ------------------------------------------------------------------ infer */

static ct_status read_shape(const struct ct_infer *infer, struct shape *s)
{
    CT_TRY(ct_contrib_required_int(infer, "K", 1, &s->k));
    CT_TRY(ct_contrib_required_int(infer, "N", 1, &s->n));
    CT_TRY(ct_contrib_required_int(infer, "block_size", 16, &s->block));
    s->bits = ct_attr_int(infer->node, "bits", 4);
    if (s->k > INT32_MAX || s->n > INT32_MAX || s->block > INT32_MAX || s->block & (s->block - 1))
        return ct_infer_fail(infer, "block_size must be a power of two, K and N below 2^31");
    if (s->bits != 2 && s->bits != 4 && s->bits != 8)
        return ct_infer_fail(infer, "weights of %lld bits: 2, 4 or 8 are possible",
                             (long long)s->bits);
    s->blocks = (s->k + s->block - 1) / s->block;
    s->blob = s->block * s->bits / 8;
    return CORTEN_OK;
}

static ct_status check_count(const struct ct_infer *infer, int index, int64_t want)
{
    ct_dim count = ct_contrib_count(infer, index);
    if (ct_dim_known(count) && count != want)
        return ct_infer_fail(infer, "input %d has %lld elements, %lld are expected", index,
                             (long long)count, (long long)want);
    return CORTEN_OK;
}

static ct_status infer(struct ct_infer *infer)
{
    const struct ct_fact *a = ct_infer_in(infer, A), *zeros = ct_infer_in(infer, ZEROS);
    struct shape s;
    CT_TRY(read_shape(infer, &s));
    CT_TRY(ct_infer_check_dtype(infer, B, CT_BIT(U8)));
    CT_TRY(ct_infer_check_same_dtype(infer, A, SCALES));
    CT_TRY(ct_infer_check_same_dtype(infer, A, BIAS));
    CT_TRY(
        ct_infer_check_dtype(infer, ZEROS, CT_BIT(U8) | CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16)));
    CT_TRY(ct_infer_check_rank(infer, A, 1, -1));
    CT_TRY(check_count(infer, B, s.n * s.blocks * s.blob));
    CT_TRY(check_count(infer, SCALES, s.n * s.blocks));
    if (zeros && zeros->dtype)
        CT_TRY(check_count(infer, ZEROS,
                           zeros->dtype == CORTEN_U8 ? s.n * ((s.blocks * s.bits + 7) / 8)
                                                     : s.n * s.blocks));
    CT_TRY(ct_contrib_vector(infer, BIAS, s.n));
    if (ct_infer_in(infer, GROUPS))
        return ct_infer_fail(infer, "g_idx is not possible");
    if (ct_attr_int(infer->node, "weight_prepacked", 0))
        return ct_infer_fail(infer, "weights prepacked for another machine are not possible");
    ct_infer_set(infer, 0, a->dtype, -1, NULL);
    if (a->rank < 0)
        return CORTEN_OK;
    ct_dim dims[CT_MAX_RANK];
    for (int i = 0; i < a->rank; i++)
        dims[i] = a->dims[i];
    CT_TRY(ct_contrib_agree(infer, "columns of A and K", dims[a->rank - 1], s.k));
    dims[a->rank - 1] = s.n;
    ct_infer_set(infer, 0, a->dtype, a->rank, dims);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct shape s;
    struct ct_widen widen;
    const struct ct_gemm_f32_kernel *kernel;
    struct ct_gemm_problem problem; /* of a whole panel */
    int64_t m;
    bool direct; /* one row by 4 bits: multiplied as they are */
    size_t columns_at, column_bytes, gemm_at;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "the state of a product");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_shape(&facts.infer, &st->s));
    st->kernel = ct_gemm_f32_select(ct_cpu_features());
    st->m = (int64_t)(ct_count(prepare->in[A]) / (size_t)st->s.k);
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, 1u << A | 1u << SCALES | 1u << BIAS, 1));
    st->column_bytes = ct_align_up((size_t)st->s.k * sizeof(float), CT_ALIGN);
    st->direct = st->m == 1 && st->s.bits == 4 && st->s.block % PAIRS == 0;
    prepare->state = st;
    if (st->direct) {
        prepare->kernel = "nbits_dot";
        CT_TRY(ct_contrib_reserve(prepare, (size_t)st->s.blocks, sizeof(float), &st->gemm_at));
        return ct_contrib_reserve(prepare, (size_t)(st->s.blocks * st->s.block), sizeof(float),
                                  &st->columns_at);
    }
    size_t columns = st->m <= FEW_ROWS ? COLUMNS * (size_t)prepare->threads : PANEL;
    CT_TRY(ct_contrib_reserve(prepare, columns, st->column_bytes, &st->columns_at));
    prepare->state = st;
    prepare->kernel = st->kernel->name;
    if (st->m <= FEW_ROWS)
        return CORTEN_OK;
    struct ct_gemm_problem *p = &st->problem;
    ct_gemm_problem_init(p, st->m, PANEL, st->s.k);
    p->b_transposed = true;
    p->ldb = (int64_t)(st->column_bytes / sizeof(float));
    p->ldc = st->s.n;
    if (ct_contrib_in(prepare, BIAS))
        p->post.bias = (struct ct_gemm_term){NULL, 0, 1};
    struct ct_gemm_problem last = *p;
    last.n = st->s.n % PANEL;
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        const struct ct_gemm_problem *problem = i & 1 ? &last : p;
        size_t bytes = ct_gemm_f32_scratch_bytes(problem, i & 2 ? 1 : prepare->threads);
        most = bytes > most ? bytes : most;
    }
    return ct_contrib_reserve(prepare, most, 1, &st->gemm_at);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct state *st;
    const struct ct_run *run;
    const float *a, *scales, *bias;
    float *y;
    int64_t first; /* column of a panel */
};

static float zero_of(const struct job *job, int64_t column, int64_t block)
{
    const struct ct_tensor *zeros = ct_contrib_run_in(job->run, ZEROS);
    const struct shape *s = &job->st->s;
    if (!zeros)
        return (float)(1 << (s->bits - 1));
    if (zeros->dtype != CORTEN_U8)
        return ct_contrib_f32(zeros, (size_t)(column * s->blocks + block), 0);
    int64_t row_bytes = (s->blocks * s->bits + 7) / 8, bit = block * s->bits;
    unsigned byte = CT_DATA(const uint8_t, zeros)[column * row_bytes + bit / 8];
    return (float)(byte >> (bit % 8) & ((1u << s->bits) - 1));
}

static void unpack4(const uint8_t *restrict q, int64_t n, float scale, float shift,
                    float *restrict to)
{
    for (int64_t i = 0; i < n / 2; i++) {
        to[2 * i] = (float)(q[i] & 15) * scale + shift;
        to[2 * i + 1] = (float)(q[i] >> 4) * scale + shift;
    }
    if (n % 2)
        to[n - 1] = (float)(q[n / 2] & 15) * scale + shift;
}

static void unpack8(const uint8_t *restrict q, int64_t n, float scale, float shift,
                    float *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)q[i] * scale + shift;
}

static void unpack2(const uint8_t *restrict q, int64_t n, float scale, float shift,
                    float *restrict to)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = (float)(q[i / 4] >> (i % 4 * 2) & 3) * scale + shift;
}

static void unpack_column(const struct job *job, int64_t column, float *to)
{
    const struct shape *s = &job->st->s;
    const uint8_t *q = CT_DATA(const uint8_t, job->run->in[B]) + column * s->blocks * s->blob;
    for (int64_t b = 0; b < s->blocks; b++, q += s->blob, to += s->block) {
        int64_t n = s->k - b * s->block < s->block ? s->k - b * s->block : s->block;
        float scale = job->scales[column * s->blocks + b];
        float shift = -zero_of(job, column, b) * scale;
        if (s->bits == 4)
            unpack4(q, n, scale, shift, to);
        else if (s->bits == 8)
            unpack8(q, n, scale, shift, to);
        else
            unpack2(q, n, scale, shift, to);
    }
}

static void few_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->st;
    char *memory =
        ct_contrib_scratch(job->run, st->columns_at + (size_t)worker * COLUMNS * st->column_bytes);
    struct ct_gemm_post post = {.alpha = 1};
    if (job->bias)
        post.bias = (struct ct_gemm_term){job->bias, 0, 1};
    for (int64_t item = begin; item < end; item++) {
        int64_t first = item * COLUMNS;
        int64_t n = st->s.n - first < COLUMNS ? st->s.n - first : COLUMNS;
        for (int64_t j = 0; j < n; j++)
            unpack_column(job, first + j, (float *)(void *)(memory + (size_t)j * st->column_bytes));
        struct ct_gemm_f32_tile tile = {.m = (size_t)st->m,
                                        .n = (size_t)n,
                                        .k = (size_t)st->s.k,
                                        .a = job->a,
                                        .lda = (size_t)st->s.k,
                                        .b = (const float *)(const void *)memory,
                                        .ldb = st->column_bytes / sizeof(float),
                                        .c = job->y + first,
                                        .ldc = (size_t)st->s.n,
                                        .post = &post,
                                        .col = (size_t)first};
        st->kernel->fn->dot(&tile);
    }
}

/* The row of A for products with packed pairs: of each 32 elements the even ones, then the odd
 * ones, so that the low and the high halves of 16 bytes each meet 16 floats in a row; and the sum
 * of each block, for the zero points. */
static void split_row(const struct job *job, float *pairs, float *sums)
{
    const struct shape *s = &job->st->s;
    for (int64_t b = 0; b < s->blocks; b++) {
        float sum = 0;
        for (int64_t i = 0; i < s->block; i++) {
            int64_t p = b * s->block + i;
            float x = p < s->k ? job->a[p] : 0;
            sum += x;
            pairs[p / PAIRS * PAIRS + p % 2 * LANES + p % PAIRS / 2] = x;
        }
        sums[b] = sum;
    }
}

static inline void dot_pairs(const uint8_t *restrict q, const float *restrict a,
                             float *restrict sums)
{
    float low[LANES], high[LANES];
    for (int l = 0; l < LANES; l++)
        low[l] = (float)(q[l] & 15);
    for (int l = 0; l < LANES; l++)
        high[l] = (float)(q[l] >> 4);
    for (int l = 0; l < LANES; l++)
        sums[l] += low[l] * a[l] + high[l] * a[LANES + l];
}

static void direct_columns(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct shape *s = &job->st->s;
    const float *pairs = ct_contrib_scratch(job->run, job->st->columns_at);
    const float *sums = ct_contrib_scratch(job->run, job->st->gemm_at);
    (void)worker;
    for (int64_t column = begin; column < end; column++) {
        const uint8_t *q = CT_DATA(const uint8_t, job->run->in[B]) + column * s->blocks * s->blob;
        const float *a = pairs, *scales = job->scales + column * s->blocks;
        float total[LANES] = {0}, shift = 0;
        for (int64_t b = 0; b < s->blocks; b++) {
            float block[LANES] = {0}, scale = scales[b];
            for (int64_t i = 0; i < s->blob; i += LANES, q += LANES, a += PAIRS)
                dot_pairs(q, a, block);
            for (int l = 0; l < LANES; l++)
                total[l] += scale * block[l];
            shift += scale * zero_of(job, column, b) * sums[b];
        }
        for (int half = LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                total[l] += total[l + half];
        job->y[column] = total[0] - shift + (job->bias ? job->bias[column] : 0);
    }
}

static void unpack_panel(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    char *memory = ct_contrib_scratch(job->run, job->st->columns_at);
    (void)worker;
    for (int64_t j = begin; j < end; j++)
        unpack_column(job, job->first + j,
                      (float *)(void *)(memory + (size_t)j * job->st->column_bytes));
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    const struct shape *s = &st->s;
    struct job job = {.st = st,
                      .run = run,
                      .a = ct_widen_in(&st->widen, run, A),
                      .scales = ct_widen_in(&st->widen, run, SCALES),
                      .bias =
                          ct_contrib_run_in(run, BIAS) ? ct_widen_in(&st->widen, run, BIAS) : NULL,
                      .y = ct_widen_out(&st->widen, run, 0)};
    double column_ns = (double)s->k * 0.5;
    if (st->direct) {
        split_row(&job, ct_contrib_scratch(run, st->columns_at),
                  ct_contrib_scratch(run, st->gemm_at));
        ct_run_parallel(run, s->n, (double)s->k * 0.2, direct_columns, &job);
    } else if (st->m > 0 && st->m <= FEW_ROWS)
        ct_run_parallel(run, (s->n + COLUMNS - 1) / COLUMNS,
                        COLUMNS * column_ns * (1 + 0.2 * (double)st->m), few_rows, &job);
    for (; st->m > FEW_ROWS && job.first < s->n; job.first += PANEL) {
        struct ct_gemm_problem p = st->problem;
        p.n = s->n - job.first < PANEL ? s->n - job.first : PANEL;
        p.post.bias.p = job.bias ? job.bias + job.first : NULL;
        ct_run_parallel(run, p.n, column_ns, unpack_panel, &job);
        ct_gemm_f32_run(run->exec->pool, &p, job.a, ct_contrib_scratch(run, st->columns_at),
                        job.y + job.first, ct_contrib_scratch(run, st->gemm_at));
    }
    ct_widen_done(&st->widen, run, 0);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct shape s;
    ct_dim count = ct_contrib_count(infer, A);
    if (ct_dim_known(count) && read_shape(infer, &s) == CORTEN_OK)
        cost->flops += 2.0 * (double)count * (double)s.n;
}

const struct ct_op ct_op_matmul_nbits = {.infer = infer,
                                         .prepare = prepare,
                                         .run = run,
                                         .cost = cost,
                                         .min_in = 3,
                                         .max_in = 6,
                                         .min_out = 1};
