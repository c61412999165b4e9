/* float32 GEMM kernels against sums in double, and packing against its definition. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/corten_kernels.h"
#include "kernels/gemm.h"
#include "kernels/ref/act_ref.h"

enum form { FORM_ROWMAJOR, FORM_KMAJOR, FORM_WIDE, FORM_DOT, FORM_COUNT };
static const char *const form_names[] = {"rowmajor", "kmajor", "wide", "dot"};
enum { WIDE_PANELS = 9, MOST_ROWS = 16, MOST_COLUMNS = WIDE_PANELS * 32 };

struct tile_case {
    const struct ct_gemm_f32_kernel *kernel;
    enum form form;
    size_t m, n, k, lda, ldb, ldc, panel_stride;
    bool b_packed, accumulate, in_place_residual;
    const struct ct_gemm_post *post; /* NULL: none */
    struct ct_gemm_post post_room;
};

/* Elements that the tile may touch: from the first to the last of the last row. */
static size_t extent(size_t rows, size_t cols, size_t stride)
{
    return rows && cols ? (rows - 1) * stride + cols : 0;
}

static struct ct_gemm_term random_term(struct check *check, size_t rows, size_t cols)
{
    size_t stride = cols + check_random(check) % 3;

    switch (check_random(check) % 4) {
    case 0: return (struct ct_gemm_term){check_alloc_f32(check, cols), 0, 1};
    case 1: return (struct ct_gemm_term){check_alloc_f32(check, rows), 1, 0};
    case 2: return (struct ct_gemm_term){check_alloc_f32(check, 1), 0, 0};
    default:
        return (struct ct_gemm_term){check_alloc_f32(check, extent(rows, cols, stride)),
                                     (int64_t)stride, 1};
    }
}

static double term_at(const struct ct_gemm_term *term, size_t row, size_t col)
{
    return term->p
               ? (double)term->p[(int64_t)row * term->row_stride + (int64_t)col * term->col_stride]
               : 0;
}

/* Largest slope of the activations but leaky ones with steeper parameters. */
static double activation_slope(const struct ct_gemm_post *post)
{
    double p0 = fabs((double)post->act_params[0]);

    if (post->act == CT_ACT_HARD_SIGMOID || post->act == CT_ACT_LEAKY_RELU)
        return p0 > 1 ? p0 : 1;
    return 1.6;
}

