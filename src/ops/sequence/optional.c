/* Optional, OptionalHasElement, OptionalGetElement. */
#include "ops/sequence/sequence.h"

/* The type attribute, of what the optional holds; NULL: absent. */
static const struct ct_fact *type_of(const struct ct_node *node)
{
    const struct ct_attr *attr = ct_node_attr(node, "type");
    return attr && attr->type == CT_ATTR_TYPE ? attr->types : NULL;
}

static ct_dtype innermost(const struct ct_fact *fact)
{
    while (fact && fact->kind != CORTEN_TENSOR)
        fact = fact->elem;
    return fact ? fact->dtype : CORTEN_DTYPE_NONE;
}

/* Tensors and sequences of tensors of the row's types. */
static ct_status check_item(const struct ct_infer *infer, const struct ct_fact *item)
{
    if (!item || ct_fact_is_unknown(item))
        return CORTEN_OK;
    bool is_sequence =
        item->kind == CORTEN_SEQUENCE && (!item->elem || item->elem->kind == CORTEN_TENSOR);
    if (item->kind != CORTEN_TENSOR && !is_sequence)
        return ct_infer_fail(infer, "an optional holds a tensor or a sequence of tensors");
    ct_dtype dtype = innermost(item);
    if (dtype && !ct_dtype_in(dtype, infer->node->op_dtypes))
        return ct_infer_fail(infer, "opset %d does not allow %s here", infer->node->opset,
                             corten_dtype_name(dtype));
    return CORTEN_OK;
}

static ct_status infer_optional(struct ct_infer *infer)
{
    const struct ct_fact *in = ct_infer_in(infer, 0), *type = type_of(infer->node);
    CT_TRY(check_item(infer, in ? in : type));
    if (!in && !type)
        return ct_infer_fail(infer, "needs an input or the attribute type");
    if (in && type && !ct_fact_is_unknown(in) &&
        (in->kind != type->kind ||
         (innermost(in) && innermost(type) && innermost(in) != innermost(type))))
        return ct_infer_fail(infer, "the input is not of the type that the attribute gives");
    return ct_infer_container(infer, 0, CORTEN_OPTIONAL, in ? in : type);
}

static ct_status run_optional(const struct ct_run *run)
{
    const struct ct_tensor *in = run->n_in > 0 ? run->in[0] : NULL;
    ct_dtype dtype = in ? in->dtype : innermost(type_of(run->node));
    if (!run->out[0])
        return CORTEN_OK;
    return ct_optional_init(run->out[0], run->exec->allocator, dtype, in, run->exec->error);
}

/* ------------------------------------------------------------------ has, get */

/* Before version 18 only optionals are allowed; what else comes is read as version 18 does. */
static ct_status check_input(struct ct_infer *infer, const struct ct_fact **item)
{
    const struct ct_fact *in = ct_infer_in(infer, 0);
    *item = in && in->kind == CORTEN_OPTIONAL ? in->elem : in;
    return check_item(infer, *item);
}

static ct_status infer_has(struct ct_infer *infer)
{
    const struct ct_fact *item;
    CT_TRY(check_input(infer, &item));
    ct_infer_set(infer, 0, CORTEN_BOOL, 0, NULL);
    return CORTEN_OK;
}

static ct_status run_has(const struct ct_run *run)
{
    const struct ct_tensor *in = run->n_in > 0 ? run->in[0] : NULL;
    *CT_DATA(uint8_t, run->out[0]) =
        in && (in->kind != CORTEN_OPTIONAL || ct_optional_of(in)->present);
    return CORTEN_OK;
}

static ct_status infer_get(struct ct_infer *infer)
{
    const struct ct_fact *item;
    CT_TRY(check_input(infer, &item));
    if (!ct_infer_in(infer, 0))
        return ct_infer_fail(infer, "the input is missing");
    if (!infer->out[0] || !item || ct_fact_is_unknown(item))
        return CORTEN_OK;
    *infer->out[0] = *item;
    infer->out[0]->constant = NULL;
    infer->out[0]->values = NULL;
    infer->out[0]->n_values = 0;
    return CORTEN_OK;
}

static ct_status run_get(const struct ct_run *run)
{
    const struct ct_tensor *in = run->in[0];
    if (in->kind == CORTEN_OPTIONAL) {
        if (!ct_optional_of(in)->present)
            return ct_run_fail(run, "the optional is empty");
        in = &ct_optional_of(in)->item;
    }
    if (run->out[0])
        ct_tensor_share(run->out[0], in);
    return CORTEN_OK;
}

const struct ct_op ct_op_optional = {
    .infer = infer_optional,
    .run = run_optional,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 0,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_optional_has_element = {
    .infer = infer_has,
    .run = run_has,
    .flags = CT_OP_CONTAINERS,
    .min_in = 0,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};

const struct ct_op ct_op_optional_get_element = {
    .infer = infer_get,
    .run = run_get,
    .flags = CT_OP_CONTAINERS | CT_OP_ALLOCATES,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .typed_input = -1,
};
