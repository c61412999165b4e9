/* Sliding windows: output sizes, padding, and attributes that must not be believed. */
#include "ops/nn/window.h"

#include "support/builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct ct_model *model;
    struct ct_node *node;
    corten_error error;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.model = test_model(ct_default_allocator())};
    f->node = ct_graph_add_node(f->model->graph, NULL, "", "MaxPool", 0, 0);
    assert_non_null(f->node);
}

static void end(struct fixture *f)
{
    ct_model_destroy(f->model);
}

/* One axis: the output size, or -1 for an error. */
static int64_t size_of(struct fixture *f, int64_t in, struct ct_window *w)
{
    if (ct_window_read(f->node, 1, &in, NULL, w, &f->error) != CORTEN_OK ||
        ct_window_resolve(f->node, NULL, w, &f->error) != CORTEN_OK) {
        assert_int_equal(f->error.status, CORTEN_INVALID_MODEL);
        assert_true(f->error.text[0] != 0);
        return -1;
    }
    return w->out[0];
}

static void explicit_pads_round_down_or_up(void **state)
{
    struct fixture f;
    struct ct_window w;
    (void)state;
    begin(&f);
    assert_true(ct_node_set_ints(f.node, "kernel_shape", (const int64_t[]){3}, 1));
    assert_true(ct_node_set_ints(f.node, "strides", (const int64_t[]){2}, 1));
    assert_int_equal(size_of(&f, 8, &w), 3);
    assert_true(ct_node_set_int(f.node, "ceil_mode", 1));
    assert_int_equal(size_of(&f, 8, &w), 4);
    end(&f);
}

static void a_window_that_starts_in_the_padding_is_dropped(void **state)
{
    struct fixture f;
    struct ct_window w;
    (void)state;
    begin(&f);
    assert_true(ct_node_set_ints(f.node, "kernel_shape", (const int64_t[]){1}, 1));
    assert_true(ct_node_set_ints(f.node, "strides", (const int64_t[]){2}, 1));
    assert_true(ct_node_set_int(f.node, "ceil_mode", 1));
    assert_int_equal(size_of(&f, 2, &w), 1);
    end(&f);
}

static void same_padding_puts_the_odd_element_where_it_says(void **state)
{
    struct fixture f;
    struct ct_window w;
    (void)state;
    begin(&f);
    assert_true(ct_node_set_ints(f.node, "kernel_shape", (const int64_t[]){2}, 1));
    assert_true(ct_node_set_string(f.node, "auto_pad", "SAME_UPPER"));
    assert_int_equal(size_of(&f, 5, &w), 5);
    assert_int_equal(w.pad_begin[0], 0);
    assert_int_equal(w.pad_end[0], 1);
    assert_true(ct_node_set_string(f.node, "auto_pad", "SAME_LOWER"));
    assert_int_equal(size_of(&f, 5, &w), 5);
    assert_int_equal(w.pad_begin[0], 1);
    end(&f);
}

static void bad_attributes_are_errors(void **state)
{
    static const struct {
        const char *name;
        int64_t values[3];
        int count;
    } cases[] = {
        {"strides", {0}, 1},
        {"strides", {-1}, 1},
        {"strides", {1, 1}, 2},
        {"dilations", {0}, 1},
        {"dilations", {INT64_MIN}, 1},
        {"pads", {-1, 0}, 2},
        {"pads", {0}, 1},
        {"pads", {INT64_MAX, INT64_MAX}, 2},
        {"kernel_shape", {0}, 1},
        {"kernel_shape", {INT64_MAX}, 1},
        {"kernel_shape", {9}, 1},
        {"dilations", {1000}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture f;
        struct ct_window w;
        begin(&f);
        assert_true(ct_node_set_ints(f.node, "kernel_shape", (const int64_t[]){3}, 1));
        assert_true(ct_node_set_ints(f.node, cases[i].name, cases[i].values, cases[i].count));
        assert_int_equal(size_of(&f, 8, &w), -1);
        end(&f);
    }
}

static void ranges_stay_inside(void **state)
{
    struct fixture f;
    struct ct_window w;
    (void)state;
    begin(&f);
    assert_true(ct_node_set_ints(f.node, "kernel_shape", (const int64_t[]){3}, 1));
    assert_true(ct_node_set_ints(f.node, "dilations", (const int64_t[]){2}, 1));
    assert_true(ct_node_set_ints(f.node, "pads", (const int64_t[]){3, 4}, 2));
    assert_true(ct_node_set_ints(f.node, "strides", (const int64_t[]){2}, 1));
    assert_int_equal(size_of(&f, 5, &w), 4);
    for (int64_t o = 0; o < w.out[0]; o++) {
        int64_t first, stop;
        ct_window_range(&w, 0, o, &first, &stop);
        for (int64_t k = 0; k < 3; k++) {
            int64_t at = o * 2 - 3 + k * 2, out_first, out_stop;
            bool inside = at >= 0 && at < 5;
            assert_int_equal(inside, k >= first && k < stop);
            ct_window_outputs(&w, 0, k, &out_first, &out_stop);
            assert_int_equal(inside, o >= out_first && o < out_stop);
        }
    }
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(explicit_pads_round_down_or_up),
        cmocka_unit_test(a_window_that_starts_in_the_padding_is_dropped),
        cmocka_unit_test(same_padding_puts_the_odd_element_where_it_says),
        cmocka_unit_test(bad_attributes_are_errors),
        cmocka_unit_test(ranges_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
