/* A strided copy moves every element to its place: any order of axes, element size and number of
 * threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/strided_copy.h"

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Element by element, by number. */
static void copy_slowly(ct_dtype dtype, int rank, const int64_t *dims, const int64_t *to_stride,
                        const int64_t *from_stride, void *to, const void *from)
{
    int64_t n = ct_dims_product(dims, 0, rank);
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, to_at = 0, from_at = 0;
        for (int d = rank - 1; d >= 0; d--) {
            to_at += rest % dims[d] * to_stride[d];
            from_at += rest % dims[d] * from_stride[d];
            rest /= dims[d];
        }
        ct_copy_elems(dtype, to, (size_t)to_at, from, (size_t)from_at, 1);
    }
}

static void check(ct_dtype dtype, int rank, const int64_t *dims, const int *order,
                  struct ct_pool *pool)
{
    int64_t to_dims[CT_MAX_RANK], to_stride[CT_MAX_RANK], in_stride[CT_MAX_RANK];
    int64_t from_stride[CT_MAX_RANK];
    for (int i = 0; i < rank; i++)
        to_dims[i] = dims[order[i]];
    ct_dense_strides(rank, dims, in_stride);
    ct_dense_strides(rank, to_dims, to_stride);
    for (int i = 0; i < rank; i++)
        from_stride[i] = in_stride[order[i]];
    size_t n = (size_t)ct_dims_product(dims, 0, rank), size_bytes = 0;
    assert_true(ct_dtype_bytes(dtype, n, &size_bytes));
    unsigned char *from = malloc(size_bytes + 1), *to = calloc(size_bytes + 1, 1);
    unsigned char *want = calloc(size_bytes + 1, 1);
    assert_true(from && to && want);
    for (size_t i = 0; i < size_bytes; i++)
        from[i] = (unsigned char)(i * 37 + (i >> 8));
    copy_slowly(dtype, rank, to_dims, to_stride, from_stride, want, from);
    struct ct_strided_copy copy;
    ct_strided_copy_init(&copy, dtype, rank, to_dims, to_stride, from_stride);
    ct_strided_copy_run(&copy, pool, to, 0, from, 0);
    assert_memory_equal(to, want, size_bytes + 1);
    free(from);
    free(to);
    free(want);
}

static void test_random_orders(void **state)
{
    (void)state;
    static const ct_dtype dtypes[] = {CORTEN_U8,   CORTEN_F16, CORTEN_F32, CORTEN_F64,
                                      CORTEN_C128, CORTEN_I4,  CORTEN_U2};
    struct ct_pool *pool;
    assert_int_equal(ct_pool_create(ct_default_allocator(), 3, &pool, NULL), CORTEN_OK);
    uint32_t seed = 1;
    for (int round = 0; round < 400; round++) {
        int rank = (int)(next_random(&seed) % 6), order[CT_MAX_RANK];
        int64_t dims[CT_MAX_RANK];
        for (int i = 0; i < rank; i++) {
            dims[i] = 1 + next_random(&seed) % (rank < 3 ? 90 : 9);
            order[i] = i;
        }
        for (int i = rank - 1; i > 0; i--) {
            int j = (int)(next_random(&seed) % (uint32_t)(i + 1)), t = order[i];
            order[i] = order[j];
            order[j] = t;
        }
        check(dtypes[next_random(&seed) % 7], rank, dims, order, round % 2 ? pool : NULL);
    }
    ct_pool_destroy(pool);
}

static void test_rank_8_and_zero(void **state)
{
    (void)state;
    static const int64_t dims[] = {2, 1, 3, 2, 1, 2, 3, 2}, none[] = {3, 0, 2};
    static const int order[] = {7, 0, 6, 1, 5, 2, 4, 3}, turned[] = {2, 1, 0};
    check(CORTEN_F32, 8, dims, order, NULL);
    check(CORTEN_F32, 3, none, turned, NULL);
}

static void test_broadcast_and_backwards(void **state)
{
    (void)state;
    static const int64_t dims[] = {3, 4}, to_stride[] = {4, 1};
    static const int64_t repeat[] = {1, 0}, backwards[] = {-4, -1};
    static const int32_t from[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    int32_t to[12];
    struct ct_strided_copy copy;
    ct_strided_copy_init(&copy, CORTEN_I32, 2, dims, to_stride, repeat);
    ct_strided_copy_run(&copy, NULL, to, 0, from, 5);
    for (int i = 0; i < 12; i++)
        assert_int_equal(to[i], 5 + i / 4);
    ct_strided_copy_init(&copy, CORTEN_I32, 2, dims, to_stride, backwards);
    ct_strided_copy_run(&copy, NULL, to, 0, from, 11);
    for (int i = 0; i < 12; i++)
        assert_int_equal(to[i], 11 - i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_orders),
        cmocka_unit_test(test_rank_8_and_zero),
        cmocka_unit_test(test_broadcast_and_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
