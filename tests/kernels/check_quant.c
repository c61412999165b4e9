/* Kernels of quantisation: quantising, dequantising and depthwise convolutions of bytes. Exact. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/corten_kernels.h"
#include "kernels/depthwise_i8.h"
#include "kernels/quant.h"

static uint8_t *random_bytes(struct check *check, size_t n)
{
    uint8_t *p = check_alloc(check, n, 1);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)check_random(check);
    return p;
}

/* ------------------------------------------------------------------ rows */

struct row_case {
    const struct ct_quant_kernel *kernel;
    struct ct_quant_row row;
};

static void run_row(struct check *check, void *arg)
{
    const struct row_case *c = arg;
    const struct ct_quant_row *row = &c->row;
    float *x = check_alloc_f32(check, row->n), *back = check_alloc_f32(check, row->n);
    uint8_t *y = random_bytes(check, row->n), *bytes = random_bytes(check, row->n);
    if (row->n && check_random(check) % 4 == 0)
        x[check_random(check) % row->n] = check_random(check) % 2 ? NAN : 1e30f;
    c->kernel->fn->quantize(row, x, y);
    c->kernel->fn->dequantize(row, bytes, back);
    for (size_t i = 0; i < row->n; i++) {
        float v =
            rintf(fminf(fmaxf(x[i] / row->scale, -(float)row->zero), 255.0f - (float)row->zero));
        check_close(check, "bytes", i, y[i] ^ row->flip, (double)(v + (float)row->zero), 0);
        v = (float)((bytes[i] ^ row->flip) - row->zero) * row->scale;
        check_close(check, "floats", i, (double)back[i], (double)v, 0);
    }
}

static void run_max(struct check *check, void *arg)
{
    const struct row_case *c = arg;
    size_t n = c->row.n, n_taps = check_random_size(check, 1, 12);
    const uint8_t *x = random_bytes(check, n * n_taps);
    const uint8_t **taps = check_alloc(check, n_taps * sizeof *taps, sizeof *taps);
    uint8_t *y = random_bytes(check, n);
    for (size_t t = 0; t < n_taps; t++)
        taps[t] = x + t * n;
    c->kernel->fn->max(n, taps, n_taps, c->row.flip, y);
    for (size_t i = 0; i < n; i++) {
        uint8_t most = 0;
        for (size_t t = 0; t < n_taps; t++)
            most = (taps[t][i] ^ c->row.flip) > most ? taps[t][i] ^ c->row.flip : most;
        check_close(check, "most", i, y[i] ^ c->row.flip, most, 0);
    }
}

static void check_rows(struct check *check)
{
    size_t count;
    const struct ct_quant_kernel *kernels = ct_quant_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 200 * check_rounds(check); i++) {
            struct row_case c = {&kernels[k],
                                 {.n = check_random_size(check, 1, 200),
                                  .scale = 0.01f + (float)(check_random(check) % 100) * 0.001f,
                                  .zero = (int32_t)(check_random(check) % 256),
                                  .flip = check_random(check) % 2 ? 0x80 : 0}};
            check_run(check, run_row, &c, "%s n=%zu flip=%d", kernels[k].name, c.row.n, c.row.flip);
            check_run(check, run_max, &c, "%s max n=%zu", kernels[k].name, c.row.n);
        }
    }
}

/* ------------------------------------------------------------------ depthwise */

struct depthwise_case {
    const struct ct_depthwise_i8_kernel *kernel;
    struct ct_depthwise_i8_row row;
    int16_t *w;
};

/* Memory and random numbers for a row whose sizes are set. */
static void fill(struct check *check, struct depthwise_case *c)
{
    struct ct_depthwise_i8_row *row = &c->row;
    size_t n_taps = row->n_rows * row->n_cols, unit = CT_DEPTHWISE_I8_CHANNELS;
    size_t padded = (row->channels + unit - 1) / unit * unit;
    size_t columns = (row->pixels - 1) * row->step + row->n_cols;
    const struct ct_depthwise_i8_functions *fn = c->kernel->fn;
    const uint8_t **taps = check_alloc(check, columns * row->n_rows * sizeof *taps, sizeof *taps);
    size_t packed_bytes = fn->packed_bytes(row->channels, row->n_rows, row->n_cols);
    void *packed = check_alloc(check, packed_bytes, packed_bytes % 64 ? sizeof(float) : 64);
    int32_t *add = check_alloc(check, padded * sizeof *add, sizeof *add);
    float *scale = check_alloc_f32(check, padded);
    c->w = check_alloc(check, n_taps * row->channels * sizeof *c->w, sizeof *c->w);
    for (size_t i = 0; i < n_taps * row->channels; i++)
        c->w[i] = (int16_t)((int)(check_random(check) % 256) - 128);
    if (c->kernel->w_most > 128)
        c->w[0] = -255;
    const uint8_t *x = random_bytes(check, (columns * row->n_rows + 1) * row->channels);
    for (size_t i = 0; i < columns * row->n_rows; i++) /* up to the last byte of the buffer */
        taps[i] = x + (i + check_random(check) % 2) * row->channels;
    for (size_t i = 0; i < padded; i++) {
        add[i] = (int32_t)(check_random(check) % 20000) - 10000;
        scale[i] = fabsf(scale[i]) * 0.002f;
    }
    fn->pack(row->channels, row->n_rows, row->n_cols, c->w, packed);
    row->taps = taps;
    row->w = packed;
    row->add = add;
    row->scale = scale;
    row->zero = (int32_t)(check_random(check) % 256);
    row->flip = check_random(check) % 2 ? 0x80 : 0;
    row->flip_y = check_random(check) % 2 ? 0x80 : 0;
    row->y_stride = row->channels + check_random(check) % 3;
    row->y = check_alloc(check, (row->pixels - 1) * row->y_stride + row->channels, 1);
    row->work = check_alloc(check, fn->work_bytes(row->n_rows, row->n_cols), 64);
}

