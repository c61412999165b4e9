/* LinearClassifier and LinearRegressor. */
#include "ops/ml/ml.h"

struct linear {
    struct ct_ml_labels labels;
    const float *coefficients; /* [n_targets, n_features] */
    const float *intercepts;   /* [n_targets] or NULL */
    int64_t n_targets, n_scores;
    enum ct_ml_post post;
    size_t scratch_bytes; /* of one worker: a row of float, then scores */
};

/* Number of targets, 0 when it is not known. */
static ct_status find_targets(const struct ct_infer *infer, int64_t targets, ct_dim features,
                              int64_t *n_targets)
{
    const float *values;
    int n = ct_attr_floats(infer->node, "coefficients", &values);
    int n_intercepts = ct_attr_floats(infer->node, "intercepts", &values);
    n = n < 0 ? 0 : n;
    if (!targets && n_intercepts > 0)
        targets = n_intercepts;
    if (!targets && ct_dim_known(features))
        targets = features ? n / features : 1;
    if (targets && (n % targets || (ct_dim_known(features) && n / targets != features)))
        return ct_infer_fail(infer, "has %d coefficients for %lld targets of %lld features", n,
                             (long long)targets, ct_dim_known(features) ? (long long)features : -1);
    if (n_intercepts > 0 && targets && n_intercepts != targets)
        return ct_infer_fail(infer, "has %d intercepts for %lld targets", n_intercepts,
                             (long long)targets);
    if (!targets && ct_dim_known(features))
        return ct_infer_fail(infer, "has %d coefficients for %lld features", n,
                             (long long)features);
    *n_targets = targets;
    return ct_ml_infer_post(infer);
}

static ct_status infer_regressor(struct ct_infer *infer)
{
    ct_dim rows, features;
    int64_t n_targets, targets = ct_attr_int(infer->node, "targets", 1);
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &features));
    if (targets < 1)
        return ct_infer_fail(infer, "targets is %lld", (long long)targets);
    CT_TRY(find_targets(infer, targets, features, &n_targets));
    ct_infer_set(infer, 0, CORTEN_F32, 2, (ct_dim[]){rows, n_targets});
    return CORTEN_OK;
}

static ct_status infer_classifier(struct ct_infer *infer)
{
    struct ct_ml_labels labels;
    ct_dim rows, features;
    int64_t n_targets;
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &features));
    CT_TRY(ct_ml_infer_labels(infer, "classlabels_ints", &labels));
    CT_TRY(find_targets(infer, 0, features, &n_targets));
    if (n_targets > 1 && labels.count && labels.count != n_targets)
        return ct_infer_fail(infer, "has %d labels for %lld classes", labels.count,
                             (long long)n_targets);
    int64_t n_scores = n_targets == 1 && labels.count == 2 ? 2 : n_targets;
    ct_infer_set(infer, 0, ct_ml_labels_dtype(&labels), 1, &rows);
    ct_infer_set(infer, 1, CORTEN_F32, 2, (ct_dim[]){rows, n_scores ? n_scores : CT_DIM_UNKNOWN});
    return CORTEN_OK;
}

static ct_status prepare_linear(struct ct_prepare *prepare, int64_t n_targets, int64_t n_scores)
{
    struct linear *l = ct_prepare_alloc(prepare, sizeof *l);
    if (!l)
        return ct_fail_memory(prepare->error, sizeof *l, "a linear model");
    int64_t rows, features;
    ct_ml_matrix(prepare->in[0], &rows, &features);
    ct_ml_labels(prepare->node, "classlabels_ints", &l->labels);
    ct_attr_floats(prepare->node, "coefficients", &l->coefficients);
    if (ct_attr_floats(prepare->node, "intercepts", &l->intercepts) <= 0)
        l->intercepts = NULL;
    l->n_targets = n_targets;
    l->n_scores = n_scores;
    ct_ml_read_post(prepare->node, &l->post);
    size_t row_bytes = ct_align_up((size_t)features * sizeof(float), CT_ALIGN);
    l->scratch_bytes = row_bytes + ct_align_up((size_t)n_scores * sizeof(double), CT_ALIGN);
    prepare->scratch_bytes = l->scratch_bytes * (size_t)prepare->threads;
    prepare->state = l;
    return CORTEN_OK;
}

