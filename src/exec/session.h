/* A session: a model made ready to run. */
#ifndef CT_EXEC_SESSION_H
#define CT_EXEC_SESSION_H

#include "exec/calibrate.h"
#include "exec/program.h"
#include "model/reader.h"

struct ct_dim_override {
    const char *name; /* a symbol, or a denotation */
    int64_t value;
    bool denotation;
};

/** A constant that the caller supplies. */
struct ct_initializer_override {
    const char *name;
    const struct ct_tensor *tensor; /* must outlive the model */
};

/** What a session or a model is opened with; all borrowed during opening. */
struct ct_options {
    int threads; /* 0: as many as the process may use */
    bool no_spinning, flushes_denormals, no_packing;
    const char *affinities;    /* see ct_pool_pin; NULL: none */
    struct ct_pool *pool;      /* that sessions share; NULL: one of the session's own */
    struct ct_weights *shared; /* weights that sessions share; NULL: none */
    corten_level level;
    corten_precision precision;
    corten_allocator allocator;
    size_t memory_limit_bytes; /* 0: none */
    struct ct_log log;
    const char *profile_prefix; /* NULL: no profile */
    const char **disabled_passes;
    size_t n_disabled_passes;
    struct ct_dim_override *dims;
    size_t n_dims;
    struct ct_initializer_override *initializers;
    size_t n_initializers;
    struct ct_external_files files; /* of external data, in memory */
    const uint64_t *seed;           /* of random operators that have none; NULL: the clock's */
    const char **outputs;           /* values that become outputs, after the passes */
    size_t n_outputs;
    const char *optimized_path; /* NULL: not written */
    bool optimized_external;
};

/** Where a model comes from: a file, or memory. */
struct ct_source {
    const char *path; /* or NULL */
    const void *bytes;
    size_t size_bytes;
    const char *folder; /* of external data; NULL: none allowed */
};

struct ct_session;

/** A pool as the options say. The allocator is borrowed. */
ct_status ct_options_create_pool(const struct ct_options *options,
                                 const corten_allocator *allocator, struct ct_pool **pool,
                                 corten_error *error);

/** Reads a model, checks versions, applies dims, inlines functions, resolves operators, infers
 *  shapes: what both sessions and tools on models start from. */
ct_status ct_model_load(const struct ct_source *source, const struct ct_options *options,
                        const corten_allocator *allocator, struct ct_model **model,
                        corten_error *error);

ct_status ct_session_open(const struct ct_source *source, const struct ct_options *options,
                          struct ct_session **session, corten_error *error);
void ct_session_close(struct ct_session *session); /* NULL allowed */

const struct ct_model *ct_session_model(const struct ct_session *session);
int ct_session_threads(const struct ct_session *session);
/** The allocator that the session was opened with. */
corten_allocator ct_session_base_allocator(const struct ct_session *session);

/** Runs by names. Inputs and output memory as in corten_session_run; outputs[i] with data NULL
 *  get memory of their own. */
ct_status ct_session_run(struct ct_session *session, const char *const *input_names,
                         const struct ct_tensor *const *inputs, size_t n_inputs,
                         const char *const *output_names, struct ct_tensor *outputs,
                         size_t n_outputs, struct ct_stop *stop, corten_error *error);

/** See ct_calibrate; a session of precision AUTO only. */
ct_status ct_session_calibrate(struct ct_session *session, const char *const *input_names,
                               const struct ct_tensor *const *inputs, size_t n_inputs, double bound,
                               corten_error *error);
/** Zeroed before. */
const struct ct_calibration *ct_session_calibration(const struct ct_session *session);

/** Runs with inputs and outputs in the order of the graph's: see ct_program_run. Inputs must have
 *  been checked with ct_session_check_input. */
ct_status ct_session_run_bound(struct ct_session *session, const struct ct_tensor *const *inputs,
                               struct ct_tensor *outputs, const struct ct_call *call,
                               corten_error *error);
/** Number of an input or output of the graph; the error lists those there are. */
ct_status ct_session_find(const struct ct_session *session, bool output, const char *name,
                          size_t *index, corten_error *error);
/** Whether the tensor may be given for input `index`. */
ct_status ct_session_check_input(const struct ct_session *session, size_t index,
                                 const struct ct_tensor *given, corten_error *error);

/* What corten_session_plan, _memory, _trim and _times do. `given` are shapes (data NULL) of inputs
 * that are named; the others have fixed shapes or defaults. */
ct_status ct_session_plan(struct ct_session *session, const char *const *names,
                          const struct ct_tensor *given, size_t count, corten_plan_info *info,
                          corten_error *error);
void ct_session_memory(struct ct_session *session, corten_memory_info *info);
size_t ct_session_trim(struct ct_session *session);
void ct_session_times(struct ct_session *session, corten_times *times);
struct ct_profiler *ct_session_profiler(const struct ct_session *session); /* NULL: none */
/** Runs are profiled no more. None may be under way. */
void ct_session_end_profile(struct ct_session *session);

#endif
