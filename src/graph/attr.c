#include "graph/graph.h"

#include <stdio.h>
#include <string.h>

const struct ct_attr *ct_node_attr(const struct ct_node *node, const char *name)
{
    for (int i = 0; i < node->n_attrs; i++) {
        if (strcmp(node->attrs[i].name, name) == 0)
            return &node->attrs[i];
    }
    return NULL;
}

/* The attribute if it is there, is of that type and holds a value of its own. */
static const struct ct_attr *typed(const struct ct_node *node, const char *name,
                                   enum ct_attr_type type)
{
    const struct ct_attr *attr = ct_node_attr(node, name);
    return attr && attr->type == type && !attr->ref_name ? attr : NULL;
}

int64_t ct_attr_int(const struct ct_node *node, const char *name, int64_t fallback)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_INT);
    return attr ? attr->i : fallback;
}

float ct_attr_float(const struct ct_node *node, const char *name, float fallback)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_FLOAT);
    return attr ? attr->f : fallback;
}

int ct_attr_ints(const struct ct_node *node, const char *name, const int64_t **values)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_INTS);
    *values = attr ? attr->ints : NULL;
    return attr ? attr->count : -1;
}

int ct_attr_floats(const struct ct_node *node, const char *name, const float **values)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_FLOATS);
    *values = attr ? attr->floats : NULL;
    return attr ? attr->count : -1;
}

corten_string ct_attr_string(const struct ct_node *node, const char *name)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_STRING);
    return attr ? attr->s : (corten_string){NULL, 0};
}

bool ct_attr_is(const struct ct_node *node, const char *name, const char *text,
                const char *fallback)
{
    corten_string s = ct_attr_string(node, name);
    if (!s.data)
        return strcmp(fallback, text) == 0;
    return s.size_bytes == strlen(text) && memcmp(s.data, text, s.size_bytes) == 0;
}

struct ct_graph *ct_attr_graph(const struct ct_node *node, const char *name)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_GRAPH);
    return attr ? attr->graphs[0] : NULL;
}

const struct ct_tensor *ct_attr_tensor(const struct ct_node *node, const char *name)
{
    const struct ct_attr *attr = typed(node, name, CT_ATTR_TENSOR);
    return attr ? attr->tensors : NULL;
}

const char *ct_node_describe(const struct ct_node *node, char *text, size_t size_bytes)
{
    if (!size_bytes)
        return text;
    const char *name = node->name;
    const char *before = "node '";
    if (!name[0]) {
        /* Unnamed nodes are known by what they compute. */
        before = "the node of '";
        for (int i = 0; i < node->n_out && !name[0]; i++) {
            if (node->out[i])
                name = node->out[i]->name;
        }
    }
    bool standard = !node->domain[0] || strcmp(node->domain, "ai.onnx") == 0;
    int n = snprintf(text, size_bytes, "%s%s' (%s%s%s)", before, name, standard ? "" : node->domain,
                     standard ? "" : ".", node->op_type);
    if (n < 0)
        text[0] = '\0';
    return text;
}
