/** @file
 * Corten: run ONNX models. The C API.
 *
 * Conventions
 * - Every fallible function returns a corten_status and takes, last, a corten_error that the
 *   caller owns; NULL is allowed when the text is not wanted. On failure out-parameters are
 *   left as they were, unless said otherwise.
 * - `create`/`open` returns something owned by the caller; the paired `destroy`/`close` frees it
 *   and accepts NULL. "Borrows" means: the caller keeps it alive as long as the borrower lives.
 * - Strings are UTF-8 and NUL-terminated. Sizes are in bytes where the name says so, else in
 *   elements. Shapes are row-major, outermost dimension first.
 * - Thread safety: a session may be run by any number of threads at once. Every other object is
 *   used by one thread at a time. There is no global state to initialise.
 */
#ifndef CORTEN_CORTEN_H
#define CORTEN_CORTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @def CORTEN_API
 *  What the shared library exports. */
#if defined(__GNUC__)
#define CORTEN_API __attribute__((visibility("default")))
#else
#define CORTEN_API
#endif

/** Version of this header. Interfaces may change with the minor version while the major is 0. */
#define CORTEN_VERSION_MAJOR 0
#define CORTEN_VERSION_MINOR 1 /**< see CORTEN_VERSION_MAJOR */
#define CORTEN_VERSION_PATCH 0 /**< see CORTEN_VERSION_MAJOR */

/** Largest rank of a tensor. */
#define CORTEN_MAX_RANK 16

/* ------------------------------------------------------------------ status and errors */

/** Every status: X(NAME, number, text) is CORTEN_NAME. */
#define CORTEN_STATUS_MAP(X)                                                                       \
    X(OK, 0, "ok")                                                                                 \
    X(INVALID_ARGUMENT, 1, "invalid argument")                                                     \
    X(NO_SUCH_FILE, 2, "no such file")                                                             \
    X(IO_ERROR, 3, "input or output error")                                                        \
    X(INVALID_MODEL, 4, "invalid model")                                                           \
    X(UNSUPPORTED, 5, "unsupported")                                                               \
    X(OUT_OF_MEMORY, 6, "out of memory")                                                           \
    X(LIMIT_EXCEEDED, 7, "resource limit exceeded")                                                \
    X(RUN_FAILED, 8, "an operator failed on its data")                                             \
    X(CANCELLED, 9, "cancelled")                                                                   \
    X(DEADLINE_EXCEEDED, 10, "deadline exceeded")                                                  \
    X(INTERNAL, 11, "internal error")

/** How a call ended; CORTEN_STATUS_MAP has the values. CORTEN_OK is 0. */
typedef enum corten_status {
/** @cond */
#define CORTEN_X(name, number, text) CORTEN_##name = number,
    CORTEN_STATUS_MAP(CORTEN_X)
#undef CORTEN_X
    /** @endcond */
} corten_status;

/** What went wrong: the status and a text that names the model, node, tensor, what was found and
 *  what was expected. Plain memory of the caller's; needs no clean-up. */
typedef struct corten_error {
    corten_status status; /**< as the function returned */
    char text[1020];      /**< NUL-terminated; "" when there is none */
} corten_error;

/** The text of a status, such as "invalid model". Never NULL. */
CORTEN_API const char *corten_status_text(corten_status status);

/** "MAJOR.MINOR.PATCH" of the library that is loaded. */
CORTEN_API const char *corten_version(void);

/* ------------------------------------------------------------------ element types */

/** Every element type: X(NAME, number in ONNX's TensorProto.DataType, bits of one element, name) is
 *  CORTEN_NAME. */
#define CORTEN_DTYPE_MAP(X)                                                                        \
    X(F32, 1, 32, "float32")                                                                       \
    X(U8, 2, 8, "uint8")                                                                           \
    X(I8, 3, 8, "int8")                                                                            \
    X(U16, 4, 16, "uint16")                                                                        \
    X(I16, 5, 16, "int16")                                                                         \
    X(I32, 6, 32, "int32")                                                                         \
    X(I64, 7, 64, "int64")                                                                         \
    X(STRING, 8, 128, "string")                                                                    \
    X(BOOL, 9, 8, "bool")                                                                          \
    X(F16, 10, 16, "float16")                                                                      \
    X(F64, 11, 64, "float64")                                                                      \
    X(U32, 12, 32, "uint32")                                                                       \
    X(U64, 13, 64, "uint64")                                                                       \
    X(C64, 14, 64, "complex64")                                                                    \
    X(C128, 15, 128, "complex128")                                                                 \
    X(BF16, 16, 16, "bfloat16")                                                                    \
    X(F8E4M3FN, 17, 8, "float8e4m3fn")                                                             \
    X(F8E4M3FNUZ, 18, 8, "float8e4m3fnuz")                                                         \
    X(F8E5M2, 19, 8, "float8e5m2")                                                                 \
    X(F8E5M2FNUZ, 20, 8, "float8e5m2fnuz")                                                         \
    X(U4, 21, 4, "uint4")                                                                          \
    X(I4, 22, 4, "int4")                                                                           \
    X(F4E2M1, 23, 4, "float4e2m1")                                                                 \
    X(F8E8M0, 24, 8, "float8e8m0")                                                                 \
    X(U2, 25, 2, "uint2")                                                                          \
    X(I2, 26, 2, "int2")                                                                           \
    X(F6E2M3, 27, 6, "float6e2m3")                                                                 \
    X(F6E3M2, 28, 6, "float6e3m2")

