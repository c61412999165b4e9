/* Scaled dot-product attention, as exporters spell it out, to com.microsoft.MultiHeadAttention.
 *
 *   y = Reshape(Transpose(MatMul(Softmax(scale * MatMul(Q, K^T) + mask), V)))
 *
 * with Q, K and V split into heads by Reshape and Transpose, or given as [B,N,L,H]. The scale may
 * stand before or after the product, or partly on Q and partly on K. */
#include <math.h>
#include <string.h>

#include "passes/pattern.h"

static const char *const patterns[] = {
    "Reshape(t:Transpose(MatMul(s:Softmax(Add(Mul(MatMul(q, k), c:scale), mask)), v)), shape)",
    "Reshape(t:Transpose(MatMul(s:Softmax(Add(Div(MatMul(q, k), c:div), mask)), v)), shape)",
    "Reshape(t:Transpose(MatMul(s:Softmax(Add(MatMul(q, k), mask)), v)), shape)",
    "Reshape(t:Transpose(MatMul(s:Softmax(Mul(MatMul(q, k), c:scale)), v)), shape)",
    "Reshape(t:Transpose(MatMul(s:Softmax(Div(MatMul(q, k), c:div)), v)), shape)",
    "Reshape(t:Transpose(MatMul(s:Softmax(MatMul(q, k)), v)), shape)",
    NULL,
};

static bool is_op(const struct ct_value *value, const char *op_type)
{
    return value && value->producer && !*value->producer->domain &&
           !strcmp(value->producer->op_type, op_type);
}

static struct ct_value *input(const struct ct_value *value, int index)
{
    const struct ct_node *node = value->producer;
    return index < node->n_in ? node->in[index].value : NULL;
}

static bool has_perm(const struct ct_node *node, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t *perm;
    return ct_attr_ints(node, "perm", &perm) == 4 && perm[0] == a && perm[1] == b && perm[2] == c &&
           perm[3] == d;
}

static bool is_transpose(const struct ct_value *value, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return is_op(value, "Transpose") && has_perm(value->producer, a, b, c, d);
}

/* Takes a factor off the value. */
static struct ct_value *strip_scale(struct ct_value *value, double *scale)
{
    double number;
    while (value) {
        if (is_op(value, "Mul") && ct_value_number(input(value, 1), &number)) {
            *scale *= number;
            value = input(value, 0);
        } else if (is_op(value, "Mul") && ct_value_number(input(value, 0), &number)) {
            *scale *= number;
            value = input(value, 1);
        } else if (is_op(value, "Div") && ct_value_number(input(value, 1), &number)) {
            *scale /= number;
            value = input(value, 0);
        } else {
            break;
        }
    }
    return value;
}

/* A matrix by heads: from [B,L,N*H] by Reshape (rows), or as [B,N,L,H] (heads). */
struct side {
    struct ct_value *rows;  /* NULL: not known */
    struct ct_value *heads; /* NULL: not at hand */
    ct_dim batch, length;
    int64_t n_heads, head_size;
};

/* Reshape from [B,L,N*H] to [B,L,N,H]; a scale may stand around it. */
static bool split_rows(struct ct_value *value, struct side *side, double *scale)
{
    value = strip_scale(value, scale);
    if (!is_op(value, "Reshape") || value->fact.rank != 4)
        return false;
    const struct ct_fact *out = &value->fact;
    struct ct_value *rows = strip_scale(input(value, 0), scale);
    const struct ct_fact *in = &rows->fact;
    if (in->rank != 3 || !ct_dim_known(out->dims[2]) || !ct_dim_known(out->dims[3]) ||
        in->dims[2] != out->dims[2] * out->dims[3])
        return false;
    for (int i = 0; i < 2; i++)
        if (in->dims[i] != out->dims[i] || in->dims[i] == CT_DIM_UNKNOWN)
            return false;
    side->rows = rows;
    side->batch = in->dims[0];
    side->length = in->dims[1];
    side->n_heads = out->dims[2];
    side->head_size = out->dims[3];
    return true;
}

static bool known_heads(struct ct_value *value, struct side *side)
{
    const struct ct_fact *fact = &value->fact;
    if (fact->rank != 4 || !ct_dim_known(fact->dims[1]) || !ct_dim_known(fact->dims[3]))
        return false;
    side->heads = value;
    side->batch = fact->dims[0];
    side->length = fact->dims[2];
    side->n_heads = fact->dims[1];
    side->head_size = fact->dims[3];
    return true;
}

/* [B,N,L,H]. */
static bool find_side(struct ct_value *value, struct side *side, double *scale)
{
    *side = (struct side){0};
    struct ct_value *bare = strip_scale(value, scale);
    if (is_transpose(bare, 0, 2, 1, 3) && split_rows(input(bare, 0), side, scale)) {
        side->heads = bare;
        return true;
    }
    return known_heads(bare, side);
}

/* [B,N,H,L]: the key, transposed for the product. */
static bool find_key(struct ct_value *value, struct side *side, double *scale)
{
    *side = (struct side){0};
    struct ct_value *bare = strip_scale(value, scale);
    if (is_transpose(bare, 0, 2, 3, 1))
        return split_rows(input(bare, 0), side, scale);
    return is_transpose(bare, 0, 1, 3, 2) && find_side(input(bare, 0), side, scale);
}

