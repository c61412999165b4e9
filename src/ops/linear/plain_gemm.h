/* C = A B of one type in plain C, for the types that have no kernels of their own.
 *   T         type
 *   FN(name)  name of a function
 * Defines FN(gemm_rows): rows [begin, end) of C, dense with n columns. Element (i, p) of A is
 * a[i * a_row + p * a_col], (p, j) of B is b[p * b_row + j * b_col]. Unsigned T: wraps. */

static void FN(gemm_rows)(const T *a, int64_t a_row, int64_t a_col, const T *b, int64_t b_row,
                          int64_t b_col, T *restrict c, int64_t begin, int64_t end, int64_t n,
                          int64_t k)
{
    for (int64_t i = begin; i < end; i++) {
        T *restrict row = c + i * n;
        for (int64_t j = 0; j < n; j++)
            row[j] = 0;
        if (b_col == 1) {
            for (int64_t p = 0; p < k; p++) {
                T x = a[i * a_row + p * a_col];
                const T *restrict from = b + p * b_row;
                for (int64_t j = 0; j < n; j++)
                    row[j] += x * from[j];
            }
            continue;
        }
        for (int64_t j = 0; j < n; j++) {
            T sum = 0;
            for (int64_t p = 0; p < k; p++)
                sum += a[i * a_row + p * a_col] * b[p * b_row + j * b_col];
            row[j] = sum;
        }
    }
}

#undef T
#undef FN
