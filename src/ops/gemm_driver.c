/* How a problem is cut.
 *
 * C is cut into a grid of blocks, an item of the parallel loop each; a block into tiles, one
 * kernel call each. A worker packs rows of A into scratch memory, as many as stay in the second
 * cache, and keeps them from item to item while panels of B pass by. Rows of A that lie a multiple
 * of the page apart would meet in one set of the first cache. With one panel of rows, or a few
 * columns, A is read where it lies.
 *
 * B is packed by the caller, once, or here: by the worker that uses it, when there is a matrix for
 * every thread and it is small, else by all together, slice by slice. When there are only a few
 * rows, a row-major B is read in place instead.
 *
 * Products of very few rows with B^T, and of A with a column or two, are sums along contiguous
 * rows of both operands: dot products, whose order of summation is that of the kernel's dot(). */
#include "ops/gemm_driver.h"

#include "cpu/cpu.h"

enum {
    BLOCK_K = 1024,      /* longer: C is read and written less often; shorter: more fits caches */
    BLOCK_K_MOST = 1536, /* not cut in two below this */
    WIDE_PANELS = 64,    /* of columns in a kernel call; a few milliseconds */
    WHOLE_ROWS = 96,     /* packed with all of k: enough uses of a panel of B */
    PACK_A_PANELS = 6,   /* of columns: enough uses for packing A to pay */
    SHARED_PACK_BYTES = 4 << 20,
    LOCAL_PACK_BYTES = 512 << 10,
    DOT_ROWS = 4,
    DOT_COLUMNS = 2
};
/* Multiply-adds that take some ten microseconds: not worth a hand-over to another thread. And those
 * of an item: more would make threads wait for the last one. */
static const double block_least_work = 32 * 16 * 1000.0, block_work = 32 * 96 * 1000.0;

enum method {
    METHOD_DOT,
    METHOD_IN_PLACE,    /* packed B, or a row-major B read where it lies */
    METHOD_PACK_LOCAL,  /* each worker packs the B of its item */
    METHOD_PACK_SHARED, /* all pack a slice of B, then all use it */
};

struct plan {
    const struct ct_gemm_problem *problem;
    const struct ct_gemm_f32_kernel *kernel;
    enum method method;
    int64_t batch;
    int64_t row_panels, col_panels; /* of the whole matrix */
    int64_t tile_k;                 /* k of a tile */
    int64_t block_k;                /* k of the rows of A that are packed in one go */
    int64_t slice_panels;           /* of columns that are packed in one go */
    bool wide;                      /* one panel of rows: panels of B side by side */
    bool pack_a;
    int64_t pack_panels; /* of rows that are packed, and used, in one go */
    size_t a_bytes;      /* of a worker's scratch, for packed A */
    size_t worker_bytes, shared_bytes;
};

/* Which rows of A a worker holds packed; in front of them. */
struct held_rows {
    _Alignas(CT_ALIGN) int64_t matrix; /* -1: none */
    int64_t row, row_end, k0;
};

/* A range of column panels over all rows, cut into blocks; with what its items read. */
struct job {
    const struct plan *plan;
    const float *a;
    const void *b;
    float *c;
    const void *raw_b; /* to pack, of the problem's b_dtype */
    bool b_is_packed;  /* when its tiles are computed */
    float *shared;     /* packed slice, or NULL */
    char *worker_scratch;
    int64_t matrix; /* of the batch; -1: the items say */
    int64_t first_panel, end_panel;
    int64_t k_begin, k_end;
    int64_t block_rows, block_cols; /* in panels */
    int64_t row_blocks, col_blocks;
    struct ct_stop *stop; /* NULL: none */
};

static int64_t ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

void ct_gemm_problem_init(struct ct_gemm_problem *problem, int64_t m, int64_t n, int64_t k)
{
    *problem = (struct ct_gemm_problem){
        .m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n, .post = {.alpha = 1}};
}

/* ------------------------------------------------------------------ plan */

static const struct ct_gemm_f32_kernel *kernel_of(const struct ct_gemm_problem *p)
{
    if (p->kernel)
        return p->kernel;
    return p->b_dtype == CORTEN_BF16 ? ct_gemm_bf16_select(ct_cpu_features())
                                     : ct_gemm_f32_select(ct_cpu_features());
}

