/* What RNN, GRU and LSTM share: what prepare finds out and run uses. */
#ifndef CT_OPS_RECURRENT_RECURRENT_H
#define CT_OPS_RECURRENT_RECURRENT_H

#include "graph/op.h"
#include "kernels/elementwise.h"
#include "ops/gemm_driver.h"
#include "ops/widen.h"

enum ct_cell { CT_CELL_RNN, CT_CELL_GRU, CT_CELL_LSTM };

/** Inputs of the operators; those from INITIAL_C on are LSTM's. */
enum { CT_RNN_X, CT_RNN_W, CT_RNN_R, CT_RNN_B, CT_RNN_LENS, CT_RNN_H, CT_RNN_C, CT_RNN_P };

/** An activation: alpha and beta are of the cell's type as far as `op` has parameters. */
struct ct_rnn_act {
    enum { CT_RNN_ACT_UNARY, CT_RNN_ACT_AFFINE, CT_RNN_ACT_SCALED_TANH } form;
    enum ct_unary op;
    float alpha, beta;
};

struct ct_recurrent {
    enum ct_cell cell;
    bool wide;        /* f64, else f32 */
    bool batch_first; /* layout 1 */
    bool reverse[2];  /* of each direction */
    bool linear_before_reset, input_forget, clips;
    float clip;
    int dirs, gates;
    struct ct_rnn_act acts[2][3];
    int64_t seq, batch, input, hidden;
    struct ct_widen widen;
    const struct ct_elementwise_kernel *kernel;
    /* Products: x with W; h with rows [0, r_rows[0]) of R; a GRU's reset h with the rest. */
    struct ct_gemm_problem x_gemm, r_gemm[2];
    int n_r;                          /* 1 or 2 */
    const float *packed_w, *packed_r; /* NULL: read as they are */
    size_t w_floats, r_floats[2];     /* packed, of one direction */
    /* Scratch, in bytes. */
    size_t gates_at, hidden_at, h_at, c_at, reset_at, bias_at, lens_at, gemm_at;
};

/** Reads activations, activation_alpha and activation_beta; INVALID_MODEL for unknown names. */
ct_status ct_rnn_read_acts(const struct ct_node *node, enum ct_cell cell, int dirs,
                           struct ct_rnn_act acts[2][3], corten_error *error);
ct_status ct_recurrent_run(const struct ct_run *run);

#endif
