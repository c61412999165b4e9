/* DFT: any length, prime ones too, agrees with the sum that defines it, and the inverse undoes it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/one_node.h"

enum { MOST = 512 };
static double signal[2 * MOST];

static void run(struct one_node *one, const double *x, int64_t n, bool inverse)
{
    one_node_init(one, "", "DFT", 20, 1, 1);
    one_node_int(one, "inverse", inverse);
    one_node_input(one, 0, CORTEN_F64, 3, (int64_t[]){1, n, 2}, x);
    assert_int_equal(one_node_run(one), CORTEN_OK);
}

static void every_length_agrees_with_the_definition(void **state)
{
    static const int lengths[] = {1, 2, 3, 4, 5, 7, 8, 12, 30, 31, 37, 64, 97, 101, 222, 251, 400};
    const double pi = 3.14159265358979323846;
    (void)state;
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        struct one_node one, back;
        int n = lengths[l];
        run(&one, signal, n, false);
        const double *y = one.out[0].data;
        for (int k = 0; k < n; k++) {
            double re = 0, im = 0;
            for (int j = 0; j < n; j++) {
                double angle = -2 * pi * (double)(j * k % n) / n;
                re += signal[2 * j] * cos(angle) - signal[2 * j + 1] * sin(angle);
                im += signal[2 * j] * sin(angle) + signal[2 * j + 1] * cos(angle);
            }
            assert_true(fabs(y[2 * k] - re) < 1e-10);
            assert_true(fabs(y[2 * k + 1] - im) < 1e-10);
        }
        run(&back, y, n, true);
        for (int j = 0; j < 2 * n; j++)
            assert_true(fabs(CT_DATA(double, &back.out[0])[j] - signal[j]) < 1e-12);
        one_node_deinit(&one);
        one_node_deinit(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_agrees_with_the_definition),
    };
    for (int i = 0; i < 2 * MOST; i++)
        signal[i] = sin((double)(i * i)) + 0.25;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
