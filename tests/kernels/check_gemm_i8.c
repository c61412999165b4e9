/* 8-bit GEMM kernels: exact, but for float activations. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/corten_kernels.h"
#include "kernels/gemm_i8.h"
#include "kernels/ref/act_ref.h"

struct tile_case {
    const struct ct_gemm_i8_kernel *kernel;
    size_t m, n, k, ldc;
    bool a_signed, b_signed, a_transposed, b_transposed, extremes;
    enum ct_gemm_i8_output output;
};

static uint8_t *random_bytes(struct check *check, size_t n, bool extremes)
{
    uint8_t *p = check_alloc(check, n, 1);

    for (size_t i = 0; i < n; i++)
        p[i] = extremes ? (check_random(check) % 2 ? 0xFF : 0x7F) : (uint8_t)check_random(check);
    return p;
}

static int value_of(uint8_t byte, bool is_signed)
{
    return is_signed ? (int8_t)byte : byte;
}

/* As the packed form has them: A unsigned, B signed. */
static int32_t *random_zeros(struct check *check, size_t n, size_t room, int offset)
{
    int32_t *p = check_alloc(check, room * sizeof *p, sizeof *p);

    memset(p, 0, room * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = (int32_t)(check_random(check) % 256) + offset;
    return p;
}

static double term(const float *p, size_t i)
{
    return p ? (double)p[i] : 0;
}

static float with_residual(const struct ct_gemm_i8_post *post, float y, size_t row, size_t col)
{
    const struct ct_gemm_i8_residual *r = post->residual;
    uint8_t other = r->other[row * r->ld + col] ^ r->flip;
    float own = (y - (float)post->zero) * r->ratio;
    float z = rintf(own + (float)(other - r->other_zero) * r->other_ratio) + (float)r->sum_zero;

    return fminf((float)r->sum_high, fmaxf((float)r->sum_low, z));
}

static void compare(struct check *check, const struct tile_case *t,
                    const struct ct_gemm_i8_tile *tile, size_t i, size_t j, int32_t sum)
{
    const struct ct_gemm_i8_post *post = tile->post;
    size_t at = i * t->ldc + j, col = tile->col + j;

    sum += tile->add ? tile->add[j] : 0;
    if (t->output == CT_GEMM_I8_TO_I32) {
        check_close(check, "c", at, ((int32_t *)tile->c)[at], sum, 0);
        return;
    }
    float scale = post->scale[post->scale_stride ? col : 0];
    if (post->row_scale)
        scale *= post->row_scale[tile->row + i];
    float x = (float)sum * scale;
    if (t->output == CT_GEMM_I8_TO_F32) {
        x += (float)term(post->bias_f32, col);
        double want = (double)ct_act_f32_ref(post->act, post->act_params, x);
        check_close(check, "c", at, (double)((float *)tile->c)[at], want,
                    8 * FLT_EPSILON * (fabs((double)x) + fabs(want)));
        return;
    }
    float y = rintf(x) + (float)post->zero;
    y = y < (float)post->low ? (float)post->low : y > (float)post->high ? (float)post->high : y;
    if (post->residual)
        y = with_residual(post, y, tile->row + i, col);
    uint8_t byte = ((uint8_t *)tile->c)[at];
    int32_t low = post->residual ? post->residual->sum_low : post->low;
    check_close(check, "c", at, value_of(byte, low < 0), (double)y, 0);
}

static const struct ct_gemm_i8_residual *random_residual(struct check *check, size_t rows,
                                                         size_t cols)
{
    struct ct_gemm_i8_residual *r = check_alloc(check, sizeof *r, 8);
    bool is_signed = check_random(check) % 2;

    *r = (struct ct_gemm_i8_residual){.ld = cols,
                                      .flip = is_signed ? 0x80 : 0,
                                      .other_zero = (int32_t)(check_random(check) % 256),
                                      .sum_zero = (int32_t)(check_random(check) % 256),
                                      .sum_high = 255,
                                      .ratio = 0.3f,
                                      .other_ratio = 0.7f};
    if (is_signed) {
        r->sum_low = -128;
        r->sum_high = 127;
        r->sum_zero -= 128;
    }
    r->other = random_bytes(check, rows * cols, false);
    return r;
}

static void run_tile_case(struct check *check, void *arg)
{
    const struct tile_case *t = arg;
    const struct ct_gemm_i8_kernel *kernel = t->kernel;
    size_t m = t->m, n = t->n, k = t->k, nr = kernel->nr, row = 1, col = 2;
    size_t lda = (t->a_transposed ? m : k) + 1, ldb = (t->b_transposed ? k : n) + 2;
    size_t a_row = t->a_transposed ? 1 : lda, a_k = t->a_transposed ? lda : 1;
    size_t b_col = t->b_transposed ? ldb : 1, b_k = t->b_transposed ? 1 : ldb;
    uint8_t *a = random_bytes(check, m && k ? (m - 1) * a_row + (k - 1) * a_k + 1 : 0, t->extremes);
    uint8_t *b = random_bytes(check, n && k ? (n - 1) * b_col + (k - 1) * b_k + 1 : 0, t->extremes);
    size_t row_bytes = ct_gemm_i8_row_bytes(kernel, k);
    size_t rows_bytes = ct_gemm_i8_m(kernel, m) * row_bytes;
    void *pa = check_alloc(check, rows_bytes, 4);
    void *pb = check_alloc(check, ct_gemm_i8_panel_b_bytes(kernel, k), 4);
    int32_t *a_sum = check_alloc(check, m * 4, 4), *b_sum = check_alloc(check, nr * 4, 4);
    int32_t *a_zero = random_zeros(check, m, m, 0), *b_zero = random_zeros(check, n, nr, -128);
    size_t c_count = (m - 1) * t->ldc + n;
    struct ct_gemm_i8_post post = {.output = t->output,
                                   .scale_stride = (int)(check_random(check) % 2),
                                   .zero = (int32_t)(check_random(check) % 256),
                                   .high = 255,
                                   .act_params = {-0.5f, 0.75f}};
    struct ct_gemm_i8_tile tile = {.m = m,
                                   .n = n,
                                   .k = ct_gemm_i8_k(kernel, k),
                                   .a = pa,
                                   .lda = row_bytes,
                                   .b = pb,
                                   .a_sum = a_sum,
                                   .b_sum = b_sum,
                                   .ldc = t->ldc,
                                   .post = &post,
                                   .row = row,
                                   .col = col};

    tile.c = check_alloc(check, c_count * (t->output == CT_GEMM_I8_TO_BYTE ? 1 : 4), 1);
    float *scale = check_alloc_f32(check, post.scale_stride ? col + n : 1);
    for (size_t j = 0; j < (post.scale_stride ? col + n : 1); j++)
        scale[j] = fabsf(scale[j]) * 0.001f;
    post.scale = scale;
    if (check_random(check) % 2)
        post.row_scale = check_alloc_f32(check, row + m);
    if (check_random(check) % 2)
        post.bias_f32 = check_alloc_f32(check, col + n);
    if (check_random(check) % 2)
        tile.add = random_zeros(check, n, nr, -1000);
    if (check_random(check) % 2) {
        post.low = -128;
        post.high = 127;
        post.zero -= 128;
    }
    post.act = t->output == CT_GEMM_I8_TO_F32 ? (enum ct_act)(check_random(check) % CT_ACT_COUNT)
                                              : CT_ACT_NONE;
    if (t->output == CT_GEMM_I8_TO_BYTE && check_random(check) % 2)
        post.residual = random_residual(check, row + m, col + n);
    tile.a_zero = check_random(check) % 2 ? a_zero : NULL;
    tile.b_zero = check_random(check) % 2 ? b_zero : NULL;

    memset(pa, 0x55, rows_bytes); /* rows that are read and not packed */
    kernel->fn->pack_a(m, k, a, a_row, a_k, t->a_signed ? 0x80 : 0, pa, row_bytes, a_sum);
    kernel->fn->pack_b(k, n, b, b_k, b_col, t->b_signed ? 0 : 0x80, pb, b_sum);
    if (tile.b_zero)
        for (size_t j = 0; j < n; j++)
            b_sum[j] -= (int32_t)k * b_zero[j];
    if (kernel->fn->enter)
        kernel->fn->enter();
    kernel->fn->tile(&tile);
    if (kernel->fn->leave)
        kernel->fn->leave();
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int32_t sum = 0;
            int za = tile.a_zero ? a_zero[i] : 0, zb = tile.b_zero ? b_zero[j] : 0;
            for (size_t p = 0; p < k; p++) {
                int x = value_of(a[i * a_row + p * a_k], t->a_signed) + (t->a_signed ? 128 : 0);
                int y = value_of(b[p * b_k + j * b_col], t->b_signed) - (t->b_signed ? 0 : 128);
                sum += (x - za) * (y - zb);
            }
            compare(check, t, &tile, i, j, sum);
        }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_gemm_i8_kernel *rows = ct_gemm_i8_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_i8_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (int round = 0; round < check_rounds(check); round++)
            for (size_t m = 1; m <= kernel->mr; m++)
                for (size_t n = 1; n <= kernel->nr; n++) {
                    uint32_t bits = check_random(check);
                    struct tile_case t = {kernel,
                                          m,
                                          n,
                                          check_random_size(check, 1, 90),
                                          n + bits % 3,
                                          bits >> 8 & 1,
                                          bits >> 9 & 1,
                                          bits >> 10 & 1,
                                          bits >> 11 & 1,
                                          bits >> 12 & 1,
                                          (enum ct_gemm_i8_output)((bits >> 16) % 3)};
                    check_run(
                        check, run_tile_case, &t,
                        "%s m=%zu n=%zu k=%zu ldc=%zu signed=%d,%d transposed=%d,%d output=%d",
                        kernel->name, m, n, t.k, t.ldc, t.a_signed, t.b_signed, t.a_transposed,
                        t.b_transposed, t.output);
                }
    }
}

