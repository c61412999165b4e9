/* MatMulNBits: a [.., K] times weights of 2, 4 or 8 bits, [N, blocks of K, bytes].
 *
 * Weights, scales and zero points are packed in panels of columns (kernels/gemm_nbits.h): once when
 * they are constant, else in each run. A few rows are multiplied with the weights as they are
 * packed; for many, some panels at a time become floats for the GEMM driver. */
#include <stdio.h>
#include <string.h>

#include "kernels/gemm_nbits.h"
#include "ops/contrib/contrib.h"
#include "ops/gemm_driver.h"
#include "ops/linear/unaligned.h"
#include "ops/widen.h"

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };
enum {
    FEW_ROWS = 24,
    SLAB = 8 * CT_NBITS_COLUMNS /* columns that become floats together */
};

struct shape {
    int64_t k, n, block, bits, blocks, blob;
    int64_t panels, depth; /* of packed weights: panels of columns, and k as they have it */
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
    s->panels = (s->n + CT_NBITS_COLUMNS - 1) / CT_NBITS_COLUMNS;
    s->depth = (s->k + CT_NBITS_K - 1) / CT_NBITS_K * CT_NBITS_K;
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

/* ------------------------------------------------------------------ packing */

enum part { WEIGHTS, FACTORS, OFFSETS, PARTS }; /* of B, SCALES, ZEROS */
static const int input_of[PARTS] = {B, SCALES, ZEROS};
static const char *const name_of[PARTS] = {"weights", "scales", "zeros"};

/* Bytes of a packed panel. */
static size_t panel_bytes(const struct shape *s, enum part part)
{
    size_t k = part == WEIGHTS ? (size_t)(s->depth * s->bits / 32) : (size_t)s->blocks;
    return k * CT_NBITS_COLUMNS * sizeof(uint32_t);
}

/* Four bytes of a column are the word of the same elements, but for the sign. */
static void pack_weights(const struct shape *s, const struct ct_tensor *b, int64_t panel,
                         uint32_t *to)
{
    const uint32_t signs = s->bits == 8 ? 0x80808080 : s->bits == 4 ? 0x88888888 : 0xAAAAAAAA;
    int64_t words = s->depth * s->bits / 32;
    size_t column_bytes = (size_t)(s->blocks * s->blob);
    for (int64_t j = 0; j < CT_NBITS_COLUMNS; j++) {
        int64_t column = panel * CT_NBITS_COLUMNS + j;
        const uint8_t *from = CT_DATA(const uint8_t, b) + (size_t)column * column_bytes;
        for (int64_t i = 0; i < words; i++) {
            uint32_t word = signs;
            if (column < s->n)
                memcpy(&word, from + i * 4, sizeof word);
            to[i * CT_NBITS_COLUMNS + j] = word ^ signs;
        }
    }
}

/* The zero point of a block less that of none, which is half the range. */
static float zero_of(const struct shape *s, const struct ct_tensor *zeros, int64_t column,
                     int64_t block)
{
    float half = (float)(1 << (s->bits - 1));
    float x;
    if (zeros->dtype != CORTEN_U8) {
        ct_load_f32_unaligned(zeros->dtype, zeros->data, (size_t)(column * s->blocks + block), 1,
                              &x);
        return x - half;
    }
    int64_t row_bytes = (s->blocks * s->bits + 7) / 8, bit = block * s->bits;
    unsigned byte = CT_DATA(const uint8_t, zeros)[column * row_bytes + bit / 8];
    return (float)(byte >> (bit % 8) & ((1u << s->bits) - 1)) - half;
}

static void pack_floats(const struct shape *s, const struct ct_tensor *from, bool zeros,
                        int64_t panel, float *to)
{
    for (int64_t j = 0; j < CT_NBITS_COLUMNS; j++) {
        int64_t column = panel * CT_NBITS_COLUMNS + j;
        for (int64_t b = 0; b < s->blocks; b++) {
            float *x = &to[b * CT_NBITS_COLUMNS + j];
            *x = 0;
            if (column < s->n && zeros)
                *x = zero_of(s, from, column, b);
            else if (column < s->n)
                ct_load_f32_unaligned(from->dtype, from->data, (size_t)(column * s->blocks + b), 1,
                                      x);
        }
    }
}

struct packing {
    const struct shape *s;
    const struct ct_tensor *from;
    enum part part;
    char *to;
};

static void pack_panels(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct packing *p = arg;
    (void)worker;
    for (int64_t panel = begin; panel < end; panel++) {
        void *to = p->to + (size_t)panel * panel_bytes(p->s, p->part);
        if (p->part == WEIGHTS)
            pack_weights(p->s, p->from, panel, to);
        else
            pack_floats(p->s, p->from, p->part == OFFSETS, panel, to);
    }
}

static void pack(const struct packing *p, struct ct_pool *pool)
{
    double panel_ns = (double)panel_bytes(p->s, p->part);
    ct_parallel_for(pool, p->s->panels, ct_grain(panel_ns), pack_panels, (void *)(uintptr_t)p);
}

static ct_status pack_constant(void *arg, const struct ct_tensor *constant, void *packed,
                               struct ct_pool *pool, corten_error *error)
{
    struct packing p = *(const struct packing *)arg;
    (void)error;
    p.from = constant;
    p.to = packed;
    pack(&p, pool);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ prepare */

struct state {
    struct shape s;
    struct ct_widen widen;
    const struct ct_gemm_nbits_kernel *kernel;
    int64_t m;
    const void *packed[PARTS]; /* NULL: packed in each run, */
    size_t packed_at[PARTS];   /* here; or there are none */
    bool has[PARTS];
    size_t a_at, sums_at;        /* few rows: A, if it must be padded; sums of its blocks */
    size_t slab_at, gemm_at;     /* many: weights as floats; scratch of the driver */
    struct ct_gemm_problem slab; /* of a whole slab */
};

static ct_status prepare_part(struct ct_prepare *prepare, struct state *st, enum part part)
{
    const struct ct_tensor *from = ct_contrib_in(prepare, input_of[part]);
    size_t bytes;
    st->has[part] = from != NULL;
    if (!from)
        return CORTEN_OK;
    if (!ct_mul_size(panel_bytes(&st->s, part), (size_t)st->s.panels, &bytes))
        return ct_fail(prepare->error, CORTEN_LIMIT_EXCEEDED, "packed weights are too large");
    if (!from->data)
        return ct_contrib_reserve(prepare, bytes, 1, &st->packed_at[part]);
    char key[64];
    snprintf(key, sizeof key, "nbits:%s%d:%lldx%lldx%lld", name_of[part], (int)st->s.bits,
             (long long)st->s.k, (long long)st->s.n, (long long)st->s.block);
    struct packing p = {.s = &st->s, .part = part};
    return ct_prepare_pack(prepare, input_of[part], key, bytes, pack_constant, &p,
                           &st->packed[part]);
}

static ct_status prepare_few(struct ct_prepare *prepare, struct state *st)
{
    size_t rows = (size_t)st->m;
    prepare->kernel = st->kernel->name;
    if (st->s.depth != st->s.k)
        CT_TRY(ct_contrib_reserve(prepare, rows * (size_t)st->s.depth, sizeof(float), &st->a_at));
    if (!st->has[OFFSETS])
        return CORTEN_OK;
    return ct_contrib_reserve(prepare, rows * (size_t)st->s.blocks, sizeof(float), &st->sums_at);
}

static ct_status prepare_many(struct ct_prepare *prepare, struct state *st)
{
    struct ct_gemm_problem *p = &st->slab;
    ct_gemm_problem_init(p, st->m, SLAB, st->s.k);
    p->ldc = st->s.n;
    if (ct_contrib_in(prepare, BIAS))
        p->post.bias = (struct ct_gemm_term){NULL, 0, 1};
    struct ct_gemm_problem last = *p;
    last.n = st->s.n % SLAB;
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        const struct ct_gemm_problem *problem = i & 1 ? &last : p;
        size_t bytes = ct_gemm_f32_scratch_bytes(problem, i & 2 ? 1 : prepare->threads);
        most = bytes > most ? bytes : most;
    }
    prepare->kernel = ct_gemm_f32_select(ct_cpu_features())->name;
    CT_TRY(ct_contrib_reserve(prepare, (size_t)st->s.depth * SLAB, sizeof(float), &st->slab_at));
    return ct_contrib_reserve(prepare, most, 1, &st->gemm_at);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *st = ct_prepare_alloc(prepare, sizeof *st);
    struct ct_contrib_facts facts;
    if (!st)
        return ct_fail_memory(prepare->error, sizeof *st, "the state of a product");
    ct_contrib_facts_init(&facts, prepare);
    CT_TRY(read_shape(&facts.infer, &st->s));
    st->kernel = ct_gemm_nbits_select(ct_cpu_features());
    st->m = (int64_t)(ct_count(prepare->in[A]) / (size_t)st->s.k);
    prepare->state = st;
    CT_TRY(ct_widen_init(&st->widen, prepare, CORTEN_F32, 1u << A | 1u << BIAS, 1));
    for (enum part part = 0; part < PARTS; part++)
        CT_TRY(prepare_part(prepare, st, part));
    return st->m <= FEW_ROWS ? prepare_few(prepare, st) : prepare_many(prepare, st);
}

/* ------------------------------------------------------------------ run */

struct job {
    const struct state *st;
    const char *parts[PARTS]; /* packed panels; NULL: none */
    const float *a, *a_sums, *bias;
    int64_t lda;
    float *y;
    float *slab;
    int64_t first; /* column of a slab */
};

/* What both kinds of work say of a panel. */
static struct ct_gemm_nbits_tile panel_of(const struct job *job, int64_t panel)
{
    const struct shape *s = &job->st->s;
    int64_t left = s->n - panel * CT_NBITS_COLUMNS;
    const void *parts[PARTS];
    for (enum part part = 0; part < PARTS; part++)
        parts[part] =
            job->parts[part] ? job->parts[part] + (size_t)panel * panel_bytes(s, part) : NULL;
    return (struct ct_gemm_nbits_tile){
        .n = (size_t)(left < CT_NBITS_COLUMNS ? left : CT_NBITS_COLUMNS),
        .k = (size_t)s->depth,
        .block = (size_t)s->block,
        .bits = (int)s->bits,
        .b = parts[WEIGHTS],
        .scales = parts[FACTORS],
        .zeros = parts[OFFSETS]};
}

static void few_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct state *st = job->st;
    (void)worker;
    for (int64_t panel = begin; panel < end; panel++) {
        struct ct_gemm_nbits_tile tile = panel_of(job, panel);
        int64_t first = panel * CT_NBITS_COLUMNS;
        tile.lda = (size_t)job->lda;
        tile.ldc = (size_t)st->s.n;
        tile.bias = job->bias ? job->bias + first : NULL;
        tile.a_sums_stride = (size_t)st->s.blocks;
        for (int64_t row = 0; row < st->m; row += CT_NBITS_ROWS) {
            tile.m = (size_t)(st->m - row < CT_NBITS_ROWS ? st->m - row : CT_NBITS_ROWS);
            tile.a = job->a + row * job->lda;
            tile.a_sums = job->a_sums ? job->a_sums + row * st->s.blocks : NULL;
            tile.c = job->y + row * st->s.n + first;
            st->kernel->fn->tile(&tile);
        }
    }
}