/* The last Reshape joins the heads: its first two dimensions are those of Q. */
static bool joins_heads(const struct ct_match *match, const struct side *q, const struct side *v)
{
    const struct ct_value *y = match->nodes[match->n_nodes - 1]->out[0];
    const struct ct_fact *shape = &ct_match_value(match, "shape")->fact;
    const ct_dim rows[2] = {q->batch, q->length};
    if (y->fact.rank != 3)
        return false;
    for (int i = 0; i < 2; i++) {
        bool same = y->fact.dims[i] == rows[i];
        bool asked = shape->values && shape->n_values == 3 && shape->values[i] == rows[i];
        if (rows[i] == CT_DIM_UNKNOWN || (!same && !asked))
            return false;
    }
    return !ct_dim_known(y->fact.dims[2]) || y->fact.dims[2] == v->n_heads * v->head_size;
}

/* Masks that the operator takes as they are: [1|B, 1|N, 1|S, T]. */
static bool mask_fits(const struct ct_value *mask)
{
    return !mask || (mask->fact.rank == 4 && mask->fact.dtype == CORTEN_F32 &&
                     mask->fact.dims[3] != 1 && mask->fact.dims[3] != CT_DIM_UNKNOWN);
}

/* The operator takes queries as rows only: what is by heads, such as a rotary embedding gives, is put
 * so. */
static ct_status join_query(struct ct_pass_context *context, struct ct_node *before, struct side *q)
{
    struct ct_value *turned;
    struct ct_fact fact;
    ct_dim dims[] = {q->batch, q->length, q->n_heads, q->head_size};
    if (q->batch == CT_DIM_UNKNOWN || q->length == CT_DIM_UNKNOWN)
        return CORTEN_OK;
    struct ct_node *node = ct_pass_add_node(context, before, "", "Transpose", &q->heads, 1);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_ints(node, "perm", (int64_t[]){0, 2, 1, 3}, 4)));
    ct_fact_set(&fact, q->heads->fact.dtype, 4, dims);
    CT_TRY(ct_pass_add_output(context, node, &fact, &turned));
    dims[2] = q->n_heads * q->head_size;
    return ct_pass_reshape(context, before, turned, 3, dims, &q->rows);
}

static ct_status rewrite(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **made)
{
    struct side q, k, v;
    double scale = 1, number, unused = 1;
    struct ct_value *mask = ct_match_value(match, "mask");
    const struct ct_node *softmax = ct_match_node(match, "s");
    int rank = softmax->out[0]->fact.rank;
    int64_t axis = ct_attr_int(softmax, "axis", -1);
    if (axis != -1 && axis != rank - 1)
        return ct_match_decline(match, "softmax is not along the keys");
    if (!has_perm(ct_match_node(match, "t"), 0, 2, 1, 3))
        return ct_match_decline(match, "the result is not transposed back from heads");
    if (ct_match_value(match, "scale")) {
        if (!ct_value_number(ct_match_value(match, "scale"), &number))
            return ct_match_decline(match, "the scale is not one number");
        scale *= number;
    }
    if (ct_match_value(match, "div")) {
        if (!ct_value_number(ct_match_value(match, "div"), &number) || number == 0)
            return ct_match_decline(match, "the divisor is not one number");
        scale /= number;
    }
    if (!find_side(ct_match_value(match, "q"), &q, &scale))
        return ct_match_decline(match, "the query is neither [B,L,N*H] nor [B,N,L,H]");
    if (!find_key(ct_match_value(match, "k"), &k, &scale))
        return ct_match_decline(match, "the key is neither [B,L,N*H] nor [B,N,L,H]");
    if (!find_side(ct_match_value(match, "v"), &v, &unused) || unused != 1)
        return ct_match_decline(match, "the value is neither [B,L,N*H] nor [B,N,L,H]");
    if (q.n_heads != k.n_heads || q.n_heads != v.n_heads || q.head_size != k.head_size)
        return ct_match_decline(match, "query, key and value have different heads");
    if ((q.rows ? q.rows : q.heads)->fact.dtype != CORTEN_F32)
        return ct_match_decline(match, "the query is not float32");
    if (!joins_heads(match, &q, &v))
        return ct_match_decline(match, "the last Reshape does not join the heads");
    if (!mask_fits(mask))
        return ct_match_decline(match, "'%s' is not a mask of [B,N,S,T]", mask->name);
    bool rows = k.rows && v.rows;
    if (!rows && (!k.heads || !v.heads))
        return ct_match_decline(match, "key and value come in different layouts");
    if (!q.rows)
        CT_TRY(join_query(context, match->nodes[match->n_nodes - 1], &q));
    if (!q.rows)
        return ct_match_decline(match, "the shape of '%s' is not known", q.heads->name);
    struct ct_value *inputs[6] = {
        q.rows, rows ? k.rows : k.heads, rows ? v.rows : v.heads, NULL, NULL, mask};
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_node *node = ct_pass_add_node(context, root, "com.microsoft", "MultiHeadAttention",
                                            inputs, mask ? 6 : 3);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    if (!ct_node_set_int(node, "num_heads", q.n_heads) ||
        !ct_node_set_float(node, "scale", (float)scale))
        return ct_fail_memory(context->error, 0, "an attribute");
    *made = node;
    return CORTEN_OK;
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusion = {patterns, rewrite};
    return ct_fusion_run(&fusion, context, graph);
}

const struct ct_pass ct_pass_fuse_attention = {
    .name = "fuse-attention",
    .summary = "scaled dot-product attention over heads, to MultiHeadAttention",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
