#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "text.h"

/* What a child says of a job; both sides are the same program. */
struct outcome {
    size_t index;
    double seconds;
    corten_error error;
};

struct child {
    pid_t id;
    int pipe;
};

static corten_status run_job(const struct ct_cli_worker *worker, size_t index, double *seconds,
                             corten_error *error)
{
    double start_s = ct_cli_now_s();
    error->status = CORTEN_OK;
    error->text[0] = '\0';
    corten_status status = worker->job(worker->user, index, error);
    *seconds = ct_cli_now_s() - start_s;
    return status;
}

static bool send_all(int pipe, const void *data, size_t size_bytes)
{
    const char *bytes = data;
    while (size_bytes > 0) {
        ssize_t sent = write(pipe, bytes, size_bytes);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size_bytes -= (size_t)sent;
    }
    return true;
}

static void serve(const struct ct_cli_worker *worker, size_t first, int pipe)
{
    size_t end = worker->count;
    if (worker->jobs_per_child > 0 && end - first > worker->jobs_per_child)
        end = first + worker->jobs_per_child;
    for (size_t i = first; i < end; i++) {
        struct outcome outcome;
        memset(&outcome, 0, sizeof outcome);
        outcome.index = i;
        corten_status status = run_job(worker, i, &outcome.seconds, &outcome.error);
        outcome.error.status = status;
        if (!send_all(pipe, &outcome, sizeof outcome))
            break;
    }
}

static corten_status start(const struct ct_cli_worker *worker, size_t first, struct child *child,
                           corten_error *error)
{
    int ends[2];
    if (pipe(ends) != 0)
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot make a pipe: %s", strerror(errno));
    /* The child must not print what is waiting here a second time. */
    fflush(stdout);
    fflush(stderr);
    child->id = fork();
    if (child->id < 0) {
        close(ends[0]);
        close(ends[1]);
        return ct_cli_fail(error, CORTEN_IO_ERROR, "cannot fork: %s", strerror(errno));
    }
    if (child->id == 0) {
        close(ends[0]);
        serve(worker, first, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    child->pipe = ends[0];
    return CORTEN_OK;
}

enum reply { REPLY, DIED, HANGS };

static enum reply receive(const struct child *child, double limit_s, struct outcome *outcome)
{
    size_t got = 0;
    double deadline_s = ct_cli_now_s() + limit_s;
    while (got < sizeof *outcome) {
        double left_s = deadline_s - ct_cli_now_s();
        struct pollfd waiting = {.fd = child->pipe, .events = POLLIN};
        int ready = left_s > 0.0 ? poll(&waiting, 1, (int)(left_s * 1e3) + 1) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0)
            return HANGS;
        ssize_t size = read(child->pipe, (char *)outcome + got, sizeof *outcome - got);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return DIED;
        got += (size_t)size;
    }
    return REPLY;
}

static int stop(struct child *child, bool force)
{
    int status = 0;
    if (force)
        kill(child->id, SIGKILL);
    close(child->pipe);
    while (waitpid(child->id, &status, 0) < 0 && errno == EINTR)
        continue;
    child->id = 0;
    return status;
}

static void report_death(const struct ct_cli_worker *worker, size_t index, int status,
                         double seconds)
{
    char text[128];
    if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "crashed: %s", strsignal(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "its process ended with code %d", WEXITSTATUS(status));
    worker->done(worker->user, index, CORTEN_INTERNAL, text, seconds);
}

/* Jobs from `*next` on in one child, as far as it goes. */
static corten_status run_child(const struct ct_cli_worker *worker, size_t *next,
                               corten_error *error)
{
    struct child child;
    size_t end = worker->count;
    CT_CLI_TRY(start(worker, *next, &child, error));
    if (worker->jobs_per_child > 0 && end - *next > worker->jobs_per_child)
        end = *next + worker->jobs_per_child;
    while (*next < end) {
        struct outcome outcome;
        double start_s = ct_cli_now_s();
        enum reply reply = receive(&child, worker->limit_s, &outcome);
        double seconds = ct_cli_now_s() - start_s;
        size_t index = (*next)++;
        if (reply == REPLY) {
            worker->done(worker->user, index, outcome.error.status, outcome.error.text,
                         outcome.seconds);
            continue;
        }
        int status = stop(&child, reply == HANGS);
        if (reply == DIED) {
            report_death(worker, index, status, seconds);
            return CORTEN_OK;
        }
        char text[64];
        snprintf(text, sizeof text, "hangs: stopped after %g s", worker->limit_s);
        worker->done(worker->user, index, CORTEN_DEADLINE_EXCEEDED, text, seconds);
        return CORTEN_OK;
    }
    stop(&child, false);
    return CORTEN_OK;
}

static void hang(int signal_number)
{
    static const char text[] =
        "corten: the job after those reported hangs, and has no process of its own to stop\n";
    (void)signal_number;
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(1);
}

static void run_here(const struct ct_cli_worker *worker)
{
    signal(SIGALRM, hang);
    for (size_t i = 0; i < worker->count; i++) {
        double seconds = 0.0;
        corten_error error;
        /* What is reported so far must not be lost with the program. */
        fflush(stdout);
        alarm((unsigned)worker->limit_s + 1);
        corten_status status = run_job(worker, i, &seconds, &error);
        alarm(0);
        worker->done(worker->user, i, status, error.text, seconds);
    }
}

corten_status ct_cli_worker_run(const struct ct_cli_worker *worker, corten_error *error)
{
    if (worker->in_process) {
        run_here(worker);
        return CORTEN_OK;
    }
    size_t next = 0;
    while (next < worker->count)
        CT_CLI_TRY(run_child(worker, &next, error));
    return CORTEN_OK;
}
