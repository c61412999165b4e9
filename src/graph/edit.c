/* Nodes: making, linking, and taking them apart. The list of uses of a value is doubly linked
 * through the pointers that point at each entry, so that an input leaves it in constant time. */
#include "graph/graph.h"

#include <string.h>

/* ------------------------------------------------------------------ uses */

static void link_use(struct ct_use *use, struct ct_value *value)
{
    use->value = value;
    use->next = NULL;
    use->prev = NULL;
    if (!value)
        return;
    use->next = value->uses;
    if (use->next)
        use->next->prev = &use->next;
    use->prev = &value->uses;
    value->uses = use;
}

static void unlink_use(struct ct_use *use)
{
    if (!use->value)
        return;
    *use->prev = use->next;
    if (use->next)
        use->next->prev = use->prev;
    use->value = NULL;
    use->next = NULL;
    use->prev = NULL;
}

/* After `use` was moved in memory: its neighbours point at the new place. */
static void relink_moved(struct ct_use *use)
{
    if (!use->value)
        return;
    *use->prev = use;
    if (use->next)
        use->next->prev = &use->next;
}

/* Takes all uses inside a subgraph that leaves the model out of the lists of outer values. */
static void release_graph(struct ct_graph *graph);

static void release_attr(const struct ct_attr *attr)
{
    for (int i = 0; i < ct_attr_graph_count(attr); i++)
        release_graph(attr->graphs[i]);
}

static void release_graph(struct ct_graph *graph)
{
    for (struct ct_node *node = graph->first; node; node = node->next) {
        for (int i = 0; i < node->n_in; i++)
            unlink_use(&node->in[i]);
        for (int i = 0; i < node->n_attrs; i++)
            release_attr(&node->attrs[i]);
    }
    for (size_t i = 0; i < graph->n_outputs; i++)
        graph->outputs[i]->n_output_refs--;
    graph->n_outputs = 0;
    graph->owner = NULL;
}

/* ------------------------------------------------------------------ nodes */

static void insert(struct ct_graph *graph, struct ct_node *node, struct ct_node *before)
{
    node->next = before;
    node->prev = before ? before->prev : graph->last;
    if (node->prev)
        node->prev->next = node;
    else
        graph->first = node;
    if (before)
        before->prev = node;
    else
        graph->last = node;
    graph->n_nodes++;
}

static int opset_of(const struct ct_model *model, const char *domain)
{
    int64_t version = ct_model_opset(model, domain);
    return version > 0 && version <= INT32_MAX ? (int)version : 0;
}

struct ct_node *ct_graph_add_node(struct ct_graph *graph, struct ct_node *before,
                                  const char *domain, const char *op_type, int n_in, int n_out)
{
    struct ct_arena *arena = &graph->model->arena;
    struct ct_node *node = ct_arena_alloc_zero(arena, sizeof *node);
    struct ct_use *in = ct_arena_array(arena, (size_t)n_in, sizeof *in);
    struct ct_value **out = ct_arena_array(arena, (size_t)n_out, sizeof(struct ct_value *));
    if (!node || !in || !out)
        return NULL;
    node->name = node->overload = node->doc = node->origin = "";
    node->domain = domain;
    node->op_type = op_type;
    node->opset = opset_of(graph->model, domain);
    node->graph = graph;
    node->n_in = n_in;
    node->n_out = n_out;
    node->in = in;
    node->out = out;
    for (int i = 0; i < n_in; i++) {
        in[i].node = node;
        in[i].index = i;
    }
    insert(graph, node, before);
    return node;
}

void ct_node_set_input(struct ct_node *node, int index, struct ct_value *value)
{
    struct ct_use *use = &node->in[index];
    if (use->value == value)
        return;
    unlink_use(use);
    link_use(use, value);
}

