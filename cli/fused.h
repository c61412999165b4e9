/* How many blocks of each kind the optimiser has made one node of, as people know them from
 * transformers: attention, normalisation, activation. */
#ifndef CT_CLI_FUSED_H
#define CT_CLI_FUSED_H

#include <corten/corten.h>

#include "json.h"

/** "Fused operators" and a line a kind: how many of how many, and which operators they are. */
corten_status ct_cli_fused_print(const corten_model *model, corten_error *error);
/** Adds "fused": a kind's name to {"fused": n, "left": n, "operators": {…}}. */
corten_status ct_cli_fused_add_json(const corten_model *model, struct ct_cli_json *json,
                                    corten_error *error);

#endif
