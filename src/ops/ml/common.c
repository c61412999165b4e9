/* What the operators of ai.onnx.ml share. */
#include <math.h>

#include "ops/ml/ml.h"
#include "ops/text/strings.h"

ct_status ct_ml_infer_matrix(const struct ct_infer *infer, int index, ct_dim *rows, ct_dim *columns)
{
    const struct ct_fact *in = ct_infer_in(infer, index);
    CT_TRY(ct_infer_check_rank(infer, index, 1, 2));
    *rows = *columns = CT_DIM_UNKNOWN;
    if (!in || in->rank < 0)
        return CORTEN_OK;
    *rows = in->rank == 2 ? in->dims[0] : 1;
    *columns = in->dims[in->rank - 1];
    return CORTEN_OK;
}

void ct_ml_matrix(const struct ct_tensor *t, int64_t *rows, int64_t *columns)
{
    *rows = t->rank == 2 ? t->dims[0] : 1;
    *columns = t->dims[t->rank - 1];
}

/* ------------------------------------------------------------------ labels */

void ct_ml_labels(const struct ct_node *node, const char *ints_name, struct ct_ml_labels *labels)
{
    *labels = (struct ct_ml_labels){0};
    int n_strings = ct_attr_strings(node, "classlabels_strings", &labels->strings);
    int n_ints = ct_attr_ints(node, ints_name, &labels->ints);
    if (n_strings > 0) {
        labels->count = n_strings;
        labels->ints = NULL;
    } else {
        labels->count = n_ints > 0 ? n_ints : 0;
        labels->strings = NULL;
    }
}

ct_status ct_ml_infer_labels(const struct ct_infer *infer, const char *ints_name,
                             struct ct_ml_labels *labels)
{
    const int64_t *ints;
    ct_ml_labels(infer->node, ints_name, labels);
    if (labels->strings && ct_attr_ints(infer->node, ints_name, &ints) > 0)
        return ct_infer_fail(infer, "has labels of two types");
    return CORTEN_OK;
}

ct_dtype ct_ml_labels_dtype(const struct ct_ml_labels *labels)
{
    return labels->strings ? CORTEN_STRING : CORTEN_I64;
}

void ct_ml_put_label(const struct ct_ml_labels *labels, struct ct_tensor *out, int64_t i,
                     int64_t index)
{
    if (labels->strings)
        CT_DATA(corten_string, out)
    [i] = index < labels->count ? labels->strings[index] : (corten_string){0};
    else CT_DATA(int64_t, out)[i] = index < labels->count ? labels->ints[index] : index;
}

/* ------------------------------------------------------------------ post_transform */

bool ct_ml_read_post(const struct ct_node *node, enum ct_ml_post *post)
{
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    for (int i = 0; i < 5; i++)
        if (ct_attr_is(node, "post_transform", names[i], "NONE")) {
            *post = (enum ct_ml_post)i;
            return true;
        }
    return false;
}

ct_status ct_ml_infer_post(const struct ct_infer *infer)
{
    enum ct_ml_post post;
    if (ct_ml_read_post(infer->node, &post))
        return CORTEN_OK;
    return ct_infer_fail(infer, "post_transform must be NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or "
                                "PROBIT");
}

double ct_ml_logistic(double x)
{
    double v = 1 / (1 + exp(-fabs(x)));
    return x < 0 ? 1 - v : v;
}

/* The quantile of the normal distribution, by the approximation of the inverse error function that
 * ONNX's reference uses (Winitzki, 2008); its constant is part of what models expect. */
static double probit(double p)
{
    double x = 2 * p - 1, sign = x < 0 ? -1 : 1;
    double l = log((1 - x) * (1 + x));
    double v = 2 / (M_PI * 0.147) + 0.5 * l;
    return 1.41421356 * sign * sqrt(sqrt(v * v - l / 0.147) - v);
}

static void softmax(double *scores, int64_t n, bool keep_zero)
{
    double max = scores[0], sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = scores[i] > max ? scores[i] : max;
    for (int64_t i = 0; i < n; i++) {
        bool is_zero = keep_zero && fabs(scores[i]) <= 1e-7;
        scores[i] = is_zero ? scores[i] * exp(-max) : exp(scores[i] - max);
        sum += scores[i];
    }
    for (int64_t i = 0; i < n; i++)
        scores[i] = sum == 0 ? 0.5 : scores[i] / sum;
}

void ct_ml_apply_post(enum ct_ml_post post, double *scores, int64_t n)
{
    if (n < 1 || (n == 1 && post != CT_ML_PROBIT))
        return;
    switch (post) {
    case CT_ML_NONE: break;
    case CT_ML_SOFTMAX: softmax(scores, n, false); break;
    case CT_ML_SOFTMAX_ZERO: softmax(scores, n, true); break;
    case CT_ML_LOGISTIC:
        for (int64_t i = 0; i < n; i++)
            scores[i] = ct_ml_logistic(scores[i]);
        break;
    case CT_ML_PROBIT:
        for (int64_t i = 0; i < n; i++)
            scores[i] = probit(scores[i]);
        break;
    }
}

void ct_ml_two_scores(enum ct_ml_post post, double score, bool is_part_of_1, double *scores)
{
    bool is_softmax = post == CT_ML_SOFTMAX || post == CT_ML_SOFTMAX_ZERO;
    bool negates = post == CT_ML_LOGISTIC || (!is_part_of_1 && !is_softmax);
    scores[0] = negates ? -score : 1 - score;
    scores[1] = score;
    if (!is_softmax)
        ct_ml_apply_post(post, scores, 2);
}

int64_t ct_ml_argmax(const double *scores, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}
