/* What an operator is: three functions and some flags. One const descriptor at the bottom of each
 * file of ops/, one row in a list there.
 *
 * infer    dtypes, shapes, small integer values; the only place that knows shapes. Called with
 *          symbolic shapes by the optimiser and with concrete ones by the planner. Input facts
 *          and attributes are hostile until checked here: rank, dims, dtype, axis, overflow. What
 *          infer accepts with concrete shapes, prepare and run may rely on.
 * prepare  once per node and concrete shapes: pick kernels, pack weights, ask for scratch memory,
 *          offer to run in place, compute strides into state. Optional.
 * run      the work. No allocation (but see CT_OP_ALLOCATES), no look-up, no shape maths.
 */
#ifndef CT_GRAPH_OP_H
#define CT_GRAPH_OP_H

#include "graph/graph.h"
#include "os/pool.h"

struct ct_infer;
struct ct_prepare;
struct ct_run;
struct ct_cost;

enum ct_op_flags {
    /** Output 0 has the bytes of input 0 under another shape: costs nothing when run. */
    CT_OP_VIEW = 1 << 0,
    /** Shapes of outputs are known only by running: run gets outputs without data and calls
     *  ct_run_output. Also for outputs that are not tensors. */
    CT_OP_ALLOCATES = 1 << 1,
    /** Gives other results for the same inputs, or has an effect: not folded, not merged. */
    CT_OP_IMPURE = 1 << 2,
    /** Runs subgraphs: in[] is followed by the captures of its graph attributes in their order. */
    CT_OP_SUBGRAPHS = 1 << 3,
    /** run reads constant inputs with unaligned loads only (or through memcpy): misaligned weights
     *  of the mapped file need no copy. */
    CT_OP_UNALIGNED = 1 << 4,
    /** Accepts inputs and gives outputs in any ct_layout, all the same (elementwise). */
    CT_OP_ANY_LAYOUT = 1 << 5,
    /** Inputs may be sequences, optionals or maps; for all others inference refuses them. */
    CT_OP_CONTAINERS = 1 << 6,
    /** infer checks the layouts of inputs and sets those of outputs (struct ct_fact). To operators
     *  without this or ANY_LAYOUT all inputs are plain, for inference refuses others. */
    CT_OP_LAYOUTS = 1 << 7
};

struct ct_op {
    ct_status (*infer)(struct ct_infer *infer);
    ct_status (*prepare)(struct ct_prepare *prepare); /* NULL: nothing to prepare */
    ct_status (*run)(const struct ct_run *run);       /* NULL only with CT_OP_VIEW */
    /** Adds what the formula of the operator costs; NULL: one FLOP for each output element. */
    void (*cost)(const struct ct_infer *infer, struct ct_cost *cost);
    unsigned flags;
    int min_in, max_in;   /* number of inputs; max -1: any number */
    int min_out, max_out; /* max 0 means 1, so that most need not say it; -1: any number */
    /** The input whose dtype must be in the set that the row gives; -1: none is checked. The
     *  check comes before infer. */
    int typed_input;
};

struct ct_cost {
    double flops;
    double bytes; /* read and written, weights included; filled by the caller */
};

/* ------------------------------------------------------------------ infer */

struct ct_infer {
    const struct ct_node *node;
    int n_in, n_out;
    const struct ct_fact *const *in; /* NULL: absent */
    struct ct_fact *const *out;      /* start unknown; NULL: not wanted. With concrete shapes and
                                        data-dependent results dims stay unknown */
    struct ct_symbols *symbols;      /* for derived dimensions; NULL: leave them unknown */
    struct ct_arena *arena;          /* for values */
    corten_error *error;
    /** Infers a subgraph from the facts of its inputs; NULL when it cannot be asked. */
    ct_status (*subgraph)(struct ct_infer *infer, struct ct_graph *graph,
                          const struct ct_fact *const *in, struct ct_fact *out);
    void *driver; /* the driver's own */
};

