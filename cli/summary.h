/* Values as people read them: a line each with type, shape and range; all elements; JSON. */
#ifndef CT_CLI_SUMMARY_H
#define CT_CLI_SUMMARY_H

#include <corten/corten.h>

#include "json.h"
#include "table.h"

/** Columns of the rows that ct_cli_summary_row adds: name, type, min, max, mean, first elements. */
#define CT_CLI_SUMMARY_COLUMNS "llrrrl"

/** Adds the heads of the columns. */
void ct_cli_summary_head(struct ct_cli_table *table);
/** Adds a row for a tensor; for a sequence, optional or map one row for it and one per item. */
void ct_cli_summary_row(struct ct_cli_table *table, const char *name, const corten_value *value);
/** Adds what a row says, and with `all` the elements ("data", flat), to a JSON object. */
void ct_cli_summary_json(struct ct_cli_json *json, cJSON *to, const char *name,
                         const corten_value *value, bool all);
/** Prints all elements, nested in brackets as NumPy does. */
void ct_cli_value_print(const char *name, const corten_value *value, FILE *to);

#endif
