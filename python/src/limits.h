/* Stopping runs: RunLimits (a corten_run_options as a Python object) and Ctrl-C. */
#ifndef CORTEN_PYTHON_LIMITS_H
#define CORTEN_PYTHON_LIMITS_H

#include "module.h"

/** A run under way: what stops it. */
struct run_guard {
    const corten_run_options *options; /* pass this to the run */
    PyObject *held;                    /* the RunLimits, or NULL */
    corten_run_options *previous;      /* what Ctrl-C stopped before */
    bool interruptible;
};

/** Prepares a run with `limits` (a RunLimits or None). On the main thread, Ctrl-C stops the run.
 *  Returns 0, or -1 with an exception. */
int corten_py_guard_init(struct run_guard *guard, PyObject *limits);
/** After the run, with the GIL held. Returns -1 with the exception of a signal's handler when one
 *  came (such as KeyboardInterrupt), 1 when the run was stopped by a signal that raised nothing and
 *  should be done again, else 0. */
int corten_py_guard_deinit(struct run_guard *guard, corten_status status);

/** Makes the type; a new reference or NULL. */
PyObject *corten_py_limits_type(void);

#endif
