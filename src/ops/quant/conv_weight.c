/* Weights of byte convolutions, packed. */
#include "ops/quant/conv_bytes.h"

/* Rows and columns of a depthwise window: all axes but the last are rows. */
static size_t window_cols(const struct ct_conv_bytes *conv)
{
    return (size_t)conv->shape.window.kernel[conv->shape.window.n - 1];
}

static size_t window_rows(const struct ct_conv_bytes *conv)
{
    return (size_t)conv->shape.kernel_volume / window_cols(conv);
}

static size_t depthwise_bytes(const struct ct_conv_bytes *conv)
{
    return ct_align_up(conv->depthwise->fn->packed_bytes((size_t)conv->shape.groups,
                                                         window_rows(conv), window_cols(conv)),
                       CT_ALIGN);
}

size_t ct_conv_weight_bytes(const struct ct_conv_bytes *conv)
{
    const struct ct_conv_shape *s = &conv->shape;
    if (conv->depthwise)
        return depthwise_bytes(conv) + (size_t)s->groups * sizeof(int32_t);
    size_t cols = (size_t)conv->col_panels * conv->kernel->nr;
    size_t panel = ct_gemm_i8_panel_b_bytes(conv->kernel, (size_t)conv->k);
    return (size_t)s->groups *
           ct_align_up((size_t)conv->col_panels * panel + 2 * cols * sizeof(int32_t), CT_ALIGN);
}

const int32_t *ct_conv_weight_sums(const struct ct_conv_bytes *conv, const char *packed)
{
    size_t before = conv->depthwise ? depthwise_bytes(conv)
                                    : (size_t)conv->col_panels *
                                          ct_gemm_i8_panel_b_bytes(conv->kernel, (size_t)conv->k);
    return (const int32_t *)(const void *)(packed + before);
}

static int32_t zero_of(const struct ct_conv_bytes *conv, const struct ct_tensor *zero,
                       int64_t filter)
{
    if (!zero)
        return 0;
    size_t i = ct_count(zero) == 1 ? 0 : (size_t)filter;
    return conv->w_signed ? ((const int8_t *)zero->data)[i] : ((const uint8_t *)zero->data)[i];
}

/* Kernels want columns of the window outermost, then its rows, then channels. */
static void pack_depthwise(const struct ct_conv_bytes *conv, const uint8_t *w,
                           const struct ct_tensor *w_zero, char *packed, int16_t *values)
{
    size_t channels = (size_t)conv->shape.groups;
    size_t rows = window_rows(conv), cols = window_cols(conv);
    int32_t *sums = (int32_t *)(uintptr_t)ct_conv_weight_sums(conv, packed);
    for (size_t c = 0; c < channels; c++) {
        int32_t zero = zero_of(conv, w_zero, (int64_t)c);
        sums[c] = 0;
        for (size_t t = 0; t < rows * cols; t++) {
            uint8_t byte = w[c * rows * cols + t];
            int32_t v = (conv->w_signed ? (int8_t)byte : byte) - zero;
            values[(t % cols * rows + t / cols) * channels + c] = (int16_t)v;
            sums[c] += v;
        }
    }
    conv->depthwise->fn->pack(channels, rows, cols, values, packed);
}

/* Rows of the product are positions of the window, channels innermost, so that a gathered row is
 * made of runs. */
static void pack_panel(const struct ct_conv_bytes *conv, const uint8_t *w, int64_t n, uint8_t *row,
                       void *panel, int32_t *sums)
{
    int64_t ic = conv->shape.ic, taps = conv->shape.kernel_volume;
    for (int64_t j = 0; j < n; j++)
        for (int64_t c = 0; c < ic; c++)
            for (int64_t t = 0; t < taps; t++)
                row[j * conv->k + t * ic + c] = w[(j * ic + c) * taps + t];
    conv->kernel->fn->pack_b((size_t)conv->k, (size_t)n, row, 1, (size_t)conv->k,
                             conv->w_signed ? 0 : 0x80, panel, sums);
}

static void pack_group(const struct ct_conv_bytes *conv, int64_t g, const uint8_t *w,
                       const struct ct_tensor *w_zero, char *group, uint8_t *rows)
{
    int64_t nr = (int64_t)conv->kernel->nr, oc = conv->shape.oc;
    size_t panel = ct_gemm_i8_panel_b_bytes(conv->kernel, (size_t)conv->k);
    int32_t *sums = (int32_t *)(uintptr_t)ct_conv_weight_sums(conv, group);
    int32_t *zeros = sums + conv->col_panels * nr;
    for (int64_t p = 0; p < conv->col_panels; p++) {
        int64_t first = p * nr, n = oc - first < nr ? oc - first : nr;
        pack_panel(conv, w + (g * oc + first) * conv->k, n, rows, group + (size_t)p * panel,
                   sums + first);
        for (int64_t j = first; j < first + nr; j++) {
            zeros[j] = j < oc ? zero_of(conv, w_zero, g * oc + j) - (conv->w_signed ? 0 : 128) : 0;
            sums[j] -= (int32_t)((uint32_t)conv->k * (uint32_t)zeros[j]);
        }
    }
}

size_t ct_conv_weight_rows_bytes(const struct ct_conv_bytes *conv)
{
    return conv->depthwise
               ? (size_t)(conv->shape.groups * conv->shape.kernel_volume) * sizeof(int16_t)
               : (size_t)conv->k * conv->kernel->nr;
}

void ct_conv_weight_pack(const struct ct_conv_bytes *conv, const struct ct_tensor *w,
                         const struct ct_tensor *w_zero, void *packed, void *rows)
{
    if (conv->depthwise) {
        pack_depthwise(conv, w->data, w_zero, packed, rows);
        return;
    }
    for (int64_t g = 0; g < conv->shape.groups; g++)
        pack_group(conv, g, w->data, w_zero, (char *)packed + (size_t)g * conv->group_bytes, rows);
}
