#include <string.h>

#include "api/api.h"
#include "passes/pass.h"

void ct_options_default(struct ct_options *options)
{
    *options = (struct ct_options){.level = CORTEN_LEVEL_ALL, .allocator = *ct_default_allocator()};
}

corten_status corten_options_create(corten_options **options, corten_error *error)
{
    CT_REQUIRE(options, error);
    corten_options *o = ct_alloc_zero(ct_default_allocator(), sizeof *o);
    if (!o)
        return ct_fail_memory(error, sizeof *o, "options");
    ct_options_default(&o->options);
    ct_arena_init(&o->arena, ct_default_allocator());
    *options = o;
    return CORTEN_OK;
}

void corten_options_destroy(corten_options *options)
{
    if (!options)
        return;
    ct_arena_deinit(&options->arena);
    ct_release(ct_default_allocator(), options, sizeof *options);
}

corten_status corten_options_set_threads(corten_options *options, int threads, corten_error *error)
{
    CT_REQUIRE(options, error);
    if (threads < 0 || threads > 1024)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "threads is %d, expected 0 to 1024",
                       threads);
    options->options.threads = threads;
    return CORTEN_OK;
}

corten_status corten_options_set_spinning(corten_options *options, bool spinning,
                                          corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.no_spinning = !spinning;
    return CORTEN_OK;
}

corten_status corten_options_set_affinities(corten_options *options, const char *affinities,
                                            corten_error *error)
{
    CT_REQUIRE(options, error);
    const char *copy =
        affinities && *affinities ? ct_arena_strdup(&options->arena, affinities) : NULL;
    if (affinities && *affinities && !copy)
        return ct_fail_memory(error, strlen(affinities), "options");
    options->options.affinities = copy;
    return CORTEN_OK;
}

corten_status corten_options_set_pool(corten_options *options, corten_pool *pool,
                                      corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.pool = pool ? pool->pool : NULL;
    return CORTEN_OK;
}

corten_status corten_options_set_weights(corten_options *options, corten_weights *weights,
                                         corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.shared = weights ? weights->weights : NULL;
    return CORTEN_OK;
}

corten_status corten_options_set_packing(corten_options *options, bool packing, corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.no_packing = !packing;
    return CORTEN_OK;
}

corten_status corten_options_set_flush_denormals(corten_options *options, bool flush,
                                                 corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.flushes_denormals = flush;
    return CORTEN_OK;
}

corten_status corten_options_set_seed(corten_options *options, uint64_t seed, corten_error *error)
{
    CT_REQUIRE(options, error);
    options->seed = seed;
    options->options.seed = &options->seed;
    return CORTEN_OK;
}

corten_status corten_options_set_level(corten_options *options, corten_level level,
                                       corten_error *error)
{
    CT_REQUIRE(options, error);
    if ((level < CORTEN_LEVEL_DISABLE || level > CORTEN_LEVEL_LAYOUT) && level != CORTEN_LEVEL_ALL)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "level is %d, expected 0 to 3 or 99",
                       (int)level);
    options->options.level = level;
    return CORTEN_OK;
}

corten_status corten_options_set_precision(corten_options *options, corten_precision precision,
                                           corten_error *error)
{
    CT_REQUIRE(options, error);
    if (precision != CORTEN_PRECISION_F32 && precision != CORTEN_PRECISION_BF16 &&
        precision != CORTEN_PRECISION_AUTO)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "precision is %d, expected CORTEN_PRECISION_F32, _BF16 or _AUTO",
                       (int)precision);
    options->options.precision = precision;
    return CORTEN_OK;
}

corten_status corten_options_disable_pass(corten_options *options, const char *name,
                                          corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(name, error);
    const struct ct_pass *pass = ct_pass_find(name);
    if (!pass)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "no optimiser pass is named '%s'", name);
    struct ct_options *o = &options->options;
    if (!CT_ARENA_PUSH(&options->arena, o->disabled_passes, o->n_disabled_passes,
                       options->passes_capacity))
        return ct_fail_memory(error, 0, "options");
    o->disabled_passes[o->n_disabled_passes++] = pass->name;
    return CORTEN_OK;
}

