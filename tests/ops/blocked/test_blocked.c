/* Operators on the blocked layout give what their plain forms give, whatever way they take; threads
 * change no bit; inputs in the wrong layout are errors. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/one_node.h"

struct conv_case {
    int64_t groups, ic, oc, rows, cols, kernel, stride, dilation, pad;
};

enum { MOST = 1 << 17, MOST_CHANNELS = 128 };
static float x[MOST], w[MOST], residual[MOST], bias[MOST_CHANNELS];

static void fill(void)
{
    uint32_t seed = 1;
    for (int i = 0; i < MOST; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 25) / 128.0f - 0.5f; /* numbers of bfloat16 */
        w[i] = (float)(seed >> 9 & 0x7F) / 128.0f - 0.5f;
        residual[i] = w[i] - x[i];
    }
    for (int i = 0; i < MOST_CHANNELS; i++)
        bias[i] = (float)i / 64;
}

/* `one` gets the input in the blocked layout, in memory of `reorder`, which the caller frees. */
static void input_blocked(struct one_node *one, int index, const int64_t *dims, const float *data,
                          struct one_node *reorder)
{
    one_node_init(reorder, "ai.corten", "Reorder", 1, 1, 1);
    one_node_text(reorder, "to", "blocked");
    one_node_input(reorder, 0, CORTEN_F32, 4, dims, data);
    assert_int_equal(one_node_run(reorder), CORTEN_OK);
    one_node_input(one, index, CORTEN_F32, 4, dims, reorder->out[0].data);
    one->in[index].layout = CT_LAYOUT_NCXc16;
}

/* Compares a blocked output with a plain one. */
static void assert_same(const struct ct_tensor *blocked, const struct ct_tensor *plain,
                        double tolerance)
{
    struct one_node back;
    assert_int_equal(blocked->layout, CT_LAYOUT_NCXc16);
    one_node_init(&back, "ai.corten", "Reorder", 1, 1, 1);
    one_node_text(&back, "to", "plain");
    one_node_input(&back, 0, CORTEN_F32, 4, blocked->dims, blocked->data);
    back.in[0].layout = CT_LAYOUT_NCXc16;
    assert_int_equal(one_node_run(&back), CORTEN_OK);
    assert_true(ct_same_shape(&back.out[0], plain));
    for (size_t i = 0; i < ct_count(plain); i++) {
        double want = (double)CT_DATA(float, plain)[i];
        double got = (double)CT_DATA(float, &back.out[0])[i];
        if (!(fabs(got - want) <= tolerance))
            fail_msg("element %zu: %g, expected %g", i, got, want);
    }
    one_node_deinit(&back);
}

static void init_conv(struct one_node *one, const struct conv_case *c, const char *domain,
                      const char *op)
{
    /* The node borrows them. */
    static int64_t strides[2], dilations[2], pads[4];
    bool expand = !strcmp(op, "BlockedExpandDepthwise");
    one_node_init(one, domain, op, *domain ? 1 : 13, expand ? 5 : *domain ? 4 : 3, 1);
    strides[0] = strides[1] = c->stride;
    dilations[0] = dilations[1] = c->dilation;
    pads[0] = pads[1] = pads[2] = pads[3] = c->pad;
    one_node_int(one, "group", c->groups);
    one_node_ints(one, "strides", 2, strides);
    one_node_ints(one, "dilations", 2, dilations);
    one_node_ints(one, "pads", 4, pads);
    one_node_input(one, 0, CORTEN_F32, 4, (int64_t[]){2, c->ic, c->rows, c->cols}, x);
    one_node_input(one, 1, CORTEN_F32, 4,
                   (int64_t[]){c->oc, c->ic / c->groups, c->kernel, c->kernel}, w);
    one_node_input(one, 2, CORTEN_F32, 1, (int64_t[]){c->oc}, bias);
}

