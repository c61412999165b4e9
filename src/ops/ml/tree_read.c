/* Attributes of tree ensembles. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ml/tree.h"
#include "ops/text/strings.h"

static ct_status fail(corten_error *error, const char *what)
{
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s", what);
}

static ct_status fail_length(corten_error *error, const char *name, int found, int expected)
{
    return ct_fail(error, CORTEN_INVALID_MODEL, "%s has %d entries, expected %d", name, found,
                   expected);
}

/* Numbers of an attribute, either floats or, as NAME_as_tensor, a tensor. *values NULL: absent. */
static ct_status read_numbers(const struct ct_node *node, const char *name, struct ct_arena *arena,
                              double **values, size_t *count, bool *wide, corten_error *error)
{
    char tensor_name[64];
    const float *floats;
    snprintf(tensor_name, sizeof tensor_name, "%s_as_tensor", name);
    const struct ct_tensor *t = ct_attr_tensor(node, tensor_name);
    int n = ct_attr_floats(node, name, &floats);
    *values = NULL;
    *count = 0;
    bool has_tensor = t && t->kind == CORTEN_TENSOR && t->data && ct_count(t) > 0;
    if (!has_tensor && n <= 0)
        return CORTEN_OK;
    if (has_tensor && (n > 0 || !ct_dtype_in(t->dtype, CT_FLOATS)))
        return ct_fail(error, CORTEN_INVALID_MODEL, "%s must be floats or a tensor of floats",
                       name);
    *count = has_tensor ? ct_count(t) : (size_t)n;
    *values = ct_arena_array(arena, *count, sizeof **values);
    if (!*values)
        return ct_fail_memory(error, *count * sizeof **values, name);
    if (has_tensor)
        ct_load_f64(t->dtype, t->data, 0, *count, *values);
    else
        ct_load_f64(CORTEN_F32, floats, 0, *count, *values);
    *wide |= has_tensor && t->dtype == CORTEN_F64;
    return CORTEN_OK;
}

/* A list of ints of that length. */
static ct_status read_ints(const struct ct_node *node, const char *name, int expected,
                           const int64_t **values, corten_error *error)
{
    int n = ct_attr_ints(node, name, values);
    return n == expected ? CORTEN_OK : fail_length(error, name, n < 0 ? 0 : n, expected);
}

/* ------------------------------------------------------------------ versions 1 to 4 */

static const struct {
    const char *name;
    uint8_t ops;
} modes[] = {
    {"BRANCH_LEQ", CT_TREE_LESS | CT_TREE_EQUAL},
    {"BRANCH_LT", CT_TREE_LESS},
    {"BRANCH_GTE", CT_TREE_LESS | CT_TREE_NOT},
    {"BRANCH_GT", CT_TREE_LESS | CT_TREE_EQUAL | CT_TREE_NOT},
    {"BRANCH_EQ", CT_TREE_EQUAL},
    {"BRANCH_NEQ", CT_TREE_EQUAL | CT_TREE_NOT},
};
enum { MODE_MEMBER = 6, N_MODES = 6 };

static ct_status read_mode(corten_string name, struct ct_tree_raw *node, corten_error *error)
{
    node->is_leaf = name.size_bytes == 4 && memcmp(name.data, "LEAF", 4) == 0;
    if (node->is_leaf)
        return CORTEN_OK;
    for (int i = 0; i < N_MODES; i++)
        if (strlen(modes[i].name) == name.size_bytes &&
            memcmp(modes[i].name, name.data, name.size_bytes) == 0) {
            node->ops = modes[i].ops;
            return CORTEN_OK;
        }
    return ct_fail(error, CORTEN_INVALID_MODEL, "unknown mode '%.*s'",
                   (int)(name.size_bytes < 40 ? name.size_bytes : 40), name.data);
}

/* Where a node is listed: by tree and id, sorted. */
struct listed {
    int64_t tree, id, at;
};