/* Where columns of B are contiguous, and rows of A, and there are few of either. */
static bool is_dot(const struct ct_gemm_problem *p)
{
    bool columns_contiguous = p->b_transposed || (p->n == 1 && p->ldb == 1);

    return !p->b_packed && p->b_dtype != CORTEN_BF16 && !p->a_transposed && columns_contiguous &&
           (p->m <= DOT_ROWS || p->n <= DOT_COLUMNS);
}

static bool has_post(const struct ct_gemm_post *post)
{
    return post->alpha != 1.0f || post->bias.p || post->residual.p || post->act != CT_ACT_NONE;
}

/* Bytes of the second cache for packed rows of A; the rest is for two panels of B and for C. */
static int64_t rows_cache(void)
{
    return (int64_t)ct_cpu_get_caches()->l2_bytes * 3 / 4;
}

/* Rows are packed with all of k where enough of them fit: then each panel of B passes once, and C
 * stays in the cache until it is done. */
static bool packs_all_k(const struct plan *plan)
{
    int64_t row_bytes = (int64_t)sizeof(float) * ct_gemm_f32_depth(plan->kernel, plan->problem->k);

    return plan->method != METHOD_PACK_SHARED &&
           row_bytes * min_i64(plan->problem->m, WHOLE_ROWS) <= rows_cache();
}

/* With few columns to use it with, A is read where it lies. */
static void plan_a(struct plan *plan)
{
    const struct ct_gemm_problem *p = plan->problem;
    int64_t mr = (int64_t)plan->kernel->mr;

    plan->pack_a = p->a_transposed || plan->kernel->k_unit > 1 ||
                   (plan->row_panels > 1 && plan->col_panels >= PACK_A_PANELS);
    plan->pack_panels = plan->row_panels;
    if (plan->pack_a && packs_all_k(plan))
        plan->block_k = p->k;
    if (!plan->pack_a)
        return;
    int64_t row_bytes = (int64_t)sizeof(float) * ct_gemm_f32_depth(plan->kernel, plan->block_k);
    int64_t most = max_i64(1, rows_cache() / max_i64(1, row_bytes * mr));
    if (plan->row_panels > 0)
        plan->pack_panels = ceil_div(plan->row_panels, ceil_div(plan->row_panels, most));
    /* plan_uncut() makes a row longer, and takes fewer. */
    plan->a_bytes =
        (size_t)mr * sizeof(float) *
        (size_t)max_i64(plan->pack_panels * ct_gemm_f32_depth(plan->kernel, plan->block_k),
                        ct_gemm_f32_depth(plan->kernel, p->k));
    plan->worker_bytes += sizeof(struct held_rows) + plan->a_bytes;
}

static void make_plan(struct plan *plan, const struct ct_gemm_problem *p, int threads)
{
    const struct ct_gemm_f32_kernel *kernel = kernel_of(p);
    int64_t mr = (int64_t)kernel->mr, nr = (int64_t)kernel->nr;

    *plan = (struct plan){.problem = p, .kernel = kernel, .batch = 1};
    for (int i = 0; i < p->batch_rank; i++)
        plan->batch *= p->batch_dims[i];
    plan->row_panels = ceil_div(p->m, mr);
    plan->col_panels = ceil_div(p->n, nr);
    plan->tile_k = p->k <= BLOCK_K_MOST ? p->k : ceil_div(p->k, ceil_div(p->k, BLOCK_K));
    if (plan->tile_k < p->k)
        plan->tile_k = ceil_div(plan->tile_k, (int64_t)kernel->k_step) * (int64_t)kernel->k_step;
    plan->block_k = plan->tile_k;
    plan->slice_panels = plan->col_panels;

    size_t panel_bytes = (size_t)(ct_gemm_f32_depth(kernel, p->k) * nr) * sizeof(float);
    size_t b_bytes = (size_t)plan->col_panels * panel_bytes;
    if (is_dot(p)) {
        plan->method = METHOD_DOT;
    } else if (p->b_packed || p->k == 0 ||
               (!p->b_transposed && p->b_dtype != CORTEN_BF16 && plan->row_panels <= 2)) {
        plan->method = METHOD_IN_PLACE;
        if (plan->row_panels == 1)
            plan->block_k = plan->tile_k = p->k; /* nothing is used twice */
    } else if (b_bytes <= LOCAL_PACK_BYTES && (plan->batch >= 2 * threads || threads == 1)) {
        plan->method = METHOD_PACK_LOCAL;
        plan->worker_bytes = b_bytes;
    } else {
        plan->method = METHOD_PACK_SHARED;
        panel_bytes = (size_t)(ct_gemm_f32_depth(kernel, plan->block_k) * nr) * sizeof(float);
        plan->slice_panels =
            min_i64(plan->col_panels, max_i64(1, (int64_t)(SHARED_PACK_BYTES / panel_bytes)));
        /* One panel of all k fits too, for plan_uncut(). */
        size_t most_bytes =
            max_size((size_t)plan->slice_panels * panel_bytes,
                     (size_t)(ct_gemm_f32_depth(kernel, p->k) * nr) * sizeof(float));
        plan->shared_bytes = ct_align_up(most_bytes, CT_ALIGN);
    }
    plan_a(plan);
    plan->wide = plan->row_panels == 1 && !plan->pack_a && plan->block_k >= p->k;
    plan->worker_bytes = ct_align_up(plan->worker_bytes, CT_ALIGN);
}

