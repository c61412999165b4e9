/* corten verify: runs a model as it is and optimised, and compares every value that both have. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "compare.h"
#include "inputs.h"
#include "json.h"
#include "outputs.h"
#include "session_args.h"
#include "table.h"
#include "text.h"

struct args {
    struct ct_cli_session_args session;
    struct ct_cli_input_args input;
    struct ct_cli_image_args image;
    double rtol;
    bool all, json;
};

#define FIELD(name) offsetof(struct args, name)

static const struct ct_cli_option options[] = {
    {.name = "rtol",
     .type = CT_CLI_REAL,
     .offset = FIELD(rtol),
     .argument = "R",
     .fallback = "1e-4",
     .least = 0,
     .most = 1e9,
     .help = "largest error over largest magnitude that is allowed"},
    {.name = "all",
     .type = CT_CLI_FLAG,
     .offset = FIELD(all),
     .help = "list every value, not only the outputs and those that differ"},
    {.name = "json", .type = CT_CLI_FLAG, .offset = FIELD(json), .help = "print JSON"},
    {.name = NULL},
};

static const struct ct_cli_group groups[] = {
    {"Inputs", ct_cli_input_options, FIELD(input)},
    {"Pictures as inputs", ct_cli_image_options, FIELD(image)},
    {"Comparing", options, 0},
    {"Session", ct_cli_session_options, FIELD(session)},
    {NULL, NULL, 0},
};

/* One value of the optimised model, in the order of its nodes. */
struct survivor {
    char *name, *node;
    size_t output_index; /* among the model's outputs; SIZE_MAX: not one of them */
    bool compared, differs, bad_type;
    double error, relative;
};

struct verifier {
    const struct args *args;
    const char *path;
    struct survivor *survivors;
    size_t count;
    struct ct_cli_outputs expected; /* of the model as it is */
    const char **passes;            /* that changed something; static texts */
    size_t pass_count;
    const char *culprit; /* NULL: not known */
};

/* ------------------------------------------------------------------ which values */

static corten_status describe_node(const corten_node_info *node, char **text, corten_error *error)
{
    const char *origin = node->origin[0] ? node->origin : node->name;
    if (asprintf(text, "%s%s%s, made of %.200s", node->domain, node->domain[0] ? "." : "",
                 node->op_type, origin) >= 0)
        return CORTEN_OK;
    *text = NULL;
    return ct_cli_no_memory(error, "a text");
}

static size_t find_output(const corten_model *model, const char *name)
{
    corten_model_info info;
    corten_value_info value;
    corten_model_get_info(model, &info);
    for (size_t i = 0; i < info.output_count; i++)
        if (corten_model_output(model, i, &value, NULL) == CORTEN_OK && !strcmp(value.name, name))
            return i;
    return SIZE_MAX;
}

static corten_status add_survivors(struct verifier *v, const corten_model *model, size_t index,
                                   corten_error *error)
{
    corten_node_info node;
    CT_CLI_TRY(corten_model_node(model, index, &node, error));
    struct survivor *grown =
        realloc(v->survivors, (v->count + node.output_count + 1) * sizeof *v->survivors);
    if (!grown)
        return ct_cli_no_memory(error, "a list of values");
    v->survivors = grown;
    for (size_t k = 0; k < node.output_count; k++) {
        corten_value_info value;
        CT_CLI_TRY(corten_model_node_value(model, index, true, k, &value, error));
        if (!value.name[0])
            continue;
        struct survivor *s = &v->survivors[v->count++];
        *s = (struct survivor){.output_index = find_output(model, value.name)};
        s->name = strdup(value.name);
        CT_CLI_TRY(describe_node(&node, &s->node, error));
        if (!s->name)
            return ct_cli_no_memory(error, "a name");
    }
    return CORTEN_OK;
}

static corten_status add_pass(struct verifier *v, const corten_pass_info *info, corten_error *error)
{
    const char **grown = realloc(v->passes, (v->pass_count + 1) * sizeof *grown);
    if (!grown)
        return ct_cli_no_memory(error, "a list of passes");
    v->passes = grown;
    v->passes[v->pass_count++] = info->name;
    return CORTEN_OK;
}

static corten_status list_optimized(struct verifier *v, corten_model *model, corten_error *error)
{
    corten_model_info info;
    CT_CLI_TRY(corten_model_optimize(model, error));
    corten_model_get_info(model, &info);
    for (size_t i = 0; i < info.node_count; i++)
        CT_CLI_TRY(add_survivors(v, model, i, error));
    for (size_t i = 0; i < corten_model_pass_count(model); i++) {
        corten_pass_info pass;
        CT_CLI_TRY(corten_model_pass(model, i, &pass, error));
        if (pass.changes)
            CT_CLI_TRY(add_pass(v, &pass, error));
    }
    return CORTEN_OK;
}

