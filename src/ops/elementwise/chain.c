#include "ops/elementwise/chain.h"

#include <string.h>

#include "graph/graph.h"
#include "ops/activation.h"

enum { CHUNK = 512 }; /* floats of a result at a time: all of them stay in the first-level cache */

/* ------------------------------------------------------------------ nodes as steps */

static bool binary_of(const char *op_type, int *op)
{
    static const struct {
        const char *op_type;
        enum ct_binary op;
    } rows[] = {{"Add", CT_BINARY_ADD}, {"Sub", CT_BINARY_SUB}, {"Mul", CT_BINARY_MUL},
                {"Div", CT_BINARY_DIV}, {"Pow", CT_BINARY_POW}, {"Min", CT_BINARY_MIN},
                {"Max", CT_BINARY_MAX}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op_type, op_type)) {
            *op = (int)rows[i].op;
            return true;
        }
    return false;
}

/* Those that are no activation of ops/activation.h and have no attributes. */
static bool unary_of(const char *op_type, int *op)
{
    static const struct {
        const char *op_type;
        enum ct_unary op;
    } rows[] = {{"Abs", CT_UNARY_ABS},           {"Ceil", CT_UNARY_CEIL},
                {"Cos", CT_UNARY_COS},           {"Erf", CT_UNARY_ERF},
                {"Exp", CT_UNARY_EXP},           {"Floor", CT_UNARY_FLOOR},
                {"Log", CT_UNARY_LOG},           {"Mish", CT_UNARY_MISH},
                {"Neg", CT_UNARY_NEG},           {"Reciprocal", CT_UNARY_RECIPROCAL},
                {"Sin", CT_UNARY_SIN},           {"Softplus", CT_UNARY_SOFTPLUS},
                {"Softsign", CT_UNARY_SOFTSIGN}, {"Sqrt", CT_UNARY_SQRT}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].op_type, op_type)) {
            *op = (int)rows[i].op;
            return true;
        }
    return false;
}

static bool activation_of(const struct ct_node *node, struct ct_chain_step *step)
{
    static const struct {
        const char *name;
        enum ct_unary op;
    } rows[] = {{"Relu", CT_UNARY_RELU},
                {"Sigmoid", CT_UNARY_SIGMOID},
                {"Tanh", CT_UNARY_TANH},
                {"HardSwish", CT_UNARY_HARD_SWISH},
                {"HardSigmoid", CT_UNARY_HARD_SIGMOID},
                {"LeakyRelu", CT_UNARY_LEAKY_RELU},
                {"Clip", CT_UNARY_CLIP},
                {"Gelu", CT_UNARY_GELU},
                {"GeluTanh", CT_UNARY_GELU_TANH}};
    int n_params;
    const char *name = ct_activation_of(node, step->params, &n_params);
    for (size_t i = 0; name && i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, name)) {
            step->op = (int)rows[i].op;
            return true;
        }
    /* SiLU, and its quick forms. */
    bool quick = !strcmp(node->op_type, "QuickGelu") && !strcmp(node->domain, "com.microsoft");
    if (!quick && (*node->domain || strcmp(node->op_type, "Swish") != 0))
        return false;
    step->op = CT_UNARY_SWISH;
    step->params[0] = ct_attr_float(node, "alpha", quick ? 1.702f : 1);
    return true;
}

bool ct_chain_step_of(const struct ct_node *node, struct ct_chain_step *step)
{
    *step = (struct ct_chain_step){.operand = {-1, -1}};
    if (!*node->domain && node->n_in == 2 && binary_of(node->op_type, &step->op)) {
        step->binary = true;
        return node->opset >= 7;
    }
    if (!*node->domain && node->n_in == 1 && unary_of(node->op_type, &step->op))
        return node->opset >= 6;
    return node->n_in >= 1 && activation_of(node, step);
}

/* ------------------------------------------------------------------ attributes */