/* Between passes over k the sums wait in C, which must not be the residual then. */
static void plan_uncut(struct plan *plan)
{
    const struct ct_gemm_problem *p = plan->problem;
    size_t unit_bytes = (size_t)ct_gemm_f32_depth(plan->kernel, p->k) * sizeof(float);
    size_t panel_bytes = unit_bytes * plan->kernel->nr;

    plan->block_k = plan->tile_k = p->k;
    if (plan->method == METHOD_PACK_SHARED && panel_bytes > 0)
        plan->slice_panels = min_i64(plan->col_panels, (int64_t)(plan->shared_bytes / panel_bytes));
    if (plan->pack_a && p->k > 0)
        plan->pack_panels = (int64_t)(plan->a_bytes / (unit_bytes * plan->kernel->mr));
}

/* Blocks follow each other along the columns: then each thread reads a part of B of its own, for
 * the rows of A that it has packed. One thread has one block. */
static void choose_blocks(struct job *job, int64_t matrices, int threads)
{
    const struct plan *plan = job->plan;
    const struct ct_gemm_problem *p = plan->problem;
    int64_t panels = job->end_panel - job->first_panel, k = job->k_end - job->k_begin;
    double panel_work =
        (double)p->m / (double)plan->row_panels * (double)plan->kernel->nr * (double)k;

    job->block_rows = plan->row_panels;
    job->block_cols = panels;
    if (threads > 1 && panels > 0) {
        job->block_rows = plan->pack_panels;
        double column_work = panel_work * (double)job->block_rows;
        int64_t wanted = ceil_div(2 * threads, matrices); /* of which each begins anew */
        if (!plan->wide && (!plan->pack_a || plan->block_k >= k))
            wanted = (int64_t)min_i64(panels, (int64_t)(column_work * (double)panels / block_work));
        job->block_cols = ceil_div(panels, max_i64(1, min_i64(wanted, panels)));
    }
    for (;;) {
        job->row_blocks = ceil_div(plan->row_panels, job->block_rows);
        job->col_blocks = ceil_div(panels, job->block_cols);
        double work = (double)job->block_rows * (double)job->block_cols * panel_work;
        if (threads == 1 || job->block_rows == 1 || work < 2 * block_least_work ||
            matrices * job->row_blocks * job->col_blocks >= 4 * threads)
            break;
        job->block_rows = ceil_div(job->block_rows, 2);
    }
}

/* ------------------------------------------------------------------ one item */

/* Operands of one matrix of the batch. */
struct operands {
    const float *a, *b; /* b: packed, or float32 */
    const void *raw_b;  /* the same as it came, of b_dtype */
    float *c;
    struct ct_gemm_post post;
};

static const float *shifted(const float *p, int64_t offset)
{
    return p ? p + offset : NULL;
}