static int compare_listed(const void *a, const void *b)
{
    const struct listed *x = a, *y = b;
    if (x->tree != y->tree)
        return x->tree < y->tree ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

struct reader {
    const struct ct_node *node;
    struct ct_arena *arena;
    struct ct_tree_model *model;
    corten_error *error;
    struct listed *listed;
    const int64_t *trees; /* of each node */
    int n;                /* nodes */
};

/* -1 when there is no such node. */
static int64_t find_node(const struct reader *r, int64_t tree, int64_t id)
{
    struct listed key = {tree, id, 0};
    const struct listed *found = bsearch(&key, r->listed, (size_t)r->n, sizeof key, compare_listed);
    return found ? found->at : -1;
}

static ct_status list_nodes(struct reader *r)
{
    const int64_t *ids;
    CT_TRY(read_ints(r->node, "nodes_treeids", r->n, &r->trees, r->error));
    CT_TRY(read_ints(r->node, "nodes_nodeids", r->n, &ids, r->error));
    r->listed = ct_arena_array(r->arena, (size_t)r->n, sizeof *r->listed);
    r->model->roots = ct_arena_array(r->arena, (size_t)r->n, sizeof *r->model->roots);
    if (!r->listed || !r->model->roots)
        return ct_fail_memory(r->error, (size_t)r->n * sizeof *r->listed, "tree nodes");
    bool sorted = true;
    for (int i = 0; i < r->n; i++) {
        r->listed[i] = (struct listed){r->trees[i], ids[i], i};
        sorted = sorted && (!i || compare_listed(&r->listed[i - 1], &r->listed[i]) < 0);
    }
    if (!sorted)
        qsort(r->listed, (size_t)r->n, sizeof *r->listed, compare_listed);
    /* The root of a tree is the node of it that is listed first. */
    for (int i = 0; i < r->n; i++) {
        const struct listed *l = &r->listed[i];
        if (i && compare_listed(l - 1, l) == 0)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "tree %lld has two nodes %lld",
                           (long long)l->tree, (long long)l->id);
        if (!i || l[-1].tree != l->tree)
            r->model->roots[r->model->n_trees++] = l->at;
        else if (l->at < r->model->roots[r->model->n_trees - 1])
            r->model->roots[r->model->n_trees - 1] = l->at;
    }
    return CORTEN_OK;
}

static ct_status read_nodes(struct reader *r)
{
    const corten_string *names;
    const int64_t *next[2], *features, *tracks = NULL;
    double *splits;
    size_t n_splits;
    r->n = ct_attr_strings(r->node, "nodes_modes", &names);
    if (r->n < 1)
        return fail(r->error, "nodes_modes is missing");
    CT_TRY(list_nodes(r));
    CT_TRY(read_ints(r->node, "nodes_truenodeids", r->n, &next[0], r->error));
    CT_TRY(read_ints(r->node, "nodes_falsenodeids", r->n, &next[1], r->error));
    CT_TRY(read_ints(r->node, "nodes_featureids", r->n, &features, r->error));
    if (ct_attr_ints(r->node, "nodes_missing_value_tracks_true", &tracks) > 0)
        CT_TRY(read_ints(r->node, "nodes_missing_value_tracks_true", r->n, &tracks, r->error));
    else
        tracks = NULL;
    CT_TRY(read_numbers(r->node, "nodes_values", r->arena, &splits, &n_splits, &r->model->wide,
                        r->error));
    if (n_splits != (size_t)r->n)
        return fail_length(r->error, "nodes_values", (int)n_splits, r->n);
    r->model->n_nodes = (size_t)r->n;
    r->model->nodes = ct_arena_array(r->arena, (size_t)r->n, sizeof *r->model->nodes);
    if (!r->model->nodes)
        return ct_fail_memory(r->error, (size_t)r->n * sizeof *r->model->nodes, "tree nodes");
    for (int i = 0; i < r->n; i++) {
        struct ct_tree_raw *node = &r->model->nodes[i];
        CT_TRY(read_mode(names[i], node, r->error));
        node->split = splits[i];
        node->feature = features[i];
        node->ops |= tracks && tracks[i] && !node->is_leaf ? CT_TREE_NAN_TRUE : 0;
        for (int k = 0; k < 2 && !node->is_leaf; k++)
            node->next[k] = find_node(r, r->trees[i], next[k][i]);
    }
    return CORTEN_OK;
}