static const struct conv_case cases[] = {
    {1, 40, 33, 9, 9, 1, 1, 1, 0},   /* one long row */
    {1, 16, 40, 9, 17, 1, 2, 1, 0},  /* every second pixel */
    {1, 20, 24, 11, 30, 3, 1, 1, 1}, /* taps cut at the borders */
    {1, 18, 16, 15, 29, 3, 2, 1, 1}, /* the same with a stride */
    {1, 17, 30, 8, 6, 5, 1, 1, 2},   /* patches */
    {1, 24, 16, 9, 14, 3, 1, 2, 2},  /* dilated */
    {1, 16, 16, 3, 1, 3, 1, 1, 1},   /* narrower than the window */
    {1, 3, 20, 21, 33, 6, 2, 1, 2},  /* a plain input */
    {1, 1, 20, 5, 40, 3, 1, 1, 1},   /* the same of one channel */
    {40, 40, 40, 7, 7, 5, 1, 1, 2},  /* depthwise, windows cut on all sides */
    {24, 24, 24, 6, 70, 3, 2, 1, 1}, /* depthwise, long rows */
    {24, 24, 24, 7, 50, 3, 1, 2, 2}, /* the same, dilated */
    {1, 40, 48, 10, 13, 3, 1, 1, 1}, /* Winograd, squares past the end */
    {1, 48, 33, 24, 24, 3, 1, 1, 1}, /* several chunks of squares */
    {1, 64, 64, 6, 8, 3, 1, 1, 0},   /* without padding */
    {1, 100, 40, 1, 1, 1, 1, 1, 0},  /* one pixel */
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void run_blocked(struct one_node *one, const struct conv_case *c, struct one_node *reorder,
                        int threads)
{
    int64_t dims[] = {2, c->ic, c->rows, c->cols};
    init_conv(one, c, "ai.corten", "BlockedConv");
    if (threads > 1)
        one_node_threads(one, threads);
    if (c->ic > 4)
        input_blocked(one, 0, dims, x, reorder);
    else
        one_node_init(reorder, "", "Relu", 13, 1, 1);
}

static void every_way_of_conv_agrees_with_the_plain_one(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node got, want, reorder;
        const struct conv_case *c = &cases[i];
        init_conv(&want, c, "", "Conv");
        run_blocked(&got, c, &reorder, 1);
        assert_int_equal(one_node_run(&want), CORTEN_OK);
        assert_int_equal(one_node_run(&got), CORTEN_OK);
        double k = (double)(c->ic / c->groups * c->kernel * c->kernel);
        assert_same(&got.out[0], &want.out[0], 3e-6 * (k + 8));
        one_node_deinit(&got);
        one_node_deinit(&want);
        one_node_deinit(&reorder);
    }
}

/* Of operands that bfloat16 holds, products and sums are those of float32 but for the order. */
static void bf16_agrees_where_nothing_is_rounded(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node got[2], want, reorder[2];
        const struct conv_case *c = &cases[i];
        init_conv(&want, c, "", "Conv");
        assert_int_equal(one_node_run(&want), CORTEN_OK);
        for (int n = 0; n < 2; n++) {
            run_blocked(&got[n], c, &reorder[n], n ? 4 : 1);
            got[n].precision = CORTEN_PRECISION_BF16;
            assert_int_equal(one_node_run(&got[n]), CORTEN_OK);
        }
        double k = (double)(c->ic / c->groups * c->kernel * c->kernel);
        assert_same(&got[0].out[0], &want.out[0], 3e-6 * (k + 8));
        assert_memory_equal(got[0].out[0].data, got[1].out[0].data,
                            ct_tensor_bytes(&got[0].out[0]));
        one_node_deinit(&want);
        for (int n = 0; n < 2; n++) {
            one_node_deinit(&got[n]);
            one_node_deinit(&reorder[n]);
        }
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node alone, many, a, b;
        run_blocked(&alone, &cases[i], &a, 1);
        run_blocked(&many, &cases[i], &b, 4);
        assert_int_equal(one_node_run(&alone), CORTEN_OK);
        assert_int_equal(one_node_run(&many), CORTEN_OK);
        assert_memory_equal(alone.out[0].data, many.out[0].data, ct_tensor_bytes(&alone.out[0]));
        one_node_deinit(&alone);
        one_node_deinit(&many);
        one_node_deinit(&a);
        one_node_deinit(&b);
    }
}

/* ic is that of the convolution of 1 x 1, oc that of the depthwise one after it. */
static const struct conv_case expansions[] = {
    {0, 20, 40, 9, 9, 3, 1, 1, 1},   /* an odd number of blocks */
    {0, 17, 72, 30, 40, 3, 2, 1, 1}, /* a stride */
    {0, 24, 33, 60, 31, 5, 1, 1, 2}, /* strips, whose rows are made in steps */
    {0, 8, 16, 70, 50, 5, 2, 1, 2},  /* the same with a stride */
    {0, 16, 16, 3, 1, 3, 1, 1, 1},   /* narrower than the window */
    {0, 16, 32, 20, 15, 3, 1, 2, 2}, /* dilated */
    {0, 19, 30, 12, 13, 3, 1, 1, 0}, /* without padding */
    {0, 16, 16, 40, 70, 1, 2, 1, 0}, /* rows that no window reads */
    {0, 16, 24, 6, 6, 7, 1, 1, 3},   /* the window is larger than the image */
};
enum { N_EXPANSIONS = sizeof expansions / sizeof *expansions };

