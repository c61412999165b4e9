/* What the files of the C API share. They check arguments and translate, nothing else. */
#ifndef CT_API_API_H
#define CT_API_API_H

#include "exec/session.h"
#include "plan/weights.h"

/** A handle is the tensor itself, so that items of a sequence can be handed out as handles. The
 *  handle's own memory is the default allocator's; what it holds has its own buffer. */
struct corten_value {
    struct ct_tensor tensor;
};

struct corten_options {
    struct ct_options options;
    struct ct_arena arena; /* names and arrays */
    size_t dims_capacity, passes_capacity, initializers_capacity, outputs_capacity, files_capacity;
    uint64_t seed;
};

struct corten_pool {
    corten_allocator allocator;
    struct ct_pool *pool;
};

struct corten_weights {
    corten_allocator allocator;
    struct ct_weights *weights;
};

struct corten_session {
    struct ct_session *session;
    struct ct_arena arena; /* of type texts */
    const char **input_types, **output_types;
};

struct corten_run_options {
    int cancel; /* atomic */
    int64_t deadline_ns;
};

/** What a run with these options (NULL: none) watches: `stop`, filled, or NULL. */
struct ct_stop *ct_run_options_start(const corten_run_options *options, struct ct_stop *stop);

/** Defaults, for a NULL options. */
void ct_options_default(struct ct_options *options);

/** Type as ONNX writes it; in static memory, or `arena` for nested ones. "" without memory. */
const char *ct_type_text(const struct ct_fact *fact, struct ct_arena *arena);
/** Fills info from a fact; `type_text` as above. */
void ct_fill_info(corten_value_info *info, const char *name, const struct ct_fact *fact,
                  const struct ct_symbols *symbols, const char *type_text);

/** INVALID_ARGUMENT when `pointer` is NULL. */
#define CT_REQUIRE(pointer, error)                                                                 \
    do {                                                                                           \
        if (!(pointer))                                                                            \
            return ct_fail((error), CORTEN_INVALID_ARGUMENT, "%s: %s is NULL", __func__,           \
                           #pointer);                                                              \
    } while (0)

#endif