/* Rows of A as long as panels are deep, the rest zeros. */
static void pad_rows(struct job *job, float *to)
{
    const struct shape *s = &job->st->s;
    size_t extra = (size_t)(s->depth - s->k) * sizeof(float);
    for (int64_t i = 0; i < job->st->m; i++) {
        memcpy(to + i * s->depth, job->a + i * s->k, (size_t)s->k * sizeof(float));
        memset(to + i * s->depth + s->k, 0, extra);
    }
    job->a = to;
    job->lda = s->depth;
}

static void sum_blocks(struct job *job, float *sums)
{
    const struct shape *s = &job->st->s;
    for (int64_t i = 0; i < job->st->m; i++)
        for (int64_t b = 0; b < s->blocks; b++) {
            float sum = 0;
            for (int64_t p = b * s->block; p < s->k && p < (b + 1) * s->block; p++)
                sum += job->a[i * job->lda + p];
            sums[i * s->blocks + b] = sum;
        }
    job->a_sums = sums;
}

static void run_few(const struct ct_run *run, struct job *job)
{
    const struct state *st = job->st;
    double weight_ns = 0.05 + 0.02 * (double)st->m;
    if (st->s.depth != st->s.k)
        pad_rows(job, ct_contrib_scratch(run, st->a_at));
    if (st->has[OFFSETS])
        sum_blocks(job, ct_contrib_scratch(run, st->sums_at));
    ct_run_parallel(run, st->s.panels, weight_ns * (double)st->s.depth * CT_NBITS_COLUMNS, few_rows,
                    job);
}

