#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { COLUMN_COUNT_MAX = 16 };

void ct_cli_table_init(struct ct_cli_table *table, const char *columns)
{
    *table = (struct ct_cli_table){.columns = columns};
}

void ct_cli_table_deinit(struct ct_cli_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct ct_cli_table){.columns = table->columns};
}

void ct_cli_table_add(struct ct_cli_table *table, const char *format, ...)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity ? 2 * table->capacity : 64;
        char **cells = realloc(table->cells, capacity * sizeof *cells);
        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *cell = NULL;
    va_list arguments;
    va_start(arguments, format);
    int size = vasprintf(&cell, format, arguments);
    va_end(arguments);
    if (size < 0) {
        table->failed = true;
        return;
    }
    table->cells[table->count++] = cell;
}

/* Columns of a terminal: continuation bytes of UTF-8 take none. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

corten_status ct_cli_table_print(const struct ct_cli_table *table, int indent, FILE *to,
                                 corten_error *error)
{
    if (table->failed)
        return ct_cli_no_memory(error, "a table");
    size_t widths[COLUMN_COUNT_MAX] = {0};
    size_t columns = strlen(table->columns);
    for (size_t i = 0; i < table->count; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    for (size_t i = 0; i < table->count; i++) {
        size_t column = i % columns;
        int pad = (int)(widths[column] - width_of(table->cells[i]));
        bool right = table->columns[column] == 'r';
        bool last = column + 1 == columns;
        /* No spaces at the end of a line. */
        if (!last || table->cells[i][0] != '\0')
            fprintf(to, "%*s%*s%s", column == 0 ? indent : 2, "", right ? pad : 0, "",
                    table->cells[i]);
        if (last)
            fputc('\n', to);
        else if (!right)
            fprintf(to, "%*s", pad, "");
    }
    return CORTEN_OK;
}
