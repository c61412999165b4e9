/* Runs numbered jobs in child processes, so that a crash or a hang costs one job and not the rest.
 * A child runs job after job and sends each outcome over a pipe; when it dies or takes too long,
 * the job it was at has failed and a new child goes on with the next one. */
#ifndef CT_CLI_WORKER_H
#define CT_CLI_WORKER_H

#include <corten/corten.h>

struct ct_cli_worker {
    /* Runs job `index`; called in a child (in this process with `in_process`). */
    corten_status (*job)(void *user, size_t index, corten_error *error);
    /* Told of each outcome, in the order of jobs, in this process. */
    void (*done)(void *user, size_t index, corten_status status, const char *text, double seconds);
    void *user;
    size_t count;          /* jobs 0 to count - 1 */
    double limit_s;        /* longest time of one job */
    size_t jobs_per_child; /* 0: as many as it lives for */
    bool in_process;       /* no children: a crash ends the program, and so does a hang */
};

/** Fails only if children cannot be started; failed jobs are outcomes. */
corten_status ct_cli_worker_run(const struct ct_cli_worker *worker, corten_error *error);

#endif
