/* Kernels of the blocked layout against the reference, and their speed. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/conv_blocked.h"
#include "kernels/corten_kernels.h"

enum { B = CT_CONV_BLOCK, MOST_TAPS = 9 };

static const struct ct_conv_blocked_functions *reference(void)
{
    size_t count;
    return ct_conv_blocked_f32_kernels(&count)[count - 1].fn;
}

static void compare(struct check *check, const float *got, const float *want, size_t n,
                    double tolerance)
{
    for (size_t i = 0; i < n; i++)
        if (!check_close(check, "y", i, (double)got[i], (double)want[i],
                         tolerance * (1 + fabs((double)want[i]))))
            return;
}

static struct ct_conv_blocked_post random_post(struct check *check)
{
    return (struct ct_conv_blocked_post){(enum ct_act)check_random_size(check, 0, CT_ACT_COUNT - 1),
                                         {-0.25f, 0.5f}};
}

/* ------------------------------------------------------------------ tiles */

struct tile_case {
    const struct ct_conv_blocked_kernel *kernel;
    size_t pixels, blocks, channels, step, cols, rows;
    bool plain, cut, bias, residual;
};

/* Positions of a window of rows x cols over a patch; the outer columns may be cut. */
static size_t make_taps(const struct tile_case *c, size_t patch_cols,
                        struct ct_conv_blocked_tap taps[MOST_TAPS])
{
    size_t n = 0, unit = c->plain ? 1 : B, w_rows = c->channels < B ? c->channels : B;
    for (size_t r = 0; r < c->rows; r++)
        for (size_t k = 0; k < c->cols; k++, n++) {
            taps[n] = (struct ct_conv_blocked_tap){(ptrdiff_t)((r * patch_cols + k) * unit),
                                                   (uint32_t)(n * w_rows * B), CT_CUT_NONE};
            if (c->cut && c->pixels > 1 && !c->plain && c->cols > 1)
                taps[n].cut = k == 0 ? CT_CUT_FIRST : k == c->cols - 1 ? CT_CUT_LAST : CT_CUT_NONE;
        }
    return n;
}

static void run_tile(struct check *check, void *arg)
{
    const struct tile_case *c = arg;
    struct ct_conv_blocked_tap taps[MOST_TAPS];
    size_t cols = (c->pixels - 1) * c->step + c->cols, plane = cols * c->rows;
    size_t in_blocks = (c->channels + B - 1) / B, w_rows = c->channels < B ? c->channels : B;
    size_t n_taps = make_taps(c, cols, taps), w_in = n_taps * w_rows * B;
    size_t n = c->blocks * c->pixels * B;
    struct ct_conv_blocked_post post = random_post(check);
    struct ct_conv_blocked_tile t = {
        .pixels = c->pixels,
        .blocks = c->blocks,
        .channels = c->channels,
        .n_taps = n_taps,
        .taps = taps,
        .x = check_alloc_f32(check, c->plain ? plane * c->channels : plane * in_blocks * B),
        .x_pixel = c->step * (c->plain ? 1 : B),
        .x_block = plane * B,
        .x_channel = c->plain ? plane : 1,
        .w = check_alloc_f32(check, c->blocks * in_blocks * w_in),
        .w_in = w_in,
        .w_out = in_blocks * w_in,
        .bias = c->bias ? check_alloc_f32(check, c->blocks * B) : NULL,
        .residual = c->residual ? check_alloc_f32(check, n) : NULL,
        .y = check_alloc_nan(check, n),
        .y_block = c->pixels * B,
        .post = &post,
    };
    float *got = t.y;
    c->kernel->fn->tile(&t);
    t.y = check_alloc_nan(check, n);
    reference()->tile(&t);
    compare(check, got, t.y, n, 1e-6 * (double)(n_taps * c->channels + 16));
}

static void check_tiles(struct check *check, const struct ct_conv_blocked_kernel *kernel)
{
    static const size_t channels[] = {1, 3, 16, 24, 37};
    for (int round = 0; round < 4 * check_rounds(check); round++)
        for (size_t pixels = 1; pixels <= kernel->pixels; pixels++)
            for (size_t blocks = 1; blocks <= kernel->blocks; blocks++) {
                uint32_t bits = check_random(check);
                struct tile_case c = {kernel,           pixels,
                                      blocks,           channels[check_random_size(check, 0, 4)],
                                      1 + (bits & 1),   bits & 2 ? 3 : 1,
                                      bits & 2 ? 3 : 1, false,
                                      bits & 4,         bits & 8,
                                      bits & 16};
                c.plain = (bits & 32) && c.channels <= 3;
                check_run(check, run_tile, &c, "%s tile %zux%zu channels=%zu step=%zu options=%u",
                          kernel->name, pixels, blocks, c.channels, c.step, bits & 63u);
            }
}

