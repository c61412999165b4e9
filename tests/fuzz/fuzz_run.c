/* Graphs of one to four nodes with hostile attributes, shapes and elements, as sessions see them: written,
 * read, optimised, planned, and run twice, with the memory that they may take bounded. */
#include "exec/session.h"
#include "fuzz_node.h"
#include "model/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

enum { MAX_NODES = 4, MAX_INPUTS = MAX_NODES * FUZZ_MAX_INPUTS };

struct fuzz_graph {
    struct fuzz_node f;
    const char *names[MAX_INPUTS]; /* of inputs of the graph */
    struct ct_tensor inputs[MAX_INPUTS];
    size_t n_inputs;
    struct ct_value *last; /* what the next node may read */
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

/* An input of the node becomes a constant or an input of the graph, some of whose dimensions are open. */
static void add_input(struct fuzz_graph *g, int index)
{
    struct fuzz_node *f = &g->f;
    struct ct_value *value = f->node->in[index].value;
    struct ct_tensor *t = &f->in[index];
    uint8_t b = fuzz_byte(&f->bytes);
    require(ct_fact_of_tensor(&value->fact, t, &f->model->arena, NULL) == CORTEN_OK);
    if (t->kind == CORTEN_TENSOR && b >= 128) {
        struct ct_tensor *copy = fuzz_array(f, 1, sizeof *copy);
        *copy = *t;
        value->constant = copy;
        return;
    }
    value->fact.constant = NULL;
    value->fact.values = NULL;
    value->fact.n_values = 0;
    for (int d = 0; d < value->fact.rank; d++)
        if (b >> (d % 7) & 1)
            value->fact.dims[d] = CT_DIM_UNKNOWN;
    require(ct_graph_add_input(f->model->graph, value));
    g->names[g->n_inputs] = value->name;
    g->inputs[g->n_inputs++] = *t;
    *t = (struct ct_tensor){0};
}

static bool add_node(struct fuzz_graph *g)
{
    struct fuzz_node *f = &g->f;
    size_t n_rows;
    const struct ct_op_row *rows = ct_op_rows(&n_rows);
    f->dtype = CORTEN_DTYPE_NONE;
    memset(f->present, 0, sizeof f->present);
    if (!fuzz_node_build(f, &rows[fuzz_below(&f->bytes, n_rows)]))
        return false;
    for (int i = 0; i < f->node->n_in; i++) {
        if (!f->present[i])
            continue;
        if (g->last && fuzz_byte(&f->bytes) >= 64) {
            ct_node_set_input(f->node, i, g->last);
            ct_tensor_clear(&f->in[i]);
            g->last = NULL;
        } else {
            add_input(g, i);
        }
    }
    g->last = f->node->out[0];
    for (int i = 0; i < f->node->n_out; i++)
        if (f->node->out[i])
            require(ct_graph_add_output(f->model->graph, f->node->out[i]));
    return true;
}

static void run_session(struct fuzz_graph *g, struct ct_session *session)
{
    const struct ct_graph *graph = ct_session_model(session)->graph;
    const struct ct_tensor *inputs[MAX_INPUTS];
    const char *names[MAX_NODES * FUZZ_MAX_OUTPUTS];
    for (size_t i = 0; i < g->n_inputs; i++)
        inputs[i] = &g->inputs[i];
    require(graph->n_outputs <= sizeof names / sizeof *names);
    for (size_t i = 0; i < graph->n_outputs; i++)
        names[i] = graph->outputs[i]->name;
    for (int again = 0; again < 2; again++) {
        struct ct_tensor outputs[MAX_NODES * FUZZ_MAX_OUTPUTS] = {{0}};
        (void)ct_session_run(session, g->names, inputs, g->n_inputs, names, outputs,
                             graph->n_outputs, NULL, &g->f.error);
        for (size_t i = 0; i < graph->n_outputs; i++)
            ct_tensor_clear(&outputs[i]);
    }
}

static void open_and_run(struct fuzz_graph *g)
{
    static const corten_level levels[] = {CORTEN_LEVEL_ALL, CORTEN_LEVEL_DISABLE,
                                          CORTEN_LEVEL_EXTENDED, CORTEN_LEVEL_BASIC};
    struct ct_options options = {.threads = 1,
                                 .level = levels[fuzz_below(&g->f.bytes, 4)],
                                 .allocator = g->f.allocator,
                                 .memory_limit_bytes = FUZZ_LIMIT_BYTES / 2};
    struct ct_session *session;
    void *bytes;
    size_t size_bytes;
    if (ct_model_write_memory(g->f.model, NULL, &bytes, &size_bytes, &g->f.error) != CORTEN_OK)
        return;
    struct ct_source source = {.bytes = bytes, .size_bytes = size_bytes};
    if (ct_session_open(&source, &options, &session, &g->f.error) == CORTEN_OK) {
        run_session(g, session);
        ct_session_close(session);
    }
    ct_release(ct_default_allocator(), bytes, size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    static struct fuzz_graph g;
    memset(&g, 0, sizeof g);
    fuzz_node_init(&g.f, data, size_bytes);
    size_t n_nodes = 1 + fuzz_below(&g.f.bytes, MAX_NODES), made = 0;
    while (made < n_nodes && add_node(&g))
        made++;
    if (made == n_nodes)
        open_and_run(&g);
    for (size_t i = 0; i < g.n_inputs; i++)
        ct_tensor_clear(&g.inputs[i]);
    fuzz_node_deinit(&g.f);
    return 0;
}
