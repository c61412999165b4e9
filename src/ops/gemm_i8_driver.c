/* A is packed first, by all threads: the kernels want it unsigned and in groups of k, and the sums
 * of its rows are found on the way. Then blocks of C are items of a parallel loop. k is not cut: a
 * panel of bytes is short enough for the second cache.
 *
 * Packed B: the panels, then the sums and the zero points of the columns, and one int32 that says
 * whether any zero point is not 0. Scratch: packed A, the sums and the zero points of its rows;
 * then B, if it is to be packed here. */
#include "ops/gemm_i8_driver.h"

#include "base/memory.h"

/* Products that take some ten microseconds. */
static const double block_least_work = 2e6;

struct parts {
    const struct ct_gemm_i8_problem *p;
    const struct ct_gemm_i8_kernel *kernel;
    int64_t row_panels, col_panels;
    size_t a_panels_bytes, a_bytes, b_panels_bytes, b_bytes;
    const uint8_t *raw_a, *raw_b;
    char *a, *b, *c; /* packed, packed, result */
    int64_t block_rows, block_cols, row_blocks, col_blocks;
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void ct_gemm_i8_problem_init(struct ct_gemm_i8_problem *problem, int64_t m, int64_t n, int64_t k)
{
    *problem = (struct ct_gemm_i8_problem){.m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n};
}

static void find_parts(struct parts *s, const struct ct_gemm_i8_problem *p)
{
    const struct ct_gemm_i8_kernel *kernel =
        p->kernel ? p->kernel : ct_gemm_i8_select(ct_cpu_features());
    size_t m = (size_t)p->m, k = (size_t)p->k;

    *s = (struct parts){.p = p, .kernel = kernel};
    s->row_panels = ceil_div(p->m, (int64_t)kernel->mr);
    s->col_panels = ceil_div(p->n, (int64_t)kernel->nr);
    s->a_panels_bytes = ct_align_up(ct_gemm_i8_panel_a_bytes(kernel, m, k), CT_ALIGN);
    s->a_bytes = ct_align_up(s->a_panels_bytes + 2 * m * sizeof(int32_t), CT_ALIGN);
    s->b_panels_bytes =
        ct_align_up((size_t)s->col_panels * ct_gemm_i8_panel_b_bytes(kernel, k), CT_ALIGN);
    s->b_bytes = ct_align_up(s->b_panels_bytes +
                                 ((size_t)s->col_panels * kernel->nr * 2 + 1) * sizeof(int32_t),
                             CT_ALIGN);
}

static int32_t *a_sums(const struct parts *s)
{
    return (int32_t *)(void *)(s->a + s->a_panels_bytes);
}

static int32_t *a_zeros(const struct parts *s)
{
    return a_sums(s) + s->p->m;
}

static int32_t *b_sums(const struct parts *s)
{
    return (int32_t *)(void *)(s->b + s->b_panels_bytes);
}

static int32_t *b_zeros(const struct parts *s)
{
    return b_sums(s) + s->col_panels * (int64_t)s->kernel->nr;
}

static int32_t *b_any_zero(const struct parts *s)
{
    return b_zeros(s) + s->col_panels * (int64_t)s->kernel->nr;
}

/* As packed: A unsigned, B signed. */
static int32_t zero_at(const void *zeros, int stride, bool is_signed, int64_t i, bool want_signed)
{
    int32_t zero = 0;

    if (zeros) {
        int64_t at = stride ? i : 0;
        zero = is_signed ? ((const int8_t *)zeros)[at] : ((const uint8_t *)zeros)[at];
    }
    return zero + (want_signed ? (is_signed ? 0 : -128) : (is_signed ? 128 : 0));
}

static int64_t panel_row(const struct parts *s, int64_t panel)
{
    return panel * s->p->m / s->row_panels;
}

static void pack_a_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct parts *s = arg;
    const struct ct_gemm_i8_problem *p = s->p;
    size_t row_bytes = ct_gemm_i8_panel_a_bytes(s->kernel, 1, (size_t)p->k);
    size_t row_stride = p->a_transposed ? 1 : (size_t)p->lda;
    size_t k_stride = p->a_transposed ? (size_t)p->lda : 1;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = panel_row(s, i), rows = panel_row(s, i + 1) - first;
        s->kernel->fn->pack_a((size_t)rows, (size_t)p->k, s->raw_a + (size_t)first * row_stride,
                              row_stride, k_stride, p->a_signed ? 0x80 : 0,
                              s->a + (size_t)first * row_bytes, a_sums(s) + first);
        for (int64_t r = first; r < first + rows; r++)
            a_zeros(s)[r] = zero_at(p->a_zero, p->a_zero_stride, p->a_signed, r, false);
    }
}

