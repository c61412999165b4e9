/* bfloat16 convolution kernels: a tile against sums in double, rounding against its definition. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "kernels/conv_bf16.h"
#include "kernels/corten_kernels.h"
#include "kernels/ref/act_ref.h"

enum { STEP = CT_CONV_BF16_STEP, BLOCK = CT_CONV_BLOCK, MOST_STEPS = 20 };

struct conv_case {
    const struct ct_conv_bf16_kernel *kernel;
    size_t pixels, blocks, steps, x_pixel;
};

static void enter(const struct ct_conv_bf16_kernel *kernel)
{
    if (kernel->fn->enter)
        kernel->fn->enter();
}

static void leave(const struct ct_conv_bf16_kernel *kernel)
{
    if (kernel->fn->leave)
        kernel->fn->leave();
}

static uint16_t *alloc_bf16(struct check *check, size_t n)
{
    uint16_t *p = check_alloc(check, n * sizeof *p, sizeof *p);

    for (size_t i = 0; i < n; i++)
        p[i] = ct_f32_to_bf16(check_random_f32(check));
    return p;
}

static void run_tile_case(struct check *check, void *arg)
{
    const struct conv_case *t = arg;
    size_t pixels = t->pixels > 16 ? 32 : 16, offsets[MOST_STEPS], furthest = 0;
    for (size_t s = 0; s < t->steps; s++) {
        offsets[s] = check_random_size(check, 0, 200);
        furthest = offsets[s] > furthest ? offsets[s] : furthest;
    }
    const uint16_t *x = alloc_bf16(check, furthest + (pixels - 1) * t->x_pixel + STEP);
    const uint16_t *w = alloc_bf16(check, t->steps * 2 * BLOCK * STEP);
    float *sums = check_alloc(check, 2 * 32 * BLOCK * sizeof *sums, 64);
    struct ct_conv_bf16_tile tile = {t->pixels,  t->blocks, t->steps, x,
                                     t->x_pixel, offsets,   w,        sums};
    enter(t->kernel);
    t->kernel->fn->tile(&tile);
    leave(t->kernel);
    for (size_t b = 0; b < t->blocks; b++)
        for (size_t i = 0; i < t->pixels; i++)
            for (size_t o = 0; o < BLOCK; o++) {
                double sum = 0, size = 0;
                for (size_t s = 0; s < t->steps; s++)
                    for (size_t k = 0; k < STEP; k++) {
                        const uint16_t *weight =
                            w + (s * 2 + b) * BLOCK * STEP + k / 2 * STEP + o * 2 + k % 2;
                        double p = (double)ct_bf16_to_f32(x[offsets[s] + i * t->x_pixel + k]) *
                                   (double)ct_bf16_to_f32(*weight);
                        sum += p;
                        size += fabs(p);
                    }
                size_t at = (b * 32 + i) * BLOCK + o;
                if (!check_close(check, "sums", at, (double)sums[at], sum,
                                 (double)(t->steps * STEP) * FLT_EPSILON * (size + 1)))
                    return;
            }
}

static void run_round_case(struct check *check, void *arg)
{
    const struct conv_case *t = arg;
    size_t n = t->pixels, channels = t->steps, x_pixel = t->x_pixel;
    const float *first = check_alloc_f32(check, (n - 1) * x_pixel + BLOCK);
    const float *second =
        channels > BLOCK ? check_alloc_f32(check, (n - 1) * x_pixel + BLOCK) : NULL;
    uint16_t *to = check_alloc(check, n * STEP * sizeof *to, sizeof *to);
    t->kernel->fn->round(n, channels, first, second, x_pixel, to);
    for (size_t i = 0; i < n * STEP; i++) {
        size_t c = i % STEP;
        const float *from = c < BLOCK ? first : second;
        uint16_t want =
            c < channels ? ct_f32_to_bf16(from[i / STEP * x_pixel + c % BLOCK]) : (uint16_t)0;
        if (to[i] != want)
            check_fail(check, "element %zu is %#x, expected %#x", i, to[i], want);
    }
}

static void run_plain_case(struct check *check, void *arg)
{
    const struct conv_case *t = arg;
    size_t n = t->pixels, channels = t->blocks, plane = n + 3;
    const float *x = check_alloc_f32(check, (channels - 1) * plane + n);
    uint16_t *to = check_alloc(check, n * CT_CONV_BF16_PLAIN * sizeof *to, sizeof *to);
    t->kernel->fn->round_plain(n, channels, x, plane, to);
    for (size_t i = 0; i < n * CT_CONV_BF16_PLAIN; i++) {
        size_t c = i % CT_CONV_BF16_PLAIN;
        uint16_t want =
            c < channels ? ct_f32_to_bf16(x[c * plane + i / CT_CONV_BF16_PLAIN]) : (uint16_t)0;
        if (to[i] != want)
            check_fail(check, "element %zu is %#x, expected %#x", i, to[i], want);
    }
}

static void run_finish_case(struct check *check, void *arg)
{
    const struct conv_case *t = arg;
    size_t n = t->pixels * BLOCK;
    uint32_t bits = check_random(check);
    const struct ct_conv_blocked_post post = {(enum ct_act)t->steps, {0.5f, 0.75f}};
    float *sums = check_alloc_f32(check, n);
    for (size_t i = 0; i < n; i++)
        sums[i] *= bits & 4 ? 100 : 8;
    struct ct_conv_bf16_finish f = {
        .pixels = t->pixels,
        .sums = sums,
        .bias = bits & 1 ? check_alloc_f32(check, BLOCK) : NULL,
        .residual = bits & 2 ? check_alloc_f32(check, n) : NULL,
        .y = check_alloc_nan(check, n),
        .post = &post,
    };
    t->kernel->fn->finish(&f);
    for (size_t i = 0; i < n; i++) {
        float x = sums[i] + (f.bias ? f.bias[i % BLOCK] : 0) + (f.residual ? f.residual[i] : 0);
        double want = (double)ct_act_f32_ref(post.act, post.act_params, x);
        double scale = post.act == CT_ACT_SIGMOID ? 1 : fabs((double)x);
        double tolerance = scale / 8192 + 1e-6;
        if (!check_close(check, "y", i, (double)f.y[i], want, tolerance))
            return;
    }
}

static void check_kernel(struct check *check, const struct ct_conv_bf16_kernel *kernel)
{
    for (size_t pixels = 1; pixels <= 32; pixels++) {
        for (size_t blocks = 1; blocks <= 2; blocks++) {
            size_t steps = check_random_size(check, 1, MOST_STEPS);
            size_t x_pixel = (size_t[]){4, 8, 32, 64}[check_random(check) % 4];
            struct conv_case t = {kernel, pixels, blocks, steps, x_pixel};
            check_run(check, run_tile_case, &t, "%s pixels=%zu blocks=%zu steps=%zu x_pixel=%zu",
                      kernel->name, pixels, blocks, steps, x_pixel);
        }
        struct conv_case t = {kernel, pixels, 0, pixels, pixels % 2 ? BLOCK : 2 * BLOCK};
        check_run(check, run_round_case, &t, "%s round pixels=%zu channels=%zu", kernel->name,
                  pixels, t.steps);
        t.blocks = pixels % CT_CONV_BF16_PLAIN + 1;
        check_run(check, run_plain_case, &t, "%s round_plain pixels=%zu channels=%zu", kernel->name,
                  pixels, t.blocks);
    }
    for (int act = 0; act < CT_ACT_COUNT; act++) {
        struct conv_case t = {kernel, check_random_size(check, 1, 32), 0, (size_t)act, 0};
        check_run(check, run_finish_case, &t, "%s finish pixels=%zu act=%d", kernel->name, t.pixels,
                  act);
    }
}

static void check_kernels(struct check *check)
{
    size_t count;
    const struct ct_conv_bf16_kernel *rows = ct_conv_bf16_kernels(&count);

    for (size_t r = 0; r < count; r++)
        for (int round = 0; round < check_rounds(check); round++)
            if (check_wants(check, rows[r].name, rows[r].isa))
                check_kernel(check, &rows[r]);
}

struct bench {
    const struct ct_conv_bf16_kernel *kernel;
    struct ct_conv_bf16_tile tile;
};

static void run_bench(struct check *check, void *arg)
{
    const struct bench *b = arg;

    (void)check;
    b->kernel->fn->tile(&b->tile);
}

/* A 3 x 3 window over 64 channels. */
static void bench_kernels(struct check *check)
{
    enum { STEPS = 18, COLS = 58 };
    static uint16_t x[2 * 4 * COLS * STEP], w[STEPS * 2 * BLOCK * STEP];
    static float sums[2 * 32 * BLOCK];
    size_t count, offsets[STEPS];
    const struct ct_conv_bf16_kernel *rows = ct_conv_bf16_kernels(&count);

    for (size_t s = 0; s < STEPS; s++)
        offsets[s] = (s / 9 * 4 * COLS + s % 9 / 3 * COLS + s % 3) * STEP;
    for (size_t r = 0; r < count; r++) {
        if (!check_wants(check, rows[r].name, rows[r].isa))
            continue;
        for (size_t pixels = 16; pixels <= 32; pixels += 16) {
            struct bench b = {&rows[r], {pixels, 2, STEPS, x, STEP, offsets, w, sums}};
            char text[80];
            snprintf(text, sizeof text, "%zu pixels x 2 blocks, 3x3x64", pixels);
            enter(&rows[r]);
            double seconds = check_time(check, run_bench, &b);
            leave(&rows[r]);
            check_report_flops(check, rows[r].name, text,
                               2.0 * STEPS * STEP * 2 * BLOCK * (double)pixels, seconds,
                               rows[r].isa, CHECK_BF16);
        }
    }
}

const struct check_family check_conv_bf16 = {"conv_bf16", check_kernels, bench_kernels};
