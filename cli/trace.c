#include "trace.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

/* Numbers of "args" are strings there. */
static double number_of(const cJSON *object, const char *key, double fallback)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (cJSON_IsNumber(item))
        return item->valuedouble;
    return cJSON_IsString(item) ? strtod(item->valuestring, NULL) : fallback;
}

static void fill_event(struct ct_cli_event *event, cJSON *item, int run)
{
    cJSON *args = cJSON_GetObjectItemCaseSensitive(item, "args");
    cJSON *name = cJSON_GetObjectItemCaseSensitive(item, "name");
    if (cJSON_IsString(name) && ct_cli_ends_with(name->valuestring, "_kernel_time"))
        name->valuestring[strlen(name->valuestring) - strlen("_kernel_time")] = '\0';
    *event = (struct ct_cli_event){
        .name = text_of(item, "name"),
        .op_type = text_of(args, "op_name"),
        .kernel = text_of(args, "kernel"),
        .origin = text_of(args, "origin"),
        .start_us = number_of(item, "ts", 0.0),
        .time_us = number_of(item, "dur", 0.0),
        .flops = number_of(args, "flops", -1.0),
        .bytes = number_of(args, "bytes", -1.0),
        .arena_bytes = number_of(args, "arena_in_use", 0.0),
        .node = (int)number_of(args, "node_index", 0.0),
        .run = run,
    };
}

static corten_status read_events(struct ct_cli_trace *trace, int skipped_runs, corten_error *error)
{
    size_t most = (size_t)cJSON_GetArraySize(trace->root);
    trace->events = calloc(most ? most : 1, sizeof *trace->events);
    if (!trace->events)
        return ct_cli_no_memory(error, "the profile");
    int run = 0;
    cJSON *item;
    cJSON_ArrayForEach(item, trace->root)
    {
        if (strcmp(text_of(item, "name"), "model_run") == 0)
            run++;
        if (run < skipped_runs || strcmp(text_of(item, "cat"), "Node") != 0)
            continue;
        fill_event(&trace->events[trace->count++], item, run - skipped_runs);
        trace->total_us += trace->events[trace->count - 1].time_us;
    }
    trace->run_count = run > skipped_runs ? run - skipped_runs : 0;
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ sums */

static int by_node(const void *a, const void *b)
{
    const struct ct_cli_event *x = *(const struct ct_cli_event *const *)a;
    const struct ct_cli_event *y = *(const struct ct_cli_event *const *)b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->node > y->node) - (x->node < y->node);
}

static int by_type(const void *a, const void *b)
{
    const struct ct_cli_event *x = *(const struct ct_cli_event *const *)a;
    const struct ct_cli_event *y = *(const struct ct_cli_event *const *)b;
    return strcmp(x->op_type, y->op_type);
}

static int slowest_first(const void *a, const void *b)
{
    double x = ((const struct ct_cli_share *)a)->total_us;
    double y = ((const struct ct_cli_share *)b)->total_us;
    return (x < y) - (x > y);
}

static struct ct_cli_share *add_up(const struct ct_cli_trace *trace,
                                   int (*order)(const void *, const void *), size_t *count)
{
    const struct ct_cli_event **sorted = calloc(trace->count + 1, sizeof *sorted);
    struct ct_cli_share *shares = calloc(trace->count + 1, sizeof *shares);
    *count = 0;
    for (size_t i = 0; sorted && i < trace->count; i++)
        sorted[i] = &trace->events[i];
    if (sorted && shares && trace->count)
        qsort(sorted, trace->count, sizeof *sorted, order);
    for (size_t i = 0; sorted && shares && i < trace->count; i++) {
        if (i == 0 || order(&sorted[i - 1], &sorted[i]) != 0)
            shares[(*count)++].event = *sorted[i];
        struct ct_cli_share *share = &shares[*count - 1];
        share->total_us += sorted[i]->time_us;
        share->calls++;
        if (sorted[i]->flops >= 0.0) {
            share->gflop += sorted[i]->flops * 1e-9;
            share->gbyte += sorted[i]->bytes * 1e-9;
        }
    }
    if (shares && *count)
        qsort(shares, *count, sizeof *shares, slowest_first);
    if (!sorted) {
        free(shares);
        shares = NULL;
    }
    free(sorted);
    return shares;
}

corten_status ct_cli_trace_parse(struct ct_cli_trace *trace, const char *json, int skipped_runs,
                                 corten_error *error)
{
    *trace = (struct ct_cli_trace){.root = cJSON_Parse(json)};
    if (!trace->root)
        return ct_cli_fail(error, CORTEN_INTERNAL, "the profile is not valid JSON");
    CT_CLI_TRY(read_events(trace, skipped_runs, error));
    trace->nodes = add_up(trace, by_node, &trace->node_count);
    trace->types = add_up(trace, by_type, &trace->type_count);
    return trace->nodes && trace->types ? CORTEN_OK : ct_cli_no_memory(error, "the profile");
}

void ct_cli_trace_deinit(struct ct_cli_trace *trace)
{
    cJSON_Delete(trace->root);
    free(trace->events);
    free(trace->nodes);
    free(trace->types);
    *trace = (struct ct_cli_trace){.root = NULL};
}