/* Sorts votes by leaf, in the order in which they are listed. */
static ct_status read_votes(struct reader *r, const char *kind)
{
    char names[4][32];
    static const char *const parts[] = {"ids", "treeids", "nodeids", "weights"};
    for (int i = 0; i < 4; i++)
        snprintf(names[i], sizeof names[i], "%s_%s", kind, parts[i]);
    struct ct_tree_model *m = r->model;
    const int64_t *targets, *trees, *ids;
    double *weights;
    size_t n_weights;
    int n = ct_attr_ints(r->node, names[0], &targets);
    n = n < 0 ? 0 : n;
    CT_TRY(read_numbers(r->node, names[3], r->arena, &weights, &n_weights, &m->wide, r->error));
    if (n_weights != (size_t)n)
        return fail_length(r->error, names[3], (int)n_weights, n);
    if (n) {
        CT_TRY(read_ints(r->node, names[1], n, &trees, r->error));
        CT_TRY(read_ints(r->node, names[2], n, &ids, r->error));
    }
    m->votes = ct_arena_array(r->arena, (size_t)n, sizeof *m->votes);
    int64_t *leaves = ct_arena_array(r->arena, (size_t)n, sizeof *leaves);
    if (!m->votes || !leaves)
        return ct_fail_memory(r->error, (size_t)n * sizeof *m->votes, "leaves of trees");
    m->n_votes = (size_t)n;
    for (int i = 0; i < n; i++) {
        leaves[i] = find_node(r, trees[i], ids[i]);
        if (leaves[i] < 0)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "%s: tree %lld has no node %lld",
                           names[2], (long long)trees[i], (long long)ids[i]);
        m->nodes[leaves[i]].n_votes++;
    }
    int64_t at = 0;
    for (size_t i = 0; i < m->n_nodes; i++) {
        m->nodes[i].first_vote = at;
        at += m->nodes[i].n_votes;
        m->nodes[i].n_votes = 0;
    }
    for (int i = 0; i < n; i++) {
        struct ct_tree_raw *leaf = &m->nodes[leaves[i]];
        m->votes[leaf->first_vote + leaf->n_votes++] =
            (struct ct_tree_vote){targets[i], weights[i]};
    }
    return CORTEN_OK;
}

static ct_status read_aggregate(struct reader *r)
{
    static const char *const names[] = {"AVERAGE", "SUM", "MIN", "MAX"};
    for (int i = 0; i < 4; i++)
        if (ct_attr_is(r->node, "aggregate_function", names[i], "SUM")) {
            r->model->aggregate = (enum ct_tree_aggregate)i;
            return CORTEN_OK;
        }
    return fail(r->error, "aggregate_function must be AVERAGE, SUM, MIN or MAX");
}

ct_status ct_tree_read_1(const struct ct_node *node, const char *votes, int64_t n_targets,
                         struct ct_arena *arena, struct ct_tree_model *model, corten_error *error)
{
    struct reader r = {.node = node, .arena = arena, .model = model, .error = error};
    *model = (struct ct_tree_model){.n_targets = n_targets};
    CT_TRY(read_aggregate(&r));
    CT_TRY(read_nodes(&r));
    CT_TRY(read_votes(&r, votes));
    return read_numbers(node, "base_values", arena, &model->base, &model->n_base, &model->wide,
                        error);
}

/* ------------------------------------------------------------------ version 5 */

/* Nodes first, then leaves, then what set membership needs. */
struct reader_5 {
    const struct ct_node *node;
    struct ct_arena *arena;
    struct ct_tree_model *model;
    corten_error *error;
    size_t n, n_leaves, capacity;
    double *members; /* sets one after another, NaN after each */
    size_t n_members;
};

