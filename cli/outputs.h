/* Outputs of a run: taking, comparing and saving them. */
#ifndef CT_CLI_OUTPUTS_H
#define CT_CLI_OUTPUTS_H

#include <corten/corten.h>

#include "inputs.h"
#include "json.h"

/** `count` values by name; the names are borrowed from the session. */
struct ct_cli_outputs {
    const char **names;
    corten_value **values; /* NULL before the first run */
    size_t count;
};

corten_status ct_cli_outputs_init(struct ct_cli_outputs *outputs, const corten_session *session,
                                  corten_error *error);
void ct_cli_outputs_deinit(struct ct_cli_outputs *outputs);

/** Runs once. Tensors of an earlier run are written into; other values are made anew. */
corten_status ct_cli_outputs_run(struct ct_cli_outputs *outputs, corten_session *session,
                                 const struct ct_cli_inputs *inputs, corten_error *error);

/** Saves to `path`: .npz all outputs; .npy or .pb the only one; a folder OUTPUT_N.pb of each. Items
 *  of sequences are named NAME.0 and so on in an archive. */
corten_status ct_cli_outputs_save(const struct ct_cli_outputs *outputs, const char *path,
                                  bool deflate, corten_error *error);

/** Compares with the arrays "out:NAME" or "NAME" of an archive. Prints a line per output, or adds
 *  "check" to `json` if that is not NULL. RUN_FAILED if one is off by more than `rtol` (largest
 *  error over largest magnitude), or none is there to compare with. */
corten_status ct_cli_outputs_check(const struct ct_cli_outputs *outputs, const char *path,
                                   double rtol, struct ct_cli_json *json, corten_error *error);

#endif
