#include "support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Before each piece, as far as its alignment asks, ending in its size. */
static size_t header_bytes(size_t alignment_bytes)
{
    return alignment_bytes > sizeof(size_t) * 2 ? alignment_bytes : sizeof(size_t) * 2;
}

static void *allocate(void *user, size_t size_bytes, size_t alignment_bytes)
{
    struct test_alloc *state = user;
    int call = __atomic_add_fetch(&state->calls, 1, __ATOMIC_RELAXED);
    if (state->fail_at && (state->fail_once ? call == state->fail_at : call >= state->fail_at))
        return NULL;
    size_t header = header_bytes(alignment_bytes), total_bytes;
    if (!ct_add_size(size_bytes, header, &total_bytes) || total_bytes > (size_t)1 << 40)
        return NULL;
    char *memory = aligned_alloc(alignment_bytes, ct_align_up(total_bytes, alignment_bytes));
    if (!memory)
        return NULL;
    memset(memory, 0xa5, total_bytes < 1 << 20 ? total_bytes : 1 << 20);
    memcpy(memory + header - sizeof size_bytes, &size_bytes, sizeof size_bytes);
    memcpy(memory + header - 2 * sizeof header, &header, sizeof header);
    __atomic_add_fetch(&state->live, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&state->live_bytes, size_bytes, __ATOMIC_RELAXED);
    return memory + header;
}

static void release(void *user, void *memory, size_t size_bytes)
{
    struct test_alloc *state = user;
    size_t given_bytes, header;
    memcpy(&given_bytes, (char *)memory - sizeof given_bytes, sizeof given_bytes);
    memcpy(&header, (char *)memory - 2 * sizeof header, sizeof header);
    if (given_bytes != size_bytes)
        __atomic_add_fetch(&state->errors, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&state->live, 1, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&state->live_bytes, given_bytes, __ATOMIC_RELAXED);
    free((char *)memory - header);
}

corten_allocator test_allocator(struct test_alloc *state)
{
    return (corten_allocator){allocate, release, state};
}

int test_each_allocation_failure(ct_status (*fn)(const corten_allocator *allocator, void *arg,
                                                 corten_error *error),
                                 void *arg)
{
    for (int failures = 0;; failures++) {
        struct test_alloc state = {.fail_at = failures + 1};
        corten_allocator allocator = test_allocator(&state);
        corten_error error = {CORTEN_OK, ""};
        ct_status status = fn(&allocator, arg, &error);
        assert_int_equal(state.live, 0);
        assert_int_equal(state.live_bytes, 0);
        assert_int_equal(state.errors, 0);
        if (status == CORTEN_OK) {
            assert_true(state.calls <= failures);
            return failures;
        }
        assert_int_equal(status, CORTEN_OUT_OF_MEMORY);
        assert_int_equal(error.status, CORTEN_OUT_OF_MEMORY);
        assert_true(error.text[0] != '\0');
    }
}
