/* How it is cut: an item is a block of queries of one head. For it, blocks of keys are gone
 * through: scores are a GEMM into the worker's scratch memory, get exponentiated there, and are
 * multiplied with the values, which adds to the rows of y; when a later block brings a new
 * maximum, what is there is scaled.
 *
 * In bfloat16 queries and exponentials are packed too, which rounds them; scores stay float32.
 *
 * Keys and values are packed for the GEMM tiles once, by all threads, before that. With a query or
 * two for each head (decoding) that would cost more than it brings: then keys are read where they
 * lie, by dot products, and the queries of all heads that share a key head are one block. */
#include "ops/attention_core.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

enum {
    TILES = 2,          /* tiles of rows in a block of queries */
    KEYS = 512,         /* in a block: scores of TILES x mr queries stay in the second cache */
    STRIDE = KEYS + 16, /* of rows of scores: a power of two would put them into few cache sets */
    DIRECT_ROWS = 4     /* as many rows of dot products read keys once */
};

struct plan {
    const struct ct_attention_problem *p;
    struct ct_attention_problem own; /* p, with the heads of a group as queries */
    const struct ct_gemm_f32_kernel *gemm;
    const struct ct_attention_f32_kernel *kernel;
    bool direct;    /* keys and values are not packed */
    bool grouped;   /* rows are heads: all stand at one position */
    int64_t rows;   /* of a block of queries */
    int64_t blocks; /* of queries in a head */
    int64_t k_panels, v_panels;
    size_t k_bytes, v_bytes; /* packed, of one key head */
    size_t packed_bytes, worker_bytes;
    int64_t a_elems; /* of a worker's packed queries and exponentials; 0: they are read in place */
};

struct job {
    const struct plan *plan;
    const float *q, *k, *v;
    float *y;
    char *packed, *workers;
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* Where part i of n things in so many parts begins: as even as can be, for short tiles are slower. */
static int64_t part(int64_t i, int64_t n, int64_t parts)
{
    return i * n / parts;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t depth(const struct plan *plan, int64_t k)
{
    return ct_gemm_f32_depth(plan->gemm, k);
}

static void make_plan(struct plan *plan, const struct ct_attention_problem *problem)
{
    *plan = (struct plan){.own = *problem,
                          .gemm = problem->bf16 ? ct_gemm_bf16_select(ct_cpu_features())
                                                : ct_gemm_f32_select(ct_cpu_features()),
                          .kernel = ct_attention_f32_select(ct_cpu_features())};
    struct ct_attention_problem *p = &plan->own;
    int64_t group = p->heads / p->kv_heads;
    if (p->q_len == 1 && group > 1) {
        plan->grouped = true;
        p->q_len = group;
        p->heads = p->kv_heads;
        p->q.row = p->q.head;
        p->q.head *= group;
        p->y.row = p->y.head;
        p->y.head *= group;
        p->mask_strides.row = p->mask_strides.head;
        p->mask_strides.head *= group;
    }
    plan->p = p;
    plan->direct = p->q_len <= DIRECT_ROWS;
    if (plan->direct)
        plan->gemm = ct_gemm_f32_select(ct_cpu_features());
    plan->rows = plan->direct ? DIRECT_ROWS : TILES * (int64_t)plan->gemm->mr;
    plan->blocks = ceil_div(p->q_len, plan->rows);
    int64_t nr = (int64_t)plan->gemm->nr;
    if (!plan->direct) {
        plan->k_panels = ceil_div(p->kv_len, nr);
        plan->v_panels = ceil_div(p->v_head_size, nr);
        plan->k_bytes = (size_t)(plan->k_panels * nr * depth(plan, p->head_size)) * sizeof(float);
        plan->v_bytes = (size_t)(plan->v_panels * nr * depth(plan, p->kv_len)) * sizeof(float);
        plan->k_bytes = ct_align_up(plan->k_bytes, CT_ALIGN);
        plan->v_bytes = ct_align_up(plan->v_bytes, CT_ALIGN);
        plan->packed_bytes = (size_t)(p->batch * p->kv_heads) * (plan->k_bytes + plan->v_bytes);
    }
    if (plan->gemm->k_unit > 1) {
        int64_t most = p->head_size > KEYS ? p->head_size : KEYS;
        plan->a_elems = plan->rows * depth(plan, most);
    }
    /* Packed rows, scores, a row of the mask, maxima and sums. */
    plan->worker_bytes =
        (size_t)(plan->a_elems + plan->rows * STRIDE + KEYS + 2 * plan->rows) * sizeof(float);
    plan->worker_bytes = ct_align_up(plan->worker_bytes, CT_ALIGN);
}

size_t ct_attention_f32_scratch_bytes(const struct ct_attention_problem *problem, int threads)
{
    struct plan plan;
    make_plan(&plan, problem);
    return plan.packed_bytes + (size_t)threads * plan.worker_bytes;
}

void ct_attention_range(const struct ct_attention_problem *p, int64_t b, int64_t i, int64_t *begin,
                        int64_t *end)
{
    int64_t position = i + (p->offsets ? p->offsets[b] : p->offset);
    *begin = 0;
    *end = p->kv_len;
    if (p->kv_lens)
        *end = min_i64(*end, p->kv_lens[b]);
    if (p->mask || p->mask_bool)
        *end = min_i64(*end, p->mask_cols);
    if (p->causal)
        *end = min_i64(*end, position + 1);
    if (p->right >= 0 && p->right < p->kv_len)
        *end = min_i64(*end, position + p->right + 1);
    if (p->left >= 0 && position > p->left)
        *begin = position - p->left;
    if (*end < *begin)
        *end = *begin;
    if (*end > p->kv_len || *end < 0)
        *begin = *end = 0;
}

/* ------------------------------------------------------------------ packing */

/* Items are pairs: even ones keys, odd ones values of a key head. */
static void pack_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct plan *plan = job->plan;
    const struct ct_attention_problem *p = plan->p;
    int64_t nr = (int64_t)plan->gemm->nr;
    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t head = item / 2, b = head / p->kv_heads, h = head % p->kv_heads;
        float *to = (float *)(void *)(job->packed + (size_t)head * (plan->k_bytes + plan->v_bytes));
        if (item % 2 == 0) {
            const float *k = job->k + b * p->k.batch + h * p->k.head;
            for (int64_t j = 0; j < plan->k_panels; j++)
                plan->gemm->fn->pack_b((size_t)p->head_size,
                                       (size_t)min_i64(nr, p->kv_len - j * nr),
                                       k + j * nr * p->k.row, 1, (size_t)p->k.row,
                                       to + j * nr * depth(plan, p->head_size));
            continue;
        }
        const float *v = job->v + b * p->v.batch + h * p->v.head;
        to += plan->k_bytes / sizeof(float);
        for (int64_t j = 0; j < plan->v_panels; j++)
            plan->gemm->fn->pack_b((size_t)p->kv_len, (size_t)min_i64(nr, p->v_head_size - j * nr),
                                   v + j * nr, (size_t)p->v.row, 1,
                                   to + j * nr * depth(plan, p->kv_len));
    }
}

