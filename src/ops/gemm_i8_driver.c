/* Rows of A are read where they lie if they can be: unsigned bytes, k a multiple of what the kernel
 * wants, and as many rows as it reads. Others are packed first, by all threads, and the sums of rows
 * are found on the way where zero points of B need them. Then blocks of C are items of a parallel
 * loop. k is not cut: a panel of bytes is short enough for the second cache.
 *
 * Packed B: the panels, then the sums and the zero points of the columns, and one int32 that says
 * whether any zero point is not 0. Scratch: packed A, the sums and the zero points of its rows, what
 * is added to sums of columns; then B, if it is to be packed here. */
#include "ops/gemm_i8_driver.h"

#include "base/memory.h"

/* Products that take some ten microseconds. */
static const double block_least_work = 2e6;

struct parts {
    const struct ct_gemm_i8_problem *p;
    const struct ct_gemm_i8_kernel *kernel;
    int64_t row_panels, panel_rows, col_panels;
    size_t row_bytes, a_rows_bytes, a_bytes, b_panels_bytes, b_bytes;
    const uint8_t *raw_a, *raw_b;
    char *a, *b, *c; /* packed, packed, result */
    bool in_place;   /* A is read where it lies, but for the last panel if that is short */
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
    s->panel_rows =
        (int64_t)ct_gemm_i8_m(kernel, (size_t)(s->row_panels ? ceil_div(p->m, s->row_panels) : 0));
    s->row_panels = s->panel_rows ? ceil_div(p->m, s->panel_rows) : 0;
    s->col_panels = ceil_div(p->n, (int64_t)kernel->nr);
    s->row_bytes = ct_gemm_i8_row_bytes(kernel, k);
    s->a_rows_bytes = ct_align_up(s->row_bytes * ct_gemm_i8_m(kernel, m), CT_ALIGN);
    s->a_bytes = ct_align_up(
        s->a_rows_bytes + (2 * m + (size_t)s->col_panels * kernel->nr) * sizeof(int32_t), CT_ALIGN);
    s->b_panels_bytes =
        ct_align_up((size_t)s->col_panels * ct_gemm_i8_panel_b_bytes(kernel, k), CT_ALIGN);
    s->b_bytes = ct_align_up(s->b_panels_bytes +
                                 ((size_t)s->col_panels * kernel->nr * 2 + 1) * sizeof(int32_t),
                             CT_ALIGN);
}

static int32_t *a_sums(const struct parts *s)
{
    return (int32_t *)(void *)(s->a + s->a_rows_bytes);
}

static int32_t *a_zeros(const struct parts *s)
{
    return a_sums(s) + s->p->m;
}

/* To each column of the sums. */
static int32_t *additions(const struct parts *s)
{
    return a_zeros(s) + s->p->m;
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

/* One zero point for each row is taken out row by row; others are part of what is added. */
static bool has_row_zeros(const struct parts *s)
{
    return s->p->a_zero && s->p->a_zero_stride;
}

static void pack_a_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct parts *s = arg;
    const struct ct_gemm_i8_problem *p = s->p;
    size_t row_stride = p->a_transposed ? 1 : (size_t)p->lda;
    size_t k_stride = p->a_transposed ? (size_t)p->lda : 1;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t first = i * s->panel_rows, rows = min_i64(s->panel_rows, p->m - first);
        s->kernel->fn->pack_a((size_t)rows, (size_t)p->k, s->raw_a + (size_t)first * row_stride,
                              row_stride, k_stride, p->a_signed ? 0x80 : 0,
                              s->a + (size_t)first * s->row_bytes, s->row_bytes,
                              *b_any_zero(s) ? a_sums(s) + first : NULL);
        for (int64_t r = first; has_row_zeros(s) && r < first + rows; r++)
            a_zeros(s)[r] = zero_at(p->a_zero, p->a_zero_stride, p->a_signed, r, false);
    }
}

/* Whether the last panel has fewer rows than the kernel reads. */
static bool ends_short(const struct parts *s)
{
    return (size_t)s->p->m % s->kernel->m_step != 0;
}

