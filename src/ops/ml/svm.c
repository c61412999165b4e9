/* SVMClassifier and SVMRegressor, as in LIBSVM (Chang and Lin, 2011), whose files they come from. */
#include <math.h>
#include <string.h>

#include "ops/ml/ml.h"

enum kernel { LINEAR, POLY, RBF, SIGMOID };

struct svm {
    struct ct_ml_labels labels;
    enum kernel kernel;
    double gamma, coef0, degree;
    const float *vectors, *coefficients, *rho, *prob_a, *prob_b;
    const int64_t *per_class;
    int64_t n_vectors; /* 0: a linear model, with a row of coefficients for each class */
    int64_t n_classes, n_pairs, n_scores, features;
    bool all_positive; /* coefficients */
    bool one_class;
    enum ct_ml_post post;
    size_t scratch_bytes; /* of one worker */
};

/* ------------------------------------------------------------------ reading and checking */

static int floats(const struct ct_node *node, const char *name, const float **values)
{
    int n = ct_attr_floats(node, name, values);
    return n < 0 ? 0 : n;
}

static bool read_kernel(const struct ct_node *node, struct svm *s)
{
    static const char *const names[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
    const float *params;
    int n = floats(node, "kernel_params", &params);
    if (n && n < 3)
        return false;
    if (n) {
        s->gamma = (double)params[0];
        s->coef0 = (double)params[1];
        s->degree = (double)params[2];
    }
    for (int i = 0; i < 4; i++)
        if (ct_attr_is(node, "kernel_type", names[i], "LINEAR")) {
            s->kernel = (enum kernel)i;
            return ct_ml_read_post(node, &s->post);
        }
    return false;
}

static const char *read_classifier(const struct ct_node *node, struct svm *s)
{
    *s = (struct svm){.n_classes = 1};
    ct_ml_labels(node, "classlabels_ints", &s->labels);
    if (s->labels.count)
        s->n_classes = s->labels.count;
    if (!read_kernel(node, s))
        return "kernel_type, kernel_params or post_transform is wrong";
    int n_per_class = ct_attr_ints(node, "vectors_per_class", &s->per_class);
    int64_t n_vectors = floats(node, "support_vectors", &s->vectors);
    int64_t n_coefficients = floats(node, "coefficients", &s->coefficients);
    int64_t n_rho = floats(node, "rho", &s->rho);
    int64_t n_a = floats(node, "prob_a", &s->prob_a), n_b = floats(node, "prob_b", &s->prob_b);
    for (int i = 0; i < n_per_class; i++) {
        if (s->per_class[i] < 0 || s->per_class[i] > INT32_MAX - s->n_vectors)
            return "vectors_per_class has an entry that is out of range";
        s->n_vectors += s->per_class[i];
    }
    s->all_positive = true;
    for (int64_t i = 0; i < n_coefficients; i++)
        s->all_positive &= s->coefficients[i] >= 0;
    if (!s->n_vectors) {
        s->kernel = LINEAR;
        s->features = n_coefficients / s->n_classes;
        s->n_scores = s->n_classes;
        s->prob_a = NULL;
        if (n_coefficients % s->n_classes)
            return "coefficients are not a multiple of the classes";
        return n_rho < 1 ? "rho is missing" : NULL;
    }
    if (n_per_class != s->n_classes || s->n_classes > 46340)
        return "vectors_per_class is not as long as the labels";
    s->n_pairs = s->n_classes * (s->n_classes - 1) / 2;
    s->features = n_vectors / s->n_vectors;
    if (n_vectors % s->n_vectors)
        return "support_vectors do not go evenly into vectors_per_class";
    if (n_coefficients != (s->n_classes - 1) * s->n_vectors)
        return "coefficients are not one for each support vector and other class";
    if (n_rho < s->n_pairs)
        return "rho has fewer entries than there are pairs of classes";
    if (n_a != n_b || (n_a && n_a < s->n_pairs))
        return "prob_a and prob_b are not one for each pair of classes";
    if (!n_a)
        s->prob_a = NULL;
    s->n_scores = s->prob_a ? s->n_classes : s->n_classes > 2 ? s->n_pairs : 2;
    return NULL;
}

static const char *read_regressor(const struct ct_node *node, struct svm *s)
{
    *s = (struct svm){.n_classes = 1, .n_scores = 1};
    if (!read_kernel(node, s))
        return "kernel_type, kernel_params or post_transform is wrong";
    int64_t n_vectors = floats(node, "support_vectors", &s->vectors);
    int64_t n_coefficients = floats(node, "coefficients", &s->coefficients);
    s->n_vectors = ct_attr_int(node, "n_supports", 0);
    s->one_class = ct_attr_int(node, "one_class", 0) != 0;
    if (floats(node, "rho", &s->rho) < 1)
        return "rho is missing";
    if (s->n_vectors < 0)
        return "n_supports is negative";
    if (!s->n_vectors) {
        s->kernel = LINEAR;
        s->features = n_coefficients;
        return NULL;
    }
    s->features = n_vectors / s->n_vectors;
    if (n_vectors % s->n_vectors || n_coefficients < s->n_vectors)
        return "support_vectors and coefficients do not fit n_supports";
    return NULL;
}

static ct_status check_features(const struct ct_infer *infer, const char *wrong,
                                const struct svm *s, ct_dim features)
{
    if (wrong)
        return ct_infer_fail(infer, "%s", wrong);
    if (ct_dim_known(features) && features != s->features)
        return ct_infer_fail(infer, "the input has %lld features, the model %lld",
                             (long long)features, (long long)s->features);
    return CORTEN_OK;
}

static ct_status infer_classifier(struct ct_infer *infer)
{
    struct svm s;
    struct ct_ml_labels labels;
    ct_dim rows, features;
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &features));
    CT_TRY(ct_ml_infer_labels(infer, "classlabels_ints", &labels));
    CT_TRY(check_features(infer, read_classifier(infer->node, &s), &s, features));
    ct_infer_set(infer, 0, ct_ml_labels_dtype(&labels), 1, &rows);
    ct_infer_set(infer, 1, CORTEN_F32, 2, (ct_dim[]){rows, s.n_scores});
    return CORTEN_OK;
}

