/* Convolution by plain loops, for types that no kernel is made for.
 *
 * Before including define
 *   T          element and accumulator
 *   FN         name of the function: void FN(const struct ct_conv_shape *, const T *x, const T *w,
 *              const T *bias, int64_t image, int64_t filter, T *y)
 * It computes one plane of the output, that of `filter` (0 to groups * oc - 1) and `image`. bias
 * may be NULL. Integers wrap as unsigned ones do, so T of integers is unsigned. */

static void FN(const struct ct_conv_shape *shape, const T *x, const T *w, const T *bias,
               int64_t image, int64_t filter, T *y)
{
    const struct ct_window *win = &shape->window;
    int last = win->n - 1;
    int64_t row_len = win->out[last], rows = row_len ? shape->out_plane / row_len : 0;
    int64_t kernel_row = win->kernel[last], kernel_rows = shape->kernel_volume / kernel_row;
    int64_t group = filter / shape->oc;
    x += (image * shape->groups + group) * shape->ic * shape->in_plane;
    w += filter * shape->ic * shape->kernel_volume;
    for (int64_t r = 0; r < rows; r++) {
        T *to = y + r * row_len;
        for (int64_t j = 0; j < row_len; j++)
            to[j] = bias ? bias[filter] : 0;
        for (int64_t kr = 0; kr < kernel_rows; kr++) {
            int64_t in_row = ct_conv_input_row(win, r, kr);
            if (in_row < 0)
                continue;
            for (int64_t kx = 0; kx < kernel_row; kx++) {
                int64_t first, end;
                ct_window_outputs(win, last, kx, &first, &end);
                int64_t step = win->stride[last];
                int64_t at = kx * win->dilation[last] - win->pad_begin[last];
                for (int64_t c = 0; c < shape->ic; c++) {
                    const T *from = x + c * shape->in_plane + in_row * win->in[last];
                    T weight = w[c * shape->kernel_volume + kr * kernel_row + kx];
                    for (int64_t j = first; j < end; j++)
                        to[j] = (T)(to[j] + weight * from[j * step + at]);
                }
            }
        }
    }
}

#undef T
#undef FN
