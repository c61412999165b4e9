/* Scaled dot-product attention, as exporters spell it out, to com.microsoft.MultiHeadAttention.
 *
 *   y = Reshape(Transpose(MatMul(Softmax(scale * MatMul(Q, K^T) + bias + mask), V)))
 *
 * with Q, K and V split into heads by Reshape and Transpose, or given as [B,N,L,H]. The scale may
 * stand before or after the product, or partly on Q and partly on K. Keys and values that are
 * repeated for groups of queries are left as they are: ai.onnx's Attention shares them. */
#include <math.h>
#include <string.h>

#include "passes/pattern.h"

#define HEADS_OF(scores) "Reshape(t:Transpose(MatMul(s:Softmax(" scores "), v)), shape)"
static const char *const patterns[] = {
    HEADS_OF("Add(Mul(MatMul(q, k), c:scale), bias, mask)"),
    HEADS_OF("Add(MatMul(q, k), bias, mask)"),
    HEADS_OF("Add(Mul(MatMul(q, k), c:scale), mask)"),
    HEADS_OF("Add(Div(MatMul(q, k), c:div), mask)"),
    HEADS_OF("Add(MatMul(q, k), mask)"),
    HEADS_OF("Mul(MatMul(q, k), c:scale)"),
    HEADS_OF("Div(MatMul(q, k), c:div)"),
    HEADS_OF("MatMul(q, k)"),
    NULL,
};

static bool is_op(const struct ct_value *value, const char *op_type)
{
    return ct_made_by(value, op_type) != NULL;
}

static struct ct_value *input(const struct ct_value *value, int index)
{
    return ct_input(value->producer, index);
}

