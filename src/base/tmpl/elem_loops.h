/* Loops between one element type and float, double and int64_t.
 *
 * Parameters, undefined again at the end:
 *   CT_T              the C type of an element
 *   CT_T_NAME         ends the names of the functions
 *   CT_T_TO_F32(x)    an expression of type float
 *   CT_T_FROM_F32(x)  of type CT_T
 * and, unless CT_T_FLOAT_ONLY is defined, the same for double and int64_t:
 *   CT_T_TO_F64(x) CT_T_FROM_F64(x) CT_T_TO_I64(x) CT_T_FROM_I64(x)
 *
 * Defines load_f32_NAME(from, n, to), store_f32_NAME(to, n, from) and so on, static. What is read
 * may be unaligned (weights lie in the model file as they come); what is written is aligned. */

#ifndef CT_T
#error "define CT_T and the other parameters"
#endif

#define CT_T_PASTE_(a, b) a##b
#define CT_T_PASTE(a, b) CT_T_PASTE_(a, b)

static void CT_T_PASTE(load_f32_, CT_T_NAME)(const void *restrict from, size_t n,
                                             float *restrict to)
{
    const char *p = from;
    for (size_t i = 0; i < n; i++) {
        CT_T x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        to[i] = CT_T_TO_F32(x);
    }
}

static void CT_T_PASTE(store_f32_, CT_T_NAME)(void *restrict to, size_t n,
                                              const void *restrict from)
{
    const char *p = from;
    CT_T *q = to;
    for (size_t i = 0; i < n; i++) {
        float x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        q[i] = CT_T_FROM_F32(x);
    }
}

#ifndef CT_T_FLOAT_ONLY
static void CT_T_PASTE(load_f64_, CT_T_NAME)(const void *restrict from, size_t n,
                                             double *restrict to)
{
    const char *p = from;
    for (size_t i = 0; i < n; i++) {
        CT_T x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        to[i] = CT_T_TO_F64(x);
    }
}

static void CT_T_PASTE(store_f64_, CT_T_NAME)(void *restrict to, size_t n,
                                              const void *restrict from)
{
    const char *p = from;
    CT_T *q = to;
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        q[i] = CT_T_FROM_F64(x);
    }
}

static void CT_T_PASTE(load_i64_, CT_T_NAME)(const void *restrict from, size_t n,
                                             int64_t *restrict to)
{
    const char *p = from;
    for (size_t i = 0; i < n; i++) {
        CT_T x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        to[i] = CT_T_TO_I64(x);
    }
}

static void CT_T_PASTE(store_i64_, CT_T_NAME)(void *restrict to, size_t n,
                                              const void *restrict from)
{
    const char *p = from;
    CT_T *q = to;
    for (size_t i = 0; i < n; i++) {
        int64_t x;
        memcpy(&x, p + i * sizeof x, sizeof x);
        q[i] = CT_T_FROM_I64(x);
    }
}
#endif

#undef CT_T
#undef CT_T_NAME
#undef CT_T_TO_F32
#undef CT_T_FROM_F32
#undef CT_T_TO_F64
#undef CT_T_FROM_F64
#undef CT_T_TO_I64
#undef CT_T_FROM_I64
#undef CT_T_FLOAT_ONLY
#undef CT_T_PASTE
#undef CT_T_PASTE_