static ct_status infer_regressor(struct ct_infer *infer)
{
    struct svm s;
    ct_dim rows, features;
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &features));
    CT_TRY(check_features(infer, read_regressor(infer->node, &s), &s, features));
    ct_infer_set(infer, 0, CORTEN_F32, 2, (ct_dim[]){rows, 1});
    return CORTEN_OK;
}

static ct_status prepare_svm(struct ct_prepare *prepare,
                             const char *(*read)(const struct ct_node *node, struct svm *s))
{
    struct svm *s = ct_prepare_alloc(prepare, sizeof *s);
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "a support vector machine");
    const char *wrong = read(prepare->node, s);
    if (wrong)
        return ct_fail(prepare->error, CORTEN_INVALID_MODEL, "%s", wrong);
    /* A row of X, kernels, votes, scores of pairs, probabilities and two matrices of them. */
    size_t n = (size_t)(s->features + s->n_vectors + 2 * s->n_classes + s->n_pairs + s->n_scores);
    if (s->prob_a)
        n += (size_t)(2 * s->n_classes * s->n_classes + s->n_classes);
    s->scratch_bytes = ct_align_up(n * sizeof(double), CT_ALIGN);
    prepare->scratch_bytes = s->scratch_bytes * (size_t)prepare->threads;
    prepare->state = s;
    return CORTEN_OK;
}

static ct_status prepare_classifier(struct ct_prepare *prepare)
{
    return prepare_svm(prepare, read_classifier);
}

static ct_status prepare_regressor(struct ct_prepare *prepare)
{
    return prepare_svm(prepare, read_regressor);
}

/* ------------------------------------------------------------------ the machine */

