/* Products and convolutions of bytes: the sums are exact, for every type, zero point, layout of
 * parameters and number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tensor.h"
#include "support/one_node.h"

#include <math.h>

static uint32_t seed;

static uint8_t next_byte(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (uint8_t)(seed >> 24);
}

static void fill(uint8_t *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = next_byte();
}

static int value_of(ct_dtype dtype, uint8_t byte)
{
    return dtype == CORTEN_I8 ? (int8_t)byte : byte;
}

/* ------------------------------------------------------------------ products */

enum { M = 17, K = 70, N = 45, BATCH = 2 };

static void check_product(ct_dtype a_type, ct_dtype b_type, bool by_line, int threads)
{
    static uint8_t a[BATCH * M * K], b[K * N], a_zero[M], b_zero[N];
    struct one_node one;
    fill(a, sizeof a);
    fill(b, sizeof b);
    fill(a_zero, sizeof a_zero);
    fill(b_zero, sizeof b_zero);
    one_node_init(&one, "", "MatMulInteger", 10, 4, 1);
    one_node_threads(&one, threads);
    one_node_input(&one, 0, a_type, 3, (int64_t[]){BATCH, M, K}, a);
    one_node_input(&one, 1, b_type, 2, (int64_t[]){K, N}, b);
    one_node_input(&one, 2, a_type, by_line, (int64_t[]){M}, a_zero);
    one_node_input(&one, 3, b_type, by_line, (int64_t[]){N}, b_zero);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < BATCH * M; i++)
        for (int j = 0; j < N; j++) {
            int sum = 0, za = value_of(a_type, a_zero[by_line ? i % M : 0]);
            int zb = value_of(b_type, b_zero[by_line ? j : 0]);
            for (int p = 0; p < K; p++)
                sum +=
                    (value_of(a_type, a[i * K + p]) - za) * (value_of(b_type, b[p * N + j]) - zb);
            assert_int_equal(CT_DATA(int32_t, &one.out[0])[i * N + j], sum);
        }
    one_node_deinit(&one);
}

static void sums_of_products_are_exact(void **state)
{
    static const ct_dtype types[] = {CORTEN_U8, CORTEN_I8};
    (void)state;
    for (int i = 0; i < 16; i++)
        check_product(types[i & 1], types[i >> 1 & 1], i >> 2 & 1, 1 + (i >> 3));
}

static void an_empty_inner_dimension_gives_zeros(void **state)
{
    (void)state;
    struct one_node one;
    uint8_t nothing = 0;
    one_node_init(&one, "", "MatMulInteger", 10, 2, 1);
    one_node_input(&one, 0, CORTEN_U8, 2, (int64_t[]){2, 0}, &nothing);
    one_node_input(&one, 1, CORTEN_U8, 2, (int64_t[]){0, 3}, &nothing);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < 6; i++)
        assert_int_equal(CT_DATA(int32_t, &one.out[0])[i], 0);
    one_node_deinit(&one);
}

static void results_are_requantised_by_column(void **state)
{
    static uint8_t a[M * K], b[K * N];
    static float b_scale[N];
    const float a_scale = 0.02f, y_scale = 1.7f;
    const uint8_t a_zero = 120, y_zero = 99;
    static uint8_t b_zero[N];
    struct one_node one;
    (void)state;
    fill(a, sizeof a);
    fill(b, sizeof b);
    for (int j = 0; j < N; j++)
        b_scale[j] = 0.001f * (float)(j + 1);
    one_node_init(&one, "", "QLinearMatMul", 10, 8, 1);
    one_node_input(&one, 0, CORTEN_U8, 2, (int64_t[]){M, K}, a);
    one_node_input(&one, 1, CORTEN_F32, 0, NULL, &a_scale);
    one_node_input(&one, 2, CORTEN_U8, 0, NULL, &a_zero);
    one_node_input(&one, 3, CORTEN_I8, 2, (int64_t[]){K, N}, b);
    one_node_input(&one, 4, CORTEN_F32, 1, (int64_t[]){N}, b_scale);
    one_node_input(&one, 5, CORTEN_I8, 1, (int64_t[]){N}, b_zero);
    one_node_input(&one, 6, CORTEN_F32, 0, NULL, &y_scale);
    one_node_input(&one, 7, CORTEN_U8, 0, NULL, &y_zero);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            int sum = 0;
            for (int p = 0; p < K; p++)
                sum += (a[i * K + p] - a_zero) * (int8_t)b[p * N + j];
            float y = rintf((float)sum * (a_scale * b_scale[j] / y_scale)) + (float)y_zero;
            y = y < 0 ? 0 : y > 255 ? 255 : y;
            assert_int_equal(CT_DATA(uint8_t, &one.out[0])[i * N + j], (int)y);
        }
    one_node_deinit(&one);
}