void ct_node_set_output(struct ct_node *node, int index, struct ct_value *value)
{
    struct ct_value *old = node->out[index];
    if (old && old != value) {
        old->producer = NULL;
        old->producer_index = 0;
    }
    node->out[index] = value;
    if (value) {
        if (value->producer == node && value->producer_index != index &&
            node->out[value->producer_index] == value)
            node->out[value->producer_index] = NULL;
        value->producer = node;
        value->producer_index = index;
    }
}

bool ct_node_resize_inputs(struct ct_node *node, int n_in)
{
    for (int i = n_in; i < node->n_in; i++)
        unlink_use(&node->in[i]);
    if (n_in > node->n_in) {
        struct ct_use *in = ct_arena_array(&node->graph->model->arena, (size_t)n_in, sizeof *in);
        if (!in)
            return false;
        for (int i = 0; i < n_in; i++) {
            if (i < node->n_in) {
                in[i] = node->in[i];
                relink_moved(&in[i]);
            } else {
                in[i].node = node;
                in[i].index = i;
            }
        }
        node->in = in;
    }
    node->n_in = n_in;
    return true;
}

void ct_node_remove(struct ct_node *node)
{
    struct ct_graph *graph = node->graph;
    for (int i = 0; i < node->n_in; i++)
        unlink_use(&node->in[i]);
    for (int i = 0; i < node->n_attrs; i++)
        release_attr(&node->attrs[i]);
    for (int i = 0; i < node->n_out; i++) {
        if (node->out[i] && node->out[i]->producer == node) {
            node->out[i]->producer = NULL;
            node->out[i]->producer_index = 0;
        }
    }
    if (node->prev)
        node->prev->next = node->next;
    else
        graph->first = node->next;
    if (node->next)
        node->next->prev = node->prev;
    else
        graph->last = node->prev;
    node->next = node->prev = NULL;
    graph->n_nodes--;
}

/* ------------------------------------------------------------------ attributes */

static int attr_index(const struct ct_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++) {
        if (strcmp(node->attrs[i].name, name) == 0)
            return i;
    }
    return -1;
}

bool ct_node_set_attr(struct ct_node *node, const struct ct_attr *attr)
{
    struct ct_attr *place;
    int index = attr_index(node, attr->name);
    if (index >= 0) {
        place = &node->attrs[index];
        release_attr(place);
    } else {
        /* Nodes have few attributes: the array grows by one and old ones stay in the arena. */
        size_t n = (size_t)node->n_attrs;
        struct ct_attr *attrs = ct_arena_array(&node->graph->model->arena, n + 1, sizeof *attrs);
        if (!attrs)
            return false;
        if (n)
            memcpy(attrs, node->attrs, n * sizeof *attrs);
        node->attrs = attrs;
        place = &attrs[node->n_attrs++];
    }
    *place = *attr;
    for (int i = 0; i < ct_attr_graph_count(place); i++)
        place->graphs[i]->owner = node;
    return true;
}

static const char *own_name(struct ct_node *node, const char *name)
{
    const struct ct_attr *old = ct_node_attr(node, name);
    return old ? old->name : ct_arena_strdup(&node->graph->model->arena, name);
}

bool ct_node_set_int(struct ct_node *node, const char *name, int64_t value)
{
    struct ct_attr attr = {
        .name = own_name(node, name), .type = CT_ATTR_INT, .doc = "", .count = 1, .i = value};
    return attr.name && ct_node_set_attr(node, &attr);
}

bool ct_node_set_float(struct ct_node *node, const char *name, float value)
{
    struct ct_attr attr = {
        .name = own_name(node, name), .type = CT_ATTR_FLOAT, .doc = "", .count = 1, .f = value};
    return attr.name && ct_node_set_attr(node, &attr);
}

bool ct_node_set_ints(struct ct_node *node, const char *name, const int64_t *values, int count)
{
    int64_t *copy = ct_arena_array(&node->graph->model->arena, (size_t)count, sizeof *copy);
    struct ct_attr attr = {.name = own_name(node, name),
                           .type = CT_ATTR_INTS,
                           .doc = "",
                           .count = count,
                           .ints = copy};
    if (!copy || !attr.name)
        return false;
    if (count)
        memcpy(copy, values, (size_t)count * sizeof *copy);
    return ct_node_set_attr(node, &attr);
}