static void run_tile_case(struct check *check, void *arg)
{
    struct tile_case *t = arg;
    size_t m = t->m, n = t->n, k = t->k, nr = t->kernel->nr, row = check_random(check) % 3,
           col = check_random(check) % 3;
    const float *a, *b;
    float *c = check_alloc_f32(check, extent(m, n, t->ldc));
    double before[MOST_ROWS * MOST_COLUMNS];

    a = check_alloc_f32(check,
                        t->form == FORM_KMAJOR ? extent(k, m, t->lda) : extent(m, k, t->lda));
    if (t->form == FORM_DOT)
        b = check_alloc_f32(check, extent(n, k, t->ldb));
    else
        b = check_alloc_f32(check, t->b_packed ? (n + nr - 1) / nr * k * nr : extent(k, n, t->ldb));
    if (t->post) {
        struct ct_gemm_post *post = &t->post_room;
        if (check_random(check) % 2)
            post->bias = random_term(check, row + m, col + n);
        if (check_random(check) % 2)
            post->residual = random_term(check, row + m, col + n);
        if (t->in_place_residual) {
            row = col = 0;
            post->residual = (struct ct_gemm_term){c, (int64_t)t->ldc, 1};
        }
    }
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            before[i * n + j] = (double)c[i * t->ldc + j];

    struct ct_gemm_f32_tile tile = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = a,
                                    .lda = t->lda,
                                    .b = b,
                                    .ldb = t->ldb,
                                    .panel_stride = t->panel_stride,
                                    .c = c,
                                    .ldc = t->ldc,
                                    .accumulate = t->accumulate,
                                    .post = t->post ? &t->post_room : NULL,
                                    .row = row,
                                    .col = col};
    const struct ct_gemm_f32_functions *fn = t->kernel->fn;
    (t->form == FORM_DOT      ? fn->dot
     : t->form == FORM_WIDE   ? fn->wide
     : t->form == FORM_KMAJOR ? fn->tile_kmajor
                              : fn->tile_rowmajor)(&tile);

    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double start = before[i * n + j], sum = t->accumulate ? start : 0, size = fabs(sum);
            for (size_t p = 0; p < k; p++) {
                double x = (double)a[t->form == FORM_KMAJOR ? i + p * t->lda : i * t->lda + p];
                size_t at = j / nr * t->panel_stride + p * t->ldb + j % nr;
                x *= (double)b[t->form == FORM_DOT ? j * t->ldb + p : at];
                sum += x;
                size += fabs(x);
            }
            double tolerance = ((double)k + 2) * FLT_EPSILON * size;
            if (t->post) {
                const struct ct_gemm_post *post = &t->post_room;
                double alpha = (double)post->alpha, beta = (double)post->beta;
                double bias = term_at(&post->bias, row + i, col + j);
                double residual =
                    t->in_place_residual ? start : term_at(&post->residual, row + i, col + j);
                sum = alpha * sum + bias + beta * residual;
                tolerance = fabs(alpha) * tolerance +
                            4 * FLT_EPSILON * (fabs(sum) + fabs(bias) + fabs(beta * residual) + 1);
                tolerance *= activation_slope(post);
                sum = (double)ct_act_f32_ref(post->act, post->act_params, (float)sum);
                tolerance += 8 * FLT_EPSILON * fabs(sum);
            }
            if (!check_close(check, "c", i * n + j, (double)c[i * t->ldc + j], sum, tolerance))
                return;
        }
    for (size_t i = 0; i + 1 < m; i++)
        for (size_t j = n; j < t->ldc; j++)
            if (!(fabsf(c[i * t->ldc + j]) <= 1))
                check_fail(check, "wrote between rows of C");
}

static void check_tile(struct check *check, const struct ct_gemm_f32_kernel *kernel, enum form form,
                       size_t m, size_t n, int act)
{
    struct tile_case t = {.kernel = kernel, .form = form, .m = m, .n = n};

    t.k = check_random_size(check, 0, check_random(check) % 4 ? 40 : 400);
    t.b_packed = form != FORM_DOT && check_random(check) % 2;
    t.lda = form == FORM_KMAJOR && t.b_packed
                ? m
                : (form == FORM_KMAJOR ? m : t.k) + check_random(check) % 3;
    t.ldb = form == FORM_DOT ? t.k + check_random(check) % 3
            : t.b_packed     ? kernel->nr
                             : n + check_random(check) % 3;
    t.ldc = n + check_random(check) % 3;
    t.panel_stride = t.b_packed ? t.k * kernel->nr : kernel->nr;
    t.accumulate = form < FORM_WIDE && check_random(check) % 3 == 0;
    if (act >= 0) {
        t.post = &t.post_room;
        t.post_room = (struct ct_gemm_post){.alpha = check_random_f32(check),
                                            .beta = check_random_f32(check),
                                            .act = (enum ct_act)act,
                                            .act_params = {-0.25f, 0.5f}};
        t.in_place_residual = !t.accumulate && check_random(check) % 4 == 0;
    }
    check_run(check, run_tile_case, &t,
              "%s %s m=%zu n=%zu k=%zu lda=%zu ldb=%zu ldc=%zu accumulate=%d act=%d", kernel->name,
              form_names[form], m, n, t.k, t.lda, t.ldb, t.ldc, t.accumulate, act);
}

/* ------------------------------------------------------------------ packing */

struct pack_case {
    const struct ct_gemm_f32_kernel *kernel;
    size_t k, width, stride;
    bool contiguous_k, is_a;
};