/* ------------------------------------------------------------------ one block of queries */

struct block {
    const struct job *job;
    int64_t b, h, first, rows; /* queries */
    const float *q, *k, *v;    /* k, v: packed, or as they lie */
    float *y;
    float *packed, *scores, *mask_row, *max, *sum;
};

/* Tile t of an operand's rows, as many as can be with even heights. */
static int64_t tile_row(const struct block *block, int64_t t)
{
    int64_t tiles = ceil_div(block->rows, (int64_t)block->job->plan->gemm->mr);
    return part(t, block->rows, tiles);
}

/* Packs the rows of an operand, n of k each, in a panel for each tile. */
static void pack_rows(const struct block *block, const float *a, int64_t row_stride, int64_t n)
{
    const struct plan *plan = block->job->plan;
    float *to = block->packed;
    for (int64_t t = 0; tile_row(block, t) < block->rows; t++) {
        int64_t i = tile_row(block, t), rows = tile_row(block, t + 1) - i;
        plan->gemm->fn->pack_a((size_t)rows, (size_t)n, a + i * row_stride, (size_t)row_stride, 1,
                               to);
        to += (int64_t)plan->gemm->mr * depth(plan, n);
    }
}

/* Tile t of the rows of an operand, which lie at `a` or have been packed, to rows of c. */
static void run_tile(const struct block *block, struct ct_gemm_f32_tile *tile, int64_t t,
                     const float *a, int64_t row_stride, float *c)
{
    const struct plan *plan = block->job->plan;
    int64_t i = tile_row(block, t);
    tile->m = (size_t)(tile_row(block, t + 1) - i);
    tile->c = c + i * (int64_t)tile->ldc;
    if (!plan->a_elems) {
        tile->a = a + i * row_stride;
        tile->lda = (size_t)row_stride;
        plan->gemm->fn->tile_rowmajor(tile);
        return;
    }
    tile->a = block->packed + t * (int64_t)plan->gemm->mr * depth(plan, (int64_t)tile->k);
    tile->lda = tile->m;
    plan->gemm->fn->tile_kmajor(tile);
}

