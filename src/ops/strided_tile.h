/* Tiles of a strided copy. Parameters: T, an element of that size that may lie at any address;
 * FN(name); TURN_4X4(to, to_stride, from, from_stride), a faster way to transpose 4 by 4 elements,
 * may be missing. Strides are in elements of T. */

/* Elements of a row: `to` dense, or not. */
static void FN(row)(T *to, int64_t to_stride, const T *from, int64_t from_stride, int64_t n)
{
    if (to_stride == 1 && from_stride == 1) {
        memcpy(to, from, (size_t)n * sizeof(T));
    } else if (to_stride == 1 && from_stride == 0) {
        const T value = *from;
        for (int64_t i = 0; i < n; i++)
            to[i] = value;
    } else if (to_stride == 1) {
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i * from_stride];
    } else {
        for (int64_t i = 0; i < n; i++)
            to[i * to_stride] = from[i * from_stride];
    }
}

/* A square whose sides are a cache line: block[i][j] = source[j][i]. */
static inline void FN(turn)(T block[LINE / sizeof(T)][LINE / sizeof(T)], const T *source,
                            int64_t stride)
{
    enum { SIDE = LINE / sizeof(T) };
#ifdef TURN_4X4
    for (int j = 0; j < SIDE; j += 4)
        for (int i = 0; i < SIDE; i += 4)
            TURN_4X4(&block[i][j], SIDE, source + j * stride + i, stride);
#else
    for (int j = 0; j < SIDE; j++)
        for (int i = 0; i < SIDE; i++)
            block[i][j] = source[j * stride + i];
#endif
}

/* to[r][c] = from[c][r], both dense in their last index. Squares go through a buffer, so that every
 * line of memory is read or written once and whole: strides are often powers of two, and lines
 * then push each other out of the cache. */
static void FN(transpose)(T *to, int64_t to_stride, const T *from, int64_t from_stride,
                          int64_t rows, int64_t cols)
{
    enum { SIDE = LINE / sizeof(T) };
    for (int64_t c = 0; c < cols; c += SIDE) {
        for (int64_t r = 0; r < rows; r += SIDE) {
            const T *source = from + c * from_stride + r;
            T *target = to + r * to_stride + c;
            if (rows - r < SIDE || cols - c < SIDE) {
                for (int64_t i = 0; i < SIDE && i < rows - r; i++)
                    for (int64_t j = 0; j < SIDE && j < cols - c; j++)
                        target[i * to_stride + j] = source[j * from_stride + i];
                continue;
            }
            T block[SIDE][SIDE];
            FN(turn)(block, source, from_stride);
            for (int i = 0; i < SIDE; i++)
                memcpy(target + i * to_stride, block[i], sizeof block[i]);
        }
    }
}

/* The last two axes from their first elements on. */
static void FN(tile)(const struct ct_strided_copy *copy, void *to_memory, const void *from_memory,
                     int64_t rows, int64_t cols)
{
    const int r = copy->rank - 2, c = copy->rank - 1;
    T *to = to_memory;
    const T *from = from_memory;
    if (copy->transposes) {
        FN(transpose)(to, copy->to_stride[r], from, copy->from_stride[c], rows, cols);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        FN(row)
    (to + i * copy->to_stride[r], copy->to_stride[c], from + i * copy->from_stride[r],
     copy->from_stride[c], cols);
}

static void FN(fill)(void *to_memory, size_t n, const void *value_memory)
{
    T *to = to_memory;
    const T value = *(const T *)value_memory;
    for (size_t i = 0; i < n; i++)
        to[i] = value;
}