/* ------------------------------------------------------------------ convolutions */

struct conv_case {
    int groups, ic, oc, kernel, stride, pad, dilation;
    ct_dtype x, w;
};

enum { IMAGES = 2, SIDE = 13, MAX_CHANNELS = 96 };

static int conv_sum(const struct conv_case *c, const uint8_t *x, const uint8_t *w, int x_zero,
                    const uint8_t *w_zero, int image, int filter, int oy, int ox)
{
    int group = filter / c->oc, channels = c->groups * c->ic, sum = 0;
    for (int i = 0; i < c->ic; i++)
        for (int ky = 0; ky < c->kernel; ky++)
            for (int kx = 0; kx < c->kernel; kx++) {
                int y = oy * c->stride - c->pad + ky * c->dilation;
                int at = ox * c->stride - c->pad + kx * c->dilation;
                if (y < 0 || at < 0 || y >= SIDE || at >= SIDE)
                    continue;
                int plane = image * channels + group * c->ic + i;
                int tap = ((filter * c->ic + i) * c->kernel + ky) * c->kernel + kx;
                sum += (value_of(c->x, x[(plane * SIDE + y) * SIDE + at]) - x_zero) *
                       (value_of(c->w, w[tap]) - value_of(c->w, w_zero[filter]));
            }
    return sum;
}

static void check_conv(const struct conv_case *c, bool quantised, int threads)
{
    static uint8_t x[IMAGES * MAX_CHANNELS * SIDE * SIDE], w[MAX_CHANNELS * 64 * 25];
    static uint8_t w_zero[MAX_CHANNELS];
    static float w_scale[MAX_CHANNELS];
    static int32_t bias[MAX_CHANNELS];
    const uint8_t x_zero = 77, y_zero = 200;
    const float x_scale = 0.03f, y_scale = 2.5f;
    int channels = c->groups * c->ic, filters = c->groups * c->oc;
    struct one_node one;
    fill(x, sizeof x);
    fill(w, sizeof w);
    fill(w_zero, sizeof w_zero);
    for (int i = 0; i < filters; i++) {
        w_scale[i] = 0.001f * (float)(i % 7 + 1);
        bias[i] = i * 100 - 700;
    }
    one_node_init(&one, "", quantised ? "QLinearConv" : "ConvInteger", 10, quantised ? 9 : 4, 1);
    one_node_threads(&one, threads);
    one_node_int(&one, "group", c->groups);
    one_node_ints(&one, "strides", 2, (int64_t[]){c->stride, c->stride});
    one_node_ints(&one, "dilations", 2, (int64_t[]){c->dilation, c->dilation});
    one_node_ints(&one, "pads", 4, (int64_t[]){c->pad, c->pad, c->pad, c->pad});
    int at_w = quantised ? 3 : 1;
    one_node_input(&one, 0, c->x, 4, (int64_t[]){IMAGES, channels, SIDE, SIDE}, x);
    one_node_input(&one, at_w, c->w, 4, (int64_t[]){filters, c->ic, c->kernel, c->kernel}, w);
    one_node_input(&one, 2, c->x, 0, NULL, &x_zero);
    one_node_input(&one, quantised ? 5 : 3, c->w, 1, (int64_t[]){filters}, w_zero);
    if (quantised) {
        one_node_input(&one, 1, CORTEN_F32, 0, NULL, &x_scale);
        one_node_input(&one, 4, CORTEN_F32, 1, (int64_t[]){filters}, w_scale);
        one_node_input(&one, 6, CORTEN_F32, 0, NULL, &y_scale);
        one_node_input(&one, 7, CORTEN_U8, 0, NULL, &y_zero);
        one_node_input(&one, 8, CORTEN_I32, 1, (int64_t[]){filters}, bias);
    }
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    int side = (int)one.out[0].dims[3];
    for (int i = 0; i < IMAGES * filters * side * side; i++) {
        int filter = i / (side * side) % filters, image = i / (side * side) / filters;
        int sum = conv_sum(c, x, w, value_of(c->x, x_zero), w_zero, image, filter, i / side % side,
                           i % side);
        if (!quantised) {
            assert_int_equal(CT_DATA(int32_t, &one.out[0])[i], sum);
            continue;
        }
        float y = rintf((float)(sum + bias[filter]) * (x_scale * w_scale[filter] / y_scale)) +
                  (float)y_zero;
        y = y < 0 ? 0 : y > 255 ? 255 : y;
        assert_int_equal(CT_DATA(uint8_t, &one.out[0])[i], (int)y);
    }
    one_node_deinit(&one);
}