/* Readers. The failing ones set the error with node, index, found and expected. */
const struct ct_fact *ct_infer_in(const struct ct_infer *infer, int index); /* NULL: absent */
/** Fails INVALID_MODEL with the node's description in front. */
ct_status ct_infer_fail(const struct ct_infer *infer, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/** The input's dtype is in `set` (an unknown dtype passes). Absent inputs pass. */
ct_status ct_infer_check_dtype(const struct ct_infer *infer, int index, ct_dtypes set);
/** Inputs have one dtype (unknown and absent ones pass). */
ct_status ct_infer_check_same_dtype(const struct ct_infer *infer, int a, int b);
/** The input is a tensor of rank min to max (unknown passes). max -1: no upper bound. */
ct_status ct_infer_check_rank(const struct ct_infer *infer, int index, int min, int max);
/** Elements of an integer input (any of the integer types, rank 0 or 1), if all are known
 *  numbers. *values NULL: not known. Points into the fact. */
ct_status ct_infer_ints(const struct ct_infer *infer, int index, const int64_t **values,
                        int *count);
/** An int attribute axis, made non-negative for `rank`; fails when it is out of [-rank, rank). */
ct_status ct_infer_axis(const struct ct_infer *infer, int64_t axis, int rank, int *result);

/* Writers. out may be NULL (not wanted); all copy. */
void ct_infer_set(const struct ct_infer *infer, int out, ct_dtype dtype, int rank,
                  const ct_dim *dims);
/** dtype and shape of output = those of an input. */
void ct_infer_same(const struct ct_infer *infer, int out, int in);
/** Values of an integer output of rank 0 or 1; kept only when count <= CT_FACT_MAX_VALUES. */
ct_status ct_infer_set_values(const struct ct_infer *infer, int out, const ct_dim *values,
                              int count);

/* Arithmetic of dimensions; symbolic operands give symbols (or UNKNOWN). */
ct_dim ct_dim_add(const struct ct_infer *infer, ct_dim a, ct_dim b);
ct_dim ct_dim_sub(const struct ct_infer *infer, ct_dim a, ct_dim b);
ct_dim ct_dim_mul(const struct ct_infer *infer, ct_dim a, ct_dim b);
ct_dim ct_dim_div(const struct ct_infer *infer, ct_dim a, ct_dim b); /* floor; b > 0 */

/** The smaller of a symbol that stands for a size and a number. */
ct_dim ct_dim_min(const struct ct_infer *infer, ct_dim symbol, int64_t most);

/** Shape of NumPy broadcasting of several inputs (absent ones skipped), by index from `first`. */
ct_status ct_infer_broadcast(const struct ct_infer *infer, int first, int count, int *rank,
                             ct_dim *dims);
/** The same over two shapes. */
ct_status ct_infer_broadcast_dims(const struct ct_infer *infer, int rank_a, const ct_dim *a,
                                  int rank_b, const ct_dim *b, int *rank, ct_dim *dims);

/** Common cases. Elementwise unary: output 0 like input 0, whose dtype is in the row's set. */
ct_status ct_infer_unary(struct ct_infer *infer);

/* ------------------------------------------------------------------ prepare */

/** Fills `packed` (size_bytes, aligned to CT_ALIGN) from the constant; `arg` is the caller's. */
typedef ct_status (*ct_pack_fn)(void *arg, const struct ct_tensor *constant, void *packed,
                                struct ct_pool *pool, corten_error *error);

struct ct_planner;

/** What a step is to the precision option: nothing, or a product. */
enum ct_product { CT_PRODUCT_NONE = 0, CT_PRODUCT_F32, CT_PRODUCT_BF16 };

struct ct_prepare {
    const struct ct_node *node;
    int n_in, n_out;
    const struct ct_tensor *const *in;  /* NULL: absent. data only where constant (may be
                                           misaligned) */
    const struct ct_tensor *const *out; /* NULL: not wanted. Shapes as infer said */
    int threads;                        /* upper bound of `worker` + 1; for sizes of scratch only */
    corten_precision precision;         /* that products may use: F32 or BF16 */
    corten_error *error;
    /* What prepare sets. */
    ct_status (*run)(const struct ct_run *run); /* starts as op->run */
    const void *state;                          /* handed to run; from ct_prepare_alloc */
    size_t scratch_bytes;                       /* memory that run gets, uninitialised */
    const char *kernel;                         /* name for the profiler; NULL: none */
    enum ct_product product;                    /* for the report on precision */
    struct ct_planner *planner;                 /* the planner's own */
};

/** Zeroed memory that lives as long as the plan. NULL: no memory (ct_fail_memory then). */
void *ct_prepare_alloc(struct ct_prepare *prepare, size_t size_bytes);
/** Output `out` may take the memory of input `in` when that dies here: run writes each element
 *  after it has read what it needs of it. Both must have the same size in bytes. */
void ct_prepare_in_place(struct ct_prepare *prepare, int out, int in);
/** run does not read input `in` (it is packed, or known at prepare time). */
void ct_prepare_not_read(struct ct_prepare *prepare, int in);
/** Packs a constant input once for all plans of the session. `key` names kernel and parameters
 *  (at most 63 characters): equal keys for one constant give the same packed memory. Implies
 *  ct_prepare_not_read. *packed lives as long as the plan. */
ct_status ct_prepare_pack(struct ct_prepare *prepare, int in, const char *key, size_t size_bytes,
                          ct_pack_fn fn, void *arg, const void **packed);
/** Whether input `in` is a constant that may be packed: the session may want weights as they are. */
bool ct_prepare_may_pack(const struct ct_prepare *prepare, int in);

/* ------------------------------------------------------------------ run */

/** What all steps of a run share. */
struct ct_exec {
    struct ct_pool *pool;
    const corten_allocator *allocator; /* for outputs whose size is known only now */
    corten_error *error;
    struct ct_stop *stop;       /* may be NULL */
    corten_precision precision; /* of nodes that are prepared only now */
    uint64_t *seed;             /* of random operators without one, counted on; NULL: the clock's */
    /** Runs a subgraph of the step's node. outputs: n cleared tensors that the caller then owns. */
    ct_status (*subgraph)(const struct ct_run *run, struct ct_graph *graph,
                          const struct ct_tensor *const *inputs, size_t n_inputs,
                          struct ct_tensor *outputs, size_t n_outputs);
    void *runner; /* exec's own */
};

struct ct_run {
    struct ct_tensor *const *in;  /* NULL: absent */
    struct ct_tensor *const *out; /* NULL: not wanted. data is set but for CT_OP_ALLOCATES */
    const void *state;
    void *scratch; /* aligned to CT_ALIGN when there is any; never NULL */
    struct ct_exec *exec;
    const struct ct_node *node;
    int n_in, n_out; /* n_in: without captures */
};

/** Fails RUN_FAILED with the node's description in front. */
ct_status ct_run_fail(const struct ct_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/** CT_OP_ALLOCATES: gives output `index` a type, shape and memory. Not wanted: does nothing. */
ct_status ct_run_output(const struct ct_run *run, int index, ct_dtype dtype, int rank,
                        const int64_t *dims);
/** Work on items [0, n), see ct_parallel_for; item_ns is the estimated cost of one. */
static inline void ct_run_parallel(const struct ct_run *run, int64_t n, double item_ns,
                                   ct_loop_fn fn, void *arg)
{
    ct_parallel_for(run->exec->pool, n, ct_grain(item_ns), fn, arg);
}
static inline bool ct_run_cancelled(const struct ct_run *run)
{
    return ct_stop_due(run->exec->stop);
}
/** run->exec->subgraph, or an error where subgraphs cannot be run. */
ct_status ct_run_subgraph(const struct ct_run *run, struct ct_graph *graph,
                          const struct ct_tensor *const *inputs, size_t n_inputs,
                          struct ct_tensor *outputs, size_t n_outputs);

#endif
