/* From the nodes that a model lists to flat trees. */
#include <math.h>
#include <string.h>

#include "ops/eval.h"
#include "ops/ml/tree.h"

enum { MAX_NODES = 1 << 30 };

struct builder {
    const struct ct_tree_model *model;
    struct ct_prepare *prepare;
    struct ct_arena arena; /* for what is needed while building only */
    int32_t *place;        /* of a raw node in the flat array; -1: not visited */
    int32_t *height;       /* longest way to a leaf; -1: being visited */
    int64_t *order;        /* raw nodes by place */
    int64_t *stack;
    int32_t count;
};

static ct_status fail(const struct builder *b, const char *what, int64_t node)
{
    return ct_fail(b->prepare->error, CORTEN_INVALID_MODEL, "tree node %lld %s", (long long)node,
                   what);
}

/* Walks depth first, without recursion: chains may be as long as the model. */
static ct_status visit(struct builder *b, int64_t root)
{
    const struct ct_tree_raw *nodes = b->model->nodes;
    size_t depth = 0;
    if (b->place[root] >= 0)
        return CORTEN_OK;
    b->stack[depth++] = root;
    while (depth) {
        int64_t at = b->stack[depth - 1];
        const struct ct_tree_raw *node = &nodes[at];
        if (b->place[at] < 0) {
            b->place[at] = b->count;
            b->order[b->count++] = at;
            b->height[at] = node->is_leaf ? 0 : -1;
        }
        int32_t height = 0;
        int64_t down = -1;
        for (int i = 0; i < 2 && !node->is_leaf && down < 0; i++) {
            int64_t next = node->next[i];
            if (b->place[next] < 0)
                down = next;
            else if (b->height[next] < 0)
                return fail(b, "leads back to itself", next);
            else if (b->height[next] >= height)
                height = b->height[next] + 1;
        }
        if (down >= 0) {
            b->stack[depth++] = down;
            continue;
        }
        b->height[at] = height;
        depth--;
    }
    return CORTEN_OK;
}

static ct_status check_nodes(const struct builder *b)
{
    const struct ct_tree_model *m = b->model;
    for (size_t i = 0; i < m->n_nodes; i++) {
        const struct ct_tree_raw *node = &m->nodes[i];
        if (node->is_leaf)
            continue;
        for (int k = 0; k < 2; k++)
            if (node->next[k] < 0 || (uint64_t)node->next[k] >= m->n_nodes)
                return fail(b, "has a branch that is no node", (int64_t)i);
        if (node->feature < 0 || node->feature > INT32_MAX)
            return fail(b, "has a feature that is out of range", (int64_t)i);
    }
    for (size_t i = 0; i < m->n_trees; i++)
        if (m->roots[i] < 0 || (uint64_t)m->roots[i] >= m->n_nodes)
            return fail(b, "is a root and does not exist", m->roots[i]);
    for (size_t i = 0; i < m->n_votes; i++)
        if (m->votes[i].target < 0 || m->votes[i].target >= m->n_targets)
            return ct_fail(b->prepare->error, CORTEN_INVALID_MODEL,
                           "a leaf votes for target %lld of %lld", (long long)m->votes[i].target,
                           (long long)m->n_targets);
    return CORTEN_OK;
}

