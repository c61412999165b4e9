#include "ops/nn/im2col.h"

#include <string.h>

/* A run of columns whose outputs lie in one row of the last axis. */
struct segment {
    size_t at, n;                      /* columns of the panel */
    int64_t start[CT_WINDOW_MAX_AXES]; /* input position of kernel element 0, each axis */
};

/* Where one kernel position reads for a segment. */
struct source {
    const float *x; /* of column lo */
    size_t lo, hi;  /* columns that read inside; the others are zero */
    int64_t step;
};

static struct source find_source(const struct ct_window *w, const struct segment *s, const float *x,
                                 const int64_t *k)
{
    struct source none = {x, s->n, s->n, 1};
    int last = w->n - 1;
    int64_t offset = 0;
    for (int i = 0; i < last; i++) {
        int64_t at = s->start[i] + k[i] * w->dilation[i];
        if (at < 0 || at >= w->in[i])
            return none;
        offset = (offset + at) * w->in[i + 1];
    }
    int64_t at = s->start[last] + k[last] * w->dilation[last], step = w->stride[last];
    int64_t lo = at >= 0 ? 0 : (-at + step - 1) / step;
    int64_t hi = at >= w->in[last] ? 0 : (w->in[last] - at + step - 1) / step;
    if (hi > (int64_t)s->n)
        hi = (int64_t)s->n;
    if (lo >= hi)
        return none;
    return (struct source){x + offset + at + lo * step, (size_t)lo, (size_t)hi, step};
}

static void fill_segment(const struct ct_conv_f32_kernel *kernel, const struct ct_window *w,
                         const struct segment *s, const float *x, int64_t channels,
                         int64_t in_plane, size_t nr, float *panel)
{
    int64_t k[CT_WINDOW_MAX_AXES] = {0};
    int64_t volume = ct_dims_product(w->kernel, 0, w->n);
    for (int64_t row = 0; row < volume; row++) {
        struct source from = find_source(w, s, x, k);
        struct ct_conv_gather_f32 gather = {
            .x = from.x,
            .channels = (size_t)channels,
            .channel_stride = (size_t)in_plane,
            .step = (size_t)from.step,
            .n = s->n,
            .low = from.lo,
            .high = from.hi,
            .to = panel + (size_t)row * nr + s->at,
            .to_stride = (size_t)volume * nr,
        };
        kernel->fn->gather(&gather);
        for (int i = w->n - 1; i >= 0 && ++k[i] == w->kernel[i]; i--)
            k[i] = 0;
    }
}

void ct_im2col_panel(const struct ct_conv_f32_kernel *kernel, const struct ct_window *w,
                     const float *x, int64_t channels, int64_t in_plane, int64_t pixel, size_t n,
                     size_t nr, float *panel)
{
    int last = w->n - 1;
    for (size_t done = 0; done < n;) {
        struct segment s = {.at = done};
        int64_t left = pixel + (int64_t)done;
        int64_t o = left % w->out[last];
        size_t room = (size_t)(w->out[last] - o);
        s.n = room < n - done ? room : n - done;
        for (int i = last; i >= 0; i--) {
            s.start[i] = left % w->out[i] * w->stride[i] - w->pad_begin[i];
            left /= w->out[i];
        }
        fill_segment(kernel, w, &s, x, channels, in_plane, nr, panel);
        done += s.n;
    }
    if (n == nr)
        return;
    int64_t rows = channels * ct_dims_product(w->kernel, 0, w->n);
    for (int64_t r = 0; r < rows; r++)
        memset(panel + (size_t)r * nr + n, 0, (nr - n) * sizeof *panel);
}