static void pack_b_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct parts *s = arg;
    const struct ct_gemm_i8_problem *p = s->p;
    int64_t nr = (int64_t)s->kernel->nr;
    size_t panel_bytes = ct_gemm_i8_panel_b_bytes(s->kernel, (size_t)p->k);
    size_t k_stride = p->b_transposed ? 1 : (size_t)p->ldb;
    size_t col_stride = p->b_transposed ? (size_t)p->ldb : 1;

    (void)worker;
    for (int64_t j = begin; j < end; j++) {
        int64_t first = j * nr, cols = min_i64(nr, p->n - first);
        int32_t *sums = b_sums(s) + first, *zeros = b_zeros(s) + first;
        s->kernel->fn->pack_b((size_t)p->k, (size_t)cols, s->raw_b + (size_t)first * col_stride,
                              k_stride, col_stride, p->b_signed ? 0 : 0x80,
                              s->b + (size_t)j * panel_bytes, sums);
        for (int64_t i = 0; i < nr; i++) {
            zeros[i] =
                i < cols ? zero_at(p->b_zero, p->b_zero_stride, p->b_signed, first + i, true) : 0;
            sums[i] -= (int32_t)((uint32_t)p->k * (uint32_t)zeros[i]);
        }
    }
}

static void pack_b(struct ct_pool *pool, struct parts *s)
{
    double panel_ns = (double)s->p->k * (double)s->kernel->nr * 0.5;
    int64_t count = s->col_panels * (int64_t)s->kernel->nr;

    ct_parallel_for(pool, s->col_panels, ct_grain(panel_ns), pack_b_items, s);
    *b_any_zero(s) = 0;
    for (int64_t i = 0; i < count; i++)
        *b_any_zero(s) |= b_zeros(s)[i];
}

static void run_block(const struct parts *s, int64_t row, int64_t row_end, int64_t col,
                      int64_t col_end)
{
    const struct ct_gemm_i8_problem *p = s->p;
    int64_t nr = (int64_t)s->kernel->nr;
    size_t row_bytes = ct_gemm_i8_panel_a_bytes(s->kernel, 1, (size_t)p->k);
    size_t panel_bytes = ct_gemm_i8_panel_b_bytes(s->kernel, (size_t)p->k);
    size_t c_bytes = p->post.output == CT_GEMM_I8_TO_BYTE ? 1 : 4;
    bool any_b_zero = *b_any_zero(s) != 0;

    for (int64_t j = col; j < col_end; j++)
        for (int64_t i = row; i < row_end; i++) {
            int64_t first = panel_row(s, i);
            struct ct_gemm_i8_tile tile = {.m = (size_t)(panel_row(s, i + 1) - first),
                                           .n = (size_t)min_i64(nr, p->n - j * nr),
                                           .k = (size_t)p->k,
                                           .a = s->a + (size_t)first * row_bytes,
                                           .b = s->b + (size_t)j * panel_bytes,
                                           .a_zero =
                                               p->a_zero || p->a_signed ? a_zeros(s) + first : NULL,
                                           .a_sum = a_sums(s) + first,
                                           .b_zero = any_b_zero ? b_zeros(s) + j * nr : NULL,
                                           .b_sum = b_sums(s) + j * nr,
                                           .c = s->c + (size_t)(first * p->ldc + j * nr) * c_bytes,
                                           .ldc = (size_t)p->ldc,
                                           .post = &p->post,
                                           .row = (size_t)first,
                                           .col = (size_t)(j * nr)};
            s->kernel->fn->tile(&tile);
        }
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct parts *s = arg;

    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item % s->row_blocks * s->block_rows;
        int64_t col = item / s->row_blocks * s->block_cols;
        run_block(s, row, min_i64(s->row_panels, row + s->block_rows), col,
                  min_i64(s->col_panels, col + s->block_cols));
    }
}

