/* Threads and packed weights that sessions share, and the options that are about them: spinning,
 * affinities, packing, denormals, seeds, external data in memory. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/writer.h"
#include "support/builder.h"
#include "support/folder.h"

enum { N = 96 }; /* small enough for a weight to be copied to an aligned address */

static corten_options *make_options(void)
{
    corten_options *options = NULL;
    assert_int_equal(corten_options_create(&options, NULL), CORTEN_OK);
    return options;
}

struct bytes {
    void *data;
    size_t size_bytes;
};

static struct bytes write_model(struct ct_model *model)
{
    struct bytes bytes;
    corten_error error;
    test_finish(model);
    if (ct_model_write_memory(model, NULL, &bytes.data, &bytes.size_bytes, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    ct_model_destroy(model);
    return bytes;
}

static void free_bytes(struct bytes bytes)
{
    ct_release(ct_default_allocator(), bytes.data, bytes.size_bytes);
}

static corten_session *open_session(struct bytes model, const corten_options *options)
{
    corten_session *session = NULL;
    corten_error error;
    if (corten_session_open_memory(model.data, model.size_bytes, NULL, options, &session, &error) !=
        CORTEN_OK)
        fail_msg("%s", error.text);
    return session;
}

/* y = x w, with w of N x N. */
static struct bytes product_model(float scale)
{
    struct ct_model *model = test_model(ct_default_allocator());
    static const ct_dim dims[] = {CT_DIM_UNKNOWN, N};
    float *w = malloc(sizeof *w * N * N);
    for (int i = 0; i < N * N; i++)
        w[i] = scale * (float)(i % 37 - 18);
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, dims);
    struct ct_value *weight =
        ct_graph_add_small_constant(model->graph, CORTEN_F32, 2, (int64_t[]){N, N}, w);
    assert_non_null(weight);
    struct ct_value *y = test_node(model->graph, "MatMul", "y", x, weight);
    assert_true(ct_graph_add_output(model->graph, y));
    struct bytes bytes = write_model(model);
    free(w);
    return bytes;
}

/* One output of one run; the caller frees it. */
static corten_value *run_once(corten_session *session, corten_value *x)
{
    corten_value *y = NULL;
    corten_error error;
    const corten_value *in = x;
    corten_value_info info;
    assert_int_equal(corten_session_output_info(session, 0, &info, &error), CORTEN_OK);
    if (corten_session_run(session, (const char *[]){"x"}, &in, x != NULL,
                           (const char *[]){info.name}, &y, 1, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    return y;
}

static corten_value *floats(int64_t rows, int64_t columns, float value)
{
    corten_value *x = NULL;
    int64_t dims[] = {rows, columns};
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 2, dims, &x, NULL), CORTEN_OK);
    for (int64_t i = 0; i < rows * columns; i++)
        ((float *)corten_tensor_data(x))[i] = value * (float)(1 + i % 5);
    return x;
}

static void assert_same(const corten_value *a, const corten_value *b)
{
    assert_int_equal(corten_tensor_size_bytes(a), corten_tensor_size_bytes(b));
    assert_memory_equal(corten_tensor_const_data(a), corten_tensor_const_data(b),
                        corten_tensor_size_bytes(a));
}

static int thread_count(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    while (readdir(tasks))
        count++;
    closedir(tasks);
    return count - 2;
}

/* ------------------------------------------------------------------ pools */

static void sessions_share_a_pool(void **state)
{
    (void)state;
    struct bytes model = product_model(1);
    corten_options *options = make_options();
    corten_pool *pool = NULL;
    assert_int_equal(corten_options_set_threads(options, 3, NULL), CORTEN_OK);
    /* With the first thread a sanitizer starts one of its own. */
    assert_int_equal(corten_pool_create(options, &pool, NULL), CORTEN_OK);
    corten_pool_destroy(pool);
    int before = thread_count();
    assert_int_equal(corten_pool_create(options, &pool, NULL), CORTEN_OK);
    assert_int_equal(corten_pool_threads(pool), 3);
    assert_int_equal(corten_options_set_threads(options, 7, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_pool(options, pool, NULL), CORTEN_OK);
    corten_session *a = open_session(model, options), *b = open_session(model, options);
    assert_int_equal(thread_count(), before + 2);
    assert_int_equal(corten_session_threads(a), 3);
    corten_session *alone = open_session(model, NULL);
    corten_value *x = floats(64, N, 0.25f);
    corten_value *ya = run_once(a, x), *yb = run_once(b, x), *y = run_once(alone, x);
    assert_same(ya, y);
    assert_same(yb, y);
    corten_session_close(a);
    corten_value *again = run_once(b, x); /* the pool outlives a session */
    assert_same(again, y);
    corten_session_close(b);
    corten_session_close(alone);
    corten_options_destroy(options);
    corten_pool_destroy(pool);
    corten_pool_destroy(NULL);
    corten_value_destroy(x);
    corten_value_destroy(ya);
    corten_value_destroy(yb);
    corten_value_destroy(y);
    corten_value_destroy(again);
    free_bytes(model);
}

static int64_t processor_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void an_idle_session_uses_no_processor(void **state)
{
    (void)state;
    struct bytes model = product_model(1);
    corten_options *options = make_options();
    assert_int_equal(corten_options_set_threads(options, 4, NULL), CORTEN_OK);
    corten_session *session = open_session(model, options);
    corten_value *x = floats(512, N, 1);
    for (int i = 0; i < 20; i++)
        corten_value_destroy(run_once(session, x));
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    int64_t before = processor_ns();
    nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
    assert_true(processor_ns() - before < 2000000); /* 0.1 % of the time */
    corten_value_destroy(x);
    corten_session_close(session);
    corten_options_destroy(options);
    free_bytes(model);
}

static void spinning_and_affinities_change_no_result(void **state)
{
    (void)state;
    struct bytes model = product_model(1);
    corten_value *x = floats(64, N, 0.5f);
    corten_session *plain = open_session(model, NULL);
    corten_value *expected = run_once(plain, x);
    corten_options *options = make_options();
    assert_int_equal(corten_options_set_threads(options, 2, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_spinning(options, false, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_affinities(options, "1-64", NULL), CORTEN_OK);
    corten_session *session = open_session(model, options);
    for (int i = 0; i < 50; i++) {
        corten_value *y = run_once(session, x);
        assert_same(y, expected);
        corten_value_destroy(y);
    }
    corten_session_close(session);
    corten_error error;
    session = NULL;
    assert_int_equal(corten_options_set_affinities(options, "1;2", NULL), CORTEN_OK);
    assert_int_equal(
        corten_session_open_memory(model.data, model.size_bytes, NULL, options, &session, &error),
        CORTEN_INVALID_ARGUMENT);
    assert_non_null(strstr(error.text, "affinities '1;2'"));
    corten_options_destroy(options);
    corten_session_close(plain);
    corten_value_destroy(x);
    corten_value_destroy(expected);
    free_bytes(model);
}

/* ------------------------------------------------------------------ weights */

static size_t packed_bytes(corten_session *session)
{
    corten_memory_info info;
    assert_int_equal(corten_session_memory(session, &info, NULL), CORTEN_OK);
    return info.packed_bytes;
}

static void equal_weights_are_packed_once(void **state)
{
    (void)state;
    struct bytes model = product_model(1), same = product_model(1), other = product_model(2);
    corten_options *options = make_options();
    corten_weights *weights = NULL;
    assert_int_equal(corten_weights_create(NULL, &weights, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_weights(options, weights, NULL), CORTEN_OK);
    corten_value *x = floats(64, N, 0.5f);
    corten_session *alone = open_session(model, NULL), *a = open_session(model, options);
    corten_value *expected = run_once(alone, x), *ya = run_once(a, x);
    size_t bytes = corten_weights_bytes(weights);
    assert_true(bytes >= N * N * sizeof(float));
    assert_int_equal(packed_bytes(alone), bytes);
    assert_int_equal(packed_bytes(a), 0);
    corten_session *b = open_session(same, options); /* other memory, equal elements */
    corten_value *yb = run_once(b, x);
    assert_int_equal(corten_weights_bytes(weights), bytes);
    corten_session *c = open_session(other, options);
    corten_value *yc = run_once(c, x);
    assert_int_equal(corten_weights_bytes(weights), 2 * bytes);
    assert_same(ya, expected);
    assert_same(yb, expected);
    assert_true(memcmp(corten_tensor_data(yc), corten_tensor_data(expected), 64) != 0);
    corten_value *values[] = {x, expected, ya, yb, yc};
    for (int i = 0; i < 5; i++)
        corten_value_destroy(values[i]);
    corten_session *sessions[] = {alone, a, b, c};
    for (int i = 0; i < 4; i++)
        corten_session_close(sessions[i]);
    corten_options_destroy(options);
    corten_weights_destroy(weights);
    corten_weights_destroy(NULL);
    free_bytes(model);
    free_bytes(same);
    free_bytes(other);
}

static void without_packing_no_copy_is_made(void **state)
{
    (void)state;
    struct bytes model = product_model(0.125f);
    corten_options *options = make_options();
    assert_int_equal(corten_options_set_packing(options, false, NULL), CORTEN_OK);
    corten_session *plain = open_session(model, NULL), *lean = open_session(model, options);
    corten_value *x = floats(64, N, 0.5f), *a = run_once(plain, x), *b = run_once(lean, x);
    assert_true(packed_bytes(plain) > 0);
    assert_int_equal(packed_bytes(lean), 0);
    for (size_t i = 0; i < 64 * N; i++)
        assert_float_equal(((float *)corten_tensor_data(a))[i], ((float *)corten_tensor_data(b))[i],
                           1e-2);
    corten_value_destroy(x);
    corten_value_destroy(a);
    corten_value_destroy(b);
    corten_session_close(plain);
    corten_session_close(lean);
    corten_options_destroy(options);
    free_bytes(model);
}

/* ------------------------------------------------------------------ denormals */

static unsigned float_state(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_stmxcsr() & ~0x3fu; /* without the flags of what happened */
#else
    return 0;
#endif
}

static void denormals_are_flushed_in_every_thread_and_restored(void **state)
{
    (void)state;
    enum { ROWS = 4096 };
    struct ct_model *model = test_model(ct_default_allocator());
    static const ct_dim dims[] = {ROWS, N};
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, dims);
    struct ct_value *half = test_floats(model->graph, 1, (float[]){0.5f});
    struct ct_value *y = test_node(model->graph, "Mul", "y", x, half);
    assert_true(ct_graph_add_output(model->graph, y));
    struct bytes bytes = write_model(model);
    corten_value *in = floats(ROWS, N, 1e-39f);
    unsigned before = float_state();
    /* Two sessions on one pool: its threads change from one state to the other and back. */
    corten_options *options = make_options();
    corten_pool *pool = NULL;
    assert_int_equal(corten_options_set_threads(options, 4, NULL), CORTEN_OK);
    assert_int_equal(corten_pool_create(options, &pool, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_pool(options, pool, NULL), CORTEN_OK);
    corten_session *exact = open_session(bytes, options);
    assert_int_equal(corten_options_set_flush_denormals(options, true, NULL), CORTEN_OK);
    corten_session *flushing = open_session(bytes, options);
    for (int repeat = 0; repeat < 5; repeat++) {
        corten_value *a = run_once(exact, in), *b = run_once(flushing, in);
        const float *kept = corten_tensor_const_data(a), *flushed = corten_tensor_const_data(b);
        for (int i = 0; i < ROWS * N; i++) {
            assert_true(kept[i] > 0);
            uint32_t bits;
            memcpy(&bits, &flushed[i], sizeof bits);
            assert_int_equal(bits, 0);
        }
        assert_int_equal(float_state(), before);
        corten_value_destroy(a);
        corten_value_destroy(b);
    }
    corten_session_close(exact);
    corten_session_close(flushing);
    corten_options_destroy(options);
    corten_pool_destroy(pool);
    corten_value_destroy(in);
    free_bytes(bytes);
}

/* ------------------------------------------------------------------ seeds */

static void a_seed_makes_random_operators_repeat(void **state)
{
    (void)state;
    struct ct_model *model = test_model(ct_default_allocator());
    static const ct_dim dims[] = {4, 4};
    struct ct_value *x = test_input(model->graph, "x", CORTEN_F32, 2, dims);
    struct ct_value *y = test_node(model->graph, "RandomNormalLike", "y", x, NULL);
    assert_true(ct_graph_add_output(model->graph, y));
    struct bytes bytes = write_model(model);
    corten_value *in = floats(4, 4, 1), *values[2][2];
    corten_options *options = make_options();
    assert_int_equal(corten_options_set_seed(options, 42, NULL), CORTEN_OK);
    for (int s = 0; s < 2; s++) {
        corten_session *session = open_session(bytes, options);
        for (int r = 0; r < 2; r++)
            values[s][r] = run_once(session, in);
        corten_session_close(session);
    }
    assert_same(values[0][0], values[1][0]);
    assert_same(values[0][1], values[1][1]);
    assert_true(memcmp(corten_tensor_data(values[0][0]), corten_tensor_data(values[0][1]), 64) !=
                0);
    for (int i = 0; i < 4; i++)
        corten_value_destroy(values[i / 2][i % 2]);
    corten_options_destroy(options);
    corten_value_destroy(in);
    free_bytes(bytes);
}

/* ------------------------------------------------------------------ external data in memory */

static void external_data_comes_from_memory(void **state)
{
    char path[TEST_PATH_BYTES], data_path[TEST_PATH_BYTES];
    test_folder_path(*state, "m.onnx", path);
    test_folder_path(*state, "m.onnx.data", data_path);
    struct bytes whole = product_model(1);
    corten_options *options = make_options();
    assert_int_equal(corten_options_set_level(options, CORTEN_LEVEL_DISABLE, NULL), CORTEN_OK);
    assert_int_equal(corten_options_set_optimized_path(options, path, true, NULL), CORTEN_OK);
    corten_session *plain = open_session(whole, options);
    corten_options_destroy(options);
    struct ct_os_map data;
    assert_int_equal(ct_os_map_file(data_path, &data, NULL), CORTEN_OK);
    assert_int_equal(remove(data_path), 0);
    corten_session *session = NULL;
    assert_int_not_equal(corten_session_open(path, NULL, &session, NULL), CORTEN_OK);
    options = make_options();
    assert_int_equal(
        corten_options_add_external_file(options, "m.onnx.data", data.data, data.size_bytes, NULL),
        CORTEN_OK);
    corten_error error;
    if (corten_session_open(path, options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_value *x = floats(3, N, 0.5f), *a = run_once(plain, x), *b = run_once(session, x);
    assert_same(a, b);
    corten_session_close(session);
    corten_options_destroy(options);
    /* A file that is too short for what the model wants of it. */
    options = make_options();
    assert_int_equal(corten_options_add_external_file(options, "m.onnx.data", data.data, 8, NULL),
                     CORTEN_OK);
    session = NULL;
    assert_int_equal(corten_session_open(path, options, &session, &error), CORTEN_INVALID_MODEL);
    corten_options_destroy(options);
    corten_session_close(plain);
    corten_value_destroy(x);
    corten_value_destroy(a);
    corten_value_destroy(b);
    ct_os_unmap(&data);
    free_bytes(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_share_a_pool),
        cmocka_unit_test(an_idle_session_uses_no_processor),
        cmocka_unit_test(spinning_and_affinities_change_no_result),
        cmocka_unit_test(equal_weights_are_packed_once),
        cmocka_unit_test(without_packing_no_copy_is_made),
        cmocka_unit_test(denormals_are_flushed_in_every_thread_and_restored),
        cmocka_unit_test(a_seed_makes_random_operators_repeat),
        cmocka_unit_test_setup_teardown(external_data_comes_from_memory, test_folder_setup,
                                        test_folder_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