static void unpack_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    int64_t first_panel = job->first / CT_NBITS_COLUMNS;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        struct ct_gemm_nbits_tile tile = panel_of(job, first_panel + i);
        tile.c = job->slab + i * CT_NBITS_COLUMNS;
        tile.ldc = (size_t)job->st->slab.ldb;
        job->st->kernel->fn->unpack(&tile);
    }
}

static void run_many(const struct ct_run *run, struct job *job)
{
    const struct state *st = job->st;
    job->slab = ct_contrib_scratch(run, st->slab_at);
    for (; job->first < st->s.n; job->first += SLAB) {
        struct ct_gemm_problem p = st->slab;
        p.n = st->s.n - job->first < SLAB ? st->s.n - job->first : SLAB;
        p.post.bias.p = job->bias ? job->bias + job->first : NULL;
        ct_run_parallel(run, (p.n + CT_NBITS_COLUMNS - 1) / CT_NBITS_COLUMNS,
                        (double)st->s.depth * CT_NBITS_COLUMNS * 0.15, unpack_items, job);
        ct_gemm_f32_run(run->exec->pool, &p, job->a, job->slab, job->y + job->first,
                        ct_contrib_scratch(run, st->gemm_at));
    }
}

static ct_status run(const struct ct_run *run)
{
    const struct state *st = run->state;
    struct job job = {.st = st,
                      .a = ct_widen_in(&st->widen, run, A),
                      .lda = st->s.k,
                      .bias =
                          ct_contrib_run_in(run, BIAS) ? ct_widen_in(&st->widen, run, BIAS) : NULL,
                      .y = ct_widen_out(&st->widen, run, 0)};
    for (enum part part = 0; part < PARTS; part++) {
        job.parts[part] = st->packed[part];
        if (!st->has[part] || st->packed[part])
            continue;
        struct packing p = {&st->s, run->in[input_of[part]], part,
                            ct_contrib_scratch(run, st->packed_at[part])};
        pack(&p, run->exec->pool);
        job.parts[part] = p.to;
    }
    if (st->m > 0 && st->m <= FEW_ROWS)
        run_few(run, &job);
    else if (st->m > 0)
        run_many(run, &job);
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