/* What the optimised model has, and which passes changed it. */
static corten_status list_survivors(struct verifier *v, corten_error *error)
{
    corten_options *library_options = NULL;
    corten_model *model = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(&v->args->session, &library_options, error));
    corten_status status = corten_model_open(v->path, library_options, &model, error);
    corten_options_destroy(library_options);
    CT_CLI_TRY(status);
    status = list_optimized(v, model, error);
    corten_model_close(model);
    return status;
}

/* ------------------------------------------------------------------ running */

static corten_status set_options(const struct verifier *v, bool optimized, const char *without,
                                 corten_options *made, corten_error *error)
{
    if (!optimized) {
        CT_CLI_TRY(corten_options_set_level(made, CORTEN_LEVEL_DISABLE, error));
        CT_CLI_TRY(corten_options_set_precision(made, CORTEN_PRECISION_F32, error));
    }
    if (without)
        CT_CLI_TRY(corten_options_disable_pass(made, without, error));
    for (size_t i = 0; i < v->count; i++)
        CT_CLI_TRY(corten_options_add_output(made, v->survivors[i].name, error));
    return CORTEN_OK;
}

static corten_status run_session(const struct verifier *v, corten_session *session, bool optimized,
                                 struct ct_cli_outputs *outputs, corten_error *error)
{
    struct ct_cli_inputs inputs = {.names = NULL};
    corten_status status =
        ct_cli_inputs_load(&v->args->input, &v->args->image, session, &inputs, error);
    if (status == CORTEN_OK && optimized)
        status = ct_cli_session_calibrate(&v->args->session, session, &inputs, error);
    if (status == CORTEN_OK)
        status = ct_cli_outputs_init(outputs, session, error);
    if (status == CORTEN_OK)
        status = ct_cli_outputs_run(outputs, session, &inputs, error);
    /* The names are the session's, which is closed before they are looked at. */
    for (size_t i = 0; i < outputs->count && status == CORTEN_OK; i++) {
        outputs->names[i] = strdup(outputs->names[i]);
        if (!outputs->names[i])
            status = ct_cli_no_memory(error, "a name");
    }
    ct_cli_inputs_deinit(&inputs);
    return status;
}

static void release_outputs(struct ct_cli_outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        free((void *)outputs->names[i]);
    ct_cli_outputs_deinit(outputs);
}

/* Runs with every surviving value as an output. */
static corten_status run_model(const struct verifier *v, bool optimized, const char *without,
                               struct ct_cli_outputs *outputs, corten_error *error)
{
    corten_options *library_options = NULL;
    corten_session *session = NULL;
    CT_CLI_TRY(ct_cli_session_options_make(&v->args->session, &library_options, error));
    corten_status status = set_options(v, optimized, without, library_options, error);
    if (status == CORTEN_OK)
        status = corten_session_open(v->path, library_options, &session, error);
    corten_options_destroy(library_options);
    CT_CLI_TRY(status);
    status = run_session(v, session, optimized, outputs, error);
    if (status != CORTEN_OK) {
        /* Names that are still the session's must not be freed. */
        ct_cli_outputs_deinit(outputs);
        *outputs = (struct ct_cli_outputs){.names = NULL};
    }
    corten_session_close(session);
    return status;
}

/* ------------------------------------------------------------------ comparing */

static const corten_value *find_value(const struct ct_cli_outputs *outputs, const char *name)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (!strcmp(outputs->names[i], name))
            return outputs->values[i];
    return NULL;
}

static void compare(const struct verifier *v, const struct ct_cli_outputs *found,
                    struct survivor *s)
{
    const corten_value *a = find_value(&v->expected, s->name), *b = find_value(found, s->name);
    struct ct_cli_difference difference;
    s->compared = s->differs = s->bad_type = false;
    if (!a || !b || corten_value_kind(a) != CORTEN_TENSOR)
        return;
    s->compared = true;
    if (ct_cli_difference(a, b, &difference, NULL) != CORTEN_OK) {
        s->differs = s->bad_type = true;
        return;
    }
    s->error = difference.largest_error;
    s->relative = ct_cli_relative_error(&difference);
    s->differs = difference.n_mismatches > 0 || !(s->relative <= v->args->rtol);
}

static const struct survivor *first_difference(const struct verifier *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->survivors[i].differs)
            return &v->survivors[i];
    return NULL;
}

