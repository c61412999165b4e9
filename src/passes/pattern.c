/* The matcher: a search with backtracking over the few orders that commutative operators allow. */
#include "passes/pattern.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct matcher {
    const struct ct_pattern *pattern;
    struct ct_match *match;
    int open; /* nodes of the right operator whose operands are being matched */
};

static bool match_value(struct matcher *m, int index, struct ct_value *value, bool root);

/* ------------------------------------------------------------------ helpers */

static bool same(corten_string a, const char *b)
{
    return a.size_bytes == strlen(b) && !memcmp(a.data, b, a.size_bytes);
}

static bool __attribute__((format(printf, 2, 3))) miss(struct matcher *m, const char *format, ...)
{
    int reached = m->match->n_nodes + m->open;
    if (reached > m->match->best_nodes) {
        m->match->best_nodes = reached;
        va_list args;
        va_start(args, format);
        vsnprintf(m->match->reason, sizeof m->match->reason, format, args);
        va_end(args);
    }
    return false;
}

bool ct_value_number(const struct ct_value *value, double *number)
{
    const struct ct_tensor *t = ct_value_const(value);
    if (!t || t->kind != CORTEN_TENSOR || t->dtype == CORTEN_STRING || !t->data ||
        ct_dtype_in(t->dtype, CT_COMPLEX))
        return false;
    size_t n = ct_count(t);
    if (n < 1 || n > 4096)
        return false;
    ct_load_f64(t->dtype, t->data, 0, 1, number);
    for (size_t i = 1; i < n; i++) {
        double other;
        ct_load_f64(t->dtype, t->data, i, 1, &other);
        if (other != *number)
            return false;
    }
    return true;
}

static bool bind(struct matcher *m, corten_string name, struct ct_value *value,
                 struct ct_node *node)
{
    struct ct_match *match = m->match;
    for (int i = 0; i < match->n_captures; i++)
        if (match->captures[i].name.size_bytes == name.size_bytes &&
            !memcmp(match->captures[i].name.data, name.data, name.size_bytes))
            return match->captures[i].value == value && (!node || match->captures[i].node == node);
    if (match->n_captures == CT_MATCH_CAPTURES)
        return false;
    match->captures[match->n_captures].name = name;
    match->captures[match->n_captures].value = value;
    match->captures[match->n_captures++].node = node;
    return true;
}

/* ------------------------------------------------------------------ operands */

static bool match_ordered(struct matcher *m, const struct ct_pattern_node *p,
                          const struct ct_node *node, bool swapped)
{
    for (int i = 0; i < p->n_args; i++) {
        int at = swapped ? p->n_args - 1 - i : i;
        struct ct_value *value = at < node->n_in ? node->in[at].value : NULL;
        if (!match_value(m, p->args[i], value, false))
            return false;
    }
    for (int i = p->n_args; !p->open && i < node->n_in; i++)
        if (node->in[i].value)
            return miss(m, "'%s' has more inputs than expected", node->name);
    return true;
}

/* Pattern operands from `next` on against the leaves not yet in `used`. */
static bool match_leaves(struct matcher *m, const struct ct_pattern_node *p, int next,
                         struct ct_value *const *leaves, unsigned used)
{
    if (next == p->n_args)
        return true;
    for (int i = 0; i < p->n_args; i++) {
        if (used >> i & 1)
            continue;
        int captures = m->match->n_captures, nodes = m->match->n_nodes;
        if (match_value(m, p->args[next], leaves[i], false) &&
            match_leaves(m, p, next + 1, leaves, used | 1u << i))
            return true;
        m->match->n_captures = captures;
        m->match->n_nodes = nodes;
    }
    return false;
}

/* Opens inner sums or products until there are as many leaves as operands, in every way. */
static bool match_flattened(struct matcher *m, const struct ct_pattern_node *p,
                            struct ct_value **leaves, int n_leaves)
{
    if (n_leaves == p->n_args)
        return match_leaves(m, p, 0, leaves, 0);
    for (int i = 0; i < n_leaves; i++) {
        struct ct_node *inner = leaves[i] ? leaves[i]->producer : NULL;
        if (!inner || inner->n_in != 2 || *inner->domain || !same(p->op, inner->op_type) ||
            !ct_value_single_use(leaves[i]))
            continue;
        struct ct_value *opened[CT_PATTERN_ARGS];
        memcpy(opened, leaves, (size_t)n_leaves * sizeof *opened);
        opened[i] = inner->in[0].value;
        opened[n_leaves] = inner->in[1].value;
        int captures = m->match->n_captures, nodes = m->match->n_nodes;
        if (nodes < CT_PATTERN_NODES) {
            m->match->nodes[m->match->n_nodes++] = inner;
            if (match_flattened(m, p, opened, n_leaves + 1))
                return true;
        }
        m->match->n_captures = captures;
        m->match->n_nodes = nodes;
    }
    return false;
}

