/* Small models made in C, for tests. Every function fails the test when it fails. */
#ifndef CT_TESTS_SUPPORT_BUILDER_H
#define CT_TESTS_SUPPORT_BUILDER_H

#include "exec/program.h"
#include "graph/graph.h"

/** An empty model with opset 20; free with ct_model_destroy. */
struct ct_model *test_model(const corten_allocator *allocator);
/** An input of the graph; dims may hold CT_DIM_UNKNOWN. */
struct ct_value *test_input(struct ct_graph *graph, const char *name, ct_dtype dtype, int rank,
                            const ct_dim *dims);
/** A 1-D constant. */
struct ct_value *test_ints(struct ct_graph *graph, int count, const int64_t *values);
struct ct_value *test_floats(struct ct_graph *graph, int count, const float *values);
/** A node with one output, named after `name`; b may be NULL. */
struct ct_value *test_node(struct ct_graph *graph, const char *op_type, const char *name,
                           struct ct_value *a, struct ct_value *b);
/** Resolves, infers and finds captures. */
void test_finish(struct ct_model *model);

/** Everything that runs a model, on `threads` threads. */
struct test_program {
    struct ct_model *model; /* borrowed */
    corten_allocator allocator;
    struct ct_context context;
    struct ct_program *program;
};
void test_program_create(struct test_program *p, struct ct_model *model,
                         const corten_allocator *allocator, int threads);
void test_program_destroy(struct test_program *p);

/** A borrowed tensor. */
struct ct_tensor test_tensor(ct_dtype dtype, int rank, const int64_t *dims, void *data);

#endif