/* The plain convolutions, one after the other. `second` has the result. */
static void run_two(const struct conv_case *c, struct one_node *first, struct one_node *second)
{
    struct conv_case wide = {1, c->ic, c->oc, c->rows, c->cols, 1, 1, 1, 0};
    struct conv_case deep = *c;
    deep.groups = deep.ic = c->oc;
    init_conv(first, &wide, "", "Conv");
    assert_int_equal(one_node_run(first), CORTEN_OK);
    for (size_t i = 0; i < ct_count(&first->out[0]); i++) {
        float *v = &CT_DATA(float, &first->out[0])[i];
        *v = *v > 0 ? *v : 0;
    }
    init_conv(second, &deep, "", "Conv");
    one_node_input(second, 0, CORTEN_F32, 4, first->out[0].dims, first->out[0].data);
    assert_int_equal(one_node_run(second), CORTEN_OK);
}

static void run_expansion(const struct conv_case *c, int threads, struct one_node *one,
                          struct one_node *reorder)
{
    struct conv_case deep = *c;
    deep.groups = deep.ic = c->oc;
    init_conv(one, &deep, "ai.corten", "BlockedExpandDepthwise");
    one_node_text(one, "expand_activation", "Relu");
    input_blocked(one, 0, (int64_t[]){2, c->ic, c->rows, c->cols}, x, reorder);
    one_node_input(one, 1, CORTEN_F32, 4, (int64_t[]){c->oc, c->ic, 1, 1}, w);
    one_node_input(one, 2, CORTEN_F32, 4, (int64_t[]){c->oc, 1, c->kernel, c->kernel}, w);
    one_node_input(one, 3, CORTEN_F32, 1, (int64_t[]){c->oc}, bias);
    one_node_input(one, 4, CORTEN_F32, 1, (int64_t[]){c->oc}, bias);
    if (threads > 1)
        one_node_threads(one, threads);
    assert_int_equal(one_node_run(one), CORTEN_OK);
}

static void expansion_and_depthwise_agree_with_two_convolutions(void **state)
{
    (void)state;
    for (int i = 0; i < N_EXPANSIONS; i++) {
        const struct conv_case *c = &expansions[i];
        struct one_node first, second, alone, many, a, b;
        run_two(c, &first, &second);
        run_expansion(c, 1, &alone, &a);
        run_expansion(c, 3, &many, &b);
        assert_same(&alone.out[0], &second.out[0],
                    4e-6 * (double)((c->ic + 8) * c->kernel * c->kernel));
        assert_memory_equal(alone.out[0].data, many.out[0].data, ct_tensor_bytes(&many.out[0]));
        struct one_node *all[] = {&first, &second, &alone, &many, &a, &b};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            one_node_deinit(all[k]);
    }
}

static void residual_and_activation_follow_the_sum(void **state)
{
    (void)state;
    for (int i = 0; i < N_CASES; i++) {
        struct one_node got, want, reorder, added;
        const struct conv_case *c = &cases[i];
        init_conv(&want, c, "", "Conv");
        assert_int_equal(one_node_run(&want), CORTEN_OK);
        struct ct_tensor *y = &want.out[0];
        run_blocked(&got, c, &reorder, 1);
        input_blocked(&got, 3, y->dims, residual, &added);
        one_node_text(&got, "activation", i % 2 ? "Relu" : "HardSwish");
        assert_int_equal(one_node_run(&got), CORTEN_OK);
        for (size_t k = 0; k < ct_count(y); k++) {
            float sum = CT_DATA(float, y)[k] + residual[k];
            CT_DATA(float, y)[k] = i % 2 ? fmaxf(sum, 0) : sum * fminf(fmaxf(sum / 6 + 0.5f, 0), 1);
        }
        double k = (double)(c->ic / c->groups * c->kernel * c->kernel);
        assert_same(&got.out[0], y, 6e-6 * (k + 8));
        one_node_deinit(&got);
        one_node_deinit(&want);
        one_node_deinit(&reorder);
        one_node_deinit(&added);
    }
}

