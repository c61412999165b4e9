/* Transposed convolution by plain loops, for one type. `shape` is that of the convolution whose
 * transpose it is: window.in is the space of Y and window.out that of X; ic are the channels of X
 * in a group and oc the filters.
 *
 * Before including define
 *   T    float or double
 *   FN   void FN(const struct ct_conv_shape *, const T *x, const T *w, const T *bias,
 *                int64_t image, int64_t filter, T *y): computes one plane y. */

static void FN(const struct ct_conv_shape *shape, const T *x, const T *w, const T *bias,
               int64_t image, int64_t filter, T *y)
{
    const struct ct_window *win = &shape->window;
    int last = win->n - 1;
    int64_t row_len = win->out[last], rows = row_len ? shape->out_plane / row_len : 0;
    int64_t kernel_row = win->kernel[last], kernel_rows = shape->kernel_volume / kernel_row;
    int64_t group = filter / shape->oc, step = win->stride[last];
    x += (image * shape->groups + group) * shape->ic * shape->out_plane;
    w += (group * shape->ic * shape->oc + filter % shape->oc) * shape->kernel_volume;
    for (int64_t i = 0; i < shape->in_plane; i++)
        y[i] = bias ? bias[filter] : 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t kr = 0; kr < kernel_rows; kr++) {
            int64_t y_row = ct_conv_input_row(win, r, kr);
            if (y_row < 0)
                continue;
            for (int64_t kx = 0; kx < kernel_row; kx++) {
                int64_t first, end;
                ct_window_outputs(win, last, kx, &first, &end);
                T *to = y + y_row * win->in[last] + kx * win->dilation[last] - win->pad_begin[last];
                for (int64_t c = 0; c < shape->ic; c++) {
                    const T *from = x + c * shape->out_plane + r * row_len;
                    T weight = w[c * shape->oc * shape->kernel_volume + kr * kernel_row + kx];
                    for (int64_t j = first; j < end; j++)
                        to[j * step] += weight * from[j];
                }
            }
        }
}

#undef T
#undef FN
