/* Ensembles of decision trees, flattened for prediction.
 *
 * Nodes of all trees lie in one array, each tree in the order of a walk that takes the true branch
 * first. A leaf leads to itself, so that several rows can take the same number of steps together,
 * without a branch that the processor would have to guess. */
#ifndef CT_OPS_ML_TREE_H
#define CT_OPS_ML_TREE_H

#include "graph/op.h"

/** How a node compares x with its split: (x < split) with LESS, or (x == split) with EQUAL, the
 *  result negated with NOT. NaN takes the true branch with NAN_TRUE, else the false one. */
enum ct_tree_ops { CT_TREE_LESS = 1, CT_TREE_EQUAL = 2, CT_TREE_NOT = 4, CT_TREE_NAN_TRUE = 8 };

enum ct_tree_aggregate { CT_TREE_AVERAGE = 0, CT_TREE_SUM = 1, CT_TREE_MIN = 2, CT_TREE_MAX = 3 };

/** A node as a model lists it. */
struct ct_tree_raw {
    double split;
    int64_t feature;
    int64_t next[2]; /* true and false branch, as indices of raw nodes */
    uint8_t ops;
    bool is_leaf;
    int64_t first_vote, n_votes; /* of a leaf */
};

/** Weights that leaves give to targets. */
struct ct_tree_vote {
    int64_t target;
    double weight;
};

/** What a model says, in one form for all versions. */
struct ct_tree_model {
    struct ct_tree_raw *nodes;
    size_t n_nodes;
    int64_t *roots; /* indices of nodes */
    size_t n_trees;
    struct ct_tree_vote *votes; /* those of one leaf together */
    size_t n_votes;
    int64_t n_targets;
    double *base; /* NULL, or n_base of them */
    size_t n_base;
    enum ct_tree_aggregate aggregate;
    bool wide; /* splits or weights are float64 */
};

struct ct_tree_node_f32 {
    float split;
    int32_t feature;
    int32_t next[2]; /* true, false */
};

struct ct_tree_node_f64 {
    double split;
    int32_t feature;
    int32_t next[2];
};

struct ct_forest {
    const struct ct_tree_node_f32 *nodes_f32; /* one of the two */
    const struct ct_tree_node_f64 *nodes_f64;
    const uint8_t *ops; /* by node */
    int same_ops;       /* when all inner nodes compare alike and NaN is false: how; else -1 */
    const int32_t *roots, *depths; /* by tree */
    int64_t n_trees;
    const int32_t *first_vote; /* by node, and one more */
    const struct ct_tree_vote *votes;
    const double *sums;           /* by node, when all votes are for one target: of its votes */
    int64_t only_target;          /* -1: there are several */
    int64_t n_targets, n_columns; /* n_columns: 1 when there is only one target, else n_targets */
    const double *base;
    size_t n_base;
    enum ct_tree_aggregate aggregate;
    int64_t n_features; /* that it reads */
    double row_ns;      /* estimated cost of a row */
};

/** Reads attributes of TreeEnsembleClassifier and TreeEnsembleRegressor, versions 1 to 4.
 *  `votes`: "class" or "target". Everything is allocated in `arena`. */
ct_status ct_tree_read_1(const struct ct_node *node, const char *votes, int64_t n_targets,
                         struct ct_arena *arena, struct ct_tree_model *model, corten_error *error);
/** Reads attributes of TreeEnsemble 5. */
ct_status ct_tree_read_5(const struct ct_node *node, struct ct_arena *arena,
                         struct ct_tree_model *model, corten_error *error);
/** Checks that there are trees (no node leads back to itself) and flattens them. `wide`: for rows of
 *  float64. */
ct_status ct_forest_build(const struct ct_tree_model *model, bool wide, struct ct_prepare *prepare,
                          struct ct_forest *forest);

/** Adds what trees [first, end) say of n rows of x (float, or double for a wide forest; n_x
 *  elements apart) to sums[row * n_columns + column]. */
void ct_forest_add(const struct ct_forest *forest, int64_t first, int64_t end, const void *x,
                   int64_t n_x, int64_t n, double *sums);
/** What sums start with; for a sum that is -0, to which adding changes no number. */
double ct_forest_zero(const struct ct_forest *forest);
/** Adds b to a as the aggregate does. */
static inline double ct_tree_join(enum ct_tree_aggregate aggregate, double a, double b)
{
    if (aggregate == CT_TREE_MIN)
        return b < a ? b : a;
    if (aggregate == CT_TREE_MAX)
        return b > a ? b : a;
    return a + b;
}

/** Predicts all rows of input 0: called for each row, with the aggregated n_targets scores, base
 *  values not added; -0: nothing voted for it. */
typedef void (*ct_forest_finish)(const struct ct_run *run, int64_t row, double *scores);

struct ct_forest_run {
    struct ct_forest forest; /* first, so that the state of a run is one of these */
    ct_forest_finish finish;
    bool converts;         /* rows are not of the forest's type */
    int64_t rows, columns; /* of the input */
    int64_t block_rows;    /* rows predicted together */
    int64_t chunk_trees;   /* all, or for few rows a part, summed up by itself */
    int64_t n_chunks;
    size_t x_bytes, sums_bytes, scores_bytes; /* of scratch, for a block */
};
/** Fills the rest of `run` and asks for scratch memory. */
ct_status ct_forest_prepare(struct ct_prepare *prepare, struct ct_forest_run *run);
ct_status ct_forest_predict(const struct ct_run *run);

#endif
