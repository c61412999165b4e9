#include "ops/text/strings.h"

#include <string.h>

ct_status ct_run_strings(const struct ct_run *run, int index, int rank, const int64_t *dims,
                         size_t size_bytes, char **bytes)
{
    size_t n_elems, elems_bytes, all_bytes;
    if (!ct_shape_count(rank, dims, &n_elems) ||
        !ct_mul_size(n_elems, sizeof(corten_string), &elems_bytes) ||
        !ct_add_size(elems_bytes, size_bytes, &all_bytes) || all_bytes > PTRDIFF_MAX)
        return ct_run_fail(run, "output %d is too large", index);
    struct ct_buffer *buffer = ct_buffer_create(run->exec->allocator, all_bytes);
    if (!buffer)
        return ct_fail_memory(run->exec->error, all_bytes, "strings");
    struct ct_tensor *out = run->out[index];
    *out = (struct ct_tensor){.dtype = CORTEN_STRING, .rank = rank, .buffer = buffer};
    if (rank)
        memcpy(out->dims, dims, (size_t)rank * sizeof *dims);
    out->data = ct_buffer_data(buffer);
    memset(out->data, 0, elems_bytes);
    *bytes = (char *)out->data + elems_bytes;
    return CORTEN_OK;
}

int ct_attr_strings(const struct ct_node *node, const char *name, const corten_string **values)
{
    const struct ct_attr *attr = ct_node_attr(node, name);
    *values = NULL;
    if (!attr || attr->type != CT_ATTR_STRINGS)
        return -1;
    *values = attr->strings;
    return attr->count;
}
