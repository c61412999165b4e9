/* MelWeightMatrix: triangular filters, evenly spaced on the mel scale. */
#include "graph/op.h"

#include <math.h>

static ct_status one_number(const struct ct_infer *infer, int i, ct_dim *value)
{
    const int64_t *values;
    int count;
    CT_TRY(ct_infer_ints(infer, i, &values, &count));
    *value = CT_DIM_UNKNOWN;
    if (values && (count != 1 || values[0] < 0 || values[0] > INT64_C(1) << 32))
        return ct_infer_fail(infer, "input %d must be one number from 0 to 2^32", i);
    if (values)
        *value = values[0];
    return CORTEN_OK;
}

static ct_status infer_mel(struct ct_infer *infer)
{
    int64_t dtype = ct_attr_int(infer->node, "output_datatype", CORTEN_F32);
    ct_dim bins, length;
    if (!ct_dtype_valid(dtype) || !ct_dtype_in((ct_dtype)dtype, CT_NUMBERS))
        return ct_infer_fail(infer, "output_datatype: %lld is no number type", (long long)dtype);
    for (int i = 0; i < 5; i++) {
        const struct ct_fact *f = ct_infer_in(infer, i);
        if (!f)
            return ct_infer_fail(infer, "input %d must be present", i);
        CT_TRY(ct_infer_check_dtype(infer, i, i < 3 ? CT_BIT(I32) | CT_BIT(I64) : CT_FLOATS));
        CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
        if (f->rank == 1 && ct_dim_known(f->dims[0]) && f->dims[0] != 1)
            return ct_infer_fail(infer, "input %d must be one number", i);
    }
    CT_TRY(one_number(infer, 0, &bins));
    CT_TRY(one_number(infer, 1, &length));
    ct_dim dims[2] = {ct_dim_add(infer, ct_dim_div(infer, length, 2), 1), bins};
    ct_infer_set(infer, 0, (ct_dtype)dtype, 2, dims);
    return CORTEN_OK;
}

static double number(const struct ct_run *run, int i)
{
    double x;
    ct_load_f64(run->in[i]->dtype, run->in[i]->data, 0, 1, &x);
    return x;
}

/* Bin of the spectrum at step `i` of the mel scale, clipped to where bins can be. */
static double bin_at(const struct ct_run *run, double i, double bins)
{
    double low = 2595 * log10(1 + number(run, 3) / 700);
    double high = 2595 * log10(1 + number(run, 4) / 700);
    double hertz = 700 * (pow(10, (i * (high - low) / (bins + 2) + low) / 2595) - 1);
    double bin = floor((number(run, 1) + 1) * hertz / number(run, 2));
    return fmax(fmin(bin, 1e12), -1e12);
}

static ct_status run_mel(const struct ct_run *run)
{
    const struct ct_tensor *y = run->out[0];
    int64_t rows = y->dims[0], cols = y->dims[1];
    if (!(number(run, 2) > 0))
        return ct_run_fail(run, "sample_rate is %g, expected a number above 0", number(run, 2));
    for (int64_t c = 0; c < cols; c++) {
        double left = bin_at(run, (double)c, (double)cols);
        double center = bin_at(run, (double)c + 1, (double)cols);
        double right = bin_at(run, (double)c + 2, (double)cols);
        for (int64_t r = 0; r < rows; r++) {
            double at = (double)r, v = 0;
            if (at == center && (left == center || right <= center))
                v = 1;
            else if (at >= left && at <= center && left < center)
                v = (at - left) / (center - left);
            if (at >= center && at < right)
                v = (right - at) / (right - center);
            ct_store_f64(y->dtype, y->data, (size_t)(r * cols + c), 1, &v);
        }
    }
    return CORTEN_OK;
}

const struct ct_op ct_op_mel_weight_matrix = {
    .infer = infer_mel,
    .run = run_mel,
    .min_in = 5,
    .max_in = 5,
    .min_out = 1,
};