/** Element type; the numbers are ONNX's. Types below 8 bits are packed, first element in the
 *  low bits, as in ONNX's raw_data; those of 6 bits cross bytes, four in three. An element of a string tensor is a corten_string. */
typedef enum corten_dtype {
    CORTEN_DTYPE_NONE = 0, /**< no type */
/** @cond */
#define CORTEN_X(name, number, bits, text) CORTEN_##name = number,
    CORTEN_DTYPE_MAP(CORTEN_X)
#undef CORTEN_X
    /** @endcond */
} corten_dtype;

/** Name such as "float32", or "none". Never NULL. */
CORTEN_API const char *corten_dtype_name(corten_dtype dtype);
/** Bits of one element, 0 for an unknown type. */
CORTEN_API size_t corten_dtype_bits(corten_dtype dtype);

/** Bytes of a string, not NUL-terminated. */
typedef struct corten_string {
    const char *data;  /**< the bytes */
    size_t size_bytes; /**< how many */
} corten_string;

/* ------------------------------------------------------------------ allocator and log */

/** Memory hooks; all are called from any thread. `allocate` returns NULL when there is none;
 *  alignment is a power of two. `release` gets the size that was asked for. */
typedef struct corten_allocator {
    void *(*allocate)(void *user, size_t size_bytes, size_t alignment_bytes); /**< or NULL */
    void (*release)(void *user, void *memory, size_t size_bytes); /**< what `allocate` returned */
    void *user;                                                   /**< handed to both */
} corten_allocator;

/** How much a message matters. */
typedef enum corten_log_level {
    CORTEN_LOG_VERBOSE = 0, /**< for finding faults */
    CORTEN_LOG_INFO = 1,    /**< what was done */
    CORTEN_LOG_WARNING = 2, /**< what somebody should look at */
    CORTEN_LOG_ERROR = 3,   /**< what went wrong */
    CORTEN_LOG_NONE = 4     /**< as a least level: no messages */
} corten_log_level;

/** Receives one line of text without a newline; may be called from any thread. */
typedef void (*corten_log_fn)(void *user, corten_log_level level, const char *text);

/* ------------------------------------------------------------------ values */

/** What a value is. */
typedef enum corten_kind {
    CORTEN_TENSOR = 0,   /**< elements of one type */
    CORTEN_SEQUENCE = 1, /**< values of one kind, in order */
    CORTEN_OPTIONAL = 2, /**< a value or none */
    CORTEN_MAP = 3,      /**< keys and values */
    CORTEN_SPARSE = 4    /**< a tensor of zeros but for some elements */
} corten_kind;

/** A tensor, or a sequence, optional or map of such. Reference to memory of its own or, when
 *  wrapped, of the caller's. */
typedef struct corten_value corten_value;

/** A tensor with memory of its own, zeroed (strings: empty). `allocator` may be NULL (the
 *  default); it is copied. INVALID_ARGUMENT for a bad dtype, rank or dimension. */
CORTEN_API corten_status corten_tensor_create(const corten_allocator *allocator, corten_dtype dtype,
                                              int rank, const int64_t *dims, corten_value **tensor,
                                              corten_error *error);

/** A tensor over the caller's memory, which it borrows. `size_bytes` must be at least what the
 *  shape needs; `data` must be aligned to the element. */
CORTEN_API corten_status corten_tensor_wrap(corten_dtype dtype, int rank, const int64_t *dims,
                                            void *data, size_t size_bytes, corten_value **tensor,
                                            corten_error *error);

/** Frees the value, and its memory unless it is wrapped. NULL is allowed. */
CORTEN_API void corten_value_destroy(corten_value *value);

/** What the value is. */
CORTEN_API corten_kind corten_value_kind(const corten_value *value);
/** Element type of a tensor (of the elements of a sequence or optional); NONE if it has none. */
CORTEN_API corten_dtype corten_value_dtype(const corten_value *value);
/** How many dimensions the tensor has. */
CORTEN_API int corten_tensor_rank(const corten_value *tensor);
/** `rank` numbers, valid as long as the tensor. */
CORTEN_API const int64_t *corten_tensor_dims(const corten_value *tensor);
/** The product of the dimensions. */
CORTEN_API size_t corten_tensor_element_count(const corten_value *tensor);
/** Bytes of the elements; for strings those of the array of corten_string. */
CORTEN_API size_t corten_tensor_size_bytes(const corten_value *tensor);
/** The elements; for string tensors an array of corten_string to read only. */
CORTEN_API void *corten_tensor_data(corten_value *tensor);
/** The same, to read. */
CORTEN_API const void *corten_tensor_const_data(const corten_value *tensor);
/** Replaces all strings of a string tensor created by corten_tensor_create; copies them. */
CORTEN_API corten_status corten_tensor_set_strings(corten_value *tensor,
                                                   const corten_string *strings, size_t count,
                                                   corten_error *error);

