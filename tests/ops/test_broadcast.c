/* Broadcasting visits every output element once, with the right input elements. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "ops/broadcast.h"

enum { MOST = 4096 };

struct seen {
    const struct ct_broadcast *broadcast;
    int64_t in[2][MOST]; /* element of each input for each output element */
    int visits[MOST];
};

static void visit(void *arg, int64_t out_first, const int64_t *in_first, int64_t n)
{
    struct seen *seen = arg;
    const struct ct_broadcast *b = seen->broadcast;
    for (int64_t i = 0; i < n; i++) {
        seen->visits[out_first + i]++;
        for (int k = 0; k < 2; k++)
            seen->in[k][out_first + i] =
                in_first[k] + (b->is_periodic[k] ? i % b->period : i * (int64_t)b->step[k]);
    }
}

static struct ct_tensor shape(int rank, const int64_t *dims)
{
    struct ct_tensor t = {.dtype = CORTEN_F32, .rank = rank};
    if (rank)
        memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return t;
}

/* The element of an input that NumPy would take. */
static int64_t expected(const struct ct_tensor *out, const struct ct_tensor *in, int64_t element)
{
    int64_t at = 0, stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        int k = i - (out->rank - in->rank);
        int64_t index = element % out->dims[i];
        element /= out->dims[i];
        if (k < 0)
            continue;
        at += in->dims[k] == 1 ? 0 : index * stride;
        stride *= in->dims[k];
    }
    return at;
}

static void check(const struct ct_tensor *out, const struct ct_tensor *a, const struct ct_tensor *b,
                  bool merge_short)
{
    static struct seen seen;
    struct ct_broadcast broadcast;
    const struct ct_tensor *const in[] = {a, b};
    memset(&seen, 0, sizeof seen);
    ct_broadcast_init(&broadcast, out, 2, in);
    if (merge_short)
        ct_broadcast_merge_short(&broadcast);
    seen.broadcast = &broadcast;
    ct_broadcast_run(&broadcast, NULL, 1, visit, &seen);
    int64_t n = (int64_t)ct_count(out);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(seen.visits[i], 1);
        assert_int_equal(seen.in[0][i], expected(out, a, i));
        assert_int_equal(seen.in[1][i], expected(out, b, i));
    }
}

static void test_shapes(void **state)
{
    (void)state;
    static const struct {
        int rank, a_rank, b_rank;
        int64_t out[8], a[8], b[8];
    } cases[] = {
        {3, 3, 1, {3, 4, 5}, {3, 4, 5}, {5}},
        {3, 3, 2, {2, 3, 4}, {2, 1, 4}, {3, 1}},
        {2, 2, 1, {70, 16}, {70, 16}, {16}},
        {4, 4, 4, {2, 3, 20, 8}, {2, 3, 20, 8}, {2, 3, 1, 8}},
        {0, 0, 0, {0}, {0}, {0}},
        {1, 0, 1, {6}, {0}, {6}},
        {3, 3, 3, {2, 0, 3}, {2, 0, 3}, {1, 1, 3}},
        {8, 8, 5, {2, 1, 2, 3, 1, 2, 2, 3}, {2, 1, 1, 3, 1, 2, 1, 3}, {3, 1, 1, 2, 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int merge = 0; merge < 2; merge++) {
            struct ct_tensor out = shape(cases[i].rank, cases[i].out);
            struct ct_tensor a = shape(cases[i].a_rank, cases[i].a);
            struct ct_tensor b = shape(cases[i].b_rank, cases[i].b);
            check(&out, &a, &b, merge);
            check(&out, &b, &a, merge);
        }
}

static void test_short_rows_become_long(void **state)
{
    (void)state;
    static const int64_t dims[] = {100, 16}, row[] = {16};
    struct ct_tensor out = shape(2, dims), b = shape(1, row);
    const struct ct_tensor *const in[] = {&out, &b};
    struct ct_broadcast broadcast;
    ct_broadcast_init(&broadcast, &out, 2, in);
    ct_broadcast_merge_short(&broadcast);
    assert_int_equal(broadcast.n_rows, 1);
    assert_int_equal(broadcast.period, 16);
}

/* Blocked channels: [1,20,3,3] with [1,20,1,1] is two blocks of nine pixels of 16 channels. */
static void test_blocked_layout(void **state)
{
    (void)state;
    static const int64_t dims[] = {1, 20, 3, 3}, ones[] = {1, 20, 1, 1};
    struct ct_tensor out = shape(4, dims), b = shape(4, ones);
    out.layout = b.layout = CT_LAYOUT_NCXc16;
    const struct ct_tensor *const in[] = {&out, &b};
    static struct seen seen;
    struct ct_broadcast broadcast;
    memset(&seen, 0, sizeof seen);
    ct_broadcast_init(&broadcast, &out, 2, in);
    seen.broadcast = &broadcast;
    ct_broadcast_run(&broadcast, NULL, 1, visit, &seen);
    for (int64_t i = 0; i < 2 * 9 * 16; i++) {
        assert_int_equal(seen.visits[i], 1);
        assert_int_equal(seen.in[0][i], i);
        assert_int_equal(seen.in[1][i], i / 144 * 16 + i % 16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_short_rows_become_long),
        cmocka_unit_test(test_blocked_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
