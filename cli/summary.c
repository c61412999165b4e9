#include "summary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "element.h"
#include "text.h"

enum { FIRST_COUNT = 5 };

static const char *const kind_names[] = {"tensor", "sequence", "optional", "map", "sparse tensor"};

/* Range of the elements that are numbers. */
struct stats {
    double least, most, mean;
    size_t n_numbers; /* neither NaN nor infinite */
    size_t n_nan, n_infinite;
};

static struct stats stats_of(const corten_value *tensor)
{
    struct stats stats = {.least = 0.0};
    corten_dtype dtype = corten_value_dtype(tensor);
    const void *data = corten_tensor_const_data(tensor);
    size_t count = corten_tensor_element_count(tensor);
    double sum = 0.0;
    if (ct_cli_class_of(dtype) > CT_CLI_CLASS_UNSIGNED)
        return stats;
    for (size_t i = 0; i < count; i++) {
        double value = ct_cli_element_real(dtype, data, i);
        if (!isfinite(value)) {
            stats.n_nan += isnan(value) != 0;
            stats.n_infinite += isnan(value) == 0;
            continue;
        }
        if (stats.n_numbers == 0 || value < stats.least)
            stats.least = value;
        if (stats.n_numbers == 0 || value > stats.most)
            stats.most = value;
        sum += value;
        stats.n_numbers++;
    }
    if (stats.n_numbers > 0)
        stats.mean = sum / (double)stats.n_numbers;
    return stats;
}

void ct_cli_summary_head(struct ct_cli_table *table)
{
    static const char *const heads[] = {"name", "type", "min", "max", "mean", "first elements"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        ct_cli_table_add(table, "%s", heads[i]);
}

static void first_text(const corten_value *tensor, const struct stats *stats, char *out,
                       size_t size_bytes)
{
    size_t count = corten_tensor_element_count(tensor);
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < count && i < FIRST_COUNT; i++) {
        char element[CT_CLI_ELEMENT_TEXT_SIZE];
        ct_cli_element_text(corten_value_dtype(tensor), corten_tensor_const_data(tensor), i,
                            element);
        used += (size_t)snprintf(out + used, size_bytes - used, "%s%s", i > 0 ? " " : "", element);
    }
    if (count > FIRST_COUNT)
        used += (size_t)snprintf(out + used, size_bytes - used, " ...");
    if (stats->n_nan > 0)
        used += (size_t)snprintf(out + used, size_bytes - used, "  (%zu nan)", stats->n_nan);
    if (stats->n_infinite > 0)
        snprintf(out + used, size_bytes - used, "  (%zu infinite)", stats->n_infinite);
}

static void tensor_row(struct ct_cli_table *table, const char *name, const corten_value *tensor)
{
    char shape[CT_CLI_SHAPE_TEXT_SIZE];
    char first[(FIRST_COUNT + 1) * CT_CLI_ELEMENT_TEXT_SIZE];
    struct stats stats = stats_of(tensor);
    ct_cli_table_add(table, "%s", name);
    ct_cli_table_add(
        table, "%s%s", corten_dtype_name(corten_value_dtype(tensor)),
        ct_cli_shape_text(shape, corten_tensor_rank(tensor), corten_tensor_dims(tensor), NULL));
    const double numbers[] = {stats.least, stats.most, stats.mean};
    for (int i = 0; i < 3; i++) {
        if (stats.n_numbers > 0)
            ct_cli_table_add(table, "%.6g", numbers[i]);
        else
            ct_cli_table_add(table, "-");
    }
    first_text(tensor, &stats, first, sizeof first);
    ct_cli_table_add(table, "%s", first);
}

/* Name of an item: "name[2]", and of a map "name.keys" and "name.values". */
static void item_name(const corten_value *value, const char *name, size_t index, char *out,
                      size_t size_bytes)
{
    if (corten_value_kind(value) == CORTEN_MAP)
        snprintf(out, size_bytes, "%.200s.%s", name, index == 0 ? "keys" : "values");
    else
        snprintf(out, size_bytes, "%.200s[%zu]", name, index);
}

void ct_cli_summary_row(struct ct_cli_table *table, const char *name, const corten_value *value)
{
    corten_kind kind = corten_value_kind(value);
    if (kind == CORTEN_TENSOR) {
        tensor_row(table, name, value);
        return;
    }
    size_t count = corten_value_item_count(value);
    ct_cli_table_add(table, "%s", name);
    ct_cli_table_add(table, "%s of %zu", kind_names[kind], count);
    for (int i = 0; i < 4; i++)
        ct_cli_table_add(table, "%s", i < 3 ? "-" : "");
    for (size_t i = 0; i < count; i++) {
        char item[256];
        item_name(value, name, i, item, sizeof item);
        ct_cli_summary_row(table, item, corten_value_item(value, i));
    }
}