bool ct_chain_write(struct ct_node *node, const struct ct_chain *chain)
{
    struct ct_arena *arena = &node->graph->model->arena;
    size_t n = (size_t)chain->n_steps;
    corten_string *ops = ct_arena_array(arena, n, sizeof *ops);
    float *params = ct_arena_array(arena, 2 * n, sizeof *params);
    int64_t operands[2 * CT_CHAIN_STEPS];
    if (!ops || !params)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct ct_chain_step *s = &chain->steps[i];
        ops[i].data =
            s->binary ? ct_binary_text((enum ct_binary)s->op) : ct_unary_text((enum ct_unary)s->op);
        ops[i].size_bytes = strlen(ops[i].data);
        for (size_t k = 0; k < 2; k++) {
            operands[2 * i + k] = s->operand[k];
            params[2 * i + k] = s->params[k];
        }
    }
    struct ct_attr texts = {
        .name = "ops", .type = CT_ATTR_STRINGS, .count = chain->n_steps, .strings = ops};
    struct ct_attr numbers = {
        .name = "params", .type = CT_ATTR_FLOATS, .count = 2 * chain->n_steps, .floats = params};
    return ct_node_set_attr(node, &texts) && ct_node_set_attr(node, &numbers) &&
           ct_node_set_ints(node, "operands", operands, 2 * chain->n_steps);
}

static bool is_text(corten_string s, const char *text)
{
    return s.size_bytes == strlen(text) && !memcmp(s.data, text, s.size_bytes);
}

static bool read_op(corten_string text, struct ct_chain_step *step)
{
    for (int op = 0; op < (int)CT_BINARY_EQUAL; op++)
        if (is_text(text, ct_binary_text((enum ct_binary)op))) {
            step->op = op;
            return step->binary = true;
        }
    for (int op = 0; op < (int)CT_UNARY_COUNT; op++)
        if (is_text(text, ct_unary_text((enum ct_unary)op))) {
            step->op = op;
            return true;
        }
    return false;
}

bool ct_chain_read(const struct ct_node *node, struct ct_chain *chain)
{
    const struct ct_attr *ops = ct_node_attr(node, "ops");
    const int64_t *operands;
    const float *params;
    *chain = (struct ct_chain){.n_in = node->n_in};
    if (!ops || ops->type != CT_ATTR_STRINGS || ops->count < 1 || ops->count > CT_CHAIN_STEPS ||
        ct_attr_ints(node, "operands", &operands) != 2 * ops->count ||
        ct_attr_floats(node, "params", &params) != 2 * ops->count || node->n_in > CT_CHAIN_INPUTS)
        return false;
    chain->n_steps = ops->count;
    for (int i = 0; i < ops->count; i++) {
        struct ct_chain_step *s = &chain->steps[i];
        if (!read_op(ops->strings[i], s))
            return false;
        for (int k = 0; k < 2; k++) {
            int64_t operand = operands[2 * i + k];
            bool wanted = k == 0 || s->binary;
            if (wanted ? operand < 0 || operand >= node->n_in + i : operand != -1)
                return false;
            s->operand[k] = (int)operand;
            s->params[k] = params[2 * i + k];
        }
    }
    return true;
}

/* ------------------------------------------------------------------ infer */

static ct_status infer(struct ct_infer *infer)
{
    struct ct_chain chain;
    int rank;
    ct_dim dims[CT_MAX_RANK];
    if (!ct_chain_read(infer->node, &chain))
        return ct_infer_fail(infer, "the attributes do not describe a chain of operators");
    for (int i = 0; i < chain.n_in; i++) {
        if (!ct_infer_in(infer, i))
            return ct_infer_fail(infer, "input %d is missing", i);
        CT_TRY(ct_infer_check_dtype(infer, i, CT_BIT(F32)));
        CT_TRY(ct_infer_check_rank(infer, i, 0, CT_MAX_RANK));
    }
    CT_TRY(ct_infer_broadcast(infer, 0, chain.n_in, &rank, dims));
    ct_infer_set(infer, 0, CORTEN_F32, rank, dims);
    return CORTEN_OK;
}