/** A sequence of copies of `items` (all of one type; `dtype` is its element type, needed when
 *  there are none). */
CORTEN_API corten_status corten_sequence_create(corten_dtype dtype,
                                                const corten_value *const *items, size_t count,
                                                corten_value **sequence, corten_error *error);
/** An optional that holds a copy of `item`, or nothing when `item` is NULL. */
CORTEN_API corten_status corten_optional_create(const corten_value *item, corten_value **optional,
                                                corten_error *error);
/** A map from a 1-D tensor of keys to a 1-D tensor of as many values (both copied). */
CORTEN_API corten_status corten_map_create(const corten_value *keys, const corten_value *values,
                                           corten_value **map, corten_error *error);
/** A sparse tensor of shape `dims`: a 1-D tensor of values, and where they are (int64): positions in
 *  the flattened tensor, or rows of `rank` coordinates; both are copied. */
CORTEN_API corten_status corten_sparse_create(int rank, const int64_t *dims,
                                              const corten_value *values,
                                              const corten_value *indices, corten_value **sparse,
                                              corten_error *error);
/** Items of a sequence; 0 or 1 for an optional; 2 (keys, values) for a map; 2 (values, indices) for a
 *  sparse tensor; 1 for a tensor. */
CORTEN_API size_t corten_value_item_count(const corten_value *value);
/** Item `index`, borrowed from `value`; NULL past the end. */
CORTEN_API const corten_value *corten_value_item(const corten_value *value, size_t index);

/** Parses a serialized TensorProto, SequenceProto, OptionalProto, MapProto or SparseTensorProto
 *  as `kind` says. The value owns its memory. `name`, when not NULL, receives the name it carries
 *  (empty if none), cut to name_size_bytes. */
CORTEN_API corten_status corten_value_parse(corten_kind kind, const void *bytes, size_t size_bytes,
                                            char *name, size_t name_size_bytes,
                                            corten_value **value, corten_error *error);
/** Serializes a value as ONNX's protobuf. `*bytes` is owned by the caller: corten_free. */
CORTEN_API corten_status corten_value_serialize(const corten_value *value, const char *name,
                                                void **bytes, size_t *size_bytes,
                                                corten_error *error);
/** Frees memory that a function of this header said to free so. */
CORTEN_API void corten_free(void *memory);

/* ------------------------------------------------------------------ options */

/** How far a graph is optimised; each level does what those below do. */
typedef enum corten_level {
    CORTEN_LEVEL_DISABLE = 0,  /**< as it is */
    CORTEN_LEVEL_BASIC = 1,    /**< what needs no operators beyond ONNX's */
    CORTEN_LEVEL_EXTENDED = 2, /**< fusions into operators of com.microsoft */
    CORTEN_LEVEL_LAYOUT = 3,   /**< channels in blocks */
    CORTEN_LEVEL_ALL = 99      /**< all that there is */
} corten_level;

/** What products compute with; see docs/precision.md. */
typedef enum corten_precision {
    CORTEN_PRECISION_F32 = 0,  /**< float32 throughout */
    CORTEN_PRECISION_BF16 = 1, /**< operands of products rounded to bfloat16, sums in float32 */
    CORTEN_PRECISION_AUTO = 2  /**< each as corten_session_calibrate finds; float32 before */
} corten_precision;

/** What a session or model is opened with. Setters copy what they are given. */
typedef struct corten_options corten_options;

/** The defaults; free them with corten_options_destroy. */
CORTEN_API corten_status corten_options_create(corten_options **options, corten_error *error);
/** Sessions opened with the options do not need them any more. NULL is allowed. */
CORTEN_API void corten_options_destroy(corten_options *options);
/** Threads of a run, the caller's included; 0 (the default) follows cpuset and cgroup quota. */
CORTEN_API corten_status corten_options_set_threads(corten_options *options, int threads,
                                                    corten_error *error);
/** Whether threads look for work for some 40 microseconds before they sleep, while a run is under
 *  way (the default). Without, a run is slower and leaves the processors to others. */
CORTEN_API corten_status corten_options_set_spinning(corten_options *options, bool spinning,
                                                     corten_error *error);
/** Keeps each thread but the caller's on processors of its own: a list for each, separated by ';',
 *  of numbers that count from 1 and ranges, separated by ',': "2;3-4" is for three threads. NULL
 *  leaves it to the system (the default). Opening fails with INVALID_ARGUMENT when the lists are not
 *  one less than the threads, or name no processor of this process. */
CORTEN_API corten_status corten_options_set_affinities(corten_options *options,
                                                       const char *affinities, corten_error *error);
