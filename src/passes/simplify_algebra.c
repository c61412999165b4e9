/* Arithmetic in one form, so that fusions need to know only that: constants on the right, Sub and
 * Div by a constant as Add and Mul, powers as products, and nothing where nothing is computed. */
#include <math.h>
#include <string.h>

#include "passes/pattern.h"

enum { LARGEST_CONSTANT_ELEMS = 1 << 16 }; /* that is computed anew */

static bool is_float(ct_dtype dtype)
{
    return ct_dtype_in(dtype, CT_BIT(F32) | CT_BIT(F64));
}

/* The output is as large as input `index`: that input can take its place. */
static bool keeps(const struct ct_node *node, int index)
{
    return ct_same_type(&ct_input(node, index)->fact, &node->out[0]->fact);
}

/* ------------------------------------------------------------------ nothing to compute */

/* The number that leaves the other operand as it is. */
static bool neutral(const struct ct_node *node, double *number)
{
    static const struct {
        const char *op;
        double number;
    } rows[] = {{"Add", 0}, {"Sub", 0}, {"Mul", 1}, {"Div", 1}, {"Pow", 1}, {"And", 1}, {"Or", 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (strcmp(rows[i].op, node->op_type))
            continue;
        *number = rows[i].number;
        return true;
    }
    return false;
}

static bool drop_neutral(struct ct_pass_context *context, struct ct_node *node)
{
    double number, found;
    return node->n_in == 2 && neutral(node, &number) &&
           ct_value_number(ct_input(node, 1), &found) && found == number && keeps(node, 0) &&
           ct_pass_bypass(context, node, ct_input(node, 0));
}

/* Where with a condition that is the same everywhere. */
static bool drop_where(struct ct_pass_context *context, struct ct_node *node)
{
    double number;
    if (!ct_is_op(node, "", "Where") || !ct_value_number(ct_input(node, 0), &number))
        return false;
    int chosen = number != 0 ? 1 : 2;
    return keeps(node, chosen) && ct_pass_bypass(context, node, ct_input(node, chosen));
}

/* Not(Not(x)), Neg(Neg(x)), Relu(Relu(x)) and the like. */
static bool drop_pair(struct ct_pass_context *context, struct ct_node *node)
{
    static const char *const undone[] = {"Not", "Neg"};
    static const char *const settled[] = {"Relu", "Abs", "Floor", "Ceil", "Round", "Sign"};
    struct ct_node *inner = node->n_in == 1 ? ct_made_by(ct_input(node, 0), node->op_type) : NULL;
    if (!inner)
        return false;
    for (size_t i = 0; i < sizeof undone / sizeof *undone; i++)
        if (!strcmp(node->op_type, undone[i]))
            return ct_pass_bypass(context, node, ct_input(inner, 0));
    for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
        if (!strcmp(node->op_type, settled[i]))
            return ct_pass_bypass(context, node, inner->out[0]);
    return false;
}

/* ------------------------------------------------------------------ one form */

/* Constants, and what is smaller, stand on the right of what commutes. */
static void order_operands(struct ct_pass_context *context, struct ct_node *node)
{
    static const char *const commutative[] = {"Add", "Mul", "And", "Or", "Equal"};
    bool commutes = false;
    for (size_t i = 0; i < sizeof commutative / sizeof *commutative; i++)
        commutes |= !strcmp(node->op_type, commutative[i]);
    struct ct_value *a = ct_input(node, 0), *b = ct_input(node, 1);
    /* Before opset 7 only the right operand was broadcast. */
    if (!commutes || node->n_in != 2 || node->opset < 7 || !ct_value_const(a) || ct_value_const(b))
        return;
    ct_node_set_input(node, 0, b);
    ct_node_set_input(node, 1, a);
    context->stats->changes++;
}

typedef double (*map_fn)(double x);

static double negate(double x)
{
    return -x;
}

static double invert(double x)
{
    return 1 / x;
}

/* A constant of the same shape with fn of every element. *made NULL: some result is not finite. */
static ct_status map_constant(struct ct_pass_context *context, struct ct_node *node,
                              const struct ct_tensor *t, map_fn fn, struct ct_value **made)
{
    void *data;
    *made = NULL;
    size_t n = ct_count(t);
    for (size_t i = 0; i < n; i++) {
        double x;
        ct_load_f64(t->dtype, t->data, i, 1, &x);
        double largest = t->dtype == CORTEN_F32 ? 3e38 : 1e308;
        if (!(fabs(fn(x)) < largest) || (fn == invert && fabs(fn(x)) < 1 / largest))
            return CORTEN_OK;
    }
    CT_TRY(ct_pass_constant(context, node->graph, t->dtype, t->rank, t->dims, made, &data));
    for (size_t i = 0; i < n; i++) {
        double x;
        ct_load_f64(t->dtype, t->data, i, 1, &x);
        x = fn(x);
        ct_store_f64(t->dtype, data, i, 1, &x);
    }
    return ct_pass_constant_done(context, *made);
}

/* x - c is x + -c, x / c is x * (1 / c). */
static ct_status unify(struct ct_pass_context *context, struct ct_node *node)
{
    bool sub = !strcmp(node->op_type, "Sub"), div = !strcmp(node->op_type, "Div");
    const struct ct_tensor *t = node->n_in == 2 ? ct_value_const(ct_input(node, 1)) : NULL;
    if ((!sub && !div) || node->opset < 7 || !t || !is_float(t->dtype) || !t->data ||
        ct_count(t) > LARGEST_CONSTANT_ELEMS)
        return CORTEN_OK;
    struct ct_value *inputs[2] = {ct_input(node, 0), NULL};
    CT_TRY(map_constant(context, node, t, sub ? negate : invert, &inputs[1]));
    if (!inputs[1])
        return CORTEN_OK;
    struct ct_node *made = ct_pass_add_node(context, node, "", sub ? "Add" : "Mul", inputs, 2);
    return made ? ct_pass_replace_node(context, node, made) : CORTEN_OUT_OF_MEMORY;
}

/* A sum of two. */
static ct_status unify_sum(struct ct_pass_context *context, struct ct_node *node)
{
    if (!ct_is_op(node, "", "Sum") || node->opset < 8 || node->n_in != 2)
        return CORTEN_OK;
    struct ct_value *inputs[2] = {ct_input(node, 0), ct_input(node, 1)};
    struct ct_node *made = ct_pass_add_node(context, node, "", "Add", inputs, 2);
    return made ? ct_pass_replace_node(context, node, made) : CORTEN_OUT_OF_MEMORY;
}

/* x^2 is x * x, x^0.5 a root. */
static ct_status unify_pow(struct ct_pass_context *context, struct ct_node *node)
{
    double power;
    struct ct_value *x = ct_input(node, 0), *inputs[2] = {x, x};
    if (!ct_is_op(node, "", "Pow") || !is_float(x->fact.dtype) || !keeps(node, 0) ||
        !ct_value_number(ct_input(node, 1), &power) || (power != 2 && power != 0.5))
        return CORTEN_OK;
    struct ct_node *made = ct_pass_add_node(context, node, "", power == 2 ? "Mul" : "Sqrt", inputs,
                                            power == 2 ? 2 : 1);
    return made ? ct_pass_replace_node(context, node, made) : CORTEN_OUT_OF_MEMORY;
}

/* (x * a) * b is x * (a * b), for numbers; and so for sums. */
static ct_status join_numbers(struct ct_pass_context *context, struct ct_node *node)
{
    double a, b;
    bool mul = !strcmp(node->op_type, "Mul");
    if ((!mul && strcmp(node->op_type, "Add")) || node->n_in != 2 || node->opset < 7)
        return CORTEN_OK;
    struct ct_node *inner = ct_made_by(ct_input(node, 0), node->op_type);
    struct ct_value *outer = ct_input(node, 1);
    if (!inner || inner->n_in != 2 || !is_float(outer->fact.dtype) || outer->fact.rank < 0 ||
        !ct_value_single_use(inner->out[0]) || !ct_value_number(outer, &b) ||
        !ct_value_number(ct_input(inner, 1), &a) || !keeps(inner, 0) || !keeps(node, 0))
        return CORTEN_OK;
    double joined = mul ? a * b : a + b;
    if (!(fabs(joined) < 1e30) || (mul && fabs(joined) < 1e-30))
        return CORTEN_OK;
    struct ct_value *constant;
    void *data;
    CT_TRY(ct_pass_constant(context, node->graph, outer->fact.dtype, 0, NULL, &constant, &data));
    ct_store_f64(outer->fact.dtype, data, 0, 1, &joined);
    CT_TRY(ct_pass_constant_done(context, constant));
    ct_node_set_input(node, 0, ct_input(inner, 0));
    ct_node_set_input(node, 1, constant);
    context->stats->changes++;
    return CORTEN_OK;
}

/* Where(Not(c), a, b) is Where(c, b, a). */
static void swap_where(struct ct_pass_context *context, struct ct_node *node)
{
    const struct ct_node *not = ct_is_op(node, "", "Where") && node->n_in == 3
                                    ? ct_made_by(ct_input(node, 0), "Not")
                                    : NULL;
    if (!not )
        return;
    struct ct_value *a = ct_input(node, 1), *b = ct_input(node, 2);
    ct_node_set_input(node, 0, ct_input(not, 0));
    ct_node_set_input(node, 1, b);
    ct_node_set_input(node, 2, a);
    context->stats->changes++;
}

static bool is_complete(const struct ct_node *node)
{
    for (int i = 0; i < node->n_in; i++)
        if (!ct_input(node, i))
            return false;
    return !*node->domain && node->n_in > 0 && node->n_out == 1 && node->out[0];
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!is_complete(node))
            continue;
        order_operands(context, node);
        swap_where(context, node);
        if (drop_neutral(context, node) || drop_where(context, node) || drop_pair(context, node))
            continue;
        CT_TRY(join_numbers(context, node));
        size_t before = context->stats->changes;
        CT_TRY(unify_pow(context, node));
        if (context->stats->changes == before)
            CT_TRY(unify_sum(context, node));
        if (context->stats->changes == before)
            CT_TRY(unify(context, node));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_simplify_algebra = {
    .name = "simplify-algebra",
    .summary = "arithmetic in one form: constants on the right, no x + 0, x / c as x * (1 / c)",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
