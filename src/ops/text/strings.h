/* Outputs of strings. */
#ifndef CT_OPS_TEXT_STRINGS_H
#define CT_OPS_TEXT_STRINGS_H

#include "graph/op.h"

/** For CT_OP_ALLOCATES: gives output `index` (which is wanted) its shape, and memory in which
 *  *bytes is room for the bytes of all strings, as own as the elements. */
ct_status ct_run_strings(const struct ct_run *run, int index, int rank, const int64_t *dims,
                         size_t size_bytes, char **bytes);

/** The attribute's strings; -1 when absent. */
int ct_attr_strings(const struct ct_node *node, const char *name, const corten_string **values);

#endif