/** CORTEN_LEVEL_ALL is the default. */
CORTEN_API corten_status corten_options_set_level(corten_options *options, corten_level level,
                                                  corten_error *error);
/** CORTEN_PRECISION_F32 (the default) or lower, for float32 models. */
CORTEN_API corten_status corten_options_set_precision(corten_options *options,
                                                      corten_precision precision,
                                                      corten_error *error);
/** Switches one optimiser pass off by name; an unknown name is INVALID_ARGUMENT. */
CORTEN_API corten_status corten_options_disable_pass(corten_options *options, const char *name,
                                                     corten_error *error);
/** Fixes the symbolic dimension `name` of the model's inputs to `value`. */
CORTEN_API corten_status corten_options_set_dim(corten_options *options, const char *name,
                                                int64_t value, corten_error *error);
/** The same for every dimension of the inputs that has this denotation, such as "DATA_BATCH". */
CORTEN_API corten_status corten_options_set_denotation(corten_options *options,
                                                       const char *denotation, int64_t value,
                                                       corten_error *error);
/** Puts `value` in the place of the initializer `name`, or gives one to an input of that name. The
 *  value is borrowed and must not change while the session or model lives; its dtype and shape must
 *  be those that the model has there. */
CORTEN_API corten_status corten_options_set_initializer(corten_options *options, const char *name,
                                                        const corten_value *value,
                                                        corten_error *error);
/** Gives the content of a file of external data, which then need not exist. `location` is what the
 *  model calls it. The bytes are borrowed and must not change while the session or model lives. */
CORTEN_API corten_status corten_options_add_external_file(corten_options *options,
                                                          const char *location, const void *bytes,
                                                          size_t size_bytes, corten_error *error);
/** Whether constants are packed into the layout that kernels like best (the default). Without, runs
 *  are slower and a session takes less memory; optimisation goes up to EXTENDED, and the precision
 *  is that of the model. */
CORTEN_API corten_status corten_options_set_packing(corten_options *options, bool packing,
                                                    corten_error *error);
/** Whether runs take denormal numbers for 0, in all threads; the caller's state is restored. Some
 *  processors are much slower on denormals. Off by default. */
CORTEN_API corten_status corten_options_set_flush_denormals(corten_options *options, bool flush,
                                                            corten_error *error);
/** Makes random operators without a seed of their own give the same numbers in each session that
 *  makes the same runs one after the other. By default they differ. */
CORTEN_API corten_status corten_options_set_seed(corten_options *options, uint64_t seed,
                                                 corten_error *error);
/** Writes the optimised model of a session to `path` when it is opened, weights of 1 KiB and more
 *  to PATH.data when `external`. Other runtimes run what levels up to EXTENDED give. */
CORTEN_API corten_status corten_options_set_optimized_path(corten_options *options,
                                                           const char *path, bool external,
                                                           corten_error *error);
/** Makes a value of the optimised model one more output of the session, if there is one of that
 *  name. For looking at what is in between; the optimiser does not heed it. */
CORTEN_API corten_status corten_options_add_output(corten_options *options, const char *name,
                                                   corten_error *error);
/** Where a session takes its memory from; copied. */
CORTEN_API corten_status corten_options_set_allocator(corten_options *options,
                                                      const corten_allocator *allocator,
                                                      corten_error *error);
/** Upper bound of the memory that a session takes beyond the mapped model file; 0: none. */
CORTEN_API corten_status corten_options_set_memory_limit(corten_options *options, size_t size_bytes,
                                                         corten_error *error);
/** Where messages of at least that level go. The default: nowhere. */
CORTEN_API corten_status corten_options_set_log(corten_options *options, corten_log_fn log,
                                                void *user, corten_log_level least,
                                                corten_error *error);
/** Switches the profiler on; see corten_session_end_profile. `prefix` starts the path of the file
 *  that the profile is written to; NULL switches it off (the default). */
CORTEN_API corten_status corten_options_set_profile(corten_options *options, const char *prefix,
                                                    corten_error *error);

/* ------------------------------------------------------------------ what sessions share */

/** Threads that any number of sessions use. While one run has the workers the loops of another run
 *  on its caller alone, so that sessions never have more threads at work than the pool has, and
 *  one for each further caller. */
typedef struct corten_pool corten_pool;

/** A pool with the threads, spinning, affinities and allocator of the options (NULL: the defaults). */
CORTEN_API corten_status corten_pool_create(const corten_options *options, corten_pool **pool,
                                            corten_error *error);
/** All sessions that use it must have been closed. NULL is allowed. */
CORTEN_API void corten_pool_destroy(corten_pool *pool);
/** Threads of a run, the caller's included. */
CORTEN_API int corten_pool_threads(const corten_pool *pool);
/** Sessions opened with the options use the pool, which they borrow, instead of making one; NULL
 *  (the default): they make one. */
CORTEN_API corten_status corten_options_set_pool(corten_options *options, corten_pool *pool,
                                                 corten_error *error);

