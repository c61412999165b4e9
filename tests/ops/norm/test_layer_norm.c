#include "support/one_node.h"

#include "base/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>

#include <cmocka.h>

static const float x[8] = {1, 2, 3, 6, -4, 0, 4, 8}, scale[4] = {1, 2, 3, 4};

/* Rows over their standard deviation (or root mean square), times scale. */
static void check(const struct one_node *one, bool centred)
{
    for (int row = 0; row < 2; row++) {
        double mean = 0, square = 0;
        for (int i = 0; i < 4; i++)
            mean += centred ? x[4 * row + i] / 4.0 : 0;
        for (int i = 0; i < 4; i++)
            square += pow(x[4 * row + i] - mean, 2) / 4;
        for (int i = 0; i < 4; i++) {
            double want = (x[4 * row + i] - mean) / sqrt(square + 1e-5) * scale[i];
            assert_true(fabs(CT_DATA(float, &one->out[0])[4 * row + i] - want) < 1e-5);
        }
    }
}

/* Exporters wrote these before opset 17 had LayerNormalization. */
static void forms_before_opset_17(void **state)
{
    (void)state;
    struct one_node one;
    one_node_init(&one, "", "LayerNormalization", 1, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 4}, x);
    one_node_input(&one, 1, CORTEN_F32, 1, (int64_t[]){4}, scale);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    check(&one, true);
    one_node_deinit(&one);
    one_node_init(&one, "", "SimplifiedLayerNormalization", 1, 2, 1);
    one_node_input(&one, 0, CORTEN_F32, 2, (int64_t[]){2, 4}, x);
    one_node_input(&one, 1, CORTEN_F32, 1, (int64_t[]){4}, scale);
    assert_int_equal(one_node_run(&one), CORTEN_OK);
    check(&one, false);
    one_node_deinit(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_before_opset_17),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
