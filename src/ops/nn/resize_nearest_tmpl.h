/* A row of the nearest mode for one element size. Before including define T and FN. */

static void FN(const void *in, const int64_t *index, int64_t n, void *out)
{
    const T *restrict x = in;
    T *restrict y = out;
    for (int64_t i = 0; i < n; i++)
        y[i] = x[index[i]];
}

#undef T
#undef FN