static double apply_kernel(const struct svm *s, const double *x, const float *y)
{
    double sum = 0;
    for (int64_t i = 0; i < s->features; i++) {
        double d = x[i] - (double)y[i];
        sum += s->kernel == RBF ? d * d : x[i] * (double)y[i];
    }
    switch (s->kernel) {
    case POLY: return pow(s->gamma * sum + s->coef0, s->degree);
    case RBF: return exp(-s->gamma * sum);
    case SIGMOID: return tanh(s->gamma * sum + s->coef0);
    case LINEAR: break;
    }
    return sum;
}

static double weighted(const float *coefficients, const double *kernels, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)coefficients[i] * kernels[i];
    return sum;
}

/* Decides each pair of classes. */
static void compare_classes(const struct svm *s, const double *kernels, double *votes,
                            double *scores)
{
    int64_t at_i = 0, pair = 0;
    memset(votes, 0, (size_t)s->n_classes * sizeof *votes);
    for (int64_t i = 0; i < s->n_classes; at_i += s->per_class[i], i++) {
        int64_t at_j = at_i + s->per_class[i];
        for (int64_t j = i + 1; j < s->n_classes; at_j += s->per_class[j], j++) {
            const float *row_i = s->coefficients + (j - 1) * s->n_vectors + at_i;
            const float *row_j = s->coefficients + i * s->n_vectors + at_j;
            scores[pair] = (double)s->rho[pair] + weighted(row_i, kernels + at_i, s->per_class[i]) +
                           weighted(row_j, kernels + at_j, s->per_class[j]);
            votes[scores[pair] > 0 ? i : j] += 1;
            pair++;
        }
    }
}

/* Probabilities of classes from those of pairs: the second method of Wu, Lin and Weng (2004). */
static void combine(int64_t k, const double *pairs, double *q, double *qp, double *p)
{
    for (int64_t t = 0; t < k; t++) {
        p[t] = 1.0 / (double)k;
        q[t * k + t] = 0;
        for (int64_t j = 0; j < k; j++) {
            if (j == t)
                continue;
            q[t * k + t] += pairs[j * k + t] * pairs[j * k + t];
            q[t * k + j] = -pairs[j * k + t] * pairs[t * k + j];
        }
    }
    double eps = 0.005 / (double)k;
    for (int64_t round = 0, rounds = k > 100 ? k : 100; round < rounds; round++) {
        double pqp = 0, worst = 0;
        for (int64_t t = 0; t < k; t++) {
            qp[t] = 0;
            for (int64_t j = 0; j < k; j++)
                qp[t] += q[t * k + j] * p[j];
            pqp += p[t] * qp[t];
        }
        for (int64_t t = 0; t < k; t++)
            worst = fmax(worst, fabs(qp[t] - pqp));
        if (worst < eps)
            break;
        for (int64_t t = 0; t < k; t++) {
            double diff = (pqp - qp[t]) / q[t * k + t];
            p[t] += diff;
            pqp = (pqp + diff * (diff * q[t * k + t] + 2 * qp[t])) / (1 + diff) / (1 + diff);
            for (int64_t j = 0; j < k; j++) {
                qp[j] = (qp[j] + diff * q[t * k + j]) / (1 + diff);
                p[j] /= 1 + diff;
            }
        }
    }
}

static void probabilities(const struct svm *s, const double *scores, double *matrices, double *qp,
                          double *p)
{
    int64_t k = s->n_classes, pair = 0;
    for (int64_t i = 0; i < k; i++)
        for (int64_t j = i + 1; j < k; j++, pair++) {
            double x = 1 - ct_ml_logistic(scores[pair] * (double)s->prob_a[pair] +
                                          (double)s->prob_b[pair]);
            x = fmin(fmax(x, 1e-7), 1 - 1e-7);
            matrices[i * k + j] = x;
            matrices[j * k + i] = 1 - x;
        }
    if (k == 1)
        p[0] = 1;
    else
        combine(k, matrices, matrices + k * k, qp, p);
}

/* ------------------------------------------------------------------ rows */

