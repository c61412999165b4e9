/* One axis of the weighted modes for one type. Before including define
 *   T    float or double
 *   FN   void FN(const struct ct_resize_table *, double extrapolation, int64_t inner, const T *in,
 *        T *out, int64_t o): computes output o of the axis for one position of the axes before it;
 *        inner: elements of the axes behind it. */

static void FN(const struct ct_resize_table *table, double extrapolation, int64_t inner,
               const T *in, T *out, int64_t o)
{
    const int64_t *index = table->index + o * table->n_taps;
    const float *weights = table->weights + o * table->n_taps;
    T *restrict to = out + o * inner;
    if (table->outside && table->outside[o]) {
        for (int64_t j = 0; j < inner; j++)
            to[j] = (T)extrapolation;
        return;
    }
    if (inner == 1) {
        T sum = 0;
        for (int64_t t = 0; t < table->n_taps; t++)
            sum += (T)weights[t] * in[index[t]];
        *to = sum;
        return;
    }
    for (int64_t j = 0; j < inner; j++)
        to[j] = 0;
    for (int64_t t = 0; t < table->n_taps; t++) {
        const T *restrict from = in + index[t] * inner;
        T w = (T)weights[t];
        for (int64_t j = 0; j < inner; j++)
            to[j] += w * from[j];
    }
}

#undef T
#undef FN
