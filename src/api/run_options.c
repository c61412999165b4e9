#include "api/api.h"

corten_status corten_run_options_create(corten_run_options **options, corten_error *error)
{
    CT_REQUIRE(options, error);
    corten_run_options *made = ct_alloc_zero(ct_default_allocator(), sizeof *made);
    if (!made)
        return ct_fail_memory(error, sizeof *made, "options of a run");
    *options = made;
    return CORTEN_OK;
}

void corten_run_options_destroy(corten_run_options *options)
{
    ct_release(ct_default_allocator(), options, sizeof *options);
}

corten_status corten_run_options_set_deadline(corten_run_options *options, int64_t deadline_ns,
                                              corten_error *error)
{
    CT_REQUIRE(options, error);
    if (deadline_ns < 0)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "deadline_ns is %lld, expected at least 0",
                       (long long)deadline_ns);
    options->deadline_ns = deadline_ns;
    return CORTEN_OK;
}

void corten_run_options_cancel(corten_run_options *options)
{
    if (options)
        __atomic_store_n(&options->cancel, 1, __ATOMIC_RELEASE);
}

void corten_run_options_reset(corten_run_options *options)
{
    if (options)
        __atomic_store_n(&options->cancel, 0, __ATOMIC_RELEASE);
}

struct ct_stop *ct_run_options_start(const corten_run_options *options, struct ct_stop *stop)
{
    if (!options)
        return NULL;
    *stop = (struct ct_stop){.cancel = &options->cancel};
    if (options->deadline_ns &&
        __builtin_add_overflow(ct_os_now_ns(), options->deadline_ns, &stop->deadline_ns))
        stop->deadline_ns = INT64_MAX;
    return stop;
}