corten_status corten_options_set_dim(corten_options *options, const char *name, int64_t value,
                                     corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(name, error);
    if (value < 0)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "dimension '%s' is %lld, expected at least 0", name, (long long)value);
    struct ct_options *o = &options->options;
    char *copy = ct_arena_strdup(&options->arena, name);
    if (!copy || !CT_ARENA_PUSH(&options->arena, o->dims, o->n_dims, options->dims_capacity))
        return ct_fail_memory(error, 0, "options");
    o->dims[o->n_dims++] = (struct ct_dim_override){.name = copy, .value = value};
    return CORTEN_OK;
}

corten_status corten_options_set_denotation(corten_options *options, const char *denotation,
                                            int64_t value, corten_error *error)
{
    CT_TRY(corten_options_set_dim(options, denotation, value, error));
    options->options.dims[options->options.n_dims - 1].denotation = true;
    return CORTEN_OK;
}

corten_status corten_options_set_initializer(corten_options *options, const char *name,
                                             const corten_value *value, corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(name, error);
    CT_REQUIRE(value, error);
    struct ct_options *o = &options->options;
    char *copy = ct_arena_strdup(&options->arena, name);
    if (!copy || !CT_ARENA_PUSH(&options->arena, o->initializers, o->n_initializers,
                                options->initializers_capacity))
        return ct_fail_memory(error, 0, "options");
    o->initializers[o->n_initializers++] = (struct ct_initializer_override){copy, &value->tensor};
    return CORTEN_OK;
}

corten_status corten_options_add_external_file(corten_options *options, const char *location,
                                               const void *bytes, size_t size_bytes,
                                               corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(location, error);
    CT_REQUIRE(bytes, error);
    struct ct_external_files *files = &options->options.files;
    char *copy = ct_arena_strdup(&options->arena, location);
    if (!copy ||
        !CT_ARENA_PUSH(&options->arena, files->items, files->count, options->files_capacity))
        return ct_fail_memory(error, 0, "options");
    files->items[files->count++] = (struct ct_external_file){copy, bytes, size_bytes};
    return CORTEN_OK;
}

corten_status corten_options_set_optimized_path(corten_options *options, const char *path,
                                                bool external, corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(path, error);
    options->options.optimized_path = ct_arena_strdup(&options->arena, path);
    options->options.optimized_external = external;
    return options->options.optimized_path ? CORTEN_OK : ct_fail_memory(error, 0, "options");
}

corten_status corten_options_add_output(corten_options *options, const char *name,
                                        corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(name, error);
    struct ct_options *o = &options->options;
    const char *copy = ct_arena_strdup(&options->arena, name);
    if (!copy ||
        !CT_ARENA_PUSH(&options->arena, o->outputs, o->n_outputs, options->outputs_capacity))
        return ct_fail_memory(error, 0, "options");
    o->outputs[o->n_outputs++] = copy;
    return CORTEN_OK;
}

corten_status corten_options_set_allocator(corten_options *options,
                                           const corten_allocator *allocator, corten_error *error)
{
    CT_REQUIRE(options, error);
    CT_REQUIRE(allocator, error);
    CT_REQUIRE(allocator->allocate, error);
    CT_REQUIRE(allocator->release, error);
    options->options.allocator = *allocator;
    return CORTEN_OK;
}

corten_status corten_options_set_memory_limit(corten_options *options, size_t size_bytes,
                                              corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.memory_limit_bytes = size_bytes;
    return CORTEN_OK;
}

corten_status corten_options_set_profile(corten_options *options, const char *prefix,
                                         corten_error *error)
{
    CT_REQUIRE(options, error);
    const char *copy = prefix ? ct_arena_strdup(&options->arena, prefix) : NULL;
    if (prefix && !copy)
        return ct_fail_memory(error, strlen(prefix), "options");
    options->options.profile_prefix = copy;
    return CORTEN_OK;
}

corten_status corten_options_set_log(corten_options *options, corten_log_fn log, void *user,
                                     corten_log_level least, corten_error *error)
{
    CT_REQUIRE(options, error);
    options->options.log = (struct ct_log){log, user, least};
    return CORTEN_OK;
}
