/* Runs that are stopped: from another thread, by a deadline, inside a long operator. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "model/writer.h"
#include "os/os.h"
#include "support/builder.h"

enum { SIZE = 2048 };

static const char first_step[] = "(MatMul), step 1 of 2";

/* A session, and the model that it borrows. */
struct products {
    corten_session *session;
    void *bytes;
    size_t size_bytes;
};

/* second = (a b) b: some tenths of a second on one thread. */
static struct products open_products(int threads)
{
    struct products p = {NULL, NULL, 0};
    struct ct_model *model = test_model(ct_default_allocator());
    static const ct_dim dims[] = {SIZE, SIZE};
    struct ct_value *a = test_input(model->graph, "a", CORTEN_F32, 2, dims);
    struct ct_value *b = test_input(model->graph, "b", CORTEN_F32, 2, dims);
    struct ct_value *ab = test_node(model->graph, "MatMul", "first", a, b);
    struct ct_value *y = test_node(model->graph, "MatMul", "second", ab, b);
    assert_true(ct_graph_add_output(model->graph, y));
    test_finish(model);
    corten_error error = {0};
    corten_options *options = NULL;
    if (ct_model_write_memory(model, NULL, &p.bytes, &p.size_bytes, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_threads(options, threads, &error), CORTEN_OK);
    if (corten_session_open_memory(p.bytes, p.size_bytes, NULL, options, &p.session, &error) !=
        CORTEN_OK)
        fail_msg("%s", error.text);
    corten_options_destroy(options);
    ct_model_destroy(model);
    return p;
}

static void close_products(struct products *p)
{
    corten_session_close(p->session);
    ct_release(ct_default_allocator(), p->bytes, p->size_bytes);
}

/* Processor time of all threads: does not count what other programs take. */
static int64_t worked_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct stopper {
    corten_run_options *options;
    int64_t after_ns;
};

static void *stop(void *arg)
{
    struct stopper *s = arg;
    struct timespec pause = {.tv_nsec = s->after_ns};
    nanosleep(&pause, NULL);
    corten_run_options_cancel(s->options);
    return NULL;
}

static corten_status run(corten_session *session, const corten_run_options *options,
                         corten_error *error)
{
    static const char *const in_names[] = {"a", "b"}, *const out_names[] = {"second"};
    corten_value *a = NULL;
    const int64_t dims[] = {SIZE, SIZE};
    assert_int_equal(corten_tensor_create(NULL, CORTEN_F32, 2, dims, &a, error), CORTEN_OK);
    const corten_value *in[] = {a, a};
    corten_value *out = NULL;
    corten_status status =
        corten_session_run_with(session, options, in_names, in, 2, out_names, &out, 1, error);
    if (status != CORTEN_OK)
        assert_null(out);
    corten_value_destroy(out);
    corten_value_destroy(a);
    return status;
}

/* A run that is stopped only when its first product is done has done half of the work. */
static void assert_stopped_inside(int64_t part_ns, int64_t whole_ns)
{
    print_message("%.0f of %.0f ms of work\n", (double)part_ns * 1e-6, (double)whole_ns * 1e-6);
    assert_true(part_ns < whole_ns / 100 * 45);
}

static int64_t whole_run(struct products *p)
{
    int64_t start_ns = worked_ns();
    assert_int_equal(run(p->session, NULL, NULL), CORTEN_OK);
    return worked_ns() - start_ns;
}

static void stops_inside(int threads)
{
    struct products p = open_products(threads);
    corten_error error = {0};
    int64_t whole_ns = whole_run(&p), start_ns = worked_ns();
    struct stopper stopper = {.after_ns = 10000000};
    assert_int_equal(corten_run_options_create(&stopper.options, &error), CORTEN_OK);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop, &stopper), 0);
    corten_status status = run(p.session, stopper.options, &error);
    int64_t end_ns = worked_ns();
    pthread_join(thread, NULL);
    assert_int_equal(status, CORTEN_CANCELLED);
    assert_non_null(strstr(error.text, "the run was cancelled at node"));
    assert_non_null(strstr(error.text, first_step));
    assert_stopped_inside(end_ns - start_ns, whole_ns);
    /* Stays cancelled until it is reset. */
    assert_int_equal(run(p.session, stopper.options, &error), CORTEN_CANCELLED);
    corten_run_options_destroy(stopper.options);
    close_products(&p);
}

static void a_long_operator_is_cancelled_on_one_thread(void **state)
{
    (void)state;
    stops_inside(1);
}

static void a_long_operator_is_cancelled_on_two_threads(void **state)
{
    (void)state;
    stops_inside(2);
}

static void a_deadline_ends_a_run(void **state)
{
    (void)state;
    struct products p = open_products(1);
    corten_run_options *options = NULL;
    corten_error error = {0};
    assert_int_equal(corten_run_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_run_options_set_deadline(options, -1, &error), CORTEN_INVALID_ARGUMENT);
    assert_int_equal(corten_run_options_set_deadline(options, 20000000, &error), CORTEN_OK);
    int64_t whole_ns = whole_run(&p);
    for (int i = 0; i < 2; i++) { /* each run has the whole time */
        int64_t start_ns = ct_os_now_ns(), start_work_ns = worked_ns();
        assert_int_equal(run(p.session, options, &error), CORTEN_DEADLINE_EXCEEDED);
        int64_t took_ns = ct_os_now_ns() - start_ns, work_ns = worked_ns() - start_work_ns;
        assert_non_null(strstr(error.text, "the deadline passed at node"));
        assert_non_null(strstr(error.text, first_step));
        assert_true(took_ns >= 20000000);
        assert_stopped_inside(work_ns, whole_ns);
    }
    corten_run_options_destroy(options);
    close_products(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_operator_is_cancelled_on_one_thread),
        cmocka_unit_test(a_long_operator_is_cancelled_on_two_threads),
        cmocka_unit_test(a_deadline_ends_a_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
