/* Convolutions: every way to compute one gives the same numbers as plain loops in double, threads
 * change no bit, the epilogue follows the sum, and bad shapes are errors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

struct conv_case {
    int64_t groups, ic, oc, size, kernel, stride, dilation, pad;
};

enum { MOST = 1 << 16 };
static float x[MOST], w[MOST], bias[256], residual[MOST];
static double wide_x[MOST], wide_w[MOST], wide_bias[256];

static void fill(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < MOST; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 16) / 65536.0f - 0.5f;
        w[i] = (float)(seed & 0xFFFF) / 65536.0f - 0.5f;
        residual[i] = w[i] - x[i];
        wide_x[i] = (double)x[i];
        wide_w[i] = (double)w[i];
    }
    for (int i = 0; i < 256; i++) {
        bias[i] = (float)i / 64;
        wide_bias[i] = (double)bias[i];
    }
}

static void init(struct one_node *one, const struct conv_case *c, const char *op, ct_dtype dtype)
{
    bool fused = !strcmp(op, "FusedConv"), f64 = dtype == CORTEN_F64;
    one_node_init(one, fused ? "com.microsoft" : "", op, fused ? 1 : 13, fused ? 4 : 3, 1);
    one_node_int(one, "group", c->groups);
    /* The node borrows them. */
    static int64_t strides[2], dilations[2], pads[4];
    strides[0] = strides[1] = c->stride;
    dilations[0] = dilations[1] = c->dilation;
    pads[0] = pads[3] = c->pad;
    one_node_ints(one, "strides", 2, strides);
    one_node_ints(one, "dilations", 2, dilations);
    one_node_ints(one, "pads", 4, pads);
    int64_t filters = c->groups * c->oc;
    one_node_input(one, 0, dtype, 4, (int64_t[]){2, c->groups * c->ic, c->size, c->size},
                   f64 ? (const void *)wide_x : x);
    one_node_input(one, 1, dtype, 4, (int64_t[]){filters, c->ic, c->kernel, c->kernel},
                   f64 ? (const void *)wide_w : w);
    one_node_input(one, 2, dtype, 1, (int64_t[]){filters}, f64 ? (const void *)wide_bias : bias);
}

static const struct conv_case cases[] = {
    {1, 3, 8, 20, 3, 2, 1, 1},  /* columns by segments */
    {1, 40, 33, 9, 1, 1, 1, 0}, /* rows of X are the columns */
    {1, 70, 17, 7, 3, 1, 2, 2}, /* several blocks of k */
    {6, 1, 1, 19, 3, 1, 1, 1},  /* depthwise */
    {5, 1, 3, 18, 5, 3, 2, 4},  /* depthwise with several filters and a stride */
    {3, 4, 5, 11, 2, 1, 1, 0},  /* groups */
    {1, 50, 70, 1, 1, 1, 1, 0}, /* dot products */
    {2, 6, 9, 4, 4, 1, 1, 0},   /* the kernel covers all */
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void every_way_agrees_with_plain_loops(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node got, want;
        init(&got, &cases[i], "Conv", CORTEN_F32);
        init(&want, &cases[i], "Conv", CORTEN_F64);
        assert_int_equal(one_node_run(&got), CORTEN_OK);
        assert_int_equal(one_node_run(&want), CORTEN_OK);
        size_t n = ct_count(&got.out[0]);
        assert_int_equal(n, ct_count(&want.out[0]));
        double k = (double)(cases[i].ic * cases[i].kernel * cases[i].kernel);
        for (size_t j = 0; j < n; j++)
            assert_true(fabs((double)CT_DATA(float, &got.out[0])[j] -
                             CT_DATA(double, &want.out[0])[j]) < 1e-6 * (k + 8));
        one_node_deinit(&got);
        one_node_deinit(&want);
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node alone, many;
        init(&alone, &cases[i], "Conv", CORTEN_F32);
        init(&many, &cases[i], "Conv", CORTEN_F32);
        one_node_threads(&many, 4);
        assert_int_equal(one_node_run(&alone), CORTEN_OK);
        assert_int_equal(one_node_run(&many), CORTEN_OK);
        assert_memory_equal(alone.out[0].data, many.out[0].data, ct_tensor_bytes(&alone.out[0]));
        one_node_deinit(&alone);
        one_node_deinit(&many);
    }
}

static void the_epilogue_follows_the_sum(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node plain, fused;
        init(&plain, &cases[i], "Conv", CORTEN_F32);
        init(&fused, &cases[i], "FusedConv", CORTEN_F32);
        assert_int_equal(one_node_run(&plain), CORTEN_OK);
        const struct ct_tensor *y = &plain.out[0];
        one_node_input(&fused, 3, CORTEN_F32, 4, y->dims, residual);
        one_node_text(&fused, "activation", "Relu");
        assert_int_equal(one_node_run(&fused), CORTEN_OK);
        for (size_t j = 0; j < ct_count(y); j++) {
            float sum = CT_DATA(float, y)[j] + residual[j];
            assert_true(fabsf(CT_DATA(float, &fused.out[0])[j] - fmaxf(sum, 0)) < 1e-4f);
        }
        one_node_deinit(&plain);
        one_node_deinit(&fused);
    }
}

static void bad_shapes_are_errors(void **state)
{
    static const struct conv_case bad[] = {
        {0, 1, 4, 8, 3, 1, 1, 0},         /* no groups */
        {1, 2, 4, 8, 9, 1, 1, 0},         /* the kernel is larger than the input */
        {1, 2, 4, 8, 3, 0, 1, 0},         /* stride 0 */
        {1, 2, 4, 8, 3, 1, -5, 0},        /* dilation below 1 */
        {1, 2, 4, 8, 3, 1, 1, -1},        /* negative padding */
        {1, 2, 4, 8, 3, 1, INT64_MAX, 0}, /* no such dilation */
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct one_node one;
        struct conv_case c = bad[i];
        if (!c.groups)
            c.groups = 1;
        init(&one, &c, "Conv", CORTEN_F32);
        one_node_int(&one, "group", bad[i].groups);
        assert_int_equal(one_node_run(&one), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_agrees_with_plain_loops),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(the_epilogue_follows_the_sum),
        cmocka_unit_test(bad_shapes_are_errors),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
