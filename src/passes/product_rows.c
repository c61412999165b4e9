/* Products of rows. Exporters make a matrix of a batch of rows before a product with a weight, and
 * a batch again after it:
 *
 *   Reshape(Gemm(Reshape(x, [-1, K]), W, b), [B, S, N])
 *
 * MatMul takes the batch as it is, with one Reshape less or two; the bias becomes an Add, which pays
 * when fusions follow. A 2-D MatMul and its Add become a Gemm. */
#include <string.h>

#include "passes/rewrite.h"

/* A Gemm that is x W + b with nothing scaled or transposed in x. */
static bool is_plain_gemm(const struct ct_node *node)
{
    const struct ct_value *c = ct_input(node, 2);
    return ct_attr_float(node, "alpha", 1) == 1 && ct_attr_int(node, "transA", 0) == 0 &&
           (!c || (ct_attr_float(node, "beta", 1) == 1 && c->fact.rank >= 0 && c->fact.rank <= 1));
}

/* The weight as [K, N]: transposed at once when it is a small constant, by a Transpose that folds
 * otherwise. A large one is left alone. */
static ct_status weight_of(struct ct_pass_context *context, struct ct_node *before,
                           struct ct_value *weight, bool transposed, struct ct_value **made)
{
    const struct ct_fact *fact = &weight->fact;
    *made = NULL;
    if (!transposed) {
        *made = weight;
        return CORTEN_OK;
    }
    size_t n_elems, size_bytes;
    if (fact->rank != 2 || !ct_value_const(weight) || !ct_shape_count(2, fact->dims, &n_elems) ||
        !ct_dtype_bytes(fact->dtype, n_elems, &size_bytes) ||
        size_bytes > context->fold_limit_bytes / 64)
        return CORTEN_OK;
    struct ct_node *node = ct_pass_add_node(context, before, "", "Transpose", &weight, 1);
    struct ct_fact turned;
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_ints(node, "perm", (int64_t[]){1, 0}, 2)));
    ct_fact_set(&turned, fact->dtype, 2, (ct_dim[]){fact->dims[1], fact->dims[0]});
    return ct_pass_add_output(context, node, &turned, made);
}

/* x as a batch of rows: leading dimensions of the result, K last. */
static ct_status batch_of(struct ct_pass_context *context, struct ct_node *before,
                          struct ct_value *x, const struct ct_fact *result, ct_dim k,
                          struct ct_value **made)
{
    struct ct_fact want = *result;
    want.dims[want.rank - 1] = k;
    *made = x;
    return ct_same_dims(&x->fact, &want)
               ? CORTEN_OK
               : ct_pass_reshape(context, before, x, want.rank, want.dims, made);
}

/* The product of a batch, in place of `last`, which gives it its shape. */
static ct_status make_product(struct ct_pass_context *context, struct ct_node *last,
                              struct ct_node *gemm, struct ct_value *x)
{
    const struct ct_fact *result = &last->out[0]->fact;
    struct ct_value *inputs[2], *bias = ct_input(gemm, 2), *product;
    bool transposed = ct_is_op(gemm, "", "Gemm") && ct_attr_int(gemm, "transB", 0) != 0;
    CT_TRY(weight_of(context, last, ct_input(gemm, 1), transposed, &inputs[1]));
    if (!inputs[1])
        return CORTEN_OK;
    CT_TRY(batch_of(context, last, x, result, inputs[1]->fact.dims[0], &inputs[0]));
    if (!inputs[0])
        return CORTEN_OK;
    struct ct_node *made = ct_pass_add_node(context, last, "", "MatMul", inputs, 2);
    if (!made)
        return CORTEN_OUT_OF_MEMORY;
    made->name = gemm->name;
    if (bias) {
        CT_TRY(ct_pass_add_output(context, made, result, &product));
        inputs[0] = product;
        inputs[1] = bias;
        made = ct_pass_add_node(context, last, "", "Add", inputs, 2);
        if (!made)
            return CORTEN_OUT_OF_MEMORY;
    }
    return ct_pass_replace_node(context, last, made);
}

/* `last` is the Reshape to a batch. */
static ct_status unfold_rows(struct ct_pass_context *context, struct ct_node *last)
{
    struct ct_value *rows = ct_input(last, 0);
    struct ct_node *gemm = ct_made_by(rows, "Gemm");
    bool plain = gemm && is_plain_gemm(gemm);
    if (!gemm) {
        gemm = ct_made_by(rows, "MatMul");
        plain = gemm && gemm->out[0]->fact.rank == 2 && ct_input(gemm, 0)->fact.rank == 2;
    }
    if (!plain || !ct_value_single_use(rows) || last->out[0]->fact.rank < 3)
        return CORTEN_OK;
    struct ct_value *w = ct_input(gemm, 1);
    const struct ct_fact *result = &last->out[0]->fact;
    /* The columns stay columns. */
    if (w->fact.rank != 2 || result->dims[result->rank - 1] != rows->fact.dims[1] ||
        rows->fact.dims[1] == CT_DIM_UNKNOWN || !ct_dim_known(w->fact.dims[0]))
        return CORTEN_OK;
    const struct ct_node *first = ct_made_by(ct_input(gemm, 0), "Reshape");
    return make_product(context, last, gemm, first ? ct_input(first, 0) : ct_input(gemm, 0));
}

/* Add(MatMul(x, W), b) of matrices is a Gemm. */
static ct_status join_bias(struct ct_pass_context *context, struct ct_node *add)
{
    struct ct_node *product = ct_made_by(ct_input(add, 0), "MatMul");
    struct ct_value *bias = ct_input(add, 1);
    if (!product || !ct_value_single_use(product->out[0]) || !ct_value_const(bias) ||
        product->out[0]->fact.rank != 2 || bias->fact.rank != 1 || add->opset < 11 ||
        ct_input(product, 0)->fact.rank != 2 || ct_input(product, 1)->fact.rank != 2 ||
        !ct_dtype_in(bias->fact.dtype, CT_BIT(F32) | CT_BIT(F64)) ||
        bias->fact.dims[0] != product->out[0]->fact.dims[1] || !ct_dim_known(bias->fact.dims[0]))
        return CORTEN_OK;
    struct ct_value *inputs[3] = {ct_input(product, 0), ct_input(product, 1), bias};
    struct ct_node *made = ct_pass_add_node(context, add, "", "Gemm", inputs, 3);
    if (!made)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_replace_node(context, add, made));
    ct_node_remove(product);
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (node->n_out != 1 || !node->out[0] || node->n_in != 2 || !ct_input(node, 0) ||
            !ct_input(node, 1))
            continue;
        if (ct_is_op(node, "", "Reshape") && context->target >= CORTEN_LEVEL_EXTENDED)
            CT_TRY(unfold_rows(context, node));
        else if (ct_is_op(node, "", "Add"))
            CT_TRY(join_bias(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_product_rows = {
    .name = "product-rows",
    .summary = "products of batches of rows without Reshape around them; MatMul and Add to Gemm",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
