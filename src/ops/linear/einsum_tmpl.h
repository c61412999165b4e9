/* Moving and adding up elements for Einsum, for one type.
 *   T         type
 *   SUM       type of sums
 *   FN(name)  name of a function */

/* Elements [begin, end) of a dense result: the sum over copy->sums of the source. */
static void FN(gather)(const struct copy *copy, const T *from, T *to, int64_t begin, int64_t end)
{
    int64_t index[CT_EINSUM_LABELS] = {0}, at = 0, rest = begin;
    for (int d = copy->n_out - 1; d >= 0; d--) {
        index[d] = rest % copy->out[d];
        rest /= copy->out[d];
        at += index[d] * copy->out_stride[d];
    }
    for (int64_t i = begin; i < end; i++) {
        if (copy->n_sum == 0) {
            to[i] = from[at];
        } else {
            int64_t sum_index[CT_EINSUM_LABELS] = {0}, sum_at = at;
            SUM sum = 0;
            for (int64_t j = 0; j < copy->sum_count; j++) {
                sum += (SUM)from[sum_at];
                for (int d = copy->n_sum - 1; d >= 0; d--) {
                    sum_at += copy->sum_stride[d];
                    if (++sum_index[d] < copy->sum[d])
                        break;
                    sum_at -= copy->sum[d] * copy->sum_stride[d];
                    sum_index[d] = 0;
                }
            }
            to[i] = (T)sum;
        }
        for (int d = copy->n_out - 1; d >= 0; d--) {
            at += copy->out_stride[d];
            if (++index[d] < copy->out[d])
                break;
            at -= copy->out[d] * copy->out_stride[d];
            index[d] = 0;
        }
    }
}

#undef T
#undef SUM
#undef FN
