/* The loops of moments.c for one type.
 * Before including define T, and ADD, FIT as the names of the two functions. */

/* Eight sums side by side, in T over short runs and in double beyond: exact enough, and the
 * compiler can keep them in vectors. */
static void ADD(const T *x, int64_t n, double shift, double *sum, double *squares)
{
    enum { LANES = 8, RUN = 512 };
    T s = (T)shift;
    double total = 0, total_squares = 0;
    for (int64_t begin = 0; begin < n; begin += RUN) {
        int64_t end = n - begin < RUN ? n : begin + RUN, i = begin;
        T lane[LANES] = {0}, lane2[LANES] = {0};
        for (; i + LANES <= end; i += LANES)
            for (int j = 0; j < LANES; j++) {
                T d = x[i + j] - s;
                lane[j] += d;
                lane2[j] += d * d;
            }
        for (; i < end; i++) {
            T d = x[i] - s;
            lane[0] += d;
            lane2[0] += d * d;
        }
        for (int j = 0; j < LANES; j++) {
            total += (double)lane[j];
            total_squares += (double)lane2[j];
        }
    }
    if (sum)
        *sum += total;
    if (squares)
        *squares += total_squares;
}

static void FIT(const T *x, int64_t n, T mean, T a, T b, T *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = a * (x[i] - mean) + b;
}

#undef T
#undef ADD
#undef FIT