static ct_status read_tensor(const struct reader_5 *r, const char *name, ct_dtypes dtypes,
                             double **values, size_t *count)
{
    const struct ct_tensor *t = ct_attr_tensor(r->node, name);
    *values = NULL;
    *count = 0;
    if (!t || t->kind != CORTEN_TENSOR || !t->data)
        return CORTEN_OK;
    if (!ct_dtype_in(t->dtype, dtypes))
        return ct_fail(r->error, CORTEN_INVALID_MODEL, "%s cannot be %s", name,
                       corten_dtype_name(t->dtype));
    *count = ct_count(t);
    *values = ct_arena_array(r->arena, *count, sizeof **values);
    if (!*values)
        return ct_fail_memory(r->error, *count * sizeof **values, name);
    ct_load_f64(t->dtype, t->data, 0, *count, *values);
    r->model->wide |= t->dtype == CORTEN_F64;
    return CORTEN_OK;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Makes node `at` a search in sorted members, with further nodes where it takes more than one. */
static void make_search(struct reader_5 *r, size_t at, const double *members, size_t count)
{
    struct ct_tree_raw *nodes = r->model->nodes, *node = &nodes[at];
    uint8_t nan = node->ops & CT_TREE_NAN_TRUE;
    if (count <= 1) {
        node->split = count ? members[0] : (double)NAN;
        node->ops = (uint8_t)(nan | CT_TREE_EQUAL);
        return;
    }
    size_t half = count / 2, left = r->model->n_nodes++, right = r->model->n_nodes++;
    nodes[left] = nodes[right] = *node;
    node->split = members[half];
    node->ops = (uint8_t)(nan | CT_TREE_LESS);
    node->next[0] = (int64_t)left;
    node->next[1] = (int64_t)right;
    make_search(r, left, members, half);
    make_search(r, right, members + half, count - half);
}

static ct_status make_searches(struct reader_5 *r, const double *node_modes)
{
    size_t at = 0;
    for (size_t i = 0; i < r->n; i++) {
        if (node_modes[i] != MODE_MEMBER)
            continue;
        size_t end = at, n = 1;
        while (end < r->n_members && !isnan(r->members[end]))
            end++;
        if (end == r->n_members)
            return fail(r->error, "membership_values has too few sets, each with a NaN at its end");
        double *set = r->members + at;
        size_t count = end - at;
        if (count)
            qsort(set, count, sizeof *set, compare_doubles);
        for (size_t k = 1; k < count; k++)
            if (set[k] != set[n - 1])
                set[n++] = set[k];
        make_search(r, i, set, count ? n : 0);
        at = end + 1;
    }
    return CORTEN_OK;
}

static ct_status read_branches(struct reader_5 *r, int which, const char *ids_name,
                               const char *leafs_name)
{
    const int64_t *ids, *leafs;
    CT_TRY(read_ints(r->node, ids_name, (int)r->n, &ids, r->error));
    CT_TRY(read_ints(r->node, leafs_name, (int)r->n, &leafs, r->error));
    for (size_t i = 0; i < r->n; i++) {
        size_t most = leafs[i] ? r->n_leaves : r->n;
        if (ids[i] < 0 || (uint64_t)ids[i] >= most)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "%s has an entry %lld of %zu", ids_name,
                           (long long)ids[i], most);
        r->model->nodes[i].next[which] = ids[i] + (leafs[i] ? (int64_t)r->n : 0);
    }
    return CORTEN_OK;
}

static ct_status read_leaves(struct reader_5 *r, ct_dtypes dtypes)
{
    struct ct_tree_model *m = r->model;
    const int64_t *targets;
    double *weights;
    CT_TRY(read_tensor(r, "leaf_weights", dtypes, &weights, &r->n_leaves));
    if (!r->n_leaves || r->n_leaves > INT32_MAX)
        return fail(r->error, "leaf_weights is missing");
    CT_TRY(read_ints(r->node, "leaf_targetids", (int)r->n_leaves, &targets, r->error));
    m->votes = ct_arena_array(r->arena, r->n_leaves, sizeof *m->votes);
    if (!m->votes)
        return ct_fail_memory(r->error, r->n_leaves * sizeof *m->votes, "leaves of trees");
    m->n_votes = r->n_leaves;
    for (size_t i = 0; i < r->n_leaves; i++)
        m->votes[i] = (struct ct_tree_vote){targets[i], weights[i]};
    return CORTEN_OK;
}

static ct_status allocate_nodes(struct reader_5 *r)
{
    /* A search in k members takes less than 2 k more nodes. */
    if (r->n + r->n_leaves > INT32_MAX || r->n_members > INT32_MAX)
        return fail(r->error, "there are too many nodes");
    r->capacity = r->n + r->n_leaves + 2 * r->n_members;
    r->model->nodes = ct_arena_array(r->arena, r->capacity, sizeof *r->model->nodes);
    if (!r->model->nodes)
        return ct_fail_memory(r->error, r->capacity * sizeof *r->model->nodes, "tree nodes");
    r->model->n_nodes = r->n + r->n_leaves;
    for (size_t i = 0; i < r->n_leaves; i++)
        r->model->nodes[r->n + i] =
            (struct ct_tree_raw){.is_leaf = true, .first_vote = (int64_t)i, .n_votes = 1};
    return CORTEN_OK;
}

