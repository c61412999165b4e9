/* The normalised sum of word, position and segment embeddings that transformers for text begin
 * with, to com.microsoft.EmbedLayerNormalization. Positions may be a constant [1,S,H] too. */
#include "passes/pattern.h"

#define WORDS "w:Gather(c:words, word_ids)"
#define MORE "m:Gather(c:more, more_ids)"
#define LAST "l:Gather(c:last, last_ids)"
static const char *const patterns[] = {
    "LayerNormalization(Add(" WORDS ", " MORE ", " LAST "), c:gamma, c:beta)",
    "LayerNormalization(Add(" WORDS ", " MORE ", c:places), c:gamma, c:beta)",
    "LayerNormalization(Add(" WORDS ", " MORE "), c:gamma, c:beta)",
    "LayerNormalization(Add(" WORDS ", c:places), c:gamma, c:beta)",
    NULL,
};

/* Rows of a table by ids; all NULL: there are none. */
struct embedding {
    const struct ct_node *gather;
    struct ct_value *table, *ids;
};

static struct embedding embedding_of(const struct ct_match *match, const char *gather,
                                     const char *table, const char *ids)
{
    return (struct embedding){ct_match_node(match, gather), ct_match_value(match, table),
                              ct_match_value(match, ids)};
}

/* [V,H] of float32 by [B,S] or [1,S]. */
static bool is_lookup(const struct embedding *e, ct_dim hidden)
{
    const struct ct_fact *table = &e->table->fact, *ids = &e->ids->fact;
    return ct_attr_int(e->gather, "axis", 0) == 0 && table->rank == 2 &&
           table->dtype == CORTEN_F32 && table->dims[1] == hidden && ids->rank == 2 &&
           ct_dtype_in(ids->dtype, CT_BIT(I32) | CT_BIT(I64));
}

static bool is_full(const struct embedding *e, const struct ct_fact *y)
{
    return e->ids->fact.dims[0] == y->dims[0] && e->ids->fact.dims[1] == y->dims[1];
}

/* Ids as ONNX Runtime takes them; Corten takes both types. */
static ct_status narrow_ids(struct ct_pass_context *context, struct ct_node *before,
                            struct ct_value **ids)
{
    if (!*ids || (*ids)->fact.dtype == CORTEN_I32 || context->target >= CORTEN_LEVEL_LAYOUT)
        return CORTEN_OK;
    struct ct_node *cast = ct_pass_add_node(context, before, "", "Cast", ids, 1);
    struct ct_fact fact = (*ids)->fact;
    if (!cast)
        return CORTEN_OUT_OF_MEMORY;
    fact.dtype = CORTEN_I32;
    CT_TRY(ct_pass_check(context, ct_node_set_int(cast, "to", CORTEN_I32)));
    return ct_pass_add_output(context, cast, &fact, ids);
}

/* [1,S,H] as the table [S,H] of positions that come in order. */
static ct_status places_of(struct ct_pass_context *context, struct ct_match *match,
                           struct ct_value *places, struct ct_value **table)
{
    const struct ct_fact *f = &places->fact, *y = &match->nodes[match->n_nodes - 1]->out[0]->fact;
    *table = NULL;
    if (f->rank != 3 || f->dims[0] != 1 || f->dims[1] != y->dims[1] || f->dims[2] != y->dims[2])
        return CORTEN_OK;
    return ct_pass_reshape(context, match->nodes[match->n_nodes - 1], places, 2, f->dims + 1,
                           table);
}

static ct_status make(struct ct_pass_context *context, struct ct_match *match,
                      const struct embedding *word, const struct embedding *position,
                      const struct embedding *segment, struct ct_node **made)
{
    struct ct_node *root = match->nodes[match->n_nodes - 1];
    struct ct_value *inputs[9] = {word->ids,
                                  segment->ids,
                                  word->table,
                                  position->table,
                                  segment->table,
                                  ct_match_value(match, "gamma"),
                                  ct_match_value(match, "beta"),
                                  NULL,
                                  position->ids};
    CT_TRY(narrow_ids(context, root, &inputs[0]));
    CT_TRY(narrow_ids(context, root, &inputs[1]));
    CT_TRY(narrow_ids(context, root, &inputs[8]));
    if (ct_model_import(context->model, "com.microsoft", 1, context->error) != CORTEN_OK)
        return CORTEN_OUT_OF_MEMORY;
    int n_in = position->ids ? 9 : 7;
    /* ONNX Runtime wants the second output there, the number of tokens that are not masked. */
    struct ct_node *node =
        ct_graph_add_node(root->graph, root, "com.microsoft", "EmbedLayerNormalization", n_in, 2);
    struct ct_value *count = ct_graph_add_value(root->graph, NULL);
    if (!node || !count)
        return ct_fail_memory(context->error, 0, "a node");
    for (int i = 0; i < n_in; i++)
        ct_node_set_input(node, i, inputs[i]);
    ct_node_set_output(node, 1, count);
    *made = node;
    return ct_pass_check(context,
                         ct_node_set_float(node, "epsilon", ct_attr_float(root, "epsilon", 1e-5f)));
}

static ct_status rewrite(struct ct_pass_context *context, struct ct_match *match,
                         struct ct_node **made)
{
    struct embedding word = embedding_of(match, "w", "words", "word_ids");
    struct embedding position = embedding_of(match, "m", "more", "more_ids");
    struct embedding segment = embedding_of(match, "l", "last", "last_ids");
    struct ct_value *places = ct_match_value(match, "places");
    const struct ct_node *root = match->nodes[match->n_nodes - 1];
    const struct ct_fact *y = &root->out[0]->fact;
    int64_t axis = ct_attr_int(root, "axis", -1);
    if (y->rank != 3 || (axis != -1 && axis != 2) || y->dtype != CORTEN_F32)
        return ct_match_decline(match, "'%s' is not normalised over [B,S,H]", root->out[0]->name);
    if (places) {
        segment = position;
        position = (struct embedding){NULL, NULL, NULL};
        CT_TRY(places_of(context, match, places, &position.table));
        if (!position.table)
            return ct_match_decline(match, "'%s' is not [1,S,H]", places->name);
    }
    /* Only positions may be the same for all of the batch. */
    if (segment.ids && position.ids && !is_full(&segment, y)) {
        struct embedding other = segment;
        segment = position;
        position = other;
    }
    if (!is_full(&word, y) && position.ids) {
        struct embedding other = word;
        word = position;
        position = other;
    }
    const struct embedding *const all[] = {&word, &position, &segment};
    for (int i = 0; i < 3; i++)
        if (all[i]->ids && !is_lookup(all[i], y->dims[2]))
            return ct_match_decline(match, "'%s' does not take rows of a table",
                                    all[i]->gather->name);
    if (!is_full(&word, y) || (segment.ids && !is_full(&segment, y)))
        return ct_match_decline(match, "two embeddings are the same for all of the batch");
    return make(context, match, &word, &position, &segment, made);
}

static ct_status run(struct ct_pass_context *context, struct ct_graph *graph)
{
    static const struct ct_fusion fusion = {patterns, rewrite};
    return ct_fusion_run(&fusion, context, graph);
}

const struct ct_pass ct_pass_fuse_embed_norm = {
    .name = "fuse-embed-norm",
    .summary = "normalised sums of embeddings, to EmbedLayerNormalization",
    .level = CORTEN_LEVEL_EXTENDED,
    .run = run,
};
