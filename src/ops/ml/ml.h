/* What the operators of ai.onnx.ml share. */
#ifndef CT_OPS_ML_ML_H
#define CT_OPS_ML_ML_H

#include "graph/op.h"

/** The input as a matrix: rank 1 is one row. What is not known is CT_DIM_UNKNOWN. */
ct_status ct_ml_infer_matrix(const struct ct_infer *infer, int index, ct_dim *rows,
                             ct_dim *columns);
/** The same of a tensor. */
void ct_ml_matrix(const struct ct_tensor *t, int64_t *rows, int64_t *columns);

/* ------------------------------------------------------------------ labels of classes */

struct ct_ml_labels {
    const corten_string *strings; /* one of the two, or neither */
    const int64_t *ints;
    int count; /* 0: no labels */
};
/** Reads the attributes classlabels_strings and `ints_name`; fails when both have labels. */
ct_status ct_ml_infer_labels(const struct ct_infer *infer, const char *ints_name,
                             struct ct_ml_labels *labels);
void ct_ml_labels(const struct ct_node *node, const char *ints_name, struct ct_ml_labels *labels);
ct_dtype ct_ml_labels_dtype(const struct ct_ml_labels *labels);
/** Element i of `out` := label `index`; without labels the index itself. */
void ct_ml_put_label(const struct ct_ml_labels *labels, struct ct_tensor *out, int64_t i,
                     int64_t index);

/* ------------------------------------------------------------------ post_transform */

enum ct_ml_post {
    CT_ML_NONE = 0,
    CT_ML_SOFTMAX = 1,
    CT_ML_LOGISTIC = 2,
    CT_ML_SOFTMAX_ZERO = 3,
    CT_ML_PROBIT = 4
};
/** The attribute post_transform as a string. False when it is none of the five. */
bool ct_ml_read_post(const struct ct_node *node, enum ct_ml_post *post);
ct_status ct_ml_infer_post(const struct ct_infer *infer);
double ct_ml_logistic(double x);
/** Transforms the n scores of one row. One score alone is changed by PROBIT only, as in ONNX
 *  Runtime: with LOGISTIC and SOFTMAX it stays a raw score. */
void ct_ml_apply_post(enum ct_ml_post post, double *scores, int64_t n);

/** Scores of two classes from the one that a model has for the second of them. Without a
 *  post_transform the first class gets what is missing from 1, or the negated score. LOGISTIC makes
 *  probabilities; SOFTMAX leaves the missing part of 1, as in ONNX Runtime. */
void ct_ml_two_scores(enum ct_ml_post post, double score, bool is_part_of_1, double *scores);

/** Index of the largest score, the first of equal ones. */
int64_t ct_ml_argmax(const double *scores, int64_t n);

#endif