/* The label of a linear machine for one or two classes. */
static int64_t binary_label(const struct svm *s, double weight, int64_t best)
{
    if (s->labels.count != 2)
        return weight > 0 ? 1 : 0;
    return (s->all_positive ? weight >= 0.5 : weight > 0) ? 1 : best;
}

static void classify_row(const struct svm *s, const double *x, double *memory,
                         const struct ct_run *run, int64_t row)
{
    int64_t k = s->n_classes, n = s->n_vectors ? s->n_pairs : k;
    double *kernels = memory, *votes = kernels + s->n_vectors, *qp = votes + k;
    double *pairs = qp + k, *scores = pairs + s->n_pairs;
    double *matrices = scores + s->n_scores;
    const double *decision = scores;
    if (!s->n_vectors) {
        for (int64_t i = 0; i < k; i++)
            scores[i] = (double)s->rho[0] + apply_kernel(s, x, s->coefficients + i * s->features);
    } else {
        for (int64_t i = 0; i < s->n_vectors; i++)
            kernels[i] = apply_kernel(s, x, s->vectors + i * s->features);
        compare_classes(s, kernels, votes, pairs);
        decision = votes;
        if (s->prob_a) {
            probabilities(s, pairs, matrices, qp, scores);
            n = k;
        } else {
            memcpy(scores, pairs, (size_t)n * sizeof *scores);
        }
    }
    int64_t best = ct_ml_argmax(decision, k), label = best;
    if (k == 1 || (k == 2 && !s->n_vectors))
        label = binary_label(s, decision[best], best);
    if (run->out[0])
        ct_ml_put_label(&s->labels, run->out[0], row, label);
    if (n == 1 && s->n_scores == 2)
        ct_ml_two_scores(s->post, scores[0], false, scores);
    else
        ct_ml_apply_post(s->post, scores, n);
    for (int64_t i = 0; run->n_out > 1 && run->out[1] && i < s->n_scores; i++)
        CT_DATA(float, run->out[1])[row * s->n_scores + i] = (float)scores[i];
}

static void regress_row(const struct svm *s, const double *x, const struct ct_run *run, int64_t row)
{
    double sum = (double)s->rho[0];
    if (!s->n_vectors)
        sum += apply_kernel(s, x, s->coefficients);
    for (int64_t i = 0; i < s->n_vectors; i++)
        sum += (double)s->coefficients[i] * apply_kernel(s, x, s->vectors + i * s->features);
    if (s->one_class)
        sum = sum > 0 ? 1 : -1;
    ct_ml_apply_post(s->post, &sum, 1);
    CT_DATA(float, run->out[0])[row] = (float)sum;
}

struct task {
    const struct ct_run *run;
    bool is_classifier;
};

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct task *task = arg;
    const struct ct_run *run = task->run;
    const struct svm *s = run->state;
    double *x = (double *)((char *)run->scratch + s->scratch_bytes * (size_t)worker);
    for (int64_t r = begin; r < end; r++) {
        ct_load_f64(run->in[0]->dtype, run->in[0]->data, (size_t)(r * s->features),
                    (size_t)s->features, x);
        if (task->is_classifier)
            classify_row(s, x, x + s->features, run, r);
        else
            regress_row(s, x, run, r);
    }
}

static ct_status run_with(const struct ct_run *run, bool is_classifier)
{
    const struct svm *s = run->state;
    int64_t rows, features;
    struct task task = {run, is_classifier};
    ct_ml_matrix(run->in[0], &rows, &features);
    ct_run_parallel(run, rows, (double)((s->n_vectors + 1) * (features + 10)), run_rows, &task);
    return CORTEN_OK;
}

static ct_status run_classifier(const struct ct_run *run)
{
    return run_with(run, true);
}

static ct_status run_regressor(const struct ct_run *run)
{
    return run_with(run, false);
}

const struct ct_op ct_op_svm_classifier = {
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .run = run_classifier,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
};

const struct ct_op ct_op_svm_regressor = {
    .infer = infer_regressor,
    .prepare = prepare_regressor,
    .run = run_regressor,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};
