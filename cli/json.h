/* JSON documents over cJSON, where a failed allocation is remembered instead of checked at each
 * of many small additions. */
#ifndef CT_CLI_JSON_H
#define CT_CLI_JSON_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include <corten/corten.h>

struct ct_cli_json {
    cJSON *root; /* an object */
    bool failed;
};

void ct_cli_json_init(struct ct_cli_json *json);
void ct_cli_json_deinit(struct ct_cli_json *json);

/** Adders: `to` is an object, or an array with `key` NULL; NULL (after a failure) is allowed. */
void ct_cli_json_number(struct ct_cli_json *json, cJSON *to, const char *key, double number);
/** The text of a number that a double does not hold exactly, such as a large int64. */
void ct_cli_json_raw(struct ct_cli_json *json, cJSON *to, const char *key, const char *number);
/** Bytes that are not UTF-8 are replaced by U+FFFD. */
void ct_cli_json_text(struct ct_cli_json *json, cJSON *to, const char *key, const char *text);
void ct_cli_json_bool(struct ct_cli_json *json, cJSON *to, const char *key, bool value);
/** Returned objects and arrays are borrowed from `json`. */
cJSON *ct_cli_json_object(struct ct_cli_json *json, cJSON *to, const char *key);
cJSON *ct_cli_json_array(struct ct_cli_json *json, cJSON *to, const char *key);
/** Adds "shape": numbers, and names (or null) for dimensions below 0; null for rank -1. */
void ct_cli_json_shape(struct ct_cli_json *json, cJSON *to, int rank, const int64_t *dims,
                       const char *const *names);

/** Prints the document and a newline. */
corten_status ct_cli_json_print(const struct ct_cli_json *json, FILE *to, corten_error *error);

#endif
