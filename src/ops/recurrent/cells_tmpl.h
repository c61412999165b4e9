/* The cells and the loop over time, for one type.
 *   T         float or double
 *   FN(name)  name of a function
 *   FN(product)  must be defined: the GEMM of T
 * Defines FN(direction): all steps of one direction. */

/* Applies an activation to n values in place. */
static void FN(apply)(const struct ct_recurrent *s, const struct ct_rnn_act *act, T *x, int64_t n)
{
    T params[2] = {(T)act->alpha, (T)act->beta};
    if (act->form == CT_RNN_ACT_AFFINE) {
        for (int64_t i = 0; i < n; i++)
            x[i] = params[0] * x[i] + params[1];
        return;
    }
    for (int64_t i = 0; act->form == CT_RNN_ACT_SCALED_TANH && i < n; i++)
        x[i] *= params[1];
    s->kernel->unary(act->op, x, x, (size_t)n, params);
    for (int64_t i = 0; act->form == CT_RNN_ACT_SCALED_TANH && i < n; i++)
        x[i] *= params[0];
}

/* The same of a gate, which is clipped before. */
static void FN(activate)(const struct ct_recurrent *s, const struct ct_rnn_act *act, T *x,
                         int64_t n)
{
    for (int64_t i = 0; s->clips && i < n; i++) {
        T bound = (T)s->clip;
        x[i] = x[i] > bound ? bound : x[i] < -bound ? -bound : x[i];
    }
    FN(apply)(s, act, x, n);
}

/* One row of the batch. x: gates from the input, changed; hr: gates from the state; h, c: state. */

static void FN(rnn_cell)(const struct ct_recurrent *s, int dir, T *restrict x, const T *restrict hr,
                         T *restrict h)
{
    for (int64_t i = 0; i < s->hidden; i++)
        x[i] += hr[i];
    FN(activate)(s, &s->acts[dir][0], x, s->hidden);
    for (int64_t i = 0; i < s->hidden; i++)
        h[i] = x[i];
}

/* The gates z and r; the state that goes into the hidden gate, unless that is linear before. */
static void FN(gru_gates)(const struct ct_recurrent *s, int dir, T *restrict x,
                          const T *restrict hr, const T *restrict h, T *restrict reset)
{
    int64_t n = s->hidden;
    for (int64_t i = 0; i < 2 * n; i++)
        x[i] += hr[i];
    FN(activate)(s, &s->acts[dir][0], x, 2 * n);
    for (int64_t i = 0; i < n; i++)
        reset[i] = x[n + i] * h[i];
}

/* hidden_part: of the reset state and R, or of the state and R with its bias `linear_bias`. */
static void FN(gru_state)(const struct ct_recurrent *s, int dir, T *restrict x,
                          const T *restrict hidden_part, const T *restrict linear_bias,
                          T *restrict h)
{
    int64_t n = s->hidden;
    T *restrict gate = x + 2 * n;
    for (int64_t i = 0; i < n; i++)
        gate[i] +=
            s->linear_before_reset ? x[n + i] * (hidden_part[i] + linear_bias[i]) : hidden_part[i];
    FN(activate)(s, &s->acts[dir][1], gate, n);
    for (int64_t i = 0; i < n; i++)
        h[i] = (1 - x[i]) * gate[i] + x[i] * h[i];
}

/* Gates lie in the order i, o, f, c; peepholes p (or NULL) in the order i, o, f. */
static void FN(lstm_cell)(const struct ct_recurrent *s, int dir, T *restrict x,
                          const T *restrict hr, const T *restrict p, T *restrict h, T *restrict c)
{
    int64_t n = s->hidden;
    T *restrict in = x, *restrict out = x + n, *restrict forget = x + 2 * n,
                *restrict cell = x + 3 * n;
    for (int64_t i = 0; i < 4 * n; i++)
        x[i] += hr[i];
    for (int64_t i = 0; p && i < n; i++) {
        in[i] += p[i] * c[i];
        forget[i] += p[2 * n + i] * c[i];
    }
    FN(activate)(s, &s->acts[dir][0], in, n);
    FN(activate)(s, &s->acts[dir][0], forget, n);
    FN(activate)(s, &s->acts[dir][1], cell, n);
    for (int64_t i = 0; i < n; i++) {
        T f = s->input_forget ? 1 - in[i] : forget[i];
        c[i] = f * c[i] + in[i] * cell[i];
        out[i] += p ? p[n + i] * c[i] : 0;
    }
    FN(activate)(s, &s->acts[dir][0], out, n);
    for (int64_t i = 0; i < n; i++)
        h[i] = c[i];
    FN(apply)(s, &s->acts[dir][2], h, n); /* the cell's state is not clipped */
    for (int64_t i = 0; i < n; i++)
        h[i] *= out[i];
}

struct FN(step) {
    const struct ct_recurrent *s;
    int dir;
    int64_t time; /* steps done before */
    const int64_t *lens;
    T *gates, *hr, *h, *c, *reset;
    const T *peepholes, *linear_bias;
    T *y; /* NULL: not wanted */
};

/* Time of the sequence that is `step` steps from its start; -1: it has ended. */
static int64_t FN(when)(const struct FN(step) * st, int64_t row)
{
    int64_t len = st->lens ? st->lens[row] : st->s->seq;
    if (st->time >= len)
        return -1;
    return st->s->reverse[st->dir] ? len - 1 - st->time : st->time;
}

static int64_t FN(gate_row)(const struct ct_recurrent *s, int64_t time, int64_t row)
{
    return (s->batch_first ? row * s->seq + time : time * s->batch + row) * s->gates * s->hidden;
}

