/* Tables of text with aligned columns. */
#ifndef CT_CLI_TABLE_H
#define CT_CLI_TABLE_H

#include <stdio.h>

#include <corten/corten.h>

/** Zeroed by ct_cli_table_init. A failed allocation is remembered and reported by print. */
struct ct_cli_table {
    const char *columns; /* one letter a column: 'l' left, 'r' right */
    char **cells;
    size_t count, capacity;
    bool failed;
};

/** `columns` is borrowed. */
void ct_cli_table_init(struct ct_cli_table *table, const char *columns);
void ct_cli_table_deinit(struct ct_cli_table *table);
/** Adds the next cell, row by row. */
void ct_cli_table_add(struct ct_cli_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Prints all rows, each `indent` spaces in. */
corten_status ct_cli_table_print(const struct ct_cli_table *table, int indent, FILE *to,
                                 corten_error *error);

#endif