static void add_element(struct ct_cli_json *json, cJSON *array, const corten_value *tensor,
                        size_t index)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    const void *data = corten_tensor_const_data(tensor);
    char text[CT_CLI_ELEMENT_TEXT_SIZE];
    switch (ct_cli_class_of(dtype)) {
    case CT_CLI_CLASS_FLOAT:
        if (!isfinite(ct_cli_element_real(dtype, data, index))) {
            ct_cli_json_text(json, array, NULL, ct_cli_element_text(dtype, data, index, text));
            return;
        }
        ct_cli_json_raw(json, array, NULL, ct_cli_element_text(dtype, data, index, text));
        return;
    case CT_CLI_CLASS_SIGNED:
    case CT_CLI_CLASS_UNSIGNED:
        ct_cli_json_raw(json, array, NULL, ct_cli_element_text(dtype, data, index, text));
        return;
    case CT_CLI_CLASS_COMPLEX: {
        cJSON *pair = ct_cli_json_array(json, array, NULL);
        ct_cli_json_number(json, pair, NULL, ct_cli_element_real(dtype, data, index));
        ct_cli_json_number(json, pair, NULL, ct_cli_element_imaginary(dtype, data, index));
        return;
    }
    case CT_CLI_CLASS_STRING: {
        const corten_string *string = (const corten_string *)data + index;
        char *copy = strndup(string->data ? string->data : "", string->size_bytes);
        if (copy)
            ct_cli_json_text(json, array, NULL, copy);
        else
            json->failed = true;
        free(copy);
        return;
    }
    case CT_CLI_CLASS_NONE: return;
    }
}

static void tensor_json(struct ct_cli_json *json, cJSON *to, const corten_value *tensor, bool all)
{
    struct stats stats = stats_of(tensor);
    size_t count = corten_tensor_element_count(tensor);
    ct_cli_json_text(json, to, "dtype", corten_dtype_name(corten_value_dtype(tensor)));
    ct_cli_json_shape(json, to, corten_tensor_rank(tensor), corten_tensor_dims(tensor), NULL);
    if (stats.n_numbers > 0) {
        ct_cli_json_number(json, to, "min", stats.least);
        ct_cli_json_number(json, to, "max", stats.most);
        ct_cli_json_number(json, to, "mean", stats.mean);
    }
    ct_cli_json_number(json, to, "nan_count", (double)stats.n_nan);
    ct_cli_json_number(json, to, "inf_count", (double)stats.n_infinite);
    cJSON *data = ct_cli_json_array(json, to, all ? "data" : "first");
    for (size_t i = 0; i < count && (all || i < FIRST_COUNT); i++)
        add_element(json, data, tensor, i);
}

void ct_cli_summary_json(struct ct_cli_json *json, cJSON *to, const char *name,
                         const corten_value *value, bool all)
{
    corten_kind kind = corten_value_kind(value);
    if (name)
        ct_cli_json_text(json, to, "name", name);
    ct_cli_json_text(json, to, "kind", kind_names[kind]);
    if (kind == CORTEN_TENSOR) {
        tensor_json(json, to, value, all);
        return;
    }
    cJSON *items = ct_cli_json_array(json, to, "items");
    for (size_t i = 0; i < corten_value_item_count(value); i++)
        ct_cli_summary_json(json, ct_cli_json_object(json, items, NULL), NULL,
                            corten_value_item(value, i), all);
}

static void print_elements(const corten_value *tensor, FILE *to)
{
    int rank = corten_tensor_rank(tensor);
    const int64_t *dims = corten_tensor_dims(tensor);
    size_t count = corten_tensor_element_count(tensor);
    size_t blocks[CORTEN_MAX_RANK + 1]; /* elements beneath a bracket of each depth */
    blocks[rank] = 1;
    for (int i = rank - 1; i >= 0; i--)
        blocks[i] = blocks[i + 1] * (size_t)dims[i];
    if (count == 0)
        fputs("[]", to);
    for (size_t i = 0; i < count; i++) {
        int opened = 0;
        for (int d = 0; d < rank; d++)
            opened += i % blocks[d] == 0;
        if (i > 0 && opened > 0)
            fprintf(to, "\n%*s", rank - opened, "");
        else if (i > 0)
            fputc(' ', to);
        for (int d = 0; d < opened; d++)
            fputc('[', to);
        char text[CT_CLI_ELEMENT_TEXT_SIZE];
        fputs(ct_cli_element_text(corten_value_dtype(tensor), corten_tensor_const_data(tensor), i,
                                  text),
              to);
        for (int d = rank - 1; d >= 0; d--)
            if ((i + 1) % blocks[d] == 0)
                fputc(']', to);
    }
    fputc('\n', to);
}

void ct_cli_value_print(const char *name, const corten_value *value, FILE *to)
{
    char shape[CT_CLI_SHAPE_TEXT_SIZE];
    corten_kind kind = corten_value_kind(value);
    if (kind == CORTEN_TENSOR) {
        fprintf(
            to, "%s %s%s\n", name, corten_dtype_name(corten_value_dtype(value)),
            ct_cli_shape_text(shape, corten_tensor_rank(value), corten_tensor_dims(value), NULL));
        print_elements(value, to);
        return;
    }
    size_t count = corten_value_item_count(value);
    fprintf(to, "%s %s of %zu\n", name, kind_names[kind], count);
    for (size_t i = 0; i < count; i++) {
        char item[256];
        item_name(value, name, i, item, sizeof item);
        ct_cli_value_print(item, corten_value_item(value, i), to);
    }
}
