/* TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor. */
#include "ops/eval.h"
#include "ops/ml/ml.h"
#include "ops/ml/tree.h"
#include "ops/text/strings.h"

#include <math.h>

struct state {
    struct ct_forest_run run; /* first: see ct_forest_run */
    struct ct_ml_labels labels;
    enum ct_ml_post post;
    bool is_binary;    /* two classes, and votes for one of them only */
    bool all_positive; /* votes */
};

static ct_status prepare_state(struct ct_prepare *prepare, ct_forest_finish finish,
                               struct state **state)
{
    *state = ct_prepare_alloc(prepare, sizeof **state);
    if (!*state)
        return ct_fail_memory(prepare->error, sizeof **state, "trees");
    (*state)->run.finish = finish;
    prepare->state = *state;
    return CORTEN_OK;
}

static ct_status prepare_forest(struct ct_prepare *prepare, struct state *state,
                                const struct ct_tree_model *model)
{
    bool wide = model->wide || prepare->in[0]->dtype == CORTEN_F64;
    CT_TRY(ct_forest_build(model, wide, prepare, &state->run.forest));
    return ct_forest_prepare(prepare, &state->run);
}

/* ------------------------------------------------------------------ regression */

/* Without base values that makes 0 of -0. */
static void add_base(const struct ct_forest *f, double *scores)
{
    for (int64_t i = 0; i < f->n_targets; i++)
        scores[i] += f->n_base ? f->base[f->n_base == 1 ? 0 : i] : 0;
}

static void finish_regression(const struct ct_run *run, int64_t row, double *scores)
{
    const struct state *s = run->state;
    int64_t n = s->run.forest.n_targets;
    struct ct_tensor *out = run->out[0];
    add_base(&s->run.forest, scores);
    ct_ml_apply_post(s->post, scores, n);
    ct_store_f64(out->dtype, out->data, (size_t)(row * n), (size_t)n, scores);
}

static ct_status infer_regression(struct ct_infer *infer, int64_t n_targets, ct_dtype dtype)
{
    ct_dim rows, columns;
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &columns));
    if (n_targets < 1 || n_targets > INT32_MAX)
        return ct_infer_fail(infer, "n_targets is %lld", (long long)n_targets);
    ct_infer_set(infer, 0, dtype, 2, (ct_dim[]){rows, n_targets});
    return CORTEN_OK;
}

static ct_status infer_regressor(struct ct_infer *infer)
{
    CT_TRY(ct_ml_infer_post(infer));
    return infer_regression(infer, ct_attr_int(infer->node, "n_targets", 1), CORTEN_F32);
}

static ct_status check_base(struct ct_prepare *prepare, const struct ct_tree_model *model)
{
    if (model->n_base <= 1 || (int64_t)model->n_base == model->n_targets)
        return CORTEN_OK;
    return ct_fail(prepare->error, CORTEN_INVALID_MODEL,
                   "base_values has %zu entries, expected %lld", model->n_base,
                   (long long)model->n_targets);
}

/* What is read is needed only until the trees are built. */
static ct_status prepare_regressor(struct ct_prepare *prepare)
{
    struct state *state;
    struct ct_tree_model model;
    struct ct_arena arena;
    CT_TRY(prepare_state(prepare, finish_regression, &state));
    ct_ml_read_post(prepare->node, &state->post);
    ct_arena_init(&arena, prepare->planner->arena->allocator);
    ct_status status =
        ct_tree_read_1(prepare->node, "target", ct_attr_int(prepare->node, "n_targets", 1), &arena,
                       &model, prepare->error);
    if (status == CORTEN_OK)
        status = check_base(prepare, &model);
    if (status == CORTEN_OK)
        status = prepare_forest(prepare, state, &model);
    ct_arena_deinit(&arena);
    return status;
}

static ct_status infer_ensemble(struct ct_infer *infer)
{
    int64_t post = ct_attr_int(infer->node, "post_transform", CT_ML_NONE);
    if (post < CT_ML_NONE || post > CT_ML_PROBIT)
        return ct_infer_fail(infer, "post_transform is %lld", (long long)post);
    return infer_regression(infer, ct_attr_int(infer->node, "n_targets", 1), infer->in[0]->dtype);
}

static ct_status prepare_ensemble(struct ct_prepare *prepare)
{
    struct state *state;
    struct ct_tree_model model;
    struct ct_arena arena;
    CT_TRY(prepare_state(prepare, finish_regression, &state));
    state->post = (enum ct_ml_post)ct_attr_int(prepare->node, "post_transform", CT_ML_NONE);
    ct_arena_init(&arena, prepare->planner->arena->allocator);
    ct_status status = ct_tree_read_5(prepare->node, &arena, &model, prepare->error);
    if (status == CORTEN_OK)
        status = prepare_forest(prepare, state, &model);
    ct_arena_deinit(&arena);
    return status;
}