/* ------------------------------------------------------------------ the others */

struct other_case {
    const struct ct_conv_blocked_kernel *kernel;
    size_t n, cols, step, rows;
    bool bias, residual;
};

static void run_depthwise(struct check *check, void *arg)
{
    const struct other_case *c = arg;
    size_t cols = (c->n - 1) * c->step + c->cols, w_cols = c->cols + check_random(check) % 3;
    size_t y_pixel = check_random(check) % 2 ? B : 3 * B, n_y = (c->n - 1) * y_pixel + B;
    struct ct_conv_blocked_post post = random_post(check);
    struct ct_conv_blocked_depthwise r = {
        .pixels = c->n,
        .kernel_rows = c->rows,
        .kernel_cols = c->cols,
        .x = check_alloc_f32(check, c->rows * cols * B),
        .x_pixel = c->step * B,
        .x_row = cols * B,
        .x_col = B,
        .w = check_alloc_f32(check, ((c->rows - 1) * w_cols + c->cols) * B),
        .w_row = w_cols * B,
        .bias = c->bias ? check_alloc_f32(check, B) : NULL,
        .residual = c->residual ? check_alloc_f32(check, n_y) : NULL,
        .y = check_alloc_nan(check, n_y),
        .y_pixel = y_pixel,
        .post = &post,
    };
    float *got = r.y;
    c->kernel->fn->depthwise(&r);
    r.y = check_alloc_nan(check, n_y);
    reference()->depthwise(&r);
    compare(check, got, r.y, n_y, 1e-6 * (double)(c->rows * c->cols + 4));
}

static void run_winograd_in(struct check *check, void *arg)
{
    const struct other_case *c = arg;
    size_t cols = c->n * CT_WINOGRAD_OUT + 2, place = (c->n + 1) * B;
    size_t n = (CT_WINOGRAD_PLACES - 1) * place + c->n * B;
    struct ct_conv_blocked_winograd_in in = {
        .n = c->n,
        .x = check_alloc_f32(check, CT_WINOGRAD_IN * cols * B),
        .x_row = cols * B,
        .v = check_alloc_nan(check, n),
        .v_place = place,
    };
    float *got = in.v;
    c->kernel->fn->winograd_in(&in);
    in.v = check_alloc_nan(check, n);
    reference()->winograd_in(&in);
    compare(check, got, in.v, n, 2e-5);
}

static void run_winograd_out(struct check *check, void *arg)
{
    const struct other_case *c = arg;
    size_t cols = c->n * CT_WINOGRAD_OUT - c->step, place = (c->n + 1) * B;
    size_t row = (cols + 3) * B, n = (c->rows - 1) * row + cols * B;
    struct ct_conv_blocked_post post = random_post(check);
    struct ct_conv_blocked_winograd_out out = {
        .n = c->n,
        .rows = c->rows,
        .cols = cols,
        .m = check_alloc_f32(check, (CT_WINOGRAD_PLACES - 1) * place + c->n * B),
        .m_place = place,
        .bias = c->bias ? check_alloc_f32(check, B) : NULL,
        .residual = c->residual ? check_alloc_f32(check, n) : NULL,
        .y = check_alloc_nan(check, n),
        .y_row = row,
        .post = &post,
    };
    float *got = out.y;
    c->kernel->fn->winograd_out(&out);
    out.y = check_alloc_nan(check, n);
    reference()->winograd_out(&out);
    compare(check, got, out.y, n, 5e-4); /* large terms cancel; activations follow */
}

static void run_window(struct check *check, void *arg)
{
    const struct other_case *c = arg;
    struct ct_conv_blocked_window w = {
        .rows = c->rows,
        .cols = c->n,
        .x = check_alloc_f32(check,
                             ((c->rows - 1) * (c->n * c->step + 1) + (c->n - 1) * c->step + 1) * B),
        .x_row = (c->n * c->step + 1) * B,
        .x_col = c->step * B,
        .scale = 0.125f,
    };
    for (int k = 0; k < 2; k++) {
        float *got = w.y = check_alloc_nan(check, B);
        (k ? c->kernel->fn->max : c->kernel->fn->average)(&w);
        w.y = check_alloc_nan(check, B);
        (k ? reference()->max : reference()->average)(&w);
        compare(check, got, w.y, B, k ? 0 : 1e-6 * (double)(c->rows * c->n));
    }
}

static void run_reorder(struct check *check, void *arg)
{
    const struct other_case *c = arg;
    size_t plane = c->n + c->step, channels = c->cols;
    size_t n_plain = (channels - 1) * plane + c->n;
    float *plain = check_alloc_f32(check, n_plain), *blocked = check_alloc_nan(check, c->n * B);
    float *want = check_alloc_nan(check, c->n * B), *back = check_alloc_nan(check, n_plain);
    c->kernel->fn->to_blocked(c->n, channels, plain, plane, blocked);
    reference()->to_blocked(c->n, channels, plain, plane, want);
    compare(check, blocked, want, c->n * B, 0);
    c->kernel->fn->to_plain(c->n, channels, blocked, back, plane);
    for (size_t i = 0; i < n_plain; i++)
        if (i % plane < c->n)
            check_close(check, "back", i, (double)back[i], (double)plain[i], 0);
}

