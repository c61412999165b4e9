/* The page: data as JSON, then the lines of profile_page.c, which draw it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "profile.h"
#include "profile_page.h"
#include "text.h"

static void add_phases(struct ct_cli_json *json, const struct ct_cli_profile *p)
{
    const char *name, *key;
    double seconds;
    cJSON *phases = ct_cli_json_array(json, json->root, "phases");
    for (size_t i = 0; ct_cli_profile_phase(p, i, &name, &key, &seconds); i++) {
        cJSON *pair = ct_cli_json_array(json, phases, NULL);
        ct_cli_json_text(json, pair, NULL, name);
        ct_cli_json_number(json, pair, NULL, 1e3 * seconds);
    }
}

static void add_shares(struct ct_cli_json *json, const struct ct_cli_profile *p)
{
    const struct ct_cli_trace *trace = &p->trace;
    cJSON *types = ct_cli_json_array(json, json->root, "types");
    for (size_t i = 0; i < trace->type_count; i++) {
        const struct ct_cli_share *s = &trace->types[i];
        cJSON *row = ct_cli_json_object(json, types, NULL);
        ct_cli_json_text(json, row, "op", s->event.op_type);
        ct_cli_json_number(json, row, "ms", s->total_us * 1e-3 / (double)p->repeat);
        ct_cli_json_number(json, row, "percent",
                           trace->total_us > 0.0 ? 100.0 * s->total_us / trace->total_us : 0.0);
        ct_cli_json_number(json, row, "calls", (double)s->calls / (double)p->repeat);
    }
    cJSON *nodes = ct_cli_json_array(json, json->root, "nodes");
    for (size_t i = 0; i < trace->node_count; i++) {
        const struct ct_cli_share *s = &trace->nodes[i];
        double calls = (double)s->calls;
        cJSON *row = ct_cli_json_object(json, nodes, NULL);
        ct_cli_json_text(json, row, "name", s->event.name);
        ct_cli_json_text(json, row, "op", s->event.op_type);
        ct_cli_json_text(json, row, "kernel", s->event.kernel);
        ct_cli_json_text(json, row, "origin", s->event.origin);
        ct_cli_json_number(json, row, "us", s->total_us / calls);
        ct_cli_json_number(json, row, "gflop", s->gflop / calls);
        ct_cli_json_number(json, row, "gbyte", s->gbyte / calls);
        ct_cli_json_number(
            json, row, "roofline",
            ct_cli_roofline_fraction(&p->roofline, s->gflop, s->gbyte, s->total_us * 1e-6));
    }
}

static void add_events(struct ct_cli_json *json, const struct ct_cli_trace *trace)
{
    cJSON *events = ct_cli_json_array(json, json->root, "events");
    for (size_t i = 0; i < trace->count; i++) {
        const struct ct_cli_event *e = &trace->events[i];
        if (e->run != 0)
            continue;
        cJSON *row = ct_cli_json_object(json, events, NULL);
        ct_cli_json_text(json, row, "name", e->name);
        ct_cli_json_text(json, row, "op", e->op_type);
        ct_cli_json_number(json, row, "start", e->start_us);
        ct_cli_json_number(json, row, "us", e->time_us);
        ct_cli_json_number(json, row, "arena", e->arena_bytes);
    }
}

static void add_data(struct ct_cli_json *json, const struct ct_cli_profile *p)
{
    ct_cli_json_text(json, json->root, "model", p->model);
    ct_cli_json_number(json, json->root, "threads", p->threads);
    ct_cli_json_number(json, json->root, "runs", (double)p->repeat);
    add_phases(json, p);
    cJSON *memory = ct_cli_json_object(json, json->root, "memory");
    ct_cli_json_number(json, memory, "weights", (double)p->memory.weight_bytes);
    ct_cli_json_number(json, memory, "packed", (double)p->memory.packed_bytes);
    ct_cli_json_number(json, memory, "arena", (double)p->memory.arena_bytes);
    ct_cli_json_number(json, memory, "peak", (double)p->memory.peak_bytes);
    cJSON *roofline = ct_cli_json_object(json, json->root, "roofline");
    ct_cli_json_number(json, roofline, "gflops", p->roofline.gflops);
    ct_cli_json_number(json, roofline, "gbs", p->roofline.gbs);
    add_shares(json, p);
    add_events(json, &p->trace);
}

/* A name with "</script>" in it must not end the script. */
static void put_json(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("\\u003c", to);
        else
            fputc(*text, to);
    }
}

corten_status ct_cli_profile_html(const struct ct_cli_profile *profile, const char *path,
                                  corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    add_data(&json, profile);
    char *text = json.failed ? NULL : cJSON_PrintUnformatted(json.root);
    ct_cli_json_deinit(&json);
    if (!text)
        return ct_cli_no_memory(error, "the page");
    FILE *to = fopen(path, "w");
    if (to) {
        fputs("<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>Profile</title>\n<script>\n"
              "const D = ",
              to);
        put_json(text, to);
        fputs(";\n</script>\n", to);
        for (const char *const *line = ct_cli_profile_page; *line; line++)
            fputs(*line, to);
    }
    cJSON_free(text);
    bool failed = !to || ferror(to);
    if (to && fclose(to) != 0)
        failed = true;
    return failed ? ct_cli_fail(error, CORTEN_IO_ERROR, "cannot write '%s'", path) : CORTEN_OK;
}