static void convolutions_are_exact(void **state)
{
    static const struct conv_case cases[] = {
        {1, 3, 33, 3, 2, 1, 1, CORTEN_U8, CORTEN_I8}, {1, 24, 40, 1, 1, 0, 1, CORTEN_U8, CORTEN_I8},
        {1, 17, 5, 3, 1, 2, 2, CORTEN_I8, CORTEN_U8}, {1, 8, 9, 1, 2, 0, 1, CORTEN_I8, CORTEN_I8},
        {4, 3, 5, 3, 1, 1, 1, CORTEN_U8, CORTEN_U8},  {89, 1, 1, 3, 1, 1, 1, CORTEN_U8, CORTEN_I8},
        {32, 1, 1, 5, 2, 2, 1, CORTEN_I8, CORTEN_U8}, {6, 1, 2, 3, 1, 1, 1, CORTEN_U8, CORTEN_I8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int way = 0; way < 4; way++)
            check_conv(&cases[i], way & 1, 1 + (way >> 1));
}

/* ------------------------------------------------------------------ to bytes and back */

static void quantising_saturates_and_rounds_to_even(void **state)
{
    static const float x[8] = {-1000, -0.25f, 0.25f, 0.75f, 1.25f, 1000, NAN, 3.5f};
    static const int8_t expected[8] = {-128, 2, 2, 4, 4, 127, -128, 9};
    const float scale = 0.5f;
    const int8_t zero = 2;
    struct one_node one;
    (void)state;
    one_node_init(&one, "", "QuantizeLinear", 13, 3, 1);
    one_node_input(&one, 0, CORTEN_F32, 1, (int64_t[]){8}, x);
    one_node_input(&one, 1, CORTEN_F32, 0, NULL, &scale);
    one_node_input(&one, 2, CORTEN_I8, 0, NULL, &zero);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    assert_memory_equal(one.out[0].data, expected, sizeof expected);
    one_node_deinit(&one);
}

static void dequantising_takes_the_scale_of_each_channel(void **state)
{
    enum { CHANNELS = 3, EACH = 700 };
    static uint8_t x[CHANNELS * EACH];
    static const float scale[CHANNELS] = {0.5f, 2, 3};
    static const uint8_t zero[CHANNELS] = {0, 128, 255};
    struct one_node one;
    (void)state;
    fill(x, sizeof x);
    one_node_init(&one, "", "DequantizeLinear", 13, 3, 1);
    one_node_int(&one, "axis", 0);
    one_node_input(&one, 0, CORTEN_U8, 2, (int64_t[]){CHANNELS, EACH}, x);
    one_node_input(&one, 1, CORTEN_F32, 1, (int64_t[]){CHANNELS}, scale);
    one_node_input(&one, 2, CORTEN_U8, 1, (int64_t[]){CHANNELS}, zero);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    for (int i = 0; i < CHANNELS * EACH; i++)
        assert_true(CT_DATA(float, &one.out[0])[i] ==
                    (float)(x[i] - zero[i / EACH]) * scale[i / EACH]);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_products_are_exact),
        cmocka_unit_test(an_empty_inner_dimension_gives_zeros),
        cmocka_unit_test(results_are_requantised_by_column),
        cmocka_unit_test(convolutions_are_exact),
        cmocka_unit_test(quantising_saturates_and_rounds_to_even),
        cmocka_unit_test(dequantising_takes_the_scale_of_each_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
