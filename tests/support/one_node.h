/* One node by itself, for tests of operators. Every function but _run and _infer fails the test
 * when it fails. */
#ifndef CT_TESTS_SUPPORT_ONE_NODE_H
#define CT_TESTS_SUPPORT_ONE_NODE_H

#include "graph/graph.h"
#include "os/pool.h"

enum { ONE_NODE_MAX = 10 };

struct one_node {
    struct ct_model *model;
    struct ct_node *node;
    struct ct_tensor in[ONE_NODE_MAX], out[ONE_NODE_MAX];
    bool present[ONE_NODE_MAX];
    struct ct_pool *pool; /* NULL: one thread; destroyed by _deinit */
    corten_precision precision;
    corten_error error; /* of the last _infer or _run */
};

void one_node_init(struct one_node *one, const char *domain, const char *op_type, int opset,
                   int n_in, int n_out);
/** Frees outputs too. */
void one_node_deinit(struct one_node *one);
void one_node_threads(struct one_node *one, int threads);
void one_node_int(struct one_node *one, const char *name, int64_t value);
void one_node_float(struct one_node *one, const char *name, float value);
void one_node_ints(struct one_node *one, const char *name, int count, const int64_t *values);
void one_node_text(struct one_node *one, const char *name, const char *value);
/** `data` is borrowed; it may be NULL for _infer. */
void one_node_input(struct one_node *one, int index, ct_dtype dtype, int rank, const int64_t *dims,
                    const void *data);
/** Infers from the types, shapes and data of the inputs; output facts go to out[]. */
ct_status one_node_infer(struct one_node *one, struct ct_fact *out);
/** Runs; drops the outputs of the run before. */
ct_status one_node_run(struct one_node *one);

#endif
