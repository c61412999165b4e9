/* Inputs of a run: from files of arrays, pictures, serialized tensors, or made up. */
#ifndef CT_CLI_INPUTS_H
#define CT_CLI_INPUTS_H

#include <corten/corten.h>

#include "image.h"
#include "option.h"

struct ct_cli_input_args {
    struct ct_cli_list files; /* "NAME=FILE" */
    const char *archive;
    bool random;
    int64_t seed;
    struct ct_cli_list shapes;     /* "NAME=2x3" */
    struct ct_cli_list int_ranges; /* "LOW:HIGH" or "NAME=LOW:HIGH" */
};

/** Rows for struct ct_cli_input_args. */
extern const struct ct_cli_option ct_cli_input_options[];

/** `count` values by name; the names are borrowed from the session. */
struct ct_cli_inputs {
    const char **names;
    corten_value **values;
    size_t count;
};

/** Loads what `args` name, and makes up the rest with --random; inputs that nothing names are left
 *  out. */
corten_status ct_cli_inputs_load(const struct ct_cli_input_args *args,
                                 const struct ct_cli_image_args *image,
                                 const corten_session *session, struct ct_cli_inputs *inputs,
                                 corten_error *error);
void ct_cli_inputs_deinit(struct ct_cli_inputs *inputs);

/** Loads one value from a .npy, .pb or .npz file (the latter with one array). */
corten_status ct_cli_value_load(const char *path, const corten_value_info *info,
                                corten_value **value, corten_error *error);

#endif