static void check_unary(const char *blocked, const char *plain, const int64_t *dims, bool window,
                        int64_t include_pad)
{
    static int64_t kernel[] = {3, 2}, strides[] = {2, 1}, pads[] = {1, 0, 1, 1};
    struct one_node one[2], reorder;
    for (int i = 0; i < 2; i++) {
        one_node_init(&one[i], i ? "" : "ai.corten", i ? plain : blocked, i ? 13 : 1, 1, 1);
        if (!window)
            continue;
        one_node_ints(&one[i], "kernel_shape", 2, kernel);
        one_node_ints(&one[i], "strides", 2, strides);
        one_node_ints(&one[i], "pads", 4, pads);
        if (include_pad)
            one_node_int(&one[i], "count_include_pad", 1);
    }
    input_blocked(&one[0], 0, dims, x, &reorder);
    one_node_input(&one[1], 0, CORTEN_F32, 4, dims, x);
    assert_int_equal(one_node_run(&one[0]), CORTEN_OK);
    assert_int_equal(one_node_run(&one[1]), CORTEN_OK);
    assert_same(&one[0].out[0], &one[1].out[0], 1e-6);
    one_node_deinit(&one[0]);
    one_node_deinit(&one[1]);
    one_node_deinit(&reorder);
}

static void pools_agree_with_the_plain_ones(void **state)
{
    static const int64_t dims[] = {2, 21, 9, 7};
    (void)state;
    check_unary("BlockedMaxPool", "MaxPool", dims, true, 0);
    check_unary("BlockedAveragePool", "AveragePool", dims, true, 0);
    check_unary("BlockedAveragePool", "AveragePool", dims, true, 1);
    check_unary("BlockedGlobalAveragePool", "GlobalAveragePool", dims, false, 0);
}

static void concat_joins_channels(void **state)
{
    struct one_node one[2], a, b;
    static const int64_t first[] = {2, 32, 5, 3}, second[] = {2, 19, 5, 3};
    (void)state;
    for (int i = 0; i < 2; i++)
        one_node_init(&one[i], i ? "" : "ai.corten", i ? "Concat" : "BlockedConcat", i ? 13 : 1, 2,
                      1);
    one_node_int(&one[1], "axis", 1);
    one_node_input(&one[1], 0, CORTEN_F32, 4, first, x);
    one_node_input(&one[1], 1, CORTEN_F32, 4, second, w);
    input_blocked(&one[0], 0, first, x, &a);
    input_blocked(&one[0], 1, second, w, &b);
    assert_int_equal(one_node_run(&one[0]), CORTEN_OK);
    assert_int_equal(one_node_run(&one[1]), CORTEN_OK);
    assert_same(&one[0].out[0], &one[1].out[0], 0);
    one_node_deinit(&one[0]);
    one_node_deinit(&one[1]);
    one_node_deinit(&a);
    one_node_deinit(&b);
}

static void wrong_layouts_are_errors(void **state)
{
    static const char *const ops[] = {"BlockedMaxPool", "BlockedGlobalAveragePool", "BlockedConcat",
                                      "BlockedUpsample"};
    static const int64_t dims[] = {1, 20, 4, 4};
    static int64_t two[] = {2, 2};
    (void)state;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        struct one_node one;
        one_node_init(&one, "ai.corten", ops[i], 1, 1, 1);
        one_node_ints(&one, "kernel_shape", 2, two);
        one_node_ints(&one, "scales", 2, two);
        one_node_input(&one, 0, CORTEN_F32, 4, dims, x);
        assert_int_equal(one_node_run(&one), CORTEN_INVALID_MODEL);
        one_node_deinit(&one);
    }
    struct one_node softmax, reorder;
    one_node_init(&softmax, "", "Softmax", 13, 1, 1);
    input_blocked(&softmax, 0, dims, x, &reorder);
    assert_int_equal(one_node_run(&softmax), CORTEN_INVALID_MODEL);
    one_node_deinit(&softmax);
    one_node_deinit(&reorder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_of_conv_agrees_with_the_plain_one),
        cmocka_unit_test(bf16_agrees_where_nothing_is_rounded),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(expansion_and_depthwise_agree_with_two_convolutions),
        cmocka_unit_test(residual_and_activation_follow_the_sum),
        cmocka_unit_test(pools_agree_with_the_plain_ones),
        cmocka_unit_test(concat_joins_channels),
        cmocka_unit_test(wrong_layouts_are_errors),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