/* Rows whose packed A takes half of the second cache; then smaller blocks, until all threads have
 * enough of them. Columns are cut first: each thread reads a part of B of its own. */
static void choose_blocks(struct parts *s, int threads)
{
    const struct ct_gemm_i8_problem *p = s->p;
    size_t panel_bytes = ct_gemm_i8_panel_a_bytes(s->kernel, s->kernel->mr, (size_t)p->k) + 1;
    int64_t most = (int64_t)(ct_cpu_get_caches()->l2_bytes / 2 / panel_bytes);
    int64_t wanted = threads == 1 ? 1 : 4 * threads;
    double tile_work = (double)(s->kernel->mr * s->kernel->nr) * (double)p->k;

    s->block_rows = most < 1 ? 1 : min_i64(most, s->row_panels);
    s->block_cols = s->col_panels;
    for (;;) {
        s->row_blocks = ceil_div(s->row_panels, s->block_rows);
        s->col_blocks = ceil_div(s->col_panels, s->block_cols);
        if (s->row_blocks * s->col_blocks >= wanted ||
            tile_work * (double)(s->block_rows * s->block_cols) < 2 * block_least_work)
            break;
        if (s->block_cols > 1)
            s->block_cols = ceil_div(s->block_cols, 2);
        else if (s->block_rows > 1)
            s->block_rows = ceil_div(s->block_rows, 2);
        else
            break;
    }
}

size_t ct_gemm_i8_packed_b_bytes(const struct ct_gemm_i8_problem *problem)
{
    struct parts s;

    find_parts(&s, problem);
    return s.b_bytes;
}

void ct_gemm_i8_pack_b(struct ct_pool *pool, const struct ct_gemm_i8_problem *problem,
                       const void *b, void *packed)
{
    struct parts s;

    find_parts(&s, problem);
    s.raw_b = b;
    s.b = packed;
    pack_b(pool, &s);
}

size_t ct_gemm_i8_scratch_bytes(const struct ct_gemm_i8_problem *problem)
{
    struct parts s;

    find_parts(&s, problem);
    return s.a_bytes + (problem->b_packed ? 0 : s.b_bytes);
}

void ct_gemm_i8_run(struct ct_pool *pool, const struct ct_gemm_i8_problem *problem, const void *a,
                    const void *b, void *c, void *scratch)
{
    struct parts s;

    find_parts(&s, problem);
    if (problem->m == 0 || problem->n == 0)
        return;
    s.raw_a = a;
    s.a = scratch;
    s.c = c;
    if (problem->b_packed) {
        s.b = (char *)(uintptr_t)b; /* read only from here on */
    } else {
        s.raw_b = b;
        s.b = s.a + s.a_bytes;
        pack_b(pool, &s);
    }
    double panel_ns = (double)problem->k * (double)s.kernel->mr * 0.2;
    ct_parallel_for(pool, s.row_panels, ct_grain(panel_ns), pack_a_items, &s);
    choose_blocks(&s, pool ? ct_pool_threads(pool) : 1);
    double item_ns = (double)(s.block_rows * s.block_cols) * (double)(s.kernel->mr * s.kernel->nr) *
                     (double)problem->k / 200;
    ct_parallel_for(pool, s.row_blocks * s.col_blocks, ct_grain(item_ns), run_items, &s);
}