static void pack_a(struct ct_pool *pool, struct parts *s)
{
    const struct ct_gemm_i8_problem *p = s->p;

    s->in_place = s->kernel->a_bytes == 1 && !p->a_signed && !p->a_transposed &&
                  s->row_bytes == (size_t)p->k && !*b_any_zero(s) && !has_row_zeros(s);
    if (!s->in_place)
        ct_parallel_for(pool, s->row_panels, ct_grain((double)p->k * (double)s->panel_rows * 0.1),
                        pack_a_items, s);
    else if (ends_short(s))
        pack_a_items(s, s->row_panels - 1, s->row_panels, 0);
}

static void find_additions(const struct parts *s)
{
    const struct ct_gemm_i8_problem *p = s->p;
    int32_t *to = additions(s);
    const int32_t *sums = b_sums(s);
    int64_t padded = s->col_panels * (int64_t)s->kernel->nr;
    uint32_t zero = 0;

    if (!has_row_zeros(s))
        zero = (uint32_t)zero_at(p->a_zero, 0, p->a_signed, 0, false);
    for (int64_t j = 0; j < padded; j++)
        to[j] =
            (int32_t)((p->bias && j < p->n ? (uint32_t)p->bias[j] : 0) - zero * (uint32_t)sums[j]);
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

/* `is_first`: of the tiles that read this panel of B; it fetches the next one. */
static void run_tile(const struct parts *s, int64_t i, int64_t j, bool is_first)
{
    const struct ct_gemm_i8_problem *p = s->p;
    int64_t nr = (int64_t)s->kernel->nr, first = i * s->panel_rows;
    size_t panel_bytes = ct_gemm_i8_panel_b_bytes(s->kernel, (size_t)p->k);
    size_t c_bytes = p->post.output == CT_GEMM_I8_TO_BYTE ? 1 : 4;
    bool in_place = s->in_place && !(i == s->row_panels - 1 && ends_short(s));
    struct ct_gemm_i8_tile tile = {
        .m = (size_t)min_i64(s->panel_rows, p->m - first),
        .n = (size_t)min_i64(nr, p->n - j * nr),
        .k = ct_gemm_i8_k(s->kernel, (size_t)p->k),
        .a = s->a + (size_t)first * s->row_bytes,
        .lda = s->row_bytes,
        .b = s->b + (size_t)j * panel_bytes,
        .add = additions(s) + j * nr,
        .a_zero = has_row_zeros(s) ? a_zeros(s) + first : NULL,
        .a_sum = a_sums(s) + first,
        .b_zero = *b_any_zero(s) ? b_zeros(s) + j * nr : NULL,
        .b_sum = b_sums(s) + j * nr,
        .c = s->c + (size_t)(first * p->ldc + j * nr) * c_bytes,
        .ldc = (size_t)p->ldc,
        .post = &p->post,
        .row = (size_t)first,
        .col = (size_t)(j * nr),
        .next = is_first && j + 1 < s->col_panels ? s->b + (size_t)(j + 1) * panel_bytes : NULL,
    };

    if (in_place) {
        tile.a = s->raw_a + first * p->lda;
        tile.lda = (size_t)p->lda;
    }
    s->kernel->fn->tile(&tile);
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct parts *s = arg;

    (void)worker;
    if (s->kernel->fn->enter)
        s->kernel->fn->enter();
    for (int64_t item = begin; item < end; item++) {
        int64_t row = item % s->row_blocks * s->block_rows;
        int64_t col = item / s->row_blocks * s->block_cols;
        int64_t row_end = min_i64(s->row_panels, row + s->block_rows);
        int64_t col_end = min_i64(s->col_panels, col + s->block_cols);
        for (int64_t j = col; j < col_end; j++)
            for (int64_t i = row; i < row_end; i++)
                run_tile(s, i, j, i == row);
    }
    if (s->kernel->fn->leave)
        s->kernel->fn->leave();
}

/* Rows whose packed A takes half of the second cache; then smaller blocks, until all threads have
 * enough of them. Columns are cut first: each thread reads a part of B of its own. */
static void choose_blocks(struct parts *s, int threads)
{
    const struct ct_gemm_i8_problem *p = s->p;
    size_t panel_bytes = s->kernel->mr * s->row_bytes + 1;
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
    pack_a(pool, &s);
    find_additions(&s);
    choose_blocks(&s, pool ? ct_pool_threads(pool) : 1);
    double item_ns = (double)(s.block_rows * s.block_cols) * (double)(s.kernel->mr * s.kernel->nr) *
                     (double)problem->k / 200;
    ct_parallel_for(pool, s.row_blocks * s.col_blocks, ct_grain(item_ns), run_items, &s);
}