/** Packed weights that any number of sessions use: a constant of equal type, shape and elements is
 *  packed and kept once, whichever model it comes from. */
typedef struct corten_weights corten_weights;

/** With the allocator of the options (NULL: the default). */
CORTEN_API corten_status corten_weights_create(const corten_options *options,
                                               corten_weights **weights, corten_error *error);
/** All sessions that use them must have been closed. NULL is allowed. */
CORTEN_API void corten_weights_destroy(corten_weights *weights);
/** Memory that they take; it counts in no session's figures and limit. Thread safe. */
CORTEN_API size_t corten_weights_bytes(corten_weights *weights);
/** Sessions opened with the options share these, which they borrow; NULL (the default): none. */
CORTEN_API corten_status corten_options_set_weights(corten_options *options,
                                                    corten_weights *weights, corten_error *error);

/* ------------------------------------------------------------------ sessions */

/** A loaded model, ready to run. */
typedef struct corten_session corten_session;

/** Name, type and shape of an input or output; borrowed from its session or model.
 *  dims[i] is -1 where the size is not fixed; dim_names[i] is then its symbol, "" if it has
 *  none. rank is -1 where even that is unknown. For a sequence, optional or map, dtype is that
 *  of the innermost element. */
typedef struct corten_value_info {
    const char *name;                       /**< never NULL */
    corten_kind kind;                       /**< tensor or container */
    corten_dtype dtype;                     /**< of an element */
    int rank;                               /**< -1: not known */
    int64_t dims[CORTEN_MAX_RANK];          /**< -1: not fixed */
    const char *dim_names[CORTEN_MAX_RANK]; /**< symbols of dimensions that are not fixed */
    const char *type_text;                  /**< as ONNX writes it, such as "seq(tensor(float))" */
    bool has_default; /**< an input that the model gives a value, which a run may replace */
} corten_value_info;

/** Loads a model from a file, which stays mapped (and must not be changed) while the session
 *  lives. `options` may be NULL. */
CORTEN_API corten_status corten_session_open(const char *path, const corten_options *options,
                                             corten_session **session, corten_error *error);
/** The same from memory, which the session borrows. External data is looked for beneath
 *  `folder`; NULL allows none. */
CORTEN_API corten_status corten_session_open_memory(const void *bytes, size_t size_bytes,
                                                    const char *folder,
                                                    const corten_options *options,
                                                    corten_session **session, corten_error *error);
/** No run may be under way. Values that runs returned stay valid. */
CORTEN_API void corten_session_close(corten_session *session);

/** Inputs, those with a default included. */
CORTEN_API size_t corten_session_input_count(const corten_session *session);
/** Outputs of the model. */
CORTEN_API size_t corten_session_output_count(const corten_session *session);
/** INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_session_input_info(const corten_session *session, size_t index,
                                                   corten_value_info *info, corten_error *error);
/** The same for an output. */
CORTEN_API corten_status corten_session_output_info(const corten_session *session, size_t index,
                                                    corten_value_info *info, corten_error *error);
/** Threads that a run uses. */
CORTEN_API int corten_session_threads(const corten_session *session);

/** Runs the model once. Thread safe.
 *  `inputs` are borrowed for the call. For each output: outputs[i] NULL asks for a new value that
 *  the caller then owns; a tensor there is written into, and must have the dtype and shape of the
 *  result. On failure no new value is returned. */
CORTEN_API corten_status corten_session_run(corten_session *session, const char *const *input_names,
                                            const corten_value *const *inputs, size_t input_count,
                                            const char *const *output_names, corten_value **outputs,
                                            size_t output_count, corten_error *error);

/* ------------------------------------------------------------------ stopping a run */

/** Limits of runs: a switch that stops them from another thread, and a deadline. One object may
 *  serve any number of runs, also at once, but only corten_run_options_cancel may be called while
 *  it does. */
typedef struct corten_run_options corten_run_options;

/** No limits; free them with corten_run_options_destroy. */
CORTEN_API corten_status corten_run_options_create(corten_run_options **options,
                                                   corten_error *error);
/** No run may be using the options. NULL is allowed. */
CORTEN_API void corten_run_options_destroy(corten_run_options *options);
/** A run stops `deadline_ns` nanoseconds after it began; 0 (the default): never. */
CORTEN_API corten_status corten_run_options_set_deadline(corten_run_options *options,
                                                         int64_t deadline_ns, corten_error *error);
/** Stops the runs that use the options, now and until corten_run_options_reset. From any thread,
 *  and from a signal handler. NULL is allowed. */
CORTEN_API void corten_run_options_cancel(corten_run_options *options);
/** Takes a cancellation back. No run may be using the options. NULL is allowed. */
CORTEN_API void corten_run_options_reset(corten_run_options *options);

/** corten_session_run with limits (NULL: none). A run that is stopped ends within a few
 *  milliseconds, inside a long operator too, with CANCELLED or DEADLINE_EXCEEDED and a text that
 *  names the node it had reached. Memory given for outputs then holds anything. Planning, which the
 *  first run with new shapes begins with, is not interrupted. */