struct bench {
    const struct ct_gemm_i8_kernel *kernel;
    struct ct_gemm_i8_tile tile;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    b->kernel->fn->tile(&b->tile);
}

static void bench_kernels(struct check *check)
{
    enum { K = 1024 };
    static int8_t a[32 * K * 2], b[K * 64];
    static int32_t c[32 * 64], sums[64];
    static const struct ct_gemm_i8_post post = {.output = CT_GEMM_I8_TO_I32};
    size_t count;
    const struct ct_gemm_i8_kernel *rows = ct_gemm_i8_kernels(&count);

    for (size_t r = 0; r < count; r++) {
        const struct ct_gemm_i8_kernel *kernel = &rows[r];
        if (!check_wants(check, kernel->name, kernel->isa))
            continue;
        for (size_t m = 1; m <= kernel->mr; m++) {
            struct bench bench = {kernel,
                                  {.m = m,
                                   .n = kernel->nr,
                                   .k = K,
                                   .a = a,
                                   .lda = K * kernel->a_bytes,
                                   .b = b,
                                   .c = c,
                                   .add = sums,
                                   .ldc = kernel->nr,
                                   .post = &post}};
            char text[80];
            snprintf(text, sizeof text, "%zux%zux%d", m, kernel->nr, K);
            if (kernel->fn->enter)
                kernel->fn->enter();
            double seconds = check_time(check, run_bench, &bench);
            if (kernel->fn->leave)
                kernel->fn->leave();
            check_report_flops(check, kernel->name, text, 2.0 * K * (double)(m * kernel->nr),
                               seconds, kernel->isa, CHECK_I8);
        }
    }
}

const struct check_family check_gemm_i8 = {"gemm_i8", check_kernels, bench_kernels};
