/* Many threads on one session, with cancellations, memory figures and trims in between: right
 * results and, under sanitizers, no race and no leak. CORTEN_TEST_SECONDS: how long (2). */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "os/os.h"

enum { THREADS = 16, BATCHES = 10, PIXELS = 64, CLASSES = 10 };

static float images[BATCHES][PIXELS];
static float expected[BATCHES + 1][BATCHES][CLASSES]; /* by batch; sums differ with its size */

struct caller {
    corten_session *session;
    corten_run_options *options;
    int64_t end_ns;
    unsigned random;
    int runs, cancelled, wrong;
};

static corten_status run(corten_session *session, const corten_run_options *options, int batch,
                         float *logits)
{
    corten_value *x = NULL, *y = NULL;
    int64_t in[] = {batch, 1, 8, 8}, out[] = {batch, CLASSES};
    corten_status status =
        corten_tensor_wrap(CORTEN_F32, 4, in, images, (size_t)batch * sizeof images[0], &x, NULL);
    if (status == CORTEN_OK)
        status = corten_tensor_wrap(CORTEN_F32, 2, out, logits,
                                    (size_t)batch * CLASSES * sizeof *logits, &y, NULL);
    const corten_value *inputs = x;
    if (status == CORTEN_OK)
        status = corten_session_run_with(session, options, (const char *[]){"image"}, &inputs, 1,
                                         (const char *[]){"logits"}, &y, 1, NULL);
    corten_value_destroy(x);
    corten_value_destroy(y);
    return status;
}

static unsigned next_random(struct caller *c)
{
    c->random = c->random * 1664525u + 1013904223u;
    return c->random >> 8;
}

static void *call(void *arg)
{
    struct caller *c = arg;
    float logits[BATCHES][CLASSES];
    while (ct_os_now_ns() < c->end_ns) {
        int batch = 1 + (int)(next_random(c) % BATCHES);
        corten_status status = run(c->session, c->options, batch, logits[0]);
        c->runs++;
        if (status == CORTEN_CANCELLED) {
            c->cancelled++;
            corten_run_options_reset(c->options);
        } else if (status != CORTEN_OK ||
                   memcmp(logits, expected[batch], (size_t)batch * sizeof logits[0]) != 0) {
            c->wrong++;
        }
        corten_memory_info info;
        if (next_random(c) % 64 == 0)
            corten_session_trim(c->session);
        else if (next_random(c) % 16 == 0)
            c->wrong += corten_session_memory(c->session, &info, NULL) != CORTEN_OK;
    }
    return NULL;
}

static void sixteen_threads_share_a_session(void **state)
{
    (void)state;
    corten_session *session = NULL;
    corten_options *options = NULL;
    corten_error error;
    const char *seconds = getenv("CORTEN_TEST_SECONDS");
    assert_int_equal(corten_options_create(&options, &error), CORTEN_OK);
    assert_int_equal(corten_options_set_threads(options, 3, &error), CORTEN_OK);
    if (corten_session_open("models/digits/digits.onnx", options, &session, &error) != CORTEN_OK)
        fail_msg("%s", error.text);
    corten_options_destroy(options);
    for (int i = 0; i < BATCHES * PIXELS; i++)
        images[i / PIXELS][i % PIXELS] = (float)(i * 37 % 101) / 101;
    for (int batch = 1; batch <= BATCHES; batch++)
        assert_int_equal(run(session, NULL, batch, expected[batch][0]), CORTEN_OK);

    struct caller callers[THREADS];
    pthread_t threads[THREADS];
    int64_t end_ns = ct_os_now_ns() + (int64_t)(1e9 * (seconds ? atof(seconds) : 2));
    for (int i = 0; i < THREADS; i++) {
        callers[i] =
            (struct caller){.session = session, .end_ns = end_ns, .random = (unsigned)i * 7919u};
        assert_int_equal(corten_run_options_create(&callers[i].options, &error), CORTEN_OK);
        assert_int_equal(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    }
    for (unsigned i = 0; ct_os_now_ns() < end_ns; i++) {
        corten_run_options_cancel(callers[i % THREADS].options);
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
    int runs = 0, cancelled = 0, wrong = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        corten_run_options_destroy(callers[i].options);
        runs += callers[i].runs;
        cancelled += callers[i].cancelled;
        wrong += callers[i].wrong;
    }
    corten_session_close(session);
    print_message("%d runs, %d of them cancelled, %d wrong\n", runs, cancelled, wrong);
    assert_int_equal(wrong, 0);
    assert_true(cancelled > 0 && cancelled < runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sixteen_threads_share_a_session)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
