#include "ops/activation.h"

#include <float.h>
#include <string.h>

static const struct {
    const char *name;
    enum ct_act act;
    float params[2]; /* when activation_params is absent */
} activations[] = {
    {"", CT_ACT_NONE, {0, 0}},
    {"Relu", CT_ACT_RELU, {0, 0}},
    {"Clip", CT_ACT_CLIP, {-FLT_MAX, FLT_MAX}},
    {"LeakyRelu", CT_ACT_LEAKY_RELU, {0.01f, 0}},
    {"Sigmoid", CT_ACT_SIGMOID, {0, 0}},
    {"Silu", CT_ACT_SILU, {0, 0}},
    {"Tanh", CT_ACT_TANH, {0, 0}},
    {"Gelu", CT_ACT_GELU_ERF, {0, 0}},
    {"GeluTanh", CT_ACT_GELU_TANH, {0, 0}},
    {"HardSigmoid", CT_ACT_HARD_SIGMOID, {0.2f, 0.5f}},
    {"HardSwish", CT_ACT_HARD_SWISH, {0, 0}},
};

bool ct_activation_read(const struct ct_node *node, struct ct_gemm_post *post)
{
    return ct_activation_read_as(node, "activation", "activation_params", post);
}

bool ct_activation_read_as(const struct ct_node *node, const char *name, const char *params_name,
                           struct ct_gemm_post *post)
{
    const float *params;
    int n_params = ct_attr_floats(node, params_name, &params);
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        if (!ct_attr_is(node, name, activations[i].name, ""))
            continue;
        post->act = activations[i].act;
        memcpy(post->act_params, activations[i].params, sizeof post->act_params);
        for (int p = 0; p < n_params && p < 2; p++)
            post->act_params[p] = params[p];
        return true;
    }
    return false;
}

static bool read_bound(const struct ct_node *node, int input, const char *attr, float fallback,
                       float *bound)
{
    *bound = ct_attr_float(node, attr, fallback);
    if (input >= node->n_in || !node->in[input].value)
        return true;
    const struct ct_tensor *t = ct_value_const(node->in[input].value);
    if (!t || !t->data || ct_count(t) != 1)
        return false;
    ct_load_f32(t->dtype, t->data, 0, 1, bound);
    return true;
}

const char *ct_activation_of(const struct ct_node *node, float params[2], int *n_params)
{
    *n_params = 0;
    bool microsoft = !strcmp(node->domain, "com.microsoft");
    if (*node->domain && !microsoft)
        return NULL;
    if (!strcmp(node->op_type, "Gelu"))
        return !microsoft && ct_attr_is(node, "approximate", "tanh", "none") ? "GeluTanh" : "Gelu";
    if (microsoft && !strcmp(node->op_type, "QuickGelu"))
        return ct_attr_float(node, "alpha", 1.702f) == 1 ? "Silu" : NULL;
    if (microsoft)
        return !strcmp(node->op_type, "FastGelu") && node->n_in == 1 ? "GeluTanh" : NULL;
    static const char *const plain[] = {"Relu", "Sigmoid", "Tanh", "HardSwish"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (!strcmp(node->op_type, plain[i]))
            return plain[i];
    if (!strcmp(node->op_type, "Swish"))
        return ct_attr_float(node, "alpha", 1) == 1 ? "Silu" : NULL;
    if (!strcmp(node->op_type, "LeakyRelu")) {
        params[0] = ct_attr_float(node, "alpha", 0.01f);
        *n_params = 1;
        return "LeakyRelu";
    }
    if (!strcmp(node->op_type, "HardSigmoid")) {
        params[0] = ct_attr_float(node, "alpha", 0.2f);
        params[1] = ct_attr_float(node, "beta", 0.5f);
        *n_params = 2;
        return "HardSigmoid";
    }
    if (!strcmp(node->op_type, "Clip")) {
        *n_params = 2;
        bool known = read_bound(node, 1, "min", -FLT_MAX, &params[0]) &&
                     read_bound(node, 2, "max", FLT_MAX, &params[1]);
        return known && params[0] <= params[1] ? "Clip" : NULL;
    }
    return NULL;
}
