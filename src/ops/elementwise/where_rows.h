/* One row of Where. Parameters: T an element of that size; FN(name). */

static void FN(where)(void *to_memory, const uint8_t *condition, size_t condition_step,
                      const void *x_memory, size_t x_step, const void *y_memory, size_t y_step,
                      size_t n)
{
    T *to = to_memory;
    const T *x = x_memory, *y = y_memory;
    if (!condition_step) {
        const T *from = *condition ? x : y;
        size_t step = *condition ? x_step : y_step;
        for (size_t i = 0; i < n; i++)
            to[i] = from[i * step];
    } else if (x_step && y_step) {
        for (size_t i = 0; i < n; i++)
            to[i] = condition[i] ? x[i] : y[i];
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = condition[i] ? x[i * x_step] : y[i * y_step];
    }
}
