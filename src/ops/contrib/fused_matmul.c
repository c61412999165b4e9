/* ai.corten.FusedMatMul: y = act(alpha * op(A) op(B) + bias + residual).
 * Inputs A, B, bias (optional), residual (optional, of the shape of y); attributes alpha, transA,
 * transB, activation, activation_params. */
#include "ops/activation.h"
#include "ops/linear/matmul.h"

static bool read_spec(const struct ct_node *node, struct ct_matmul_spec *spec)
{
    struct ct_gemm_post post = {0};
    *spec = ct_matmul_spec_default();
    spec->alpha = ct_attr_float(node, "alpha", 1);
    spec->a_transposed = ct_attr_int(node, "transA", 0) != 0;
    spec->b_transposed = ct_attr_int(node, "transB", 0) != 0;
    spec->bias = node->n_in > 2 && node->in[2].value ? 2 : -1;
    spec->residual = node->n_in > 3 && node->in[3].value ? 3 : -1;
    if (!ct_activation_read(node, &post))
        return false;
    spec->act = post.act;
    spec->act_params[0] = post.act_params[0];
    spec->act_params[1] = post.act_params[1];
    return true;
}

static ct_status infer(struct ct_infer *infer)
{
    struct ct_matmul_spec spec;
    if (!read_spec(infer->node, &spec))
        return ct_infer_fail(infer, "the activation is not known");
    return ct_matmul_infer(infer, &spec);
}

static ct_status run(const struct ct_run *run)
{
    return ct_matmul_run(run->state, run);
}

static ct_status prepare(struct ct_prepare *prepare)
{
    struct ct_matmul_spec spec;
    struct ct_matmul *matmul = ct_prepare_alloc(prepare, sizeof *matmul);
    if (!matmul)
        return ct_fail_memory(prepare->error, sizeof *matmul, "a product");
    read_spec(prepare->node, &spec);
    CT_TRY(ct_matmul_prepare(prepare, &spec, matmul));
    prepare->state = matmul;
    prepare->run = run;
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct ct_matmul_spec spec;
    read_spec(infer->node, &spec);
    ct_matmul_cost(infer, &spec, cost);
}

const struct ct_op ct_op_corten_fused_matmul = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .cost = cost,
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
};
