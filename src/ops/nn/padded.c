#include "ops/nn/padded.h"

enum { AXES = CT_PADDED_AXES, MAX_TAPS = 1 << 12, MAX_ELEMS = 1 << 22 };

static struct ct_window three_axes(const struct ct_window *w)
{
    struct ct_window to = {.n = AXES};
    for (int i = 0; i < AXES; i++) {
        int from = i - (AXES - w->n);
        bool real = from >= 0;
        to.in[i] = real ? w->in[from] : 1;
        to.out[i] = real ? w->out[from] : 1;
        to.kernel[i] = real ? w->kernel[from] : 1;
        to.stride[i] = real ? w->stride[from] : 1;
        to.dilation[i] = real ? w->dilation[from] : 1;
        to.pad_begin[i] = real ? w->pad_begin[from] : 0;
        to.pad_end[i] = real ? w->pad_end[from] : 0;
    }
    return to;
}

/* The last window of ceil_mode may reach beyond the padding. */
static int64_t size_with_padding(const struct ct_window *w, int axis)
{
    int64_t size = w->in[axis] + w->pad_begin[axis] + w->pad_end[axis];
    int64_t reach = (w->out[axis] - 1) * w->stride[axis] + ct_window_extent(w, axis);
    return reach > size ? reach : size;
}

bool ct_padded_fits(const struct ct_window *window)
{
    if (window->n > AXES || window->n < 1)
        return false;
    struct ct_window w = three_axes(window);
    double elems = 1, taps = 1;
    for (int i = 0; i < AXES; i++) {
        elems *= (double)size_with_padding(&w, i) + (double)w.stride[i];
        taps *= (double)w.kernel[i];
    }
    return elems <= MAX_ELEMS && taps <= MAX_TAPS;
}

ct_status ct_padded_init(struct ct_padded *p, struct ct_prepare *prepare,
                         const struct ct_window *window)
{
    struct ct_window *w = &p->window;
    *w = three_axes(window);
    p->gather = ct_conv_f32_select(ct_cpu_features());
    p->rows = size_with_padding(w, 1);
    p->phase_len = (size_with_padding(w, 2) + w->stride[2] - 1) / w->stride[2];
    p->row_len = p->phase_len * w->stride[2];
    p->n_elems = (int64_t)ct_align_up((size_t)(size_with_padding(w, 0) * p->rows * p->row_len), 16);
    size_t bytes = (size_t)ct_dims_product(w->kernel, 0, AXES) * sizeof *p->taps;
    p->taps = ct_prepare_alloc(prepare, bytes);
    if (!p->taps)
        return ct_fail_memory(prepare->error, bytes, "positions of a window");
    p->n_taps = 0;
    for (int64_t d = 0; d < w->kernel[0]; d++)
        for (int64_t h = 0; h < w->kernel[1]; h++)
            for (int64_t x = 0; x < w->kernel[2]; x++) {
                int64_t row = d * w->dilation[0] * p->rows + h * w->dilation[1];
                int64_t col = x * w->dilation[2];
                p->taps[p->n_taps++] =
                    (size_t)(row * p->row_len + col % w->stride[2] * p->phase_len +
                             col / w->stride[2]);
            }
    return CORTEN_OK;
}

void ct_padded_fill(const struct ct_padded *p, float value, float *memory)
{
    for (int64_t i = 0; i < p->n_elems; i++)
        memory[i] = value;
}

/* All rows of a slice, for one remainder of the columns modulo the stride. */
static void copy_phase(const struct ct_padded *p, const float *x, int64_t phase, float *slice)
{
    const struct ct_window *w = &p->window;
    int64_t step = w->stride[2], pad = w->pad_begin[2];
    int64_t first = (phase - pad % step + step) % step;
    if (first >= w->in[2])
        return;
    size_t n = (size_t)((w->in[2] - first + step - 1) / step);
    struct ct_conv_gather_f32 rows = {
        .x = x + first,
        .channels = (size_t)w->in[1],
        .channel_stride = (size_t)w->in[2],
        .step = (size_t)step,
        .n = n,
        .high = n,
        .to = slice + phase * p->phase_len + (first + pad) / step,
        .to_stride = (size_t)p->row_len,
    };
    p->gather->fn->gather(&rows);
}

void ct_padded_copy(const struct ct_padded *p, const float *x, float *memory)
{
    const struct ct_window *w = &p->window;
    for (int64_t d = 0; d < w->in[0]; d++) {
        int64_t row = (d + w->pad_begin[0]) * p->rows + w->pad_begin[1];
        for (int64_t phase = 0; phase < w->stride[2]; phase++)
            copy_phase(p, x + d * w->in[1] * w->in[2], phase, memory + row * p->row_len);
    }
}