CORTEN_API corten_status corten_session_run_with(
    corten_session *session, const corten_run_options *run_options, const char *const *input_names,
    const corten_value *const *inputs, size_t input_count, const char *const *output_names,
    corten_value **outputs, size_t output_count, corten_error *error);

/* ------------------------------------------------------------------ bindings */

/** Inputs and outputs of runs, bound by name once. Belongs to one session, which it borrows; used
 *  by one thread at a time. A warm run over a binding copies nothing, looks nothing up and
 *  allocates nothing, unless shapes of outputs are known only by running. */
typedef struct corten_binding corten_binding;

/** A binding without inputs and outputs; free it with corten_binding_destroy. */
CORTEN_API corten_status corten_binding_create(corten_session *session, corten_binding **binding,
                                               corten_error *error);
/** Frees the binding and the outputs that the library allocated. NULL is allowed. */
CORTEN_API void corten_binding_destroy(corten_binding *binding);
/** Binds an input to a value, which the binding borrows until it is bound anew or cleared; NULL
 *  unbinds. What the value holds may change between runs. */
CORTEN_API corten_status corten_binding_bind_input(corten_binding *binding, const char *name,
                                                   const corten_value *value, corten_error *error);
/** Binds an output to a tensor that runs write into; borrowed likewise. It must have the dtype and
 *  shape of the result. With NULL the library allocates: the value is the binding's, see
 *  corten_binding_output, and a run that gives the same shape again uses its memory again.
 *  Binding an output anew gives up a value that the library allocated. */
CORTEN_API corten_status corten_binding_bind_output(corten_binding *binding, const char *name,
                                                    corten_value *value, corten_error *error);
/** Unbinds all inputs. */
CORTEN_API void corten_binding_clear_inputs(corten_binding *binding);
/** Unbinds all outputs and frees those that the library allocated. */
CORTEN_API void corten_binding_clear_outputs(corten_binding *binding);
/** Outputs that are bound, in the order in which they first were. */
CORTEN_API size_t corten_binding_output_count(const corten_binding *binding);
/** Name of bound output `index`; NULL past the end. */
CORTEN_API const char *corten_binding_output_name(const corten_binding *binding, size_t index);
/** Value of bound output `index`: the caller's tensor, or what the last run allocated, borrowed
 *  until the next run or binding. NULL past the end and before the first run. */
CORTEN_API corten_value *corten_binding_output(const corten_binding *binding, size_t index);
/** Moves what the library allocated for output `index` to the caller, who then owns it; the next
 *  run allocates anew. INVALID_ARGUMENT when there is nothing to take. */
CORTEN_API corten_status corten_binding_take_output(corten_binding *binding, size_t index,
                                                    corten_value **value, corten_error *error);
/** Runs the session over the binding, within the limits (NULL: none). */
CORTEN_API corten_status corten_binding_run(corten_binding *binding,
                                            const corten_run_options *run_options,
                                            corten_error *error);

/* ------------------------------------------------------------------ memory and times */

/** What a session holds. Figures of mapped memory are sizes, not what is resident. */
typedef struct corten_memory_info {
    size_t weight_bytes; /**< constants of the model, in the mapped file or in memory */
    size_t packed_bytes; /**< packed and aligned copies of constants, for kernels */
    size_t arena_bytes;  /**< intermediates: arenas of all runs under way or kept for the next */
    size_t plan_count;   /**< sets of input shapes that are kept */
    size_t frame_count;  /**< arenas */
    size_t live_bytes;   /**< all that the session has taken and not given back */
    size_t peak_bytes;   /**< the most that live_bytes ever was */
    size_t limit_bytes;  /**< corten_options_set_memory_limit; 0: none */
} corten_memory_info;

/** live_bytes and peak_bytes leave out outputs, and tensors whose shapes are known only by
 *  running, unless the session has a memory limit or the profiler is on. Thread safe. */
CORTEN_API corten_status corten_session_memory(corten_session *session, corten_memory_info *info,
                                               corten_error *error);
/** Frees the arenas and plans that no run is using; the next runs make them anew. Returns the bytes
 *  given back. Thread safe. */
CORTEN_API size_t corten_session_trim(corten_session *session);

/** What corten_session_calibrate found. */
typedef struct corten_calibration_info {
    size_t product_count; /**< products that may compute in bfloat16 */
    size_t bf16_count;    /**< of them, those that do */
    double error;         /**< of the outputs: difference from float32 over largest magnitude */
    size_t run_count;     /**< runs that it took */
} corten_calibration_info;

/** For a session opened with CORTEN_PRECISION_AUTO: runs it on these inputs, several times, and has
 *  as many products compute in bfloat16 as keep every output within `bound` of what float32 gives,
 *  relative to the output's largest magnitude (1e-2 is a good start). Takes up to 65 runs and plans;
 *  the same inputs give the same choice. Products in subgraphs stay float32. Not thread safe: no run
 *  may be under way. */