static void run_pack_case(struct check *check, void *arg)
{
    const struct pack_case *t = arg;
    size_t nr = t->is_a ? t->width : t->kernel->nr, width = t->width, k = t->k;
    size_t k_stride = t->contiguous_k ? 1 : t->stride, other = t->contiguous_k ? t->stride : 1;
    const float *from = check_alloc_f32(check, t->contiguous_k ? extent(width, k, t->stride)
                                                               : extent(k, width, t->stride));
    float *panel = check_alloc_nan(check, k * nr);

    if (t->is_a)
        t->kernel->fn->pack_a(width, k, from, other, k_stride, panel);
    else
        t->kernel->fn->pack_b(k, width, from, k_stride, other, panel);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < nr; j++) {
            float want = j < width ? from[p * k_stride + j * other] : 0;
            if (!check_close(check, "panel", p * nr + j, (double)panel[p * nr + j], (double)want,
                             0))
                return;
        }
}

static void check_packs(struct check *check, const struct ct_gemm_f32_kernel *kernel)
{
    for (int is_a = 0; is_a < 2; is_a++)
        for (size_t width = 1; width <= (is_a ? kernel->mr : kernel->nr); width++)
            for (int contiguous_k = 0; contiguous_k < 2; contiguous_k++) {
                struct pack_case t = {
                    .kernel = kernel, .width = width, .is_a = is_a, .contiguous_k = contiguous_k};
                t.k = check_random_size(check, 1, 70);
                t.stride = (contiguous_k ? t.k : width) + check_random(check) % 3;
                check_run(check, run_pack_case, &t, "%s pack_%c width=%zu k=%zu stride=%zu %s",
                          kernel->name, is_a ? 'a' : 'b', width, t.k, t.stride,
                          contiguous_k ? "k contiguous" : "k strided");
            }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_f32_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_f32_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (int round = 0; round < check_rounds(check); round++) {
            for (int form = 0; form < FORM_COUNT; form++)
                for (size_t m = 1; m <= kernel->mr; m++)
                    for (size_t i = 1; i <= kernel->nr; i++) {
                        size_t n = i;
                        if (form == FORM_WIDE)
                            n = check_random_size(check, 1, WIDE_PANELS) * kernel->nr - i % 4;
                        check_tile(check, kernel, (enum form)form, m, n, -1);
                    }
            for (int act = 0; act < CT_ACT_COUNT; act++)
                for (int form = 0; form < FORM_COUNT; form++)
                    for (int i = 0; i < 20; i++)
                        check_tile(check, kernel, (enum form)form,
                                   check_random_size(check, 1, kernel->mr),
                                   check_random_size(check, 1,
                                                     form == FORM_WIDE ? WIDE_PANELS * kernel->nr
                                                                       : kernel->nr),
                                   act);
            check_packs(check, kernel);
        }
    }
}

/* ------------------------------------------------------------------ speed */

struct bench {
    const struct ct_gemm_f32_kernel *kernel;
    struct ct_gemm_f32_tile tile;
    enum form form;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    (b->form == FORM_KMAJOR ? b->kernel->fn->tile_kmajor : b->kernel->fn->tile_rowmajor)(&b->tile);
}

static void bench_kernels(struct check *check)
{
    static float a[16 * 1024], b[1024 * 64], c[16 * 64];
    size_t count;
    const struct ct_gemm_f32_kernel *rows = ct_gemm_f32_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_f32_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (int form = FORM_ROWMAJOR; form <= FORM_KMAJOR; form++)
            for (size_t m = 1; m <= kernel->mr; m++) {
                struct bench bench = {kernel,
                                      {.m = m,
                                       .n = kernel->nr,
                                       .k = 256,
                                       .a = a,
                                       .b = b,
                                       .c = c,
                                       .lda = form == FORM_KMAJOR ? m : 256,
                                       .ldb = kernel->nr,
                                       .ldc = kernel->nr},
                                      (enum form)form};
                char text[80];
                snprintf(text, sizeof text, "%s %zux%zux256", form_names[form], m, kernel->nr);
                check_report_flops(check, kernel->name, text, 2.0 * 256 * (double)(m * kernel->nr),
                                   check_time(check, run_bench, &bench), kernel->isa, CHECK_F32);
            }
    }
}

const struct check_family check_gemm_f32 = {"gemm_f32", check_kernels, bench_kernels};
