#include "fused.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

enum { MAX_NAMES = 16, MAX_LEFT = 5, MAX_APPLIED = 8 };

/* A block that is left over is told by an operator that only blocks of its kind have, when one of
 * `readers` takes its result. */
struct kind {
    const char *name;
    const char *operators[MAX_NAMES];
    const char *left[MAX_LEFT], *readers[MAX_LEFT];
    /* How text of the graph says that another node, such as a product, applies one: an attribute,
     * or a step of an elementwise chain. */
    const char *applied[MAX_APPLIED];
};

static const struct kind kinds[] = {
    {.name = "attention",
     .operators = {"MultiHeadAttention", "Attention", "GroupQueryAttention", "QAttention",
                   "PackedMultiHeadAttention", "DecoderMaskedMultiHeadAttention"},
     .left = {"Softmax", "BiasSoftmax"},
     .readers = {"MatMul", "FusedMatMul"}},
    {.name = "normalisation",
     .operators = {"LayerNormalization", "SkipLayerNormalization", "EmbedLayerNormalization",
                   "SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization",
                   "RMSNormalization", "GroupNormalization", "InstanceNormalization",
                   "MeanVarianceNormalization"},
     .left = {"Sqrt"},
     .readers = {"Div", "Reciprocal", "Mul", "Elementwise"}},
    {.name = "activation",
     .operators = {"Gelu", "FastGelu", "BiasGelu", "QuickGelu", "HardSwish", "Mish", "Swish",
                   "Relu", "LeakyRelu", "Elu", "Softplus", "HardSigmoid", "SwiGLU"},
     .left = {"Erf", "Tanh", "Sigmoid", "Softplus", "HardSigmoid"},
     .readers = {"Add", "Mul", "Tanh", "Elementwise"},
     .applied = {" [activation=", ", activation=", "\"gelu\"", "\"gelu_tanh\"", "\"swish\"",
                 "\"mish\"", "\"softplus\""}},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

struct count {
    size_t fused, left, applied; /* applied: of those fused, by other nodes */
    size_t of_operator[MAX_NAMES];
};

static int find(const char *const *names, int most, const char *name)
{
    for (int i = 0; i < most && names[i]; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}

/* Whether one of the kind's readers takes output 0 of the node. */
static corten_status is_read(const corten_model *model, const struct kind *kind, size_t index,
                             bool *read, corten_error *error)
{
    corten_value_info result;
    corten_model_info info;
    *read = false;
    CT_CLI_TRY(corten_model_node_value(model, index, true, 0, &result, error));
    corten_model_get_info(model, &info);
    for (size_t i = index + 1; i < info.node_count && !*read; i++) {
        corten_node_info node;
        CT_CLI_TRY(corten_model_node(model, i, &node, error));
        if (find(kind->readers, MAX_LEFT, node.op_type) < 0)
            continue;
        for (size_t k = 0; k < node.input_count && !*read; k++) {
            corten_value_info input;
            CT_CLI_TRY(corten_model_node_value(model, i, false, k, &input, error));
            *read = !strcmp(input.name, result.name);
        }
    }
    return CORTEN_OK;
}

static corten_status count_applied(const corten_model *model, const struct kind *kind,
                                   struct count *count, corten_error *error)
{
    char *text;
    if (!kind->applied[0])
        return CORTEN_OK;
    CT_CLI_TRY(corten_model_dump(model, CORTEN_DUMP_TEXT, &text, error));
    for (int i = 0; i < MAX_APPLIED && kind->applied[i]; i++)
        for (const char *at = text; (at = strstr(at, kind->applied[i])); at++)
            count->applied++;
    count->fused += count->applied;
    corten_free(text);
    return CORTEN_OK;
}

static corten_status count_kind(const corten_model *model, const struct kind *kind,
                                struct count *count, corten_error *error)
{
    corten_model_info info;
    *count = (struct count){0};
    corten_model_get_info(model, &info);
    for (size_t i = 0; i < info.node_count; i++) {
        corten_node_info node;
        bool left = false;
        CT_CLI_TRY(corten_model_node(model, i, &node, error));
        if (find(kind->left, MAX_LEFT, node.op_type) >= 0)
            CT_CLI_TRY(is_read(model, kind, i, &left, error));
        int at = left ? -1 : find(kind->operators, MAX_NAMES, node.op_type);
        if (at >= 0)
            count->of_operator[at]++;
        count->fused += at >= 0;
        count->left += left;
    }
    return count_applied(model, kind, count, error);
}

corten_status ct_cli_fused_print(const corten_model *model, corten_error *error)
{
    puts("\nFused operators");
    for (size_t k = 0; k < N_KINDS; k++) {
        struct count count;
        CT_CLI_TRY(count_kind(model, &kinds[k], &count, error));
        printf("  %s %zu of %zu", kinds[k].name, count.fused, count.fused + count.left);
        const char *before = ": ";
        for (int i = 0; i < MAX_NAMES; i++)
            if (count.of_operator[i]) {
                printf("%s%s %zu", before, kinds[k].operators[i], count.of_operator[i]);
                before = ", ";
            }
        if (count.applied)
            printf("%sby other operators %zu", before, count.applied);
        putchar('\n');
    }
    return CORTEN_OK;
}

corten_status ct_cli_fused_add_json(const corten_model *model, struct ct_cli_json *json,
                                    corten_error *error)
{
    cJSON *fused = ct_cli_json_object(json, json->root, "fused");
    for (size_t k = 0; k < N_KINDS; k++) {
        struct count count;
        CT_CLI_TRY(count_kind(model, &kinds[k], &count, error));
        cJSON *kind = ct_cli_json_object(json, fused, kinds[k].name);
        ct_cli_json_number(json, kind, "fused", (double)count.fused);
        ct_cli_json_number(json, kind, "left", (double)count.left);
        cJSON *operators = ct_cli_json_object(json, kind, "operators");
        for (int i = 0; i < MAX_NAMES; i++)
            if (count.of_operator[i])
                ct_cli_json_number(json, operators, kinds[k].operators[i],
                                   (double)count.of_operator[i]);
        if (count.applied)
            ct_cli_json_number(json, operators, "by other operators", (double)count.applied);
    }
    return CORTEN_OK;
}