CORTEN_API corten_status corten_session_calibrate(corten_session *session,
                                                  const char *const *input_names,
                                                  const corten_value *const *inputs,
                                                  size_t input_count, double bound,
                                                  corten_error *error);
/** What the last call of it found; all 0 before. */
CORTEN_API corten_status corten_session_calibration(const corten_session *session,
                                                    corten_calibration_info *info,
                                                    corten_error *error);

/** One of product_count products, in the order of the graph. Texts live as long as the session. */
typedef struct corten_product_info {
    const char *name;           /**< of the node */
    const char *op_type;        /**< its operator */
    corten_precision precision; /**< F32 or BF16 */
} corten_product_info;

/** Product `index` of the last calibration. */
CORTEN_API corten_status corten_session_product_info(const corten_session *session, size_t index,
                                                     corten_product_info *info,
                                                     corten_error *error);

/** What a run with given shapes will need. */
typedef struct corten_plan_info {
    size_t step_count;         /**< operators that run, after folding and fusing */
    size_t dynamic_step_count; /**< those whose shapes are known only by running */
    size_t input_bytes;        /**< of all inputs */
    size_t output_bytes;       /**< without outputs of dynamic steps */
    size_t arena_bytes;        /**< intermediates of one run */
    size_t packed_bytes;       /**< copies of constants that the session holds after planning */
    size_t peak_bytes; /**< what the session then holds during one run, its outputs included */
} corten_plan_info;

/** Plans a run without running: inputs by name with their shapes. An input that is left out must
 *  have a fixed shape, or a default. The plan is kept, so that the first run with these shapes
 *  starts at once. Thread safe. */
CORTEN_API corten_status corten_session_plan(corten_session *session,
                                             const char *const *input_names, const int *ranks,
                                             const int64_t *const *dims, size_t input_count,
                                             corten_plan_info *info, corten_error *error);

/** Where the time before a run went, in nanoseconds. plan_ns adds up all plans; pack_ns is the
 *  part of it that packs and aligns constants. */
typedef struct corten_times {
    int64_t load_ns;     /**< map, parse, check, infer */
    int64_t optimize_ns; /**< passes of the optimiser */
    int64_t plan_ns;     /**< plans, packing included */
    int64_t pack_ns;     /**< packing and aligning constants */
} corten_times;

/** Thread safe. */
CORTEN_API corten_status corten_session_times(corten_session *session, corten_times *times,
                                              corten_error *error);

/* ------------------------------------------------------------------ the profiler */

/* A session opened with corten_options_set_profile notes when each operator of each run began and
 * ended, up to a million of them. The profile is a Chrome trace in JSON, with the event names and
 * fields that ONNX Runtime's has, and more; docs/profiling.md lists them. */

/** Ends profiling and writes PREFIX_DATE_TIME_PID.json. `path` (NULL allowed) receives the path.
 *  INVALID_ARGUMENT when the session is not being profiled. No run may be under way. */
CORTEN_API corten_status corten_session_end_profile(corten_session *session, char *path,
                                                    size_t path_size_bytes, corten_error *error);
/** Gives the profile up to now as text, and goes on. `*json` is owned by the caller: corten_free.
 *  Thread safe. */
CORTEN_API corten_status corten_session_profile(corten_session *session, char **json,
                                                corten_error *error);
/** What the profile's times count from, in nanoseconds of the monotonic clock; 0: no profile. */
CORTEN_API int64_t corten_session_profile_start_ns(const corten_session *session);

/* ------------------------------------------------------------------ operators */

/** A version of an operator that the library runs; all strings are static. */
typedef struct corten_operator_info {
    const char *domain;       /**< "" is ai.onnx */
    const char *name;         /**< such as "Conv" */
    int64_t since;            /**< first version of the operator set with these semantics */
    uint64_t dtypes;          /**< bit 1 << corten_dtype: what its typed input may be */
    const char *providers[2]; /**< that run it, the first one first; then NULL */
} corten_operator_info;

/** Operators and their versions, sorted by domain, name and version. */
CORTEN_API size_t corten_operator_count(void);
/** Row `index` of the list. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_operator_get(size_t index, corten_operator_info *info,
                                             corten_error *error);

/* ------------------------------------------------------------------ models as graphs */

/** A model as a graph, for looking at it and rewriting it, not for running. */
typedef struct corten_model corten_model;

/** Reads a model from a file, which stays mapped while the model lives. */
CORTEN_API corten_status corten_model_open(const char *path, const corten_options *options,
                                           corten_model **model, corten_error *error);