static void run_depthwise(struct check *check, void *arg)
{
    struct depthwise_case *c = arg;
    const struct ct_depthwise_i8_row *row = &c->row;
    fill(check, c);
    c->kernel->fn->run(row);
    for (size_t i = 0; i < row->pixels; i++)
        for (size_t ch = 0; ch < row->channels; ch++) {
            int32_t sum = row->add[ch];
            for (size_t t = 0; t < row->n_rows * row->n_cols; t++) {
                size_t at = i * row->step * row->n_rows + t;
                sum += (row->taps[at][ch] ^ row->flip) * c->w[t * row->channels + ch];
            }
            float y = rintf((float)sum * row->scale[ch]) + (float)row->zero;
            y = fminf(fmaxf(y, 0), 255);
            check_close(check, "y", i * row->channels + ch,
                        row->y[i * row->y_stride + ch] ^ row->flip_y, (double)y, 0);
        }
}

static void check_depthwise(struct check *check)
{
    size_t count;
    const struct ct_depthwise_i8_kernel *kernels = ct_depthwise_i8_kernels(&count);
    for (size_t k = 0; k < count; k++) {
        if (!check_wants(check, kernels[k].name, kernels[k].isa))
            continue;
        for (int i = 0; i < 60 * check_rounds(check); i++) {
            struct depthwise_case c = {&kernels[k],
                                       {.channels = check_random_size(check, 1, 150),
                                        .pixels = check_random_size(check, 1, 9),
                                        .n_rows = check_random_size(check, 1, 6),
                                        .n_cols = check_random_size(check, 1, 6),
                                        .step = check_random_size(check, 1, 4)},
                                       NULL};
            check_run(check, run_depthwise, &c,
                      "%s channels=%zu pixels=%zu window=%zux%zu step=%zu", kernels[k].name,
                      c.row.channels, c.row.pixels, c.row.n_rows, c.row.n_cols, c.row.step);
        }
    }
}

static void check_kernels(struct check *check)
{
    check_rows(check);
    check_depthwise(check);
}

/* ------------------------------------------------------------------ bench */

static void bench_row(struct check *check, void *arg)
{
    const struct depthwise_case *c = arg;
    (void)check;
    c->kernel->fn->run(&c->row);
}

/* A row of 56 pixels in a 3 x 3 window, in an image of `channels`. */
static void bench_channels(struct check *check, const struct ct_depthwise_i8_kernel *kernel,
                           size_t channels)
{
    enum { PIXELS = 56, MOST = 192, ROWS = 3 };
    static uint8_t x[ROWS * (PIXELS + 2) * MOST], y[PIXELS * MOST];
    static int16_t w[9 * MOST];
    static float packed[9 * MOST * 4] __attribute__((aligned(64)));
    static char work[1 << 16] __attribute__((aligned(64)));
    static int32_t add[MOST];
    static float scale[MOST];
    const uint8_t *taps[(PIXELS + 2) * ROWS];
    struct depthwise_case c = {kernel,
                               {.channels = channels,
                                .pixels = PIXELS,
                                .n_rows = ROWS,
                                .n_cols = 3,
                                .step = 1,
                                .taps = taps,
                                .w = packed,
                                .add = add,
                                .scale = scale,
                                .y = y,
                                .y_stride = channels,
                                .work = work},
                               w};
    char text[60];
    for (size_t i = 0; i < sizeof taps / sizeof *taps; i++)
        taps[i] = x + (i % ROWS * (PIXELS + 2) + i / ROWS) * channels;
    kernel->fn->pack(channels, ROWS, 3, w, packed);
    snprintf(text, sizeof text, "%zu channels, 3x3", channels);
    check_report_flops(check, kernel->name, text, 2.0 * 9 * PIXELS * (double)channels,
                       check_time(check, bench_row, &c), kernel->isa, CHECK_I8);
}

static void bench_kernels(struct check *check)
{
    size_t count;
    const struct ct_depthwise_i8_kernel *kernels = ct_depthwise_i8_kernels(&count);
    for (size_t k = 0; k < count; k++)
        if (check_wants(check, kernels[k].name, kernels[k].isa)) {
            bench_channels(check, &kernels[k], 32);
            bench_channels(check, &kernels[k], 144);
            bench_channels(check, &kernels[k], 192);
        }
}

const struct check_family check_quant = {"quant", check_kernels, bench_kernels};