/* The pass without which the first value that differs does not. */
static corten_status find_culprit(struct verifier *v, const struct survivor *first,
                                  corten_error *error)
{
    for (size_t i = v->pass_count; i-- > 0 && !v->culprit;) {
        struct ct_cli_outputs found = {.names = NULL};
        struct survivor again = {.name = first->name};
        CT_CLI_TRY(run_model(v, true, v->passes[i], &found, error));
        compare(v, &found, &again);
        if (again.compared && !again.differs)
            v->culprit = v->passes[i];
        release_outputs(&found);
    }
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ telling */

static corten_status print_text(const struct verifier *v, corten_error *error)
{
    struct ct_cli_table table;
    size_t compared = 0, differing = 0;
    ct_cli_table_init(&table, "lrrl");
    ct_cli_table_add(&table, "value");
    ct_cli_table_add(&table, "largest error");
    ct_cli_table_add(&table, "relative");
    ct_cli_table_add(&table, " ");
    for (size_t i = 0; i < v->count; i++) {
        const struct survivor *s = &v->survivors[i];
        compared += s->compared;
        differing += s->differs;
        if (!s->compared || !(v->args->all || s->differs || s->output_index != SIZE_MAX))
            continue;
        ct_cli_table_add(&table, "%s", s->name);
        ct_cli_table_add(&table, "%.3g", s->error);
        ct_cli_table_add(&table, "%.3g", s->relative);
        ct_cli_table_add(&table, "%s",
                         s->bad_type  ? "another type or shape"
                         : s->differs ? "differs"
                                      : "ok");
    }
    corten_status status = ct_cli_table_print(&table, 0, stdout, error);
    ct_cli_table_deinit(&table);
    printf("%zu values compared, %zu differ\n", compared, differing);
    return status;
}

static corten_status print_json(const struct verifier *v, corten_error *error)
{
    struct ct_cli_json json;
    ct_cli_json_init(&json);
    cJSON *values = ct_cli_json_array(&json, json.root, "values");
    for (size_t i = 0; i < v->count; i++) {
        const struct survivor *s = &v->survivors[i];
        if (!s->compared)
            continue;
        cJSON *entry = ct_cli_json_object(&json, values, NULL);
        ct_cli_json_text(&json, entry, "name", s->name);
        ct_cli_json_bool(&json, entry, "output", s->output_index != SIZE_MAX);
        ct_cli_json_bool(&json, entry, "differs", s->differs);
        ct_cli_json_number(&json, entry, "error", s->error);
        ct_cli_json_number(&json, entry, "relative", s->relative);
    }
    const struct survivor *first = first_difference(v);
    if (first) {
        cJSON *entry = ct_cli_json_object(&json, json.root, "first");
        ct_cli_json_text(&json, entry, "name", first->name);
        ct_cli_json_text(&json, entry, "node", first->node);
        ct_cli_json_text(&json, entry, "pass", v->culprit ? v->culprit : "");
    }
    corten_status status = ct_cli_json_print(&json, stdout, error);
    ct_cli_json_deinit(&json);
    return status;
}

static corten_status verify(struct verifier *v, corten_error *error)
{
    struct ct_cli_outputs found = {.names = NULL};
    CT_CLI_TRY(list_survivors(v, error));
    CT_CLI_TRY(run_model(v, false, NULL, &v->expected, error));
    CT_CLI_TRY(run_model(v, true, NULL, &found, error));
    for (size_t i = 0; i < v->count; i++)
        compare(v, &found, &v->survivors[i]);
    release_outputs(&found);
    const struct survivor *first = first_difference(v);
    if (first)
        CT_CLI_TRY(find_culprit(v, first, error));
    CT_CLI_TRY(v->args->json ? print_json(v, error) : print_text(v, error));
    if (!first)
        return CORTEN_OK;
    return ct_cli_fail(error, CORTEN_RUN_FAILED, "'%s' differs first: %s; %s%s", first->name,
                       first->node, v->culprit ? "it does not with --disable-pass " : "no one pass",
                       v->culprit ? v->culprit : " is the cause");
}

static corten_status run(struct ct_cli_call *call, corten_error *error)
{
    struct verifier v = {.args = call->args, .path = call->operands[0]};
    corten_status status = verify(&v, error);
    for (size_t i = 0; i < v.count; i++) {
        free(v.survivors[i].name);
        free(v.survivors[i].node);
    }
    free(v.survivors);
    free(v.passes);
    release_outputs(&v.expected);
    return status;
}

const struct ct_cli_command ct_cli_command_verify = {
    .name = "verify",
    .operands = "MODEL",
    .operands_least = 1,
    .operands_most = 1,
    .summary = "run a model optimised and as it is, and compare every value that both have",
    .details = "Names the first value that differs, the node that makes it, and the pass.",
    .groups = groups,
    .args_size_bytes = sizeof(struct args),
    .run = run,
};