static void locate(const struct job *job, int64_t matrix, struct operands *o)
{
    const struct ct_gemm_problem *p = job->plan->problem;
    int64_t a = 0, b = 0, c = 0, bias = 0, residual = 0;

    for (int i = p->batch_rank - 1; i >= 0; i--) {
        int64_t index = matrix % p->batch_dims[i];
        matrix /= p->batch_dims[i];
        a += index * p->a_strides[i];
        b += index * p->b_strides[i];
        c += index * p->c_strides[i];
        bias += index * p->bias_strides[i];
        residual += index * p->residual_strides[i];
    }
    o->a = job->a + a;
    bool half = p->b_dtype == CORTEN_BF16 && !p->b_packed;
    o->raw_b = (const char *)job->b + b * (half ? 2 : 4);
    o->b = o->raw_b;
    o->c = job->c + c;
    o->post = p->post;
    o->post.bias.p = shifted(p->post.bias.p, bias);
    o->post.residual.p = shifted(p->post.residual.p, residual);
}

/* Rows of a panel: as even as can be, since short tiles are slower by the row. */
static int64_t panel_row(const struct plan *plan, int64_t panel)
{
    return panel * plan->problem->m / plan->row_panels;
}

/* Where the panel of B is that starts at column panel `j`, row `k0` of k; and its row stride. */
struct b_view {
    const float *p;
    int64_t panel_stride, k_stride;
};

static struct b_view view_b(const struct job *job, const struct operands *o)
{
    const struct ct_gemm_problem *p = job->plan->problem;
    int64_t nr = (int64_t)job->plan->kernel->nr;

    if (p->b_packed)
        return (struct b_view){o->b, ct_gemm_f32_depth(job->plan->kernel, p->k) * nr, nr};
    return (struct b_view){o->b, nr, p->ldb};
}

/* A range of tiles: row panels [row, row_end), column panels [col, col_end), k [k0, k1); and where
 * the column panels end that may come next. */
struct range {
    int64_t row, row_end, col, col_end, next_end, k0, k1;
};

/* Packs the rows of a range, unless the worker has them. */
static const float *pack_rows(const struct plan *plan, const struct operands *o,
                              const struct range *r, int64_t matrix, struct held_rows *held)
{
    const struct ct_gemm_problem *p = plan->problem;
    size_t lda = (size_t)p->lda, k = (size_t)(r->k1 - r->k0);
    float *to = (float *)(void *)(held + 1);

    if (held->matrix == matrix && held->row == r->row && held->row_end == r->row_end &&
        held->k0 == r->k0)
        return to;
    for (int64_t i = r->row; i < r->row_end; i++) {
        int64_t first = panel_row(plan, i), rows = panel_row(plan, i + 1) - first;
        if (p->a_transposed)
            plan->kernel->fn->pack_a((size_t)rows, k, o->a + r->k0 * p->lda + first, 1, lda, to);
        else
            plan->kernel->fn->pack_a((size_t)rows, k, o->a + first * p->lda + r->k0, lda, 1, to);
        to += (int64_t)plan->kernel->mr * ct_gemm_f32_depth(plan->kernel, r->k1 - r->k0);
    }
    held->matrix = matrix;
    held->row = r->row;
    held->row_end = r->row_end;
    held->k0 = r->k0;
    return (float *)(void *)(held + 1);
}

/* One panel of rows, all of k: B is used once, and comes from memory. */
static void run_wide(const struct plan *plan, const struct operands *o, struct b_view view,
                     const struct range *r, struct ct_stop *stop)
{
    const struct ct_gemm_problem *p = plan->problem;
    int64_t nr = (int64_t)plan->kernel->nr;

    for (int64_t j = r->col, next; j < r->col_end && !ct_stop_due(stop); j = next) {
        next = min_i64(r->col_end, j + WIDE_PANELS);
        plan->kernel->fn->wide(
            &(struct ct_gemm_f32_tile){.m = (size_t)p->m,
                                       .n = (size_t)(min_i64(next * nr, p->n) - j * nr),
                                       .k = (size_t)p->k,
                                       .a = o->a,
                                       .lda = (size_t)p->lda,
                                       .b = view.p + (j - r->col) * view.panel_stride,
                                       .ldb = (size_t)view.k_stride,
                                       .panel_stride = (size_t)view.panel_stride,
                                       .c = o->c + j * nr,
                                       .ldc = (size_t)p->ldc,
                                       .post = has_post(&o->post) ? &o->post : NULL,
                                       .col = (size_t)(j * nr)});
    }
}

/* A range of tiles in the making. `b` is at the tile's column panel and k. */
struct pass {
    const struct plan *plan;
    const struct operands *o;
    const struct range *r;
    const float *a_packed; /* the rows of the range, or NULL */
    struct ct_gemm_f32_tile tile;
};

