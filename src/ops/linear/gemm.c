/* Gemm: alpha * op(A) op(B) + beta * C of matrices. The `broadcast` attribute of versions 1 and 6
 * only restricts what later versions allow, and is not looked at. */
#include "ops/linear/matmul.h"

static struct ct_matmul_spec spec_of(const struct ct_node *node)
{
    struct ct_matmul_spec spec = ct_matmul_spec_default();
    bool has_c = node->n_in > 2 && node->in[2].value;
    spec.a_transposed = ct_attr_int(node, "transA", 0) != 0;
    spec.b_transposed = ct_attr_int(node, "transB", 0) != 0;
    spec.alpha = ct_attr_float(node, "alpha", 1);
    spec.beta = ct_attr_float(node, "beta", 1);
    if (has_c && spec.beta != 0.0f)
        spec.residual = 2;
    return spec;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_matmul_spec spec = spec_of(infer->node);
    CT_TRY(ct_infer_check_rank(infer, 0, 2, 2));
    CT_TRY(ct_infer_check_rank(infer, 1, 2, 2));
    return ct_matmul_infer(infer, &spec);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct ct_matmul_spec spec = spec_of(prepare->node);
    struct ct_matmul *state = ct_prepare_alloc(prepare, sizeof *state);
    if (!state)
        return ct_fail_memory(prepare->error, sizeof *state, "the state of a product");
    if (prepare->n_in <= 2 || !prepare->in[2])
        spec.residual = -1;
    if (spec.residual >= 0 && spec.beta == 1.0f &&
        ct_dtype_in(prepare->in[0]->dtype, CT_BIT(F32) | CT_BIT(F16) | CT_BIT(BF16))) {
        spec.bias = spec.residual;
        spec.residual = -1;
    }
    prepare->state = state;
    return ct_matmul_prepare(prepare, &spec, state);
}

static ct_status run(const struct ct_run *run)
{
    return ct_matmul_run(run->state, run);
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct ct_matmul_spec spec = spec_of(infer->node);
    ct_matmul_cost(infer, &spec, cost);
}

const struct ct_op ct_op_gemm = {.infer = infer,
                                 .prepare = prepare,
                                 .run = run,
                                 .cost = cost,
                                 .min_in = 2,
                                 .max_in = 3,
                                 .min_out = 1};
