/* Loops of the plain C elementwise kernels over one type.
 *
 * Parameters: T the element type; FN(name) makes names of this inclusion.
 * The function argument is always a known one, so that each call becomes a loop of its own. */

static inline __attribute__((always_inline)) void FN(map)(T *to, const T *from, size_t n,
                                                          const T *params,
                                                          T (*of)(T x, const T *params))
{
    for (size_t i = 0; i < n; i++)
        to[i] = of(from[i], params);
}

static inline __attribute__((always_inline)) void FN(zip)(T *to, const T *a, size_t a_step,
                                                          const T *b, size_t b_step, size_t n,
                                                          T (*of)(T a, T b))
{
    if (a_step && b_step) {
        for (size_t i = 0; i < n; i++)
            to[i] = of(a[i], b[i]);
    } else if (a_step) {
        const T value = *b;
        for (size_t i = 0; i < n; i++)
            to[i] = of(a[i], value);
    } else {
        const T value = *a;
        for (size_t i = 0; i < n; i++)
            to[i] = of(value, b[i * b_step]);
    }
}

static inline __attribute__((always_inline)) void FN(test)(uint8_t *to, const T *a, size_t a_step,
                                                           const T *b, size_t b_step, size_t n,
                                                           bool (*of)(T a, T b))
{
    if (a_step && b_step) {
        for (size_t i = 0; i < n; i++)
            to[i] = of(a[i], b[i]);
    } else if (a_step) {
        const T value = *b;
        for (size_t i = 0; i < n; i++)
            to[i] = of(a[i], value);
    } else {
        const T value = *a;
        for (size_t i = 0; i < n; i++)
            to[i] = of(value, b[i * b_step]);
    }
}

static inline bool FN(is_equal)(T a, T b)
{
    return a == b;
}
static inline bool FN(is_greater)(T a, T b)
{
    return a > b;
}
static inline bool FN(is_greater_or_equal)(T a, T b)
{
    return a >= b;
}
static inline bool FN(is_less)(T a, T b)
{
    return a < b;
}
static inline bool FN(is_less_or_equal)(T a, T b)
{
    return a <= b;
}

/* False when op is not a comparison. */
static bool FN(compare)(enum ct_binary op, uint8_t *to, const T *a, size_t a_step, const T *b,
                        size_t b_step, size_t n)
{
    switch (op) {
    case CT_BINARY_EQUAL: FN(test)(to, a, a_step, b, b_step, n, FN(is_equal)); return true;
    case CT_BINARY_GREATER: FN(test)(to, a, a_step, b, b_step, n, FN(is_greater)); return true;
    case CT_BINARY_GREATER_OR_EQUAL:
        FN(test)(to, a, a_step, b, b_step, n, FN(is_greater_or_equal));
        return true;
    case CT_BINARY_LESS: FN(test)(to, a, a_step, b, b_step, n, FN(is_less)); return true;
    case CT_BINARY_LESS_OR_EQUAL:
        FN(test)(to, a, a_step, b, b_step, n, FN(is_less_or_equal));
        return true;
    default: return false;
    }
}