/* The tiles of a panel of B over k [k0, k0 + tile.k), which share the fetching of the next panel. */
static void run_panel(struct pass *pass, int64_t k0, const char *next)
{
    const struct plan *plan = pass->plan;
    const struct range *r = pass->r;
    const int64_t held = (int64_t)plan->kernel->mr * ct_gemm_f32_depth(plan->kernel, r->k1 - r->k0);
    const int64_t before = ct_gemm_f32_depth(plan->kernel, k0 - r->k0);
    const int64_t m_step = (int64_t)plan->kernel->m_step;
    const int64_t line_bytes = (int64_t)plan->kernel->nr * (int64_t)sizeof(float);
    struct ct_gemm_f32_tile *tile = &pass->tile;

    tile->fetch = next;
    tile->fetch_stride = (size_t)ceil_div(line_bytes, r->row_end - r->row);
    for (int64_t i = r->row; i < r->row_end; i++) {
        int64_t first = panel_row(plan, i);
        tile->row = (size_t)first;
        tile->m = (size_t)(panel_row(plan, i + 1) - first);
        tile->c = pass->o->c + first * (int64_t)tile->ldc + (int64_t)tile->col;
        tile->c_next = i + 1 < r->row_end ? tile->c + (int64_t)tile->m * (int64_t)tile->ldc : NULL;
        if (pass->a_packed) {
            tile->lda = tile->m;
            int64_t padded = ceil_div((int64_t)tile->m, m_step) * m_step;
            tile->a = pass->a_packed + (i - r->row) * held + before * padded;
            plan->kernel->fn->tile_kmajor(tile);
            if (next)
                tile->fetch +=
                    tile->fetch_stride * (size_t)ct_gemm_f32_depth(plan->kernel, (int64_t)tile->k);
        } else {
            tile->a = pass->o->a + first * plan->problem->lda + k0;
            plan->kernel->fn->tile_rowmajor(tile);
        }
    }
}

/* `view` points to column panel r->col at r->k0. */
static void run_range(const struct plan *plan, const struct operands *o, struct b_view view,
                      const struct range *r, const float *a_packed, struct ct_stop *stop)
{
    const struct ct_gemm_problem *p = plan->problem;
    int64_t nr = (int64_t)plan->kernel->nr;
    struct pass pass = {
        plan,
        o,
        r,
        a_packed,
        {.lda = (size_t)p->lda, .ldb = (size_t)view.k_stride, .ldc = (size_t)p->ldc}};

    for (int64_t j = r->col; j < r->col_end; j++, view.p += view.panel_stride) {
        if (__builtin_expect(stop != NULL, 0) && ct_stop_due(stop))
            return; /* a block may take many milliseconds, a column of it does not */
        const float *b = view.p;
        int64_t k0 = r->k0;
        pass.tile.col = (size_t)(j * nr);
        pass.tile.n = (size_t)min_i64(nr, p->n - j * nr);
        do {
            int64_t k1 = min_i64(r->k1, k0 + plan->tile_k);
            const float *next = b + ct_gemm_f32_depth(plan->kernel, k1 - k0) * view.k_stride;
            pass.tile.b = b;
            pass.tile.k = (size_t)(k1 - k0);
            pass.tile.accumulate = k0 > 0;
            pass.tile.post = k1 == p->k && has_post(&o->post) ? &o->post : NULL;
            b = next;
            if (k1 == r->k1)
                next = j + 1 < r->next_end ? view.p + view.panel_stride : NULL;
            run_panel(&pass, k0, (const char *)next);
            k0 = k1;
        } while (k0 < r->k1);
    }
}

/* Where a worker packs its rows of A, behind what else it has. */
static struct held_rows *rows_of(const struct job *job, int worker)
{
    const struct plan *plan = job->plan;
    char *end = job->worker_scratch + (size_t)(worker + 1) * plan->worker_bytes;

    return plan->pack_a
               ? (struct held_rows *)(void *)(end - ct_align_up(plan->a_bytes, CT_ALIGN)) - 1
               : NULL;
}

