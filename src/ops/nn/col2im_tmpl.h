/* Col2Im for one accumulator type. Before including define
 *   T    accumulator; integers are unsigned, so that they wrap
 *   FN   void FN(const struct ct_conv_shape *, int64_t parts, const T *columns, T *image): one
 *        channel; `parts` numbers make an element. */

static void FN(const struct ct_conv_shape *shape, int64_t parts, const T *columns, T *image)
{
    const struct ct_window *w = &shape->window;
    int last = w->n - 1;
    int64_t row_len = w->out[last], rows = row_len ? shape->out_plane / row_len : 0;
    int64_t kernel_row = w->kernel[last], kernel_rows = shape->kernel_volume / kernel_row;
    for (int64_t i = 0; i < shape->in_plane * parts; i++)
        image[i] = 0;
    for (int64_t kr = 0; kr < kernel_rows; kr++)
        for (int64_t r = 0; r < rows; r++) {
            int64_t image_row = ct_conv_input_row(w, r, kr);
            for (int64_t kx = 0; kx < kernel_row && image_row >= 0; kx++) {
                int64_t first, end, step = w->stride[last];
                ct_window_outputs(w, last, kx, &first, &end);
                const T *from =
                    columns + ((kr * kernel_row + kx) * shape->out_plane + r * row_len) * parts;
                int64_t at = image_row * w->in[last] + kx * w->dilation[last] - w->pad_begin[last];
                for (int64_t j = first; j < end; j++)
                    for (int64_t p = 0; p < parts; p++)
                        image[(at + j * step) * parts + p] += from[j * parts + p];
            }
        }
}

#undef T
#undef FN