static void cost(const struct ct_infer *infer, struct ct_cost *cost)
{
    struct ct_chain chain;
    const struct ct_fact *y = infer->out[0];
    cost->flops = ct_chain_read(infer->node, &chain) ? chain.n_steps : 1;
    for (int i = 0; i < y->rank; i++)
        cost->flops *= (double)y->dims[i];
}

/* ------------------------------------------------------------------ run */

struct state {
    struct ct_chain chain;
    struct ct_broadcast broadcast;
    const struct ct_elementwise_kernel *kernel;
    double elem_ns;
};

static ct_status prepare(struct ct_prepare *prepare)
{
    struct state *s = ct_prepare_alloc(prepare, sizeof *s);
    const struct ct_tensor *in[CT_CHAIN_INPUTS], *out = prepare->out[0];
    if (!s)
        return ct_fail_memory(prepare->error, sizeof *s, "an operator's state");
    if (!ct_chain_read(prepare->node, &s->chain))
        return ct_fail(prepare->error, CORTEN_INTERNAL, "attributes that infer has refused");
    for (int i = 0; i < s->chain.n_in; i++)
        in[i] = prepare->in[i];
    s->kernel = ct_elementwise_select(CT_CLASS_F32);
    for (int i = 0; i < s->chain.n_steps; i++) {
        const struct ct_chain_step *step = &s->chain.steps[i];
        struct ct_unary_loop unary = {0};
        struct ct_binary_loop binary = {0};
        if (step->binary)
            ct_binary_loop_init(&binary, (enum ct_binary)step->op, CT_CLASS_F32);
        else
            ct_unary_loop_init(&unary, (enum ct_unary)step->op, CT_CLASS_F32);
        s->elem_ns += step->binary ? binary.elem_ns : unary.elem_ns;
    }
    ct_broadcast_init(&s->broadcast, out, s->chain.n_in, in);
    prepare->state = s;
    prepare->kernel = s->kernel->name;
    for (int i = s->chain.n_in - 1; i >= 0; i--)
        if (ct_tensor_bytes(in[i]) == ct_tensor_bytes(out))
            ct_prepare_in_place(prepare, 0, i);
    return CORTEN_OK;
}

struct job {
    const struct state *state;
    const struct ct_run *run;
};

/* All steps on one chunk, then the next chunk. */
static void run_row(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    const struct job *job = arg;
    const struct ct_chain *chain = &job->state->chain;
    const struct ct_elementwise_kernel *kernel = job->state->kernel;
    _Alignas(64) float results[CT_CHAIN_STEPS][CHUNK];
    float *y = CT_DATA(float, job->run->out[0]) + out_first;
    for (int64_t i = 0; i < n; i += CHUNK) {
        size_t m = (size_t)(n - i < CHUNK ? n - i : CHUNK);
        for (int k = 0; k < chain->n_steps; k++) {
            const struct ct_chain_step *step = &chain->steps[k];
            const float *from[2] = {NULL, NULL};
            size_t steps[2] = {1, 1};
            for (int o = 0; o < 2 && step->operand[o] >= 0; o++) {
                int at = step->operand[o];
                if (at >= chain->n_in) {
                    from[o] = results[at - chain->n_in];
                    continue;
                }
                steps[o] = job->state->broadcast.step[at];
                from[o] =
                    CT_DATA(const float, job->run->in[at]) + in_first[at] + (size_t)i * steps[o];
            }
            float *to = k == chain->n_steps - 1 ? y + i : results[k];
            if (step->binary)
                kernel->binary((enum ct_binary)step->op, to, from[0], steps[0], from[1], steps[1],
                               m, step->params);
            else
                kernel->unary((enum ct_unary)step->op, to, from[0], m, step->params);
        }
    }
}

static ct_status run(const struct ct_run *run)
{
    struct job job = {run->state, run};
    ct_broadcast_run(&job.state->broadcast, run->exec->pool, job.state->elem_ns, run_row, &job);
    return CORTEN_OK;
}

const struct ct_op ct_op_elementwise_chain = {
    .infer = infer,
    .prepare = prepare,
    .run = run,
    .cost = cost,
    .min_in = 1,
    .max_in = CT_CHAIN_INPUTS,
};
