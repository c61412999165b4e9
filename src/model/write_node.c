/* NodeProto and AttributeProto. */
#include "model/write_parts.h"

#include <string.h>

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static void put_tensor(struct ct_writer *writer, uint32_t number, const struct ct_attr *attr, int i)
{
    const struct ct_tensor *tensor = &attr->tensors[i];
    const struct ct_extra *extra = attr->tensor_extras;
    size_t token = ct_wire_out_begin(&writer->out, number);
    if (tensor->kind == CORTEN_SPARSE)
        ct_write_sparse(writer, tensor, NULL, extra ? &extra[2 * i] : NULL,
                        extra ? &extra[2 * i + 1] : NULL);
    else
        ct_write_tensor(writer, tensor, NULL, extra ? &extra[i] : NULL, false);
    ct_wire_out_end(&writer->out, number, token);
}

static void put_graph(struct ct_writer *writer, uint32_t number, const struct ct_graph *graph)
{
    size_t token = ct_wire_out_begin(&writer->out, number);
    ct_write_graph(writer, graph);
    ct_wire_out_end(&writer->out, number, token);
}

static void put_type(struct ct_writer *writer, uint32_t number, const struct ct_attr *attr, int i)
{
    struct ct_wire_out *out = &writer->out;
    if (attr->type_protos && attr->type_protos[i].data) {
        ct_wire_out_bytes(out, number, attr->type_protos[i].data, attr->type_protos[i].size_bytes);
        return;
    }
    size_t token = ct_wire_out_begin(out, number);
    ct_write_type(writer, &attr->types[i], NULL, NULL);
    ct_wire_out_end(out, number, token);
}

static void put_item(struct ct_writer *writer, const struct ct_attr *attr, int i)
{
    struct ct_wire_out *out = &writer->out;
    switch (attr->type) {
    case CT_ATTR_NONE: break;
    case CT_ATTR_FLOAT: ct_wire_out_fixed32(out, 2, bits_of(attr->f)); break;
    case CT_ATTR_INT: ct_wire_out_varint(out, 3, (uint64_t)attr->i); break;
    case CT_ATTR_STRING: ct_wire_out_bytes(out, 4, attr->s.data, attr->s.size_bytes); break;
    case CT_ATTR_TENSOR: put_tensor(writer, 5, attr, i); break;
    case CT_ATTR_GRAPH: put_graph(writer, 6, attr->graphs[i]); break;
    case CT_ATTR_FLOATS: ct_wire_out_fixed32(out, 7, bits_of(attr->floats[i])); break;
    case CT_ATTR_INTS: ct_wire_out_varint(out, 8, (uint64_t)attr->ints[i]); break;
    case CT_ATTR_STRINGS:
        ct_wire_out_bytes(out, 9, attr->strings[i].data, attr->strings[i].size_bytes);
        break;
    case CT_ATTR_TENSORS: put_tensor(writer, 10, attr, i); break;
    case CT_ATTR_GRAPHS: put_graph(writer, 11, attr->graphs[i]); break;
    case CT_ATTR_TYPE: put_type(writer, 14, attr, i); break;
    case CT_ATTR_TYPES: put_type(writer, 15, attr, i); break;
    case CT_ATTR_SPARSE_TENSOR: put_tensor(writer, 22, attr, i); break;
    case CT_ATTR_SPARSE_TENSORS: put_tensor(writer, 23, attr, i); break;
    }
}

void ct_write_attr(struct ct_writer *writer, const struct ct_attr *attr)
{
    struct ct_wire_out *out = &writer->out;
    ct_wire_out_text(out, 1, attr->name);
    for (int i = 0; i < attr->count; i++)
        put_item(writer, attr, i);
    ct_wire_out_text_if(out, 13, attr->doc);
    if (attr->type != CT_ATTR_NONE)
        ct_wire_out_varint(out, 20, (uint64_t)attr->type);
    ct_wire_out_text_if(out, 21, attr->ref_name);
    ct_write_extra(writer, attr->extra);
}

void ct_write_node(struct ct_writer *writer, const struct ct_node *node)
{
    struct ct_wire_out *out = &writer->out;
    for (int i = 0; i < node->n_in; i++)
        ct_wire_out_text(out, 1, node->in[i].value ? node->in[i].value->name : "");
    for (int i = 0; i < node->n_out; i++)
        ct_wire_out_text(out, 2, node->out[i] ? node->out[i]->name : "");
    ct_wire_out_text_if(out, 3, node->name);
    ct_wire_out_text(out, 4, node->op_type);
    for (int i = 0; i < node->n_attrs; i++) {
        size_t token = ct_wire_out_begin(out, 5);
        ct_write_attr(writer, &node->attrs[i]);
        ct_wire_out_end(out, 5, token);
    }
    ct_wire_out_text_if(out, 6, node->doc);
    ct_wire_out_text_if(out, 7, node->domain);
    ct_wire_out_text_if(out, 8, node->overload);
    ct_write_properties(writer, 9, &node->metadata);
    ct_write_extra(writer, &node->extra);
}