/* ------------------------------------------------------------------ classification */

/* One score for the second of two classes: a probability when all votes are positive, else a
 * number above or below 0. By convention such votes are for class 0; votes for class 1 say no more
 * than they do. */
static int64_t finish_binary(const struct state *s, double *scores)
{
    const struct ct_forest *f = &s->run.forest;
    double least = s->all_positive ? 0.5 : 0;
    if (f->only_target == 1) {
        int64_t label = scores[1] > least;
        add_base(f, scores);
        label = f->n_base ? ct_ml_argmax(scores, 2) : label;
        ct_ml_apply_post(s->post, scores, 2);
        return label;
    }
    double x = scores[0] + (f->n_base ? f->base[f->n_base - 1] : 0);
    if (s->post == CT_ML_SOFTMAX || s->post == CT_ML_SOFTMAX_ZERO)
        ct_ml_two_scores(CT_ML_NONE, x, s->all_positive, scores);
    else
        ct_ml_two_scores(s->post, x, s->all_positive, scores);
    return x > least;
}

/* The greatest score that anything voted for. */
static int64_t best_voted(const double *scores, int64_t n)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (!(scores[i] == 0 && signbit(scores[i])) && (best < 0 || scores[i] > scores[best]))
            best = i;
    return best < 0 ? 0 : best;
}

static void finish_classification(const struct ct_run *run, int64_t row, double *scores)
{
    const struct state *s = run->state;
    int64_t n = s->run.forest.n_targets, label;
    if (s->is_binary) {
        label = finish_binary(s, scores);
    } else {
        label = best_voted(scores, n);
        add_base(&s->run.forest, scores);
        if (n == 1)
            label = scores[0] > 0;
        else if (s->run.forest.n_base)
            label = ct_ml_argmax(scores, n);
        ct_ml_apply_post(s->post, scores, n);
    }
    if (run->out[0] && n == 1 && s->labels.ints) /* one class: whether it is that */
        CT_DATA(int64_t, run->out[0])[row] = label;
    else if (run->out[0])
        ct_ml_put_label(&s->labels, run->out[0], row, n == 1 ? 1 - label : label);
    if (run->n_out > 1 && run->out[1])
        ct_store_f64(CORTEN_F32, run->out[1]->data, (size_t)(row * n), (size_t)n, scores);
}

static ct_status infer_classifier(struct ct_infer *infer)
{
    struct ct_ml_labels labels;
    ct_dim rows, columns;
    CT_TRY(ct_ml_infer_post(infer));
    CT_TRY(ct_ml_infer_matrix(infer, 0, &rows, &columns));
    CT_TRY(ct_ml_infer_labels(infer, "classlabels_int64s", &labels));
    if (!labels.count)
        return ct_infer_fail(infer, "has no class labels");
    ct_infer_set(infer, 0, ct_ml_labels_dtype(&labels), 1, &rows);
    ct_infer_set(infer, 1, CORTEN_F32, 2, (ct_dim[]){rows, labels.count});
    return CORTEN_OK;
}

static ct_status prepare_classifier(struct ct_prepare *prepare)
{
    struct state *state;
    struct ct_tree_model model;
    struct ct_arena arena;
    CT_TRY(prepare_state(prepare, finish_classification, &state));
    ct_ml_read_post(prepare->node, &state->post);
    ct_ml_labels(prepare->node, "classlabels_int64s", &state->labels);
    ct_arena_init(&arena, prepare->planner->arena->allocator);
    ct_status status =
        ct_tree_read_1(prepare->node, "class", state->labels.count, &arena, &model, prepare->error);
    if (status == CORTEN_OK) {
        state->all_positive = true;
        for (size_t i = 0; i < model.n_votes; i++)
            state->all_positive &= model.votes[i].weight >= 0;
        status = check_base(prepare, &model);
    }
    if (status == CORTEN_OK)
        status = prepare_forest(prepare, state, &model);
    ct_arena_deinit(&arena);
    state->is_binary = state->labels.count == 2 && state->run.forest.only_target >= 0;
    return status;
}

const struct ct_op ct_op_tree_ensemble = {
    .infer = infer_ensemble,
    .prepare = prepare_ensemble,
    .run = ct_forest_predict,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_tree_ensemble_regressor = {
    .infer = infer_regressor,
    .prepare = prepare_regressor,
    .run = ct_forest_predict,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
};

const struct ct_op ct_op_tree_ensemble_classifier = {
    .infer = infer_classifier,
    .prepare = prepare_classifier,
    .run = ct_forest_predict,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
};