/* Products of queries and keys [from, from + n) to scores[i * STRIDE + j]. */
static void score(const struct block *block, int64_t from, int64_t n)
{
    const struct plan *plan = block->job->plan;
    const struct ct_attention_problem *p = plan->p;
    int64_t nr = (int64_t)plan->gemm->nr, tiles = ceil_div(block->rows, (int64_t)plan->gemm->mr);
    struct ct_gemm_f32_tile tile = {
        .k = (size_t)p->head_size, .lda = (size_t)p->q.row, .ldc = STRIDE};
    if (plan->direct) {
        tile.m = (size_t)block->rows;
        tile.n = (size_t)n;
        tile.a = block->q;
        tile.b = block->k + from * p->k.row;
        tile.ldb = (size_t)p->k.row;
        tile.c = block->scores;
        plan->gemm->fn->dot(&tile);
        return;
    }
    tile.ldb = (size_t)nr;
    if (plan->a_elems)
        pack_rows(block, block->q, p->q.row, p->head_size);
    for (int64_t j = 0; j < n; j += nr) { /* from is a multiple of nr */
        tile.n = (size_t)min_i64(nr, n - j);
        tile.b = block->k + (from + j) * depth(plan, p->head_size);
        for (int64_t t = 0; t < tiles; t++)
            run_tile(block, &tile, t, block->q, p->q.row, block->scores + j);
    }
}

/* y rows (+)= scores times values. */
static void weigh(const struct block *block, int64_t from, int64_t n, bool accumulate)
{
    const struct plan *plan = block->job->plan;
    const struct ct_attention_problem *p = plan->p;
    int64_t nr = (int64_t)plan->gemm->nr, tiles = ceil_div(block->rows, (int64_t)plan->gemm->mr);
    struct ct_gemm_f32_tile tile = {.k = (size_t)n,
                                    .ldb = plan->direct ? (size_t)p->v.row : (size_t)nr,
                                    .ldc = (size_t)p->y.row,
                                    .accumulate = accumulate};
    if (plan->a_elems)
        pack_rows(block, block->scores, STRIDE, n);
    for (int64_t t = 0; t < tiles; t++)
        for (int64_t j = 0; j < p->v_head_size; j += nr) {
            tile.n = (size_t)min_i64(nr, p->v_head_size - j);
            tile.b = plan->direct ? block->v + from * p->v.row + j
                                  : block->v + j * depth(plan, p->kv_len) + depth(plan, from) * nr;
            run_tile(block, &tile, t, block->scores, STRIDE, block->y + j);
        }
}

/* n values of the mask for query i, from key `from` on; NULL without a mask. */
static const float *mask_of(const struct block *block, int64_t i, int64_t from, int64_t n)
{
    const struct ct_attention_problem *p = block->job->plan->p;
    int64_t at = block->b * p->mask_strides.batch + block->h * p->mask_strides.head +
                 i * p->mask_strides.row + from * p->mask_col_stride;
    if (p->mask && p->mask_col_stride == 1)
        return p->mask + at;
    if (!p->mask && !p->mask_bool)
        return NULL;
    for (int64_t j = 0; j < n; j++) {
        int64_t from_at = at + j * p->mask_col_stride;
        block->mask_row[j] = p->mask ? p->mask[from_at] : p->mask_bool[from_at] ? 0 : -HUGE_VALF;
    }
    return block->mask_row;
}

static void range_of(const struct block *block, int64_t i, int64_t *begin, int64_t *end)
{
    const struct plan *plan = block->job->plan;
    ct_attention_range(plan->p, block->b, plan->grouped ? 0 : i, begin, end);
}

enum { MOST_ROWS = 32 }; /* of TILES tiles, or heads that share a key head */

/* The rows' exponentials; what y holds is scaled where the maximum has changed. */
static void exponentiate_rows(const struct block *block, struct ct_attention_f32_row *rows,
                              size_t count, bool first)
{
    const struct plan *plan = block->job->plan;
    const struct ct_attention_problem *p = plan->p;
    plan->kernel->fn->softmax(rows, count);
    for (size_t i = 0; i < count; i++) {
        const struct ct_attention_f32_row *row = &rows[i];
        int64_t r = (row->s - block->scores) / STRIDE;
        block->max[r] = row->max;
        block->sum[r] = row->sum;
        if (!first && row->correction != 1.0f)
            plan->kernel->fn->scale(block->y + r * p->y.row, (size_t)p->v_head_size,
                                    row->correction);
    }
}