static bool is_transpose(const struct ct_value *value, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return is_op(value, "Transpose") && ct_is_perm(value->producer, 4, (int64_t[]){a, b, c, d});
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
    struct ct_value
        *shared; /* [B,N/G,L,H], of which `heads` repeats each G times; NULL: it does not */
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

/* Reshape(Expand(Reshape)): [B,N/G,L,H] by [B,N/G,1,L,H] and [B,N/G,G,L,H] to [B,N,L,H]. */
static struct ct_value *unrepeated(struct ct_value *value)
{
    const struct ct_node *join = ct_made_by(value, "Reshape");
    const struct ct_node *expand = join ? ct_made_by(ct_input(join, 0), "Expand") : NULL;
    const struct ct_node *open = expand ? ct_made_by(ct_input(expand, 0), "Reshape") : NULL;
    struct ct_value *from = open ? ct_input(open, 0) : NULL;
    if (!from || from->fact.rank != 4 || open->out[0]->fact.rank != 5 ||
        expand->out[0]->fact.rank != 5)
        return NULL;
    const ct_dim *a = from->fact.dims, *b = open->out[0]->fact.dims, *c = expand->out[0]->fact.dims;
    const ct_dim *d = value->fact.dims;
    bool same = b[2] == 1 && ct_dim_known(a[1]) && ct_dim_known(c[2]) && d[1] == a[1] * c[2];
    for (int i = 0; i < 4; i++) {
        int at = i < 2 ? i : i + 1;
        same &=
            a[i] != CT_DIM_UNKNOWN && a[i] == b[at] && a[i] == c[at] && (i == 1 || a[i] == d[i]);
    }
    return same ? from : NULL;
}

static bool known_heads(struct ct_value *value, struct side *side)
{
    const struct ct_fact *fact = &value->fact;
    if (fact->rank != 4 || !ct_dim_known(fact->dims[1]) || !ct_dim_known(fact->dims[3]))
        return false;
    side->heads = value;
    side->shared = unrepeated(value);
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

/* The sum of the two masks; *sum NULL: their shapes do not broadcast for sure. */
static ct_status add_masks(struct ct_pass_context *context, struct ct_node *before,
                           struct ct_value *a, struct ct_value *b, struct ct_value **sum)
{
    ct_dim dims[CT_MAX_RANK];
    struct ct_fact fact;
    int rank = a->fact.rank > b->fact.rank ? a->fact.rank : b->fact.rank;
    *sum = NULL;
    if (a->fact.rank < 0 || b->fact.rank < 0 || a->fact.dtype != b->fact.dtype)
        return CORTEN_OK;
    for (int i = 1; i <= rank; i++) {
        ct_dim x = i <= a->fact.rank ? a->fact.dims[a->fact.rank - i] : 1;
        ct_dim y = i <= b->fact.rank ? b->fact.dims[b->fact.rank - i] : 1;
        if (x == CT_DIM_UNKNOWN || y == CT_DIM_UNKNOWN || (x != y && x != 1 && y != 1))
            return CORTEN_OK;
        dims[rank - i] = x == 1 ? y : x;
    }
    struct ct_node *add =
        ct_pass_add_node(context, before, "", "Add", (struct ct_value *[]){a, b}, 2);
    if (!add)
        return CORTEN_OUT_OF_MEMORY;
    ct_fact_set(&fact, a->fact.dtype, rank, dims);
    return ct_pass_add_output(context, add, &fact, sum);
}

/* Whether the mask is a constant that lets query i see keys 0 to i, all of them alike. */
static bool is_causal(const struct ct_value *mask, const struct side *q, const struct side *k)
{
    const struct ct_tensor *t = ct_const_f32(mask);
    if (!t || t->rank != 4 || t->dims[0] != 1 || t->dims[1] != 1 || t->dims[2] != t->dims[3] ||
        q->length != t->dims[2] || k->length != t->dims[2] || t->dims[2] < 2)
        return false;
    for (int64_t i = 0; i < t->dims[2]; i++)
        for (int64_t j = 0; j < t->dims[2]; j++) {
            float x;
            memcpy(&x, (const char *)t->data + (size_t)(i * t->dims[2] + j) * sizeof x, sizeof x);
            if (j > i ? !(x <= -1e30f) : x != 0)
                return false;
        }
    return true;
}

/* Attention over shared keys and values, [B,N,L,H] each, and the heads joined again. */
static ct_status share_keys(struct ct_pass_context *context, struct ct_match *match,
                            const struct side *q, const struct side *k, const struct side *v,
                            struct ct_value *mask, double scale, struct ct_node **made)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_value *inputs[] = {q->heads, k->shared, v->shared, mask}, *y, *turned;
    bool standard = ct_model_opset(context->model, "") >= 23;
    ct_dim dims[] = {q->batch, q->n_heads, q->length, v->head_size};
    struct ct_fact fact;
    struct ct_node *node = ct_pass_add_node(context, root, standard ? "" : "ai.corten", "Attention",
                                            inputs, mask ? 4 : 3);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_float(node, "scale", (float)scale)));
    ct_fact_set(&fact, CORTEN_F32, 4, dims);
    CT_TRY(ct_pass_add_output(context, node, &fact, &y));
    struct ct_node *turn = ct_pass_add_node(context, root, "", "Transpose", &y, 1);
    if (!turn)
        return CORTEN_OUT_OF_MEMORY;
    CT_TRY(ct_pass_check(context, ct_node_set_ints(turn, "perm", (int64_t[]){0, 2, 1, 3}, 4)));
    ct_fact_set(&fact, CORTEN_F32, 4, (ct_dim[]){dims[0], dims[2], dims[1], dims[3]});
    CT_TRY(ct_pass_add_output(context, turn, &fact, &turned));
    *made = ct_pass_add_node(context, root, "", "Reshape",
                             (struct ct_value *[]){turned, ct_match_value(match, "shape")}, 2);
    return *made ? CORTEN_OK : CORTEN_OUT_OF_MEMORY;
}