static void run_block(const struct job *job, const struct operands *o, struct b_view view,
                      const int64_t at[3], struct held_rows *held)
{
    const struct plan *plan = job->plan;
    int64_t row_begin = at[1] * job->block_rows;
    int64_t row_end = min_i64(plan->row_panels, row_begin + job->block_rows);
    struct range r = {.col = job->first_panel + at[2] * job->block_cols,
                      .next_end = job->end_panel,
                      .k0 = job->k_begin};

    r.col_end = min_i64(job->end_panel, r.col + job->block_cols);
    do {
        struct b_view part = view;
        r.k1 = min_i64(job->k_end, r.k0 + plan->block_k);
        int64_t rows_before = r.k0 - job->k_begin;
        if (job->b_is_packed)
            rows_before = ct_gemm_f32_depth(plan->kernel, rows_before);
        part.p += (r.col - job->first_panel) * view.panel_stride + rows_before * view.k_stride;
        for (r.row = row_begin; r.row < row_end; r.row = r.row_end) {
            r.row_end = min_i64(row_end, r.row + plan->pack_panels);
            if (plan->wide)
                run_wide(plan, o, part, &r, job->stop);
            else
                run_range(plan, o, part, &r, held ? pack_rows(plan, o, &r, at[0], held) : NULL,
                          job->stop);
        }
        r.k0 = r.k1;
    } while (r.k0 < job->k_end);
}

static void enter_tiles(const struct ct_gemm_f32_kernel *kernel)
{
    if (kernel->fn->enter)
        kernel->fn->enter();
}

static void leave_tiles(const struct ct_gemm_f32_kernel *kernel)
{
    if (kernel->fn->leave)
        kernel->fn->leave();
}

static void run_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    int64_t blocks = job->row_blocks * job->col_blocks, located = -1;
    struct operands o = {0};

    enter_tiles(job->plan->kernel);
    for (int64_t item = begin; item < end; item++) {
        int64_t block = item % blocks;
        int64_t at[] = {job->matrix >= 0 ? job->matrix : item / blocks, block / job->col_blocks,
                        block % job->col_blocks};
        if (at[0] != located) {
            locate(job, at[0], &o);
            located = at[0];
        }
        struct b_view view = view_b(job, &o);
        if (job->shared) {
            int64_t nr = (int64_t)job->plan->kernel->nr;
            view = (struct b_view){
                job->shared, ct_gemm_f32_depth(job->plan->kernel, job->k_end - job->k_begin) * nr,
                nr};
        }
        run_block(job, &o, view, at, rows_of(job, worker));
    }
    leave_tiles(job->plan->kernel);
}

/* ------------------------------------------------------------------ packing */

static void pack_panel(const struct plan *plan, const void *b, int64_t panel, int64_t k0,
                       int64_t k1, float *to)
{
    const struct ct_gemm_problem *p = plan->problem;
    const struct ct_gemm_f32_functions *fn = plan->kernel->fn;
    int64_t nr = (int64_t)plan->kernel->nr, col = panel * nr;
    size_t n = (size_t)min_i64(nr, p->n - col), k = (size_t)(k1 - k0), ldb = (size_t)p->ldb;
    int64_t offset = p->b_transposed ? col * p->ldb + k0 : k0 * p->ldb + col;
    size_t k_stride = p->b_transposed ? 1 : ldb, col_stride = p->b_transposed ? ldb : 1;

    if (p->b_dtype == CORTEN_BF16)
        fn->pack_b_bf16(k, n, (const uint16_t *)b + offset, k_stride, col_stride, to);
    else
        fn->pack_b(k, n, (const float *)b + offset, k_stride, col_stride, to);
}

static void pack_items(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_gemm_f32_kernel *kernel = job->plan->kernel;
    int64_t panel_elems =
        ct_gemm_f32_depth(kernel, job->k_end - job->k_begin) * (int64_t)kernel->nr;

    (void)worker;
    for (int64_t i = begin; i < end; i++)
        pack_panel(job->plan, job->raw_b, job->first_panel + i, job->k_begin, job->k_end,
                   job->shared + i * panel_elems);
}

static void pack_all(struct ct_pool *pool, struct job *job)
{
    double item_ns = (double)(job->k_end - job->k_begin) * (double)job->plan->kernel->nr * 0.25;

    ct_parallel_for(pool, job->end_panel - job->first_panel, ct_grain(item_ns), pack_items, job);
}