static ct_status fill_nodes(struct reader_5 *r, const double *splits, const double *node_modes)
{
    const int64_t *features, *tracks = NULL;
    CT_TRY(read_ints(r->node, "nodes_featureids", (int)r->n, &features, r->error));
    if (ct_attr_ints(r->node, "nodes_missing_value_tracks_true", &tracks) > 0)
        CT_TRY(read_ints(r->node, "nodes_missing_value_tracks_true", (int)r->n, &tracks, r->error));
    else
        tracks = NULL;
    for (size_t i = 0; i < r->n; i++) {
        struct ct_tree_raw *node = &r->model->nodes[i];
        if (!(node_modes[i] >= 0 && node_modes[i] <= MODE_MEMBER))
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "unknown mode %g", node_modes[i]);
        node->ops = node_modes[i] == MODE_MEMBER ? 0 : modes[(int)node_modes[i]].ops;
        node->ops |= tracks && tracks[i] ? CT_TREE_NAN_TRUE : 0;
        node->split = splits[i];
        node->feature = features[i];
    }
    CT_TRY(read_branches(r, 0, "nodes_truenodeids", "nodes_trueleafs"));
    CT_TRY(read_branches(r, 1, "nodes_falsenodeids", "nodes_falseleafs"));
    return make_searches(r, node_modes);
}

/* A root whose branches are one leaf stands for that leaf; its feature and split mean nothing. */
static ct_status read_roots(struct reader_5 *r)
{
    struct ct_tree_model *m = r->model;
    const int64_t *roots;
    int n = ct_attr_ints(r->node, "tree_roots", &roots);
    if (n < 1)
        return fail(r->error, "tree_roots is missing");
    m->roots = ct_arena_array(r->arena, (size_t)n, sizeof *m->roots);
    if (!m->roots)
        return ct_fail_memory(r->error, (size_t)n * sizeof *m->roots, "trees");
    m->n_trees = (size_t)n;
    for (int i = 0; i < n; i++) {
        if (roots[i] < 0 || (uint64_t)roots[i] >= r->n)
            return ct_fail(r->error, CORTEN_INVALID_MODEL, "tree_roots has an entry %lld of %zu",
                           (long long)roots[i], r->n);
        const struct ct_tree_raw *root = &m->nodes[roots[i]];
        bool is_leaf = root->next[0] == root->next[1] && m->nodes[root->next[0]].is_leaf;
        m->roots[i] = is_leaf ? root->next[0] : roots[i];
    }
    /* The same for nodes further down, so that what they say of features is not looked at. */
    for (size_t i = 0; i < r->n; i++)
        if (m->nodes[i].next[0] == m->nodes[i].next[1] && m->nodes[m->nodes[i].next[0]].is_leaf)
            m->nodes[i].feature = 0;
    return CORTEN_OK;
}

ct_status ct_tree_read_5(const struct ct_node *node, struct ct_arena *arena,
                         struct ct_tree_model *model, corten_error *error)
{
    struct reader_5 r = {.node = node, .arena = arena, .model = model, .error = error};
    ct_dtypes floats = CT_BIT(F16) | CT_BIT(F32) | CT_BIT(F64);
    double *splits, *node_modes;
    size_t n_modes;
    int64_t aggregate = ct_attr_int(node, "aggregate_function", CT_TREE_SUM);
    *model = (struct ct_tree_model){.n_targets = ct_attr_int(node, "n_targets", 1)};
    if (aggregate < CT_TREE_AVERAGE || aggregate > CT_TREE_MAX)
        return ct_fail(error, CORTEN_INVALID_MODEL, "aggregate_function is %lld",
                       (long long)aggregate);
    model->aggregate = (enum ct_tree_aggregate)aggregate;
    CT_TRY(read_tensor(&r, "nodes_modes", CT_BIT(U8), &node_modes, &n_modes));
    CT_TRY(read_tensor(&r, "nodes_splits", floats, &splits, &r.n));
    CT_TRY(read_tensor(&r, "membership_values", floats, &r.members, &r.n_members));
    if (!r.n || n_modes != r.n || r.n > INT32_MAX)
        return ct_fail(error, CORTEN_INVALID_MODEL,
                       "nodes_modes has %zu entries, nodes_splits has %zu", n_modes, r.n);
    CT_TRY(read_leaves(&r, floats));
    CT_TRY(allocate_nodes(&r));
    CT_TRY(fill_nodes(&r, splits, node_modes));
    return read_roots(&r);
}
