/* com.microsoft.MatMulIntegerToFloat: what dynamic quantisation makes of a product.
 *   y = (A - a_zero)(B - b_zero) a_scale b_scale + bias
 * Inputs A, B, a_scale, b_scale, a_zero, b_zero, bias; the last three may be absent. */
#include "ops/quant/byte_product.h"

enum { A, B, A_SCALE, B_SCALE, A_ZERO, B_ZERO, BIAS };

static void find_roles(const struct ct_tensor *const *in, int n_in,
                       const struct ct_tensor *by_role[CT_BYTE_ROLES])
{
    static const int inputs[CT_BYTE_ROLES] = {A, A_ZERO, B, B_ZERO, A_SCALE, B_SCALE, -1, -1, BIAS};
    for (int i = 0; i < CT_BYTE_ROLES; i++)
        by_role[i] = inputs[i] < 0 || inputs[i] >= n_in ? NULL : in[inputs[i]];
}

/* `lines`: how many elements there may be instead of one; unknown: any number. */
static ct_status check_lines(const struct ct_infer *infer, int i, ct_dim lines, bool one)
{
    const struct ct_fact *f = ct_infer_in(infer, i);
    CT_TRY(ct_infer_check_rank(infer, i, 0, 1));
    if (!f || f->rank < 0)
        return CORTEN_OK;
    ct_dim count = f->rank ? f->dims[0] : 1;
    if (!ct_dim_known(count) || !ct_dim_known(lines) || count == lines || (one && count == 1))
        return CORTEN_OK;
    return ct_infer_fail(infer, "input %d has %lld elements, expected %s%lld", i, (long long)count,
                         one ? "1 or " : "", (long long)lines);
}

static ct_status infer(struct ct_infer *infer)
{
    const ct_dtypes bytes = CT_BIT(U8) | CT_BIT(I8);
    const struct ct_fact *a = ct_infer_in(infer, A), *b = ct_infer_in(infer, B);
    for (int i = A; i <= B_SCALE; i++)
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d must be present", i);
    CT_TRY(ct_infer_check_dtype(infer, B, bytes));
    CT_TRY(ct_infer_check_dtype(infer, A_SCALE, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, B_SCALE, CT_BIT(F32)));
    CT_TRY(ct_infer_check_dtype(infer, BIAS, CT_BIT(F32)));
    CT_TRY(ct_infer_check_same_dtype(infer, A, A_ZERO));
    CT_TRY(ct_infer_check_same_dtype(infer, B, B_ZERO));
    CT_TRY(ct_infer_check_rank(infer, A, 1, -1));
    CT_TRY(ct_infer_check_rank(infer, B, 2, 2));
    ct_infer_set(infer, 0, CORTEN_F32, -1, NULL);
    if (a->rank < 0 || b->rank < 0)
        return CORTEN_OK;
    ct_dim k = a->dims[a->rank - 1], n = b->dims[1], dims[CT_MAX_RANK];
    if (ct_dim_known(k) && ct_dim_known(b->dims[0]) && k != b->dims[0])
        return ct_infer_fail(infer, "cannot multiply: the operands have %lld columns and %lld rows",
                             (long long)k, (long long)b->dims[0]);
    CT_TRY(check_lines(infer, A_SCALE, 1, true));
    CT_TRY(check_lines(infer, A_ZERO, 1, true));
    CT_TRY(check_lines(infer, B_SCALE, n, true));
    CT_TRY(check_lines(infer, B_ZERO, n, true));
    CT_TRY(check_lines(infer, BIAS, n, false));
    for (int i = 0; i < a->rank - 1; i++)
        dims[i] = a->dims[i];
    dims[a->rank - 1] = n;
    ct_infer_set(infer, 0, CORTEN_F32, a->rank, dims);
    return CORTEN_OK;
}

static ct_status prepare(struct ct_prepare *prepare)
{
    const struct ct_tensor *by_role[CT_BYTE_ROLES];
    struct ct_byte_product *product = ct_prepare_alloc(prepare, sizeof *product);
    if (!product)
        return ct_fail_memory(prepare->error, sizeof *product, "a product");
    find_roles(prepare->in, prepare->n_in, by_role);
    prepare->state = product;
    return ct_byte_product_prepare(prepare, product, by_role, B,
                                   by_role[CT_BYTE_B_ZERO] ? B_ZERO : -1, CT_GEMM_I8_TO_F32);
}

static ct_status run(const struct ct_run *run)
{
    const struct ct_tensor *by_role[CT_BYTE_ROLES];
    find_roles((const struct ct_tensor *const *)run->in, run->n_in, by_role);
    ct_byte_product_run(run->state, run, by_role, run->out[0]);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    const struct ct_fact *a = infer->in[A], *b = infer->in[B];
    if (!a || !b || !ct_fact_is_concrete(a) || !ct_fact_is_concrete(b))
        return;
    double flops = 2 * (double)b->dims[1];
    for (int i = 0; i < a->rank; i++)
        flops *= (double)a->dims[i];
    cost->flops += flops;
}

const struct ct_op ct_op_matmul_integer_to_float = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .cost = cost,
    .min_in = 4,
    .max_in = 7,
    .min_out = 1,
};