static ct_status prepare_regressor(struct ct_prepare *prepare)
{
    int64_t n = ct_attr_int(prepare->node, "targets", 1);
    return prepare_linear(prepare, n, n);
}

static ct_status prepare_classifier(struct ct_prepare *prepare)
{
    const float *values;
    struct ct_ml_labels labels;
    int64_t rows, features;
    ct_ml_matrix(prepare->in[0], &rows, &features);
    ct_ml_labels(prepare->node, "classlabels_ints", &labels);
    int64_t n = ct_attr_floats(prepare->node, "intercepts", &values);
    if (n <= 0)
        n = features ? ct_attr_floats(prepare->node, "coefficients", &values) / features : 1;
    return prepare_linear(prepare, n, n == 1 && labels.count == 2 ? 2 : n);
}

/* Eight sums, so that the loop becomes SIMD code. */
static double dot(const float *restrict a, const float *restrict b, int64_t n)
{
    float sums[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            sums[k] += a[i + k] * b[i + k];
    double sum = 0;
    for (int k = 0; k < 8; k++)
        sum += (double)sums[k];
    for (; i < n; i++)
        sum += (double)(a[i] * b[i]);
    return sum;
}

/* The scores of a row, before post_transform. */
static void score_row(const struct linear *l, const struct ct_tensor *in, int64_t row,
                      int64_t features, float *x, double *scores)
{
    ct_load_f32(in->dtype, in->data, (size_t)(row * features), (size_t)features, x);
    for (int64_t t = 0; t < l->n_targets; t++) {
        scores[t] = features ? dot(x, l->coefficients + t * features, features) : 0;
        scores[t] += l->intercepts ? (double)l->intercepts[t] : 0;
    }
}

static void put_scores(const struct linear *l, struct ct_tensor *out, int64_t row,
                       const double *scores)
{
    for (int64_t i = 0; out && i < l->n_scores; i++)
        CT_DATA(float, out)[row * l->n_scores + i] = (float)scores[i];
}

static int64_t classify(const struct linear *l, double *scores)
{
    if (l->n_targets > 1) {
        int64_t best = ct_ml_argmax(scores, l->n_targets);
        ct_ml_apply_post(l->post, scores, l->n_targets);
        return best;
    }
    /* One score, for or against the second of two classes. */
    int64_t label = scores[0] > 0;
    if (l->n_scores == 1)
        ct_ml_apply_post(l->post, scores, 1);
    else
        ct_ml_two_scores(l->post, scores[0], true, scores);
    return label;
}

struct task {
    const struct ct_run *run;
    int64_t features;
    bool is_classifier;
};

static void run_rows(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct task *task = arg;
    const struct ct_run *run = task->run;
    const struct linear *l = run->state;
    float *x = (float *)((char *)run->scratch + l->scratch_bytes * (size_t)worker);
    double *scores =
        (double *)((char *)x + ct_align_up((size_t)task->features * sizeof *x, CT_ALIGN));
    for (int64_t r = begin; r < end; r++) {
        score_row(l, run->in[0], r, task->features, x, scores);
        if (!task->is_classifier) {
            ct_ml_apply_post(l->post, scores, l->n_scores);
            put_scores(l, run->out[0], r, scores);
            continue;
        }
        int64_t label = classify(l, scores);
        if (run->out[0])
            ct_ml_put_label(&l->labels, run->out[0], r, label);
        put_scores(l, run->n_out > 1 ? run->out[1] : NULL, r, scores);
    }
}

static ct_status run_with(const struct ct_run *run, bool is_classifier)
{
    const struct linear *l = run->state;
    int64_t rows;
    struct task task = {.run = run, .is_classifier = is_classifier};
    ct_ml_matrix(run->in[0], &rows, &task.features);
    ct_run_parallel(run, rows, 0.3 * (double)(task.features * l->n_targets) + 20, run_rows, &task);
    return CORTEN_OK;
}

static ct_status run_regressor(const struct ct_run *run)
{
    return run_with(run, false);
}

static ct_status run_classifier(const struct ct_run *run)
{
    return run_with(run, true);
}

const struct ct_op ct_op_linear_regressor = {
    .infer = infer_regressor,
    .prepare = prepare_regressor,
    .run = run_regressor,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_linear_classifier = {
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .run = run_classifier,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
};
