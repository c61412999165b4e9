/* One row of a product by plain loops. Before including define
 *   T    element and accumulator; integers are unsigned, so that they wrap
 *   FN   void FN(const T *a, const T *b, int64_t k, int64_t n, T *c): c[n] = a[k] * b[k][n] */

static void FN(const T *restrict a, const T *restrict b, int64_t k, int64_t n, T *restrict c)
{
    for (int64_t j = 0; j < n; j++)
        c[j] = 0;
    for (int64_t p = 0; p < k; p++, b += n) {
        T x = a[p];
        if (x == 0)
            continue;
        for (int64_t j = 0; j < n; j++)
            c[j] += x * b[j];
    }
}

#undef T
#undef FN
