/* A profile of the library, read back: one event for each operator that ran. */
#ifndef CT_CLI_TRACE_H
#define CT_CLI_TRACE_H

#include <cjson/cJSON.h>

#include <corten/corten.h>

struct ct_cli_event {
    const char *name, *op_type, *kernel, *origin; /* borrowed from the trace; never NULL */
    double start_us, time_us;
    double flops, bytes; /* -1: not known */
    double arena_bytes;  /* intermediates alive while it ran */
    int node;            /* its place among the nodes, for adding up runs */
    int run;
};

/** Sums over runs, of a node or an operator type. */
struct ct_cli_share {
    struct ct_cli_event event; /* one of them */
    double total_us;
    double gflop, gbyte; /* totals, of those that are known */
    size_t calls;
};

struct ct_cli_trace {
    cJSON *root;
    struct ct_cli_event *events;
    size_t count;
    struct ct_cli_share *nodes, *types; /* the slowest first */
    size_t node_count, type_count;
    int run_count;
    double total_us; /* of all events */
};

/** Reads the text of a profile. The first `skipped_runs` runs are left out. */
corten_status ct_cli_trace_parse(struct ct_cli_trace *trace, const char *json, int skipped_runs,
                                 corten_error *error);
void ct_cli_trace_deinit(struct ct_cli_trace *trace);

#endif
