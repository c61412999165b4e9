/* What `corten inspect` tells of a model: weights counted by dtype, operators by type. */
#ifndef CT_CLI_FACTS_H
#define CT_CLI_FACTS_H

#include <corten/corten.h>

#include "json.h"

/** Weights of one dtype, or operators of one type. */
struct ct_cli_tally {
    corten_dtype dtype;
    const char *domain, *op_type; /* borrowed from the model; NULL for weights */
    size_t count;
    double n_elems, size_bytes;
    double flops, bytes;
    size_t n_unknown; /* nodes whose shapes are not known */
};

struct ct_cli_tallies {
    struct ct_cli_tally *items;
    size_t count;
};

struct ct_cli_facts {
    const corten_model *model; /* borrowed */
    corten_model_info info;
    struct ct_cli_tallies weights, operators; /* operators: the most FLOPs first */
    struct ct_cli_tally all_weights, all_operators;
    corten_error shapes; /* why shapes are not known; status OK: they are */
};

/** Infers shapes and counts. A model whose shapes do not fit still has facts. */
corten_status ct_cli_facts_init(struct ct_cli_facts *facts, corten_model *model,
                                corten_error *error);
void ct_cli_facts_deinit(struct ct_cli_facts *facts);

/** Input or output `index` of the model. */
corten_status ct_cli_facts_value(const struct ct_cli_facts *facts, bool output, size_t index,
                                 corten_value_info *info, corten_error *error);
/** Domain of an opset as people call it: "ai.onnx" for the empty one. */
const char *ct_cli_domain_text(const char *domain);

/** Prints all facts as JSON, with `nodes` every node too. */
corten_status ct_cli_facts_print_json(const struct ct_cli_facts *facts, bool nodes,
                                      corten_error *error);

#endif
