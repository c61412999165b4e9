/* Gathering what the window of a convolution reads, channels last. */
#include "ops/quant/conv_bytes.h"

#include <string.h>

void ct_conv_window_start(const struct ct_window *w, int64_t pixel, int64_t *start)
{
    for (int i = w->n - 1; i >= 0; i--) {
        start[i] = pixel % w->out[i] * w->stride[i] - w->pad_begin[i];
        pixel /= w->out[i];
    }
}

int64_t ct_conv_window_pixel(const struct ct_window *w, const int64_t *start, const int64_t *k)
{
    int64_t pixel = 0;
    for (int i = 0; i < w->n; i++) {
        int64_t at = start[i] + k[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return -1;
        pixel = pixel * w->in[i] + at;
    }
    return pixel;
}

struct gather {
    const struct ct_conv_shape *shape;
    const uint8_t *x; /* at the first channel */
    size_t pixel_bytes, ic;
    uint8_t fill;
};

/* A line of the window along the last axis, at `col` of a line of the input (NULL: in the padding). */
static void put_line(const struct gather *g, const uint8_t *line, int64_t col, uint8_t *row)
{
    const struct ct_window *w = &g->shape->window;
    int last = w->n - 1;
    int64_t cols = w->kernel[last], step = w->dilation[last], in = w->in[last];
    if (!line) {
        memset(row, g->fill, (size_t)cols * g->ic);
        return;
    }
    if (step == 1 && g->ic == g->pixel_bytes && col >= 0 && col + cols <= in) {
        memcpy(row, line + (size_t)col * g->ic, (size_t)cols * g->ic);
        return;
    }
    for (int64_t k = 0; k < cols; k++, col += step, row += g->ic) {
        if (col < 0 || col >= in)
            memset(row, g->fill, g->ic);
        else
            memcpy(row, line + (size_t)col * g->pixel_bytes, g->ic);
    }
}

/* Where line `k` of the window lies (over all axes but the last); NULL: in the padding. */
static const uint8_t *find_line(const struct gather *g, const int64_t *start, int64_t k)
{
    const struct ct_window *w = &g->shape->window;
    int64_t pixel = 0, scale = w->in[w->n - 1];
    for (int i = w->n - 2; i >= 0; i--) {
        int64_t at = start[i] + k % w->kernel[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return NULL;
        k /= w->kernel[i];
        pixel += at * scale;
        scale *= w->in[i];
    }
    return g->x + (size_t)pixel * g->pixel_bytes;
}

void ct_conv_gather(const struct ct_conv_shape *shape, const uint8_t *x, int64_t channel,
                    uint8_t fill, int64_t pixel, int64_t n, size_t row_bytes, uint8_t *rows)
{
    const struct ct_window *w = &shape->window;
    struct gather g = {shape, x + channel, (size_t)(shape->groups * shape->ic), (size_t)shape->ic,
                       fill};
    int last = w->n - 1;
    int64_t start[CT_WINDOW_MAX_AXES];
    int64_t lines = w->kernel[last] ? shape->kernel_volume / w->kernel[last] : 0;
    size_t line_bytes = (size_t)w->kernel[last] * g.ic,
           padding = row_bytes - (size_t)lines * line_bytes;
    /* Pixels of one line of the output read the same lines of the input, further on. */
    for (int64_t i = 0, run; i < n; i += run, rows += (size_t)run * row_bytes) {
        int64_t left = w->out[last] - (pixel + i) % w->out[last];
        run = n - i < left ? n - i : left;
        ct_conv_window_start(w, pixel + i, start);
        for (int64_t k = 0; k < lines; k++) {
            const uint8_t *line = find_line(&g, start, k);
            uint8_t *row = rows + (size_t)k * line_bytes;
            int64_t col = start[last];
            for (int64_t r = 0; r < run; r++, row += row_bytes, col += w->stride[last])
                put_line(&g, line, col, row);
        }
        for (int64_t r = 0; padding && r < run; r++)
            memset(rows + (size_t)(r + 1) * row_bytes - padding, 0, padding);
    }
}
