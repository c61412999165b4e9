/* What a session tells of itself: memory, times, plans and its profile. */
#include <string.h>

#include "api/api.h"

corten_status corten_session_memory(corten_session *session, corten_memory_info *info,
                                    corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    ct_session_memory(session->session, info);
    return CORTEN_OK;
}

size_t corten_session_trim(corten_session *session)
{
    return session ? ct_session_trim(session->session) : 0;
}

corten_status corten_session_times(corten_session *session, corten_times *times,
                                   corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(times, error);
    ct_session_times(session->session, times);
    return CORTEN_OK;
}

/* ------------------------------------------------------------------ planning */

static ct_status take_shape(const char *name, int rank, const int64_t *dims,
                            struct ct_tensor *shape, corten_error *error)
{
    size_t n_elems;
    if (!name || (rank > 0 && !dims))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "a name or the dimensions of '%s' are NULL",
                       name ? name : "");
    if (rank < 0 || rank > CORTEN_MAX_RANK)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT, "the rank of '%s' is %d, expected 0 to %d",
                       name, rank, CORTEN_MAX_RANK);
    if (!ct_shape_count(rank, dims, &n_elems))
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "a dimension of '%s' is negative, or they are too large", name);
    *shape = (struct ct_tensor){.rank = rank};
    if (rank)
        memcpy(shape->dims, dims, (size_t)rank * sizeof *dims);
    return CORTEN_OK;
}

corten_status corten_session_plan(corten_session *session, const char *const *input_names,
                                  const int *ranks, const int64_t *const *dims, size_t input_count,
                                  corten_plan_info *info, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(info, error);
    if (input_count) {
        CT_REQUIRE(input_names, error);
        CT_REQUIRE(ranks, error);
        CT_REQUIRE(dims, error);
    }
    struct ct_arena scratch;
    ct_arena_init(&scratch, ct_default_allocator());
    struct ct_tensor *shapes = ct_arena_array(&scratch, input_count, sizeof *shapes);
    ct_status status = shapes ? CORTEN_OK : ct_fail_memory(error, 0, "shapes");
    for (size_t i = 0; i < input_count && status == CORTEN_OK; i++)
        status = take_shape(input_names[i], ranks[i], dims[i], &shapes[i], error);
    if (status == CORTEN_OK)
        status = ct_session_plan(session->session, input_names, shapes, input_count, info, error);
    ct_arena_deinit(&scratch);
    return status;
}

/* ------------------------------------------------------------------ the profile */

static ct_status find_profiler(const corten_session *session, struct ct_profiler **profiler,
                               corten_error *error)
{
    *profiler = ct_session_profiler(session->session);
    if (!*profiler)
        return ct_fail(error, CORTEN_INVALID_ARGUMENT,
                       "the session is not being profiled; see corten_options_set_profile");
    return CORTEN_OK;
}

corten_status corten_session_profile(corten_session *session, char **json, corten_error *error)
{
    CT_REQUIRE(session, error);
    CT_REQUIRE(json, error);
    struct ct_profiler *profiler;
    CT_TRY(find_profiler(session, &profiler, error));
    return ct_profiler_json(profiler, json, error);
}

corten_status corten_session_end_profile(corten_session *session, char *path,
                                         size_t path_size_bytes, corten_error *error)
{
    CT_REQUIRE(session, error);
    struct ct_profiler *profiler;
    CT_TRY(find_profiler(session, &profiler, error));
    CT_TRY(ct_profiler_write(profiler, path, path_size_bytes, error));
    ct_session_end_profile(session->session);
    return CORTEN_OK;
}

int64_t corten_session_profile_start_ns(const corten_session *session)
{
    struct ct_profiler *profiler = session ? ct_session_profiler(session->session) : NULL;
    return profiler ? ct_profiler_start_ns(profiler) : 0;
}
