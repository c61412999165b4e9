/* One conformance case: its model run on each of its data sets. */
#ifndef CT_CLI_CASE_H
#define CT_CLI_CASE_H

#include <corten/corten.h>

/** Runs the case in `folder`: model.onnx on test_data_set_N/input_M.pb, whose outputs must be close
 *  to output_M.pb as the folder's tolerance.txt says ("rtol atol"; 1e-3 1e-7 without it). On
 *  failure the text names the data set, output, index, found and expected. */
corten_status ct_cli_case_run(const char *folder, const corten_options *options,
                              corten_error *error);

/** The bytes of FOLDER/FILE (the caller frees them), and the tensor in such a file. */
corten_status ct_cli_case_file(const char *folder, const char *file, void **bytes,
                               size_t *size_bytes, corten_error *error);
corten_status ct_cli_case_value(const char *folder, const char *file, corten_value **value,
                                corten_error *error);

#endif