static void check_others(struct check *check, const struct ct_conv_blocked_kernel *kernel)
{
    for (int i = 0; i < 40 * check_rounds(check); i++) {
        uint32_t bits = check_random(check);
        struct other_case c = {
            .kernel = kernel,
            .n = check_random_size(check, 1, 37),
            .cols = check_random_size(check, 1, 7),
            .step = 1 + (bits & 1),
            .rows = check_random_size(check, 1, 5),
            .bias = bits & 2,
            .residual = bits & 4,
        };
        check_run(check, run_depthwise, &c, "%s depthwise n=%zu window %zux%zu step=%zu",
                  kernel->name, c.n, c.rows, c.cols, c.step);
        check_run(check, run_window, &c, "%s pool %zux%zu step=%zu", kernel->name, c.rows, c.n,
                  c.step);
        c.cols = check_random_size(check, 1, B);
        check_run(check, run_reorder, &c, "%s reorder n=%zu channels=%zu", kernel->name, c.n,
                  c.cols);
        c.n = check_random_size(check, 1, 9);
        c.rows = check_random_size(check, 1, CT_WINOGRAD_OUT);
        check_run(check, run_winograd_in, &c, "%s winograd_in n=%zu", kernel->name, c.n);
        check_run(check, run_winograd_out, &c, "%s winograd_out n=%zu rows=%zu less=%zu",
                  kernel->name, c.n, c.rows, c.step);
    }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_conv_blocked_kernel *kernels = ct_conv_blocked_f32_kernels(&count);
    for (size_t k = 0; k < count; k++)
        if (check_wants(check, kernels[k].name, kernels[k].isa)) {
            check_tiles(check, &kernels[k]);
            check_others(check, &kernels[k]);
        }
}

/* ------------------------------------------------------------------ speed */

enum { BENCH_CHANNELS = 64, BENCH_COLS = 32 };

struct bench {
    const struct ct_conv_blocked_kernel *kernel;
    struct ct_conv_blocked_tile tile;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *bench = arg;
    (void)check;
    bench->kernel->fn->tile(&bench->tile);
}

static void bench_tile(struct check *check, const struct ct_conv_blocked_kernel *kernel,
                       size_t n_taps)
{
    static float x[BENCH_CHANNELS * 3 * BENCH_COLS], w[2 * BENCH_CHANNELS * B * MOST_TAPS];
    static float y[2 * B * BENCH_COLS];
    static const struct ct_conv_blocked_post post;
    struct ct_conv_blocked_tap taps[MOST_TAPS];
    for (size_t k = 0; k < n_taps; k++)
        taps[k] = (struct ct_conv_blocked_tap){(ptrdiff_t)((k / 3 * BENCH_COLS + k % 3) * B),
                                               (uint32_t)(k * B * B), CT_CUT_NONE};
    struct bench bench = {kernel,
                          {.pixels = kernel->pixels,
                           .blocks = kernel->blocks,
                           .channels = BENCH_CHANNELS,
                           .n_taps = n_taps,
                           .taps = taps,
                           .x = x,
                           .x_pixel = B,
                           .x_block = 3 * BENCH_COLS * B,
                           .x_channel = 1,
                           .w = w,
                           .w_in = n_taps * B * B,
                           .w_out = n_taps * BENCH_CHANNELS * B,
                           .y = y,
                           .y_block = BENCH_COLS * B,
                           .post = &post}};
    char text[64];
    snprintf(text, sizeof text, "tile %zux%zu, %d channels, %zu taps", kernel->pixels,
             kernel->blocks, BENCH_CHANNELS, n_taps);
    double flops = 2.0 * (double)(kernel->pixels * kernel->blocks * B * n_taps) * BENCH_CHANNELS;
    check_report_flops(check, kernel->name, text, flops, check_time(check, run_bench, &bench),
                       kernel->isa, CHECK_F32);
}

static void bench_kernels(struct check *check)
{
    size_t count;
    const struct ct_conv_blocked_kernel *kernels = ct_conv_blocked_f32_kernels(&count);
    for (size_t k = 0; k < count; k++)
        if (check_wants(check, kernels[k].name, kernels[k].isa)) {
            bench_tile(check, &kernels[k], 1);
            bench_tile(check, &kernels[k], MOST_TAPS);
        }
}

const struct check_family check_conv_blocked = {"conv_blocked", check_kernels, bench_kernels};
