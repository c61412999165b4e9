/* The table of operators, made from ops.def. */
#include "ops/registry.h"

#include <stdlib.h>
#include <string.h>

#define CT_OP(domain, name, since, descriptor, dtypes) extern const struct ct_op descriptor;
#include "ops/ops.def"
#undef CT_OP

static const struct ct_op_row rows[] = {
#define CT_OP(domain, name, since, descriptor, dtypes) {domain, #name, since, &descriptor, dtypes},
#include "ops/ops.def"
#undef CT_OP
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* Row numbers sorted by domain, name, since; filled on first use by whoever comes first. All
 * writers write the same, under the lock. */
static struct ct_op_row sorted[N_ROWS];
static int sorted_ready;
static struct ct_mutex sorting;

static int compare_rows(const void *a, const void *b)
{
    const struct ct_op_row *x = a, *y = b;
    int c = strcmp(x->domain, y->domain);
    if (!c)
        c = strcmp(x->name, y->name);
    return c ? c : (x->since > y->since) - (x->since < y->since);
}

const struct ct_op_row *ct_op_rows(size_t *count)
{
    if (!__atomic_load_n(&sorted_ready, __ATOMIC_ACQUIRE)) {
        ct_mutex_lock(&sorting);
        if (!sorted_ready) {
            memcpy(sorted, rows, sizeof rows);
            qsort(sorted, N_ROWS, sizeof *sorted, compare_rows);
            __atomic_store_n(&sorted_ready, 1, __ATOMIC_RELEASE);
        }
        ct_mutex_unlock(&sorting);
    }
    *count = N_ROWS;
    return sorted;
}

/* The last row not after (domain, name, opset); the caller checks that it is of that name. */
static const struct ct_op_row *find_last(const char *domain, const char *name, int64_t opset)
{
    size_t count;
    const struct ct_op_row *table = ct_op_rows(&count), *found = NULL;
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        int c = strcmp(table[mid].domain, domain);
        if (!c)
            c = strcmp(table[mid].name, name);
        if (!c)
            c = table[mid].since > opset;
        if (c > 0) {
            high = mid;
        } else {
            found = &table[mid];
            low = mid + 1;
        }
    }
    return found;
}

const struct ct_op_row *ct_op_find(const char *domain, const char *name, int64_t opset)
{
    const struct ct_op_row *row = find_last(domain, name, opset);
    return row && !strcmp(row->domain, domain) && !strcmp(row->name, name) ? row : NULL;
}

static const struct ct_known_opset known_opsets[] = {
    {"", 28},
    {"ai.onnx.ml", 6},
    {"ai.onnx.preview", 1},
    {"ai.onnx.preview.training", 1},
    {"com.microsoft", 1},
    {"ai.corten", 1},
};

const struct ct_known_opset *ct_known_opsets(size_t *count)
{
    *count = sizeof known_opsets / sizeof *known_opsets;
    return known_opsets;
}

static bool is_known_domain(const char *domain)
{
    for (size_t i = 0; i < sizeof known_opsets / sizeof *known_opsets; i++)
        if (!strcmp(known_opsets[i].domain, domain))
            return true;
    return false;
}

static ct_status fail_unknown(const struct ct_node *node, corten_error *error)
{
    char text[256];
    ct_node_describe(node, text, sizeof text);
    const char *domain = *node->domain ? node->domain : "ai.onnx";
    if (!is_known_domain(node->domain))
        return ct_fail(error, CORTEN_UNSUPPORTED,
                       "%s: unknown operator: nothing is known of its domain '%s'", text, domain);
    if (node->opset <= 0)
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "%s: the model imports no operator set of domain '%s'", text, domain);
    const struct ct_op_row *row = ct_op_find(node->domain, node->op_type, INT64_MAX);
    if (row)
        return ct_fail(error, CORTEN_UNSUPPORTED,
                       "%s: operator '%s' is not in version %d of domain '%s'", text, node->op_type,
                       node->opset, domain);
    return ct_fail(error, CORTEN_UNSUPPORTED, "%s: unknown operator '%s' of domain '%s'", text,
                   node->op_type, domain);
}

static ct_status check_count(const struct ct_node *node, const char *what, int n, int min, int max,
                             corten_error *error)
{
    if (n >= min && (max < 0 || n <= max))
        return CORTEN_OK;
    char text[256];
    ct_node_describe(node, text, sizeof text);
    if (max == min)
        return ct_fail(error, CORTEN_INVALID_MODEL, "%s has %d %s, expected %d", text, n, what,
                       min);
    if (max < 0)
        return ct_fail(error, CORTEN_INVALID_MODEL, "%s has %d %s, expected at least %d", text, n,
                       what, min);
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s has %d %s, expected %d to %d", text, n, what,
                   min, max);
}

ct_status ct_op_resolve(struct ct_node *node, corten_error *error)
{
    const struct ct_op_row *row = ct_op_find(node->domain, node->op_type, node->opset);
    if (!row)
        return fail_unknown(node, error);
    const struct ct_op *op = row->op;
    int n_in = node->n_in, n_out = node->n_out;
    /* Trailing inputs and outputs that are absent do not count. */
    while (n_in > 0 && !node->in[n_in - 1].value)
        n_in--;
    while (n_out > 0 && !node->out[n_out - 1])
        n_out--;
    CT_TRY(check_count(node, "inputs", n_in, op->min_in, op->max_in, error));
    int max_out = op->max_out ? op->max_out : 1;
    CT_TRY(check_count(node, "outputs", n_out, op->min_out, max_out, error));
    for (int i = 0; i < op->min_in; i++)
        if (!node->in[i].value) {
            char text[256];
            return ct_fail(error, CORTEN_INVALID_MODEL, "%s: input %d is required",
                           ct_node_describe(node, text, sizeof text), i);
        }
    node->op = op;
    node->op_dtypes = row->dtypes;
    return CORTEN_OK;
}

static ct_status resolve_graph(struct ct_graph *graph, corten_error *error)
{
    for (struct ct_node *node = graph->first; node; node = node->next) {
        CT_TRY(ct_op_resolve(node, error));
        for (int i = 0; i < node->n_attrs; i++)
            for (int j = 0; j < ct_attr_graph_count(&node->attrs[i]); j++)
                CT_TRY(resolve_graph(node->attrs[i].graphs[j], error));
    }
    return CORTEN_OK;
}

ct_status ct_ops_resolve(struct ct_model *model, corten_error *error)
{
    return resolve_graph(model->graph, error);
}