static void FN(reset_rows)(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct FN(step) *st = arg;
    const struct ct_recurrent *s = st->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        int64_t time = FN(when)(st, row);
        if (time >= 0)
            FN(gru_gates)
        (s, st->dir, st->gates + FN(gate_row)(s, time, row), st->hr + row * s->gates * s->hidden,
         st->h + row * s->hidden, st->reset + row * s->hidden);
    }
}

static void FN(state_rows)(void *arg, int64_t begin, int64_t end, int worker)
{
    const struct FN(step) *st = arg;
    const struct ct_recurrent *s = st->s;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        int64_t time = FN(when)(st, row), n = s->hidden;
        if (time < 0)
            continue;
        T *x = st->gates + FN(gate_row)(s, time, row), *h = st->h + row * n;
        T *hr = st->hr + row * s->gates * n;
        if (s->cell == CT_CELL_RNN)
            FN(rnn_cell)(s, st->dir, x, hr, h);
        else if (s->cell == CT_CELL_GRU)
            FN(gru_state)(s, st->dir, x, hr + 2 * n, st->linear_bias, h);
        else
            FN(lstm_cell)(s, st->dir, x, hr, st->peepholes, h, st->c + row * n);
        if (!st->y)
            continue;
        int64_t at = s->batch_first ? (row * s->seq + time) * s->dirs + st->dir
                                    : (time * s->dirs + st->dir) * s->batch + row;
        memcpy(st->y + at * n, h, (size_t)n * sizeof(T));
    }
}

/* bias: G x hidden that the gates start from, then the linear bias of a GRU's hidden gate. */
static void FN(fill_bias)(const struct ct_recurrent *s, const T *b, T *bias)
{
    int64_t n = s->hidden, all = s->gates * n;
    memset(bias, 0, (size_t)(all + n) * sizeof(T));
    if (!b)
        return;
    for (int64_t i = 0; i < all; i++)
        bias[i] = b[i] + (s->linear_before_reset && i >= 2 * n ? 0 : b[all + i]);
    for (int64_t i = 0; s->linear_before_reset && i < n; i++)
        bias[all + i] = b[all + 2 * n + i];
}

static void FN(load_state)(const struct ct_recurrent *s, int dir, const T *from, T *to)
{
    size_t bytes = (size_t)s->hidden * sizeof(T);
    for (int64_t row = 0; row < s->batch; row++) {
        int64_t at = s->batch_first ? row * s->dirs + dir : dir * s->batch + row;
        if (from)
            memcpy(to + row * s->hidden, from + at * s->hidden, bytes);
        else
            memset(to + row * s->hidden, 0, bytes);
    }
}

static void FN(store_state)(const struct ct_recurrent *s, int dir, const T *from, T *to)
{
    for (int64_t row = 0; to && row < s->batch; row++) {
        int64_t at = s->batch_first ? row * s->dirs + dir : dir * s->batch + row;
        memcpy(to + at * s->hidden, from + row * s->hidden, (size_t)s->hidden * sizeof(T));
    }
}

/* in: the eight inputs as T (B, H, C, P may be NULL; LENS is not used); out: Y, Y_h, Y_c. */
static ct_status FN(direction)(const struct ct_recurrent *s, const struct ct_run *run, int dir,
                               const void *const *in, void *const *out, const int64_t *lens)
{
    char *scratch = run->scratch;
    int64_t n = s->hidden, all = s->gates * n;
    const T *w = in[CT_RNN_W], *r = in[CT_RNN_R], *b = in[CT_RNN_B], *p = in[CT_RNN_P];
    T *bias = (T *)(void *)(scratch + s->bias_at);
    struct FN(step) st = {.s = s,
                          .dir = dir,
                          .lens = lens,
                          .gates = (T *)(void *)(scratch + s->gates_at),
                          .hr = (T *)(void *)(scratch + s->hidden_at),
                          .h = (T *)(void *)(scratch + s->h_at),
                          .c = (T *)(void *)(scratch + s->c_at),
                          .reset = (T *)(void *)(scratch + s->reset_at),
                          .peepholes = p ? p + dir * 3 * n : NULL,
                          .linear_bias = bias + all,
                          .y = out[0]};
    FN(fill_bias)(s, b ? b + dir * 2 * all : NULL, bias);
    FN(load_state)(s, dir, in[CT_RNN_H], st.h);
    FN(load_state)(s, dir, in[CT_RNN_C], st.c);
    FN(load_state)(s, dir, NULL, st.reset);
    const T *w_dir = w ? w + dir * all * s->input : NULL, *r_dir = r ? r + dir * all * n : NULL;
    FN(product)(s, run, &s->x_gemm, dir, -1, in[CT_RNN_X], w_dir, bias, st.gates);
    double row_ns = 10 + 8 * (double)all;
    for (st.time = 0; st.time < s->seq; st.time++) {
        if (ct_run_cancelled(run))
            return CORTEN_OK;
        FN(product)(s, run, &s->r_gemm[0], dir, 0, st.h, r_dir, NULL, st.hr);
        if (s->cell == CT_CELL_GRU)
            ct_run_parallel(run, s->batch, row_ns, FN(reset_rows), &st);
        if (s->n_r == 2)
            FN(product)
        (s, run, &s->r_gemm[1], dir, 1, st.reset, r_dir ? r_dir + 2 * n * n : NULL, NULL,
         st.hr + 2 * n);
        ct_run_parallel(run, s->batch, row_ns, FN(state_rows), &st);
    }
    FN(store_state)(s, dir, st.h, out[1]);
    FN(store_state)(s, dir, st.c, out[2]);
    return CORTEN_OK;
}

#undef T
#undef FN