/* Exponentials of one block of products. */
static void exponentiate(const struct block *block, int64_t from, int64_t n, bool first)
{
    const struct ct_attention_problem *p = block->job->plan->p;
    struct ct_attention_f32_row rows[MOST_ROWS];
    size_t count = 0;
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t begin, end;
        float *s = block->scores + r * STRIDE;
        range_of(block, block->first + r, &begin, &end);
        begin = begin < from ? 0 : min_i64(begin - from, n);
        end = end < from ? 0 : min_i64(end - from, n);
        if (end <= begin)
            begin = end = n;
        if (begin > 0)
            memset(s, 0, (size_t)begin * sizeof *s);
        if (end < n)
            memset(s + end, 0, (size_t)(n - end) * sizeof *s);
        if (begin == end)
            continue;
        const float *mask = mask_of(block, block->first + r, from + begin, end - begin);
        rows[count++] = (struct ct_attention_f32_row){.s = s + begin,
                                                      .n = (size_t)(end - begin),
                                                      .scale = p->scale,
                                                      .mask = mask,
                                                      .softcap = p->softcap,
                                                      .max = block->max[r],
                                                      .sum = block->sum[r]};
        if (mask == block->mask_row || count == MOST_ROWS) { /* which the next one overwrites */
            exponentiate_rows(block, rows, count, first);
            count = 0;
        }
    }
    exponentiate_rows(block, rows, count, first);
}

static void run_block(const struct block *block)
{
    const struct plan *plan = block->job->plan;
    const struct ct_attention_problem *p = plan->p;
    int64_t begin = p->kv_len, end = 0;
    for (int64_t r = 0; r < block->rows; r++) {
        int64_t from, to;
        range_of(block, block->first + r, &from, &to);
        if (from < to) {
            begin = min_i64(begin, from);
            end = to > end ? to : end;
        }
        block->max[r] = -HUGE_VALF;
        block->sum[r] = 0;
    }
    bool first = true;
    begin -= begin % KEYS;
    for (int64_t from = begin; from < end; from += KEYS) {
        int64_t n = min_i64(KEYS, end - from);
        score(block, from, n);
        exponentiate(block, from, n, first);
        weigh(block, from, n, !first);
        first = false;
    }
    for (int64_t r = 0; r < block->rows; r++) {
        float *y = block->y + r * p->y.row;
        if (first || block->sum[r] == 0.0f)
            memset(y, 0, (size_t)p->v_head_size * sizeof *y);
        else
            plan->kernel->fn->scale(y, (size_t)p->v_head_size, 1.0f / block->sum[r]);
    }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct plan *plan = job->plan;
    const struct ct_attention_problem *p = plan->p;
    int64_t group = p->heads / p->kv_heads;
    struct block block = {.job = job};
    block.packed = (float *)(void *)(job->workers + (size_t)worker * plan->worker_bytes);
    block.scores = block.packed + plan->a_elems;
    block.mask_row = block.scores + plan->rows * STRIDE;
    block.max = block.mask_row + KEYS;
    block.sum = block.max + plan->rows;
    if (plan->gemm->fn->enter)
        plan->gemm->fn->enter();
    for (int64_t item = begin; item < end; item++) {
        int64_t head = item / plan->blocks;
        block.b = head / p->heads;
        block.h = head % p->heads;
        block.first = part(item % plan->blocks, p->q_len, plan->blocks);
        block.rows = part(item % plan->blocks + 1, p->q_len, plan->blocks) - block.first;
        block.q = job->q + block.b * p->q.batch + block.h * p->q.head + block.first * p->q.row;
        block.y = job->y + block.b * p->y.batch + block.h * p->y.head + block.first * p->y.row;
        int64_t kv = block.h / group;
        if (plan->direct) {
            block.k = job->k + block.b * p->k.batch + kv * p->k.head;
            block.v = job->v + block.b * p->v.batch + kv * p->v.head;
        } else {
            block.k =
                (const float *)(const void *)(job->packed + (size_t)(block.b * p->kv_heads + kv) *
                                                                (plan->k_bytes + plan->v_bytes));
            block.v = block.k + plan->k_bytes / sizeof(float);
        }
        run_block(&block);
    }
    if (plan->gemm->fn->leave)
        plan->gemm->fn->leave();
}

void ct_attention_f32_run(struct ct_pool *pool, const struct ct_attention_problem *problem,
                          const float *q, const float *k, const float *v, float *y, void *scratch)
{
    struct plan plan;
    make_plan(&plan, problem);
    const struct ct_attention_problem *p = plan.p;
    if (p->batch == 0 || p->heads == 0 || p->q_len == 0 || p->v_head_size == 0)
        return;
    struct job job = {.plan = &plan,
                      .q = q,
                      .k = k,
                      .v = v,
                      .y = y,
                      .packed = scratch,
                      .workers = (char *)scratch + plan.packed_bytes};
    double kv = (double)p->kv_len, width = (double)(p->head_size + p->v_head_size);
    if (!plan.direct && p->kv_len > 0)
        ct_parallel_for(pool, p->batch * p->kv_heads * 2, ct_grain(kv * width * 0.2), pack_items,
                        &job);
    double item_ns = 100 + (double)min_i64(plan.rows, p->q_len) * kv * (width / 40 + 1);
    ct_parallel_for(pool, p->batch * p->heads * plan.blocks, ct_grain(item_ns), run_items, &job);
}
