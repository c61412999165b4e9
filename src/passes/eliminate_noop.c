/* Moves that move nothing: a Reshape to the shape there is, a Cast to the type there is, and so
 * on. */
#include <string.h>

#include "passes/rewrite.h"

/* Every element of a constant integer input is `number`. */
static bool all_are(const struct ct_node *node, int index, int64_t number)
{
    const int64_t *values;
    int n = ct_const_ints(node, index, &values);
    for (int i = 0; i < n; i++)
        if (values[i] != number)
            return false;
    return n >= 0;
}

/* Steps forward only: the same size then means the same elements. */
static bool slices_forward(const struct ct_node *node)
{
    const int64_t *steps;
    int n = ct_const_ints(node, 4, &steps);
    for (int i = 0; i < n; i++)
        if (steps[i] < 1)
            return false;
    return n >= 0 || !ct_input(node, 4);
}

static bool pads_nothing(const struct ct_node *node)
{
    const int64_t *pads;
    if (node->n_in > 1)
        return all_are(node, 1, 0);
    int n = ct_attr_ints(node, "pads", &pads);
    for (int i = 0; i < n; i++)
        if (pads[i])
            return false;
    return n >= 0;
}

static bool transposes_nothing(const struct ct_node *node)
{
    int64_t perm[CT_MAX_RANK];
    int rank = node->out[0]->fact.rank;
    if (!ct_transpose_perm(node, rank, perm))
        return false;
    for (int i = 0; i < rank; i++)
        if (perm[i] != i)
            return false;
    return true;
}

static bool is_noop(const struct ct_node *node)
{
    static const char *const shape_only[] = {"Reshape",   "Flatten", "Squeeze",
                                             "Unsqueeze", "Expand",  "Tile"};
    static const char *const of_one[] = {"Concat", "Sum", "Max", "Min", "Mean", "Split"};
    const char *op = node->op_type;
    bool same = ct_same_type(&ct_input(node, 0)->fact, &node->out[0]->fact);
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++)
        if (!strcmp(op, of_one[i]))
            return node->n_out == 1 && (!strcmp(op, "Split") ? same : node->n_in == 1);
    if (!strcmp(op, "Cast") || !strcmp(op, "CastLike"))
        return ct_input(node, 0)->fact.dtype != CORTEN_DTYPE_NONE &&
               ct_input(node, 0)->fact.dtype == node->out[0]->fact.dtype;
    if (!strcmp(op, "Transpose"))
        return transposes_nothing(node);
    if (!same)
        return false;
    for (size_t i = 0; i < sizeof shape_only / sizeof *shape_only; i++)
        if (!strcmp(op, shape_only[i]))
            return true;
    return (!strcmp(op, "Slice") && slices_forward(node)) ||
           (!strcmp(op, "Pad") && pads_nothing(node));
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first, *next; node; node = next) {
        next = node->next;
        if (!*node->domain && node->n_out && node->out[0] && node->n_in && ct_input(node, 0) &&
            is_noop(node))
            ct_pass_bypass(context, node, ct_input(node, 0));
    }
    return CORTEN_OK;
}

const struct ct_pass ct_pass_eliminate_noop = {
    .name = "eliminate-noop",
    .summary = "removes Reshape, Transpose, Cast, Pad, Slice, Concat and Expand that do nothing",
    .level = CORTEN_LEVEL_BASIC,
    .run = run,
};