/** Frees the model. NULL is allowed. */
CORTEN_API void corten_model_close(corten_model *model);
/** Runs shape inference, with the dimensions that the options fix. */
CORTEN_API corten_status corten_model_infer(corten_model *model, corten_error *error);
/** Types and shapes that inference found are written by corten_model_save too, as value_info. */
CORTEN_API corten_status corten_model_declare_values(corten_model *model, corten_error *error);
/** Runs the optimiser at the level that the options say. */
CORTEN_API corten_status corten_model_optimize(corten_model *model, corten_error *error);
/** What one pass of the optimiser did in the last corten_model_optimize. */
typedef struct corten_pass_info {
    const char *name;    /**< as corten_options_disable_pass takes it */
    const char *summary; /**< one line */
    corten_level level;  /**< the lowest that runs it */
    size_t changes;      /**< to the graph */
    double time_s;       /**< seconds */
} corten_pass_info;

/** Passes in the order they run. */
CORTEN_API size_t corten_model_pass_count(const corten_model *model);
/** What pass `index` did. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_model_pass(const corten_model *model, size_t index,
                                           corten_pass_info *info, corten_error *error);

/** What a pass nearly did, and why it did not. Borrowed from the model. */
typedef struct corten_pass_note {
    const char *pass; /**< its name */
    const char *node; /**< the node's name */
    const char *text; /**< the condition that failed */
} corten_pass_note;

/** Notes of the last corten_model_optimize. */
CORTEN_API size_t corten_model_note_count(const corten_model *model);
/** Note `index`. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_model_note(const corten_model *model, size_t index,
                                           corten_pass_note *note, corten_error *error);
/** Writes the model as ONNX. Weights of 1 KiB and more go to PATH.data when `external`. */
CORTEN_API corten_status corten_model_save(corten_model *model, const char *path, bool external,
                                           corten_error *error);

/** What a model says of itself; strings are borrowed from the model and never NULL. */
typedef struct corten_model_info {
    int64_t ir_version;           /**< of ONNX's format */
    const char *producer_name;    /**< the tool that wrote it */
    const char *producer_version; /**< the tool's version */
    const char *domain;           /**< the model's namespace */
    const char *doc;              /**< the model's description */
    const char *graph_name;       /**< the main graph's name */
    int64_t model_version;        /**< the model's own */
    size_t node_count;            /**< of the main graph */
    size_t opset_count;           /**< corten_model_opset */
    size_t metadata_count;        /**< corten_model_metadata */
    size_t input_count;           /**< corten_model_input */
    size_t output_count;          /**< corten_model_output */
    size_t initializer_count;     /**< corten_model_initializer */
    size_t function_count;        /**< functions of the model's own, before they are inlined */
} corten_model_info;

/** Fills `info`. */
CORTEN_API void corten_model_get_info(const corten_model *model, corten_model_info *info);
/** Operator set `index` that the model imports; the domain is borrowed. */
CORTEN_API corten_status corten_model_opset(const corten_model *model, size_t index,
                                            const char **domain, int64_t *version,
                                            corten_error *error);
/** Pair `index` of the metadata; both are borrowed. */
CORTEN_API corten_status corten_model_metadata(const corten_model *model, size_t index,
                                               const char **key, const char **value,
                                               corten_error *error);
/** Input `index`. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_model_input(const corten_model *model, size_t index,
                                            corten_value_info *info, corten_error *error);
/** Output `index`. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_model_output(const corten_model *model, size_t index,
                                             corten_value_info *info, corten_error *error);
/** Shape and size of a weight; info->type_text is "". */
CORTEN_API corten_status corten_model_initializer(const corten_model *model, size_t index,
                                                  corten_value_info *info, size_t *size_bytes,
                                                  corten_error *error);

/** A node of the main graph, in order. flops and bytes are -1 where shapes are not known (see
 *  corten_options_set_dim and corten_model_infer). bytes counts inputs, weights and outputs. */
typedef struct corten_node_info {
    const char *name;    /**< may be "" */
    const char *domain;  /**< "" is ai.onnx */
    const char *op_type; /**< such as "Conv" */
    const char
        *origin;   /**< names of the nodes that it was made of, "" for one of the model's own */
    int64_t flops; /**< -1: not known */
    int64_t bytes; /**< -1: not known */
    size_t input_count;  /**< missing optional ones included */
    size_t output_count; /**< those that nobody reads included */
} corten_node_info;

/** Node `index` of the main graph. INVALID_ARGUMENT past the end. */
CORTEN_API corten_status corten_model_node(const corten_model *model, size_t index,
                                           corten_node_info *info, corten_error *error);
/** Value `index` of a node's inputs (missing optional input: name "") or outputs. */
CORTEN_API corten_status corten_model_node_value(const corten_model *model, size_t node,
                                                 bool output, size_t index, corten_value_info *info,
                                                 corten_error *error);

/** What corten_model_dump writes. */
typedef enum corten_dump_format {
    CORTEN_DUMP_TEXT = 0, /**< for people */
    CORTEN_DUMP_DOT = 1   /**< for Graphviz */
} corten_dump_format;
/** The graph as text or Graphviz. `*text` is owned by the caller: corten_free. */
CORTEN_API corten_status corten_model_dump(const corten_model *model, corten_dump_format format,
                                           char **text, corten_error *error);

#ifdef __cplusplus
}
#endif
#endif