static bool match_operands(struct matcher *m, const struct ct_pattern_node *p,
                           const struct ct_node *node)
{
    int captures = m->match->n_captures, nodes = m->match->n_nodes;
    if (p->commutative && p->n_args > 2) {
        struct ct_value *leaves[CT_PATTERN_ARGS] = {node->in[0].value, node->in[1].value};
        return match_flattened(m, p, leaves, 2);
    }
    if (match_ordered(m, p, node, false))
        return true;
    m->match->n_captures = captures;
    m->match->n_nodes = nodes;
    return p->commutative && p->n_args == 2 && match_ordered(m, p, node, true);
}

/* ------------------------------------------------------------------ nodes and values */

static bool match_call(struct matcher *m, const struct ct_pattern_node *p, struct ct_value *value,
                       struct ct_node *node, bool root)
{
    if (!same(p->op, node->op_type) || strcmp(p->domain, node->domain))
        return miss(m, "'%s' is made by %s, expected %.*s", value->name, node->op_type,
                    (int)p->op.size_bytes, p->op.data);
    if (!root && !p->shared && !ct_value_single_use(value))
        return miss(m, "'%s' has other readers", value->name);
    if (node->n_in < (p->commutative ? 2 : 0) || value->producer_index != 0)
        return false;
    if (p->attr.size_bytes) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)p->attr.size_bytes, p->attr.data);
        if (ct_attr_int(node, name, 0) != p->attr_value)
            return miss(m, "'%s': %s is not %lld", node->name, name, (long long)p->attr_value);
    }
    m->open++;
    bool matched = match_operands(m, p, node);
    m->open--;
    if (!matched || m->match->n_nodes == CT_PATTERN_NODES)
        return false;
    if (p->name.size_bytes && !bind(m, p->name, value, node))
        return false;
    m->match->nodes[m->match->n_nodes++] = node;
    return true;
}

static bool match_number(struct matcher *m, const struct ct_pattern_node *p,
                         const struct ct_value *value)
{
    double number;
    if (!value || !ct_value_number(value, &number))
        return miss(m, "'%s' is not the constant %g", value ? value->name : "", p->number);
    if (fabs(number - p->number) > 1e-3 * fabs(p->number))
        return miss(m, "'%s' is %g, expected %g", value->name, number, p->number);
    return true;
}

static bool match_value(struct matcher *m, int index, struct ct_value *value, bool root)
{
    const struct ct_pattern_node *p = &m->pattern->nodes[index];
    int captures = m->match->n_captures, nodes = m->match->n_nodes;
    switch (p->kind) {
    case CT_PATTERN_ANY: return true;
    case CT_PATTERN_NUMBER: return match_number(m, p, value);
    case CT_PATTERN_CAPTURE:
        if (!value)
            return miss(m, "'%.*s' is absent", (int)p->name.size_bytes, p->name.data);
        if (p->constant && !ct_value_const(value))
            return miss(m, "'%s' is not constant", value->name);
        return bind(m, p->name, value, NULL) ||
               miss(m, "'%s' is not the value seen before", value->name);
    case CT_PATTERN_CALL: break;
    }
    if (value && value->producer && match_call(m, p, value, value->producer, root))
        return true;
    m->match->n_captures = captures;
    m->match->n_nodes = nodes;
    if (p->optional && p->n_args == 1)
        return match_value(m, p->args[0], value, root);
    return value && value->producer
               ? false
               : miss(m, "'%s' is made by no node, expected %.*s", value ? value->name : "",
                      (int)p->op.size_bytes, p->op.data);
}

bool ct_pattern_match(const struct ct_pattern *pattern, struct ct_node *root,
                      struct ct_match *match)
{
    struct matcher m = {pattern, match, 0};
    match->n_captures = 0;
    match->n_nodes = 0;
    match->best_nodes = 0;
    match->reason[0] = 0;
    return root->n_out > 0 && root->out[0] && match_value(&m, 0, root->out[0], true);
}

struct ct_value *ct_match_value(const struct ct_match *match, const char *name)
{
    for (int i = 0; i < match->n_captures; i++)
        if (same(match->captures[i].name, name))
            return match->captures[i].value;
    return NULL;
}

struct ct_node *ct_match_node(const struct ct_match *match, const char *name)
{
    for (int i = 0; i < match->n_captures; i++)
        if (same(match->captures[i].name, name))
            return match->captures[i].node;
    return NULL;
}