static ct_status find_order(struct builder *b)
{
    const struct ct_tree_model *m = b->model;
    if (m->n_nodes > MAX_NODES || m->n_votes > MAX_NODES || m->n_trees > MAX_NODES)
        return ct_fail(b->prepare->error, CORTEN_LIMIT_EXCEEDED, "the trees have too many nodes");
    CT_TRY(check_nodes(b));
    b->place = ct_arena_array(&b->arena, m->n_nodes, sizeof *b->place);
    b->height = ct_arena_array(&b->arena, m->n_nodes, sizeof *b->height);
    b->order = ct_arena_array(&b->arena, m->n_nodes, sizeof *b->order);
    b->stack = ct_arena_array(&b->arena, m->n_nodes, sizeof *b->stack);
    if (!b->place || !b->height || !b->order || !b->stack)
        return ct_fail_memory(b->prepare->error, m->n_nodes * sizeof *b->order, "trees");
    memset(b->place, -1, m->n_nodes * sizeof *b->place);
    for (size_t i = 0; i < m->n_trees; i++)
        CT_TRY(visit(b, m->roots[i]));
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ flat arrays */

/* Larger or equal, with a split that is NaN, is never true, although it is not less either. */
static uint8_t ops_of(const struct ct_tree_raw *node)
{
    if (isnan(node->split) && (node->ops & CT_TREE_NOT) && (node->ops & CT_TREE_LESS))
        return node->ops & CT_TREE_NAN_TRUE;
    return node->ops;
}

static ct_status flatten(struct builder *b, bool wide, struct ct_forest *f)
{
    struct ct_prepare *p = b->prepare;
    size_t n = (size_t)b->count;
    struct ct_tree_node_f32 *narrow = NULL;
    struct ct_tree_node_f64 *wides = NULL;
    uint8_t *ops = ct_prepare_alloc(p, n);
    if (wide)
        wides = ct_prepare_alloc(p, n * sizeof *wides);
    else
        narrow = ct_prepare_alloc(p, n * sizeof *narrow);
    if (!ops || (!wides && !narrow))
        return ct_fail_memory(p->error, n * sizeof *wides, "trees");
    f->same_ops = CT_TREE_LESS | CT_TREE_EQUAL;
    bool first = true;
    for (size_t i = 0; i < n; i++) {
        const struct ct_tree_raw *node = &b->model->nodes[b->order[i]];
        int32_t next[2] = {(int32_t)i, (int32_t)i}, feature = 0;
        if (!node->is_leaf) {
            for (int k = 0; k < 2; k++)
                next[k] = b->place[node->next[k]];
            feature = (int32_t)node->feature;
            ops[i] = ops_of(node);
            f->same_ops = first || ops[i] == f->same_ops ? ops[i] : -1;
            first = false;
            f->n_features = feature >= f->n_features ? feature + 1 : f->n_features;
        }
        if (wide)
            wides[i] = (struct ct_tree_node_f64){node->split, feature, {next[0], next[1]}};
        else
            narrow[i] = (struct ct_tree_node_f32){(float)node->split, feature, {next[0], next[1]}};
    }
    if (f->same_ops != CT_TREE_LESS && f->same_ops != (CT_TREE_LESS | CT_TREE_EQUAL))
        f->same_ops = -1;
    f->nodes_f32 = narrow;
    f->nodes_f64 = wides;
    f->ops = ops;
    return CORTEN_OK;
}

static ct_status place_votes(struct builder *b, struct ct_forest *f)
{
    struct ct_prepare *p = b->prepare;
    const struct ct_tree_model *m = b->model;
    size_t n = (size_t)b->count, total = 0;
    for (size_t i = 0; i < n; i++)
        if (m->nodes[b->order[i]].is_leaf)
            total += (size_t)m->nodes[b->order[i]].n_votes;
    if (total > MAX_NODES)
        return ct_fail(p->error, CORTEN_LIMIT_EXCEEDED, "the trees have too many votes");
    int32_t *first = ct_prepare_alloc(p, (n + 1) * sizeof *first);
    struct ct_tree_vote *votes = ct_prepare_alloc(p, total * sizeof *votes);
    double *sums = ct_prepare_alloc(p, n * sizeof *sums);
    if (!first || !votes || !sums)
        return ct_fail_memory(p->error, total * sizeof *votes, "leaves of trees");
    f->only_target = m->n_votes ? m->votes[0].target : 0;
    for (size_t i = 0; i < m->n_votes; i++)
        if (m->votes[i].target != f->only_target)
            f->only_target = -1;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        const struct ct_tree_raw *node = &m->nodes[b->order[i]];
        first[i] = (int32_t)at;
        sums[i] = ct_forest_zero(f);
        for (int64_t k = 0; node->is_leaf && k < node->n_votes; k++) {
            votes[at] = m->votes[node->first_vote + k];
            votes[at].weight += 0.0; /* -0 stands for no vote at all */
            sums[i] = ct_tree_join(f->aggregate, sums[i], votes[at++].weight);
        }
    }
    first[n] = (int32_t)at;
    f->first_vote = first;
    f->votes = votes;
    f->sums = sums;
    f->n_columns = f->only_target >= 0 ? 1 : m->n_targets;
    return CORTEN_OK;
}

static ct_status place_trees(struct builder *b, struct ct_forest *f)
{
    const struct ct_tree_model *m = b->model;
    int32_t *roots = ct_prepare_alloc(b->prepare, m->n_trees * sizeof *roots);
    int32_t *depths = ct_prepare_alloc(b->prepare, m->n_trees * sizeof *depths);
    double *base = ct_prepare_alloc(b->prepare, m->n_base * sizeof *base);
    if (!roots || !depths || !base)
        return ct_fail_memory(b->prepare->error, m->n_trees * sizeof *roots, "trees");
    double steps = 0;
    for (size_t i = 0; i < m->n_trees; i++) {
        roots[i] = b->place[m->roots[i]];
        depths[i] = b->height[m->roots[i]];
        steps += depths[i] < 16 ? depths[i] : 16;
    }
    if (m->n_base)
        memcpy(base, m->base, m->n_base * sizeof *base);
    f->roots = roots;
    f->depths = depths;
    f->n_trees = (int64_t)m->n_trees;
    f->base = base;
    f->n_base = m->n_base;
    f->row_ns = 2 * steps + 4 * (double)m->n_trees + 10;
    return CORTEN_OK;
}

ct_status ct_forest_build(const struct ct_tree_model *model, bool wide, struct ct_prepare *prepare,
                          struct ct_forest *forest)
{
    struct builder b = {.model = model, .prepare = prepare};
    ct_arena_init(&b.arena, prepare->planner->arena->allocator);
    *forest = (struct ct_forest){.n_targets = model->n_targets, .aggregate = model->aggregate};
    ct_status status = find_order(&b);
    if (status == CORTEN_OK)
        status = flatten(&b, wide, forest);
    if (status == CORTEN_OK)
        status = place_votes(&b, forest);
    if (status == CORTEN_OK)
        status = place_trees(&b, forest);
    ct_arena_deinit(&b.arena);
    return status;
}
