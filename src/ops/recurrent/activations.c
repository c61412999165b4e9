/* The activations of recurrent cells. */
#include "ops/recurrent/recurrent.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    struct ct_rnn_act act;
    bool has_alpha, has_beta;
} known[] = {
    {"Relu", {CT_RNN_ACT_UNARY, CT_UNARY_RELU, 0, 0}, false, false},
    {"Tanh", {CT_RNN_ACT_UNARY, CT_UNARY_TANH, 0, 0}, false, false},
    {"Sigmoid", {CT_RNN_ACT_UNARY, CT_UNARY_SIGMOID, 0, 0}, false, false},
    {"Affine", {CT_RNN_ACT_AFFINE, CT_UNARY_RELU, 1, 0}, true, true},
    {"LeakyRelu", {CT_RNN_ACT_UNARY, CT_UNARY_LEAKY_RELU, 0.01f, 0}, true, false},
    {"ThresholdedRelu", {CT_RNN_ACT_UNARY, CT_UNARY_THRESHOLDED_RELU, 1, 0}, true, false},
    {"ScaledTanh", {CT_RNN_ACT_SCALED_TANH, CT_UNARY_TANH, 1, 1}, true, true},
    {"HardSigmoid", {CT_RNN_ACT_UNARY, CT_UNARY_HARD_SIGMOID, 0.2f, 0.5f}, true, true},
    {"Elu", {CT_RNN_ACT_UNARY, CT_UNARY_ELU, 1, 0}, true, false},
    {"Softsign", {CT_RNN_ACT_UNARY, CT_UNARY_SOFTSIGN, 0, 0}, false, false},
    {"Softplus", {CT_RNN_ACT_UNARY, CT_UNARY_SOFTPLUS, 0, 0}, false, false},
};
enum { N_KNOWN = sizeof known / sizeof *known };

static int find(corten_string name)
{
    for (int i = 0; i < N_KNOWN; i++)
        if (strlen(known[i].name) == name.size_bytes &&
            !strncasecmp(known[i].name, name.data, name.size_bytes))
            return i;
    return -1;
}

ct_status ct_rnn_read_acts(const struct ct_node *node, enum ct_cell cell, int dirs,
                           struct ct_rnn_act acts[2][3], corten_error *error)
{
    static const char *const defaults[3][3] = {
        {"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    static const int counts[3] = {1, 2, 3};
    const struct ct_attr *names = ct_node_attr(node, "activations");
    const float *alphas = NULL, *betas = NULL;
    int n_alphas = ct_attr_floats(node, "activation_alpha", &alphas);
    int n_betas = ct_attr_floats(node, "activation_beta", &betas);
    int count = counts[cell], next_alpha = 0, next_beta = 0;
    bool given = names && names->type == CT_ATTR_STRINGS && names->count > 0;
    if (given && names->count < count * dirs)
        return ct_fail(error, CORTEN_INVALID_MODEL, "%d activations are given, %d are expected",
                       names->count, count * dirs);
    for (int i = 0; i < count * dirs; i++) {
        const char *usual = defaults[cell][i % count];
        corten_string name = given ? names->strings[i] : (corten_string){usual, strlen(usual)};
        int k = find(name);
        if (k < 0)
            return ct_fail(error, CORTEN_INVALID_MODEL, "activation '%.*s' is not known",
                           (int)(name.size_bytes < 40 ? name.size_bytes : 40), name.data);
        struct ct_rnn_act *act = &acts[i / count][i % count];
        *act = known[k].act;
        if (known[k].has_alpha && next_alpha < n_alphas)
            act->alpha = alphas[next_alpha++];
        if (known[k].has_beta && next_beta < n_betas)
            act->beta = betas[next_beta++];
    }
    return CORTEN_OK;
}