static ct_status make(struct ct_pass_context *context, struct ct_match *match, struct side *q,
                      const struct side *k, const struct side *v, struct ct_value *mask,
                      double scale, struct ct_node **made)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    bool rows = k->rows && v->rows;
    if (!rows && (!k->heads || !v->heads))
        return ct_match_decline(match, "key and value come in different layouts");
    if (k->shared && v->shared && q->heads && ct_same_dims(&k->shared->fact, &v->shared->fact) &&
        (context->target >= CORTEN_LEVEL_LAYOUT || ct_model_opset(context->model, "") >= 23))
        return share_keys(context, match, q, k, v, mask, scale, made);
    if (!q->rows)
        CT_TRY(join_query(context, root, q));
    if (!q->rows)
        return ct_match_decline(match, "the shape of '%s' is not known", q->heads->name);
    bool causal = mask && is_causal(mask, q, k);
    if (causal)
        mask = NULL;
    struct ct_value *inputs[6] = {
        q->rows, rows ? k->rows : k->heads, rows ? v->rows : v->heads, NULL, NULL, mask};
    struct ct_node *node = ct_pass_add_node(context, root, "com.microsoft", "MultiHeadAttention",
                                            inputs, mask ? 6 : 3);
    if (!node)
        return CORTEN_OUT_OF_MEMORY;
    *made = node;
    return ct_pass_check(context, ct_node_set_int(node, "num_heads", q->n_heads) &&
                                      ct_node_set_float(node, "scale", (float)scale) &&
                                      (!causal || ct_node_set_int(node, "unidirectional", 1)));
}

/* Q, K and V by heads, and the scale from wherever it stands; false: declined. */
static bool find_sides(struct ct_match *match, struct side *q, struct side *k, struct side *v,
                       double *scale)
{
    double number, unused = 1;
    struct ct_value *factor = ct_match_value(match, "scale"), *div = ct_match_value(match, "div");
    const char *missing = NULL;
    *scale = 1;
    if (factor && ct_value_number(factor, &number))
        *scale *= number;
    else if (factor)
        missing = "the scale is not one number";
    if (div && ct_value_number(div, &number) && number != 0)
        *scale /= number;
    else if (div)
        missing = "the divisor is not one number";
    if (!missing && !find_side(ct_match_value(match, "q"), q, scale))
        missing = "the query is neither [B,L,N*H] nor [B,N,L,H]";
    if (!missing && !find_key(ct_match_value(match, "k"), k, scale))
        missing = "the key is neither [B,L,N*H] nor [B,N,L,H]";
    if (!missing && (!find_side(ct_match_value(match, "v"), v, &unused) || unused != 1))
        missing = "the value is neither [B,L,N*H] nor [B,N,L,H]";
    if (!missing &&
        (q->n_heads != k->n_heads || q->n_heads != v->n_heads || q->head_size != k->head_size))
        missing = "query, key and value have different heads";
    if (!missing && (q->rows ? q->rows : q->heads)->fact.dtype != CORTEN_F32)
        missing = "the query is not float32";
    if (!missing && !joins_heads(match, q, v))
        missing = "the last Reshape does not join the heads";
    if (missing)
        ct_match_decline(match, "%s", missing);
    return !missing;
}

static ct_status rewrite(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **made)
{
    struct side q, k, v;
    double scale;
    struct ct_value *mask = ct_match_value(match, "mask"), *bias = ct_match_value(match, "bias");
    const struct ct_node *softmax = ct_match_node(match, "s"), *turn = ct_match_node(match, "t");
    int64_t axis = ct_attr_int(softmax, "axis", -1);
    if (axis != -1 && axis != softmax->out[0]->fact.rank - 1)
        return ct_match_decline(match, "softmax is not along the keys");
    if (!ct_is_perm(turn, 4, (int64_t[]){0, 2, 1, 3}))
        return ct_match_decline(match, "the result is not transposed back from heads");
    if (!find_sides(match, &q, &k, &v, &scale))
        return CORTEN_OK;
    if (bias)
        CT_TRY(add_masks(context, match->nodes[match->n_nodes - 1], bias, mask, &mask));
    if (bias && !mask)
        return ct_match_decline(match, "the shapes of the masks are not known");
    if (!mask_fits(mask))
        return ct_match_decline(match, "'%s' is not a mask of [B,N,S,T]", mask->name);
    return make(context, match, &q, &k, &v, mask, scale, made);
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