bool ct_node_set_string(struct ct_node *node, const char *name, const char *value)
{
    const char *copy = ct_arena_strdup(&node->graph->model->arena, value);
    struct ct_attr attr = {
        .name = own_name(node, name), .type = CT_ATTR_STRING, .doc = "", .count = 1};
    if (!copy || !attr.name)
        return false;
    attr.s = (corten_string){copy, strlen(copy)};
    return ct_node_set_attr(node, &attr);
}

void ct_node_drop_attr(struct ct_node *node, const char *name)
{
    int index = attr_index(node, name);
    if (index < 0)
        return;
    release_attr(&node->attrs[index]);
    size_t after = (size_t)(node->n_attrs - index - 1);
    memmove(&node->attrs[index], &node->attrs[index + 1], after * sizeof *node->attrs);
    node->n_attrs--;
}

/* ------------------------------------------------------------------ values */

struct ct_use *ct_value_single_use(const struct ct_value *value)
{
    return value->uses && !value->uses->next && !value->n_output_refs ? value->uses : NULL;
}

static int replace_outputs(struct ct_graph *graph, struct ct_value *from, struct ct_value *to)
{
    int n = 0;
    for (size_t i = 0; i < graph->n_outputs; i++) {
        if (graph->outputs[i] == from) {
            graph->outputs[i] = to;
            n++;
        }
    }
    return n;
}

/* The outputs of subgraphs may name outer values without any node between. */
static int replace_inner_outputs(struct ct_graph *graph, struct ct_value *from, struct ct_value *to)
{
    int n = 0;
    for (struct ct_node *node = graph->first; node; node = node->next) {
        for (int a = 0; a < node->n_attrs; a++) {
            const struct ct_attr *attr = &node->attrs[a];
            for (int g = 0; g < ct_attr_graph_count(attr); g++) {
                n += replace_outputs(attr->graphs[g], from, to);
                n += replace_inner_outputs(attr->graphs[g], from, to);
            }
        }
    }
    return n;
}

static int count_outputs(const struct ct_graph *graph, const struct ct_value *value)
{
    int n = 0;
    for (size_t i = 0; i < graph->n_outputs; i++)
        n += graph->outputs[i] == value;
    return n;
}

/* The two swap names: `to` then stands under the name that the outside knows. Both keys are in
 * the map already, so that nothing is allocated and nothing can fail. */
static void take_over_name(struct ct_value *from, struct ct_value *to)
{
    const char *name = from->name;
    struct ct_map *names = &from->graph->names;
    from->name = to->name;
    to->name = name;
    ct_map_put(names, to->name, to);
    ct_map_put(names, from->name, from);
    to->doc = from->doc;
    to->type_denotation = from->type_denotation;
    memcpy(to->denotations, from->denotations, sizeof to->denotations);
    to->metadata = from->metadata;
    to->type_proto = from->type_proto;
    to->info_extra = from->info_extra;
    to->declared = from->declared;
    struct ct_fact fact = to->fact;
    if (ct_fact_merge(&fact, &from->fact))
        to->fact = fact;
}

bool ct_value_replace(struct ct_value *from, struct ct_value *to)
{
    if (from == to)
        return true;
    int own_outputs = from->n_output_refs ? count_outputs(from->graph, from) : 0;
    if (own_outputs) {
        if (from->is_input || from->constant || to->is_input || to->constant || !to->producer ||
            to->graph != from->graph || count_outputs(to->graph, to))
            return false;
        take_over_name(from, to);
        replace_outputs(from->graph, from, to);
    }
    if (from->n_output_refs > own_outputs)
        replace_inner_outputs(from->graph, from, to);
    to->n_output_refs += from->n_output_refs;
    from->n_output_refs = 0;
    while (from->uses) {
        struct ct_use *use = from->uses;
        unlink_use(use);
        link_use(use, to);
    }
    return true;
}
