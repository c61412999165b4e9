/* What the operators of the blocked layout share. */
#include "ops/blocked/blocked.h"

#include <string.h>

ct_status ct_blocked_check(const struct ct_infer *infer, int index, enum ct_layout layout)
{
    const struct ct_fact *x = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, 4, 4));
    CT_TRY(ct_infer_check_dtype(infer, index, CT_BIT(F32)));
    if (x && x->layout != layout)
        return ct_infer_fail(infer, "input %d must be in the %s layout", index,
                             layout == CT_LAYOUT_PLAIN ? "plain" : "blocked");
    return CORTEN_OK;
}

void ct_blocked_set_layout(const struct ct_infer *infer)
{
    if (infer->out[0])
        infer->out[0]->layout = CT_LAYOUT_NCXc16;
}

struct ct_blocked_window ct_blocked_window_of(const struct ct_window *window)
{
    struct ct_blocked_window w;
    for (int i = 0; i < 2; i++) {
        w.in[i] = window->in[i];
        w.out[i] = window->out[i];
        w.kernel[i] = window->kernel[i];
        w.stride[i] = window->stride[i];
        w.dilation[i] = window->dilation[i];
        w.pad[i] = window->pad_begin[i];
    }
    return w;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

void ct_blocked_patch(const struct ct_blocked_window *w, const float *plane, int64_t row,
                      int64_t n_rows, int64_t row_step, int64_t col, int64_t n_cols, float *patch)
{
    int64_t first = clamp(-col, 0, n_cols), end = clamp(w->in[1] - col, first, n_cols);
    const size_t pixel_bytes = CT_CONV_BLOCK * sizeof *patch;
    for (int64_t r = 0; r < n_rows; r++, row += row_step, patch += n_cols * CT_CONV_BLOCK) {
        if (row < 0 || row >= w->in[0] || first == end) {
            memset(patch, 0, (size_t)n_cols * pixel_bytes);
            continue;
        }
        const float *from = plane + (row * w->in[1] + col + first) * CT_CONV_BLOCK;
        memset(patch, 0, (size_t)first * pixel_bytes);
        memcpy(patch + first * CT_CONV_BLOCK, from, (size_t)(end - first) * pixel_bytes);
        memset(patch + end * CT_CONV_BLOCK, 0, (size_t)(n_cols - end) * pixel_bytes);
    }
}