static void run_local(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct plan *plan = job->plan;
    const struct ct_gemm_problem *p = plan->problem;
    int64_t nr = (int64_t)plan->kernel->nr;
    float *packed = (float *)(void *)(job->worker_scratch + (size_t)worker * plan->worker_bytes);
    struct b_view view = {packed, ct_gemm_f32_depth(plan->kernel, p->k) * nr, nr};
    struct held_rows *rows = rows_of(job, worker);
    const void *held = NULL;

    enter_tiles(plan->kernel);
    for (int64_t matrix = begin; matrix < end; matrix++) {
        struct operands o;
        locate(job, matrix, &o);
        for (int64_t j = 0; o.raw_b != held && j < plan->col_panels; j++)
            pack_panel(plan, o.raw_b, j, 0, p->k, packed + j * view.panel_stride);
        held = o.raw_b;
        if (rows)
            rows->matrix = -1;
        run_block(job, &o, view, (int64_t[]){matrix, 0, 0}, rows);
    }
    leave_tiles(plan->kernel);
}

/* ------------------------------------------------------------------ dot products */

static void run_dots(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct job *job = arg;
    const struct ct_gemm_problem *p = job->plan->problem;

    (void)worker;
    for (int64_t item = begin; item < end; item++) {
        int64_t blocks = job->row_blocks * job->col_blocks, block = item % blocks;
        int64_t row = block / job->col_blocks * job->block_rows;
        int64_t col = block % job->col_blocks * job->block_cols;
        struct operands o;
        locate(job, item / blocks, &o);
        struct ct_gemm_f32_tile tile = {.m = (size_t)min_i64(job->block_rows, p->m - row),
                                        .n = (size_t)min_i64(job->block_cols, p->n - col),
                                        .k = (size_t)p->k,
                                        .a = o.a + row * p->lda,
                                        .lda = (size_t)p->lda,
                                        .b = o.b + col * p->ldb,
                                        .ldb = (size_t)p->ldb,
                                        .c = o.c + row * p->ldc + col,
                                        .ldc = (size_t)p->ldc,
                                        .post = &o.post,
                                        .row = (size_t)row,
                                        .col = (size_t)col};
        job->plan->kernel->fn->dot(&tile);
    }
}

static void run_dot_job(struct ct_pool *pool, struct job *job)
{
    const struct ct_gemm_problem *p = job->plan->problem;
    double element_ns = 2 + (double)p->k / 16;
    int64_t most = max_i64(DOT_ROWS, (int64_t)(20000 / element_ns));

    job->block_rows = min_i64(p->m, max_i64(DOT_ROWS, most / min_i64(p->n, most)));
    job->block_cols = min_i64(p->n, max_i64(DOT_ROWS, most / job->block_rows));
    job->row_blocks = ceil_div(p->m, job->block_rows);
    job->col_blocks = ceil_div(p->n, job->block_cols);
    double item_ns = element_ns * (double)(job->block_rows * job->block_cols);
    ct_parallel_for(pool, job->plan->batch * job->row_blocks * job->col_blocks, ct_grain(item_ns),
                    run_dots, job);
}

/* ------------------------------------------------------------------ public */

bool ct_gemm_f32_wants_packed_b(const struct ct_gemm_problem *problem)
{
    return (problem->n > DOT_COLUMNS || problem->b_dtype == CORTEN_BF16) && problem->k > 0;
}

size_t ct_gemm_f32_packed_b_bytes(const struct ct_gemm_problem *problem)
{
    const struct ct_gemm_f32_kernel *kernel = kernel_of(problem);
    int64_t nr = (int64_t)kernel->nr, panels = ceil_div(problem->n, nr);

    return ct_align_up(
        (size_t)(panels * nr * ct_gemm_f32_depth(kernel, problem->k)) * sizeof(float), CT_ALIGN);
}

void ct_gemm_f32_pack_b(struct ct_pool *pool, const struct ct_gemm_problem *problem, const void *b,
                        void *packed)
{
    struct plan plan;

    make_plan(&plan, problem, 1);
    struct job job = {.plan = &plan,
                      .raw_b = b,
                      .shared = packed,
                      .end_panel = plan.col_panels,
                      .k_end = problem->k};
    pack_all(pool, &job);
}

/* A batch of A times one B is one taller A, when its matrices lie end to end. */
static bool merge_rows(struct ct_gemm_problem *p)
{
    int i = p->batch_rank - 1;

    if (i < 0 || p->a_transposed || p->b_strides[i] != 0 || p->a_strides[i] != p->m * p->lda ||
        p->c_strides[i] != p->m * p->ldc)
        return false;
    const struct ct_gemm_term *terms[] = {&p->post.bias, &p->post.residual};
    const int64_t strides[] = {p->bias_strides[i], p->residual_strides[i]};
    for (int t = 0; t < 2; t++)
        if (terms[t]->p && strides[t] != p->m * terms[t]->row_stride)
            return false;
    p->m *= p->batch_dims[i];
    p->batch_rank = i;
    return true;
}

/* Merges all batch dimensions that can be; the rest stay items. The problem is large, and copied
 * only if there is a batch. */
static const struct ct_gemm_problem *merge_batch(const struct ct_gemm_problem *problem,
                                                 struct ct_gemm_problem *room)
{
    if (problem->batch_rank == 0)
        return problem;
    *room = *problem;
    while (merge_rows(room))
        ;
    return room;
}

size_t ct_gemm_f32_scratch_bytes(const struct ct_gemm_problem *problem, int threads)
{
    struct ct_gemm_problem room;
    struct plan plan;

    make_plan(&plan, merge_batch(problem, &room), threads);
    return plan.shared_bytes + (size_t)threads * plan.worker_bytes;
}

static void run_grid(struct ct_pool *pool, struct job *job, int64_t matrices, int threads)
{
    const struct ct_gemm_problem *p = job->plan->problem;

    choose_blocks(job, matrices, threads);
    for (int i = 0; i < threads && rows_of(job, i); i++)
        rows_of(job, i)->matrix = -1;
    double item_ns = (double)job->block_rows * (double)job->block_cols *
                     (double)job->plan->kernel->nr * (double)(job->k_end - job->k_begin) *
                     (double)p->m / (double)job->plan->row_panels / 50;
    ct_parallel_for(pool, matrices * job->row_blocks * job->col_blocks, ct_grain(item_ns),
                    run_items, job);
}

static void run_shared(struct ct_pool *pool, struct job *job, int threads)
{
    const struct plan *plan = job->plan;
    const struct ct_gemm_problem *p = plan->problem;

    for (job->matrix = 0; job->matrix < plan->batch; job->matrix++) {
        struct operands o;
        locate(job, job->matrix, &o);
        job->raw_b = o.raw_b;
        for (int64_t j = 0; j < plan->col_panels; j += plan->slice_panels) {
            job->first_panel = j;
            job->end_panel = min_i64(plan->col_panels, j + plan->slice_panels);
            job->k_begin = 0;
            do {
                job->k_end = min_i64(p->k, job->k_begin + plan->block_k);
                pack_all(pool, job);
                run_grid(pool, job, 1, threads);
                job->k_begin = job->k_end;
            } while (job->k_begin < p->k);
        }
    }
}

void ct_gemm_f32_run(struct ct_pool *pool, const struct ct_gemm_problem *problem, const float *a,
                     const void *b, float *c, void *scratch)
{
    struct ct_gemm_problem room;
    const struct ct_gemm_problem *p = merge_batch(problem, &room);
    int threads = pool ? ct_pool_threads(pool) : 1;
    struct plan plan;

    make_plan(&plan, p, threads);
    if (plan.batch == 0 || p->m == 0 || p->n == 0)
        return;
    if (p->post.residual.p && p->post.residual.p == c)
        plan_uncut(&plan);
    struct job job = {.plan = &plan,
                      .a = a,
                      .b = b,
                      .c = c,
                      .shared = scratch,
                      .worker_scratch = scratch ? (char *)scratch + plan.shared_bytes : NULL,
                      .b_is_packed = p->b_packed || plan.method != METHOD_IN_PLACE,
                      .matrix = -1,
                      .end_panel = plan.col_panels,
                      .k_end = p->k,
                      .stop = pool ? pool->stop : NULL};
    switch (plan.method) {
    case METHOD_DOT: run_dot_job(pool, &job); break;
    case METHOD_IN_PLACE:
        job.shared = NULL;
        run_grid(pool, &job, plan.batch, threads);
        break;
    case METHOD_PACK_LOCAL:
        job.block_rows = plan.row_panels;
        job.block_cols = plan.col_panels;
        job.row_blocks = job.col_blocks = 1;
        ct_parallel_for(pool, plan.batch, 1, run_local, &job);
        break;
    case METHOD_PACK_SHARED: run_shared(pool, &job, threads); break;
    }
}
