#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "limits.h"

struct limits_object {
    PyObject_HEAD corten_run_options *options;
};

static struct limits_object *self_of(PyObject *object)
{
    return (struct limits_object *)(void *)object;
}

/* ------------------------------------------------------------------ Ctrl-C */

/* What SIGINT stops, and the handler (Python's) that was there before ours. Python's own handler
 * only notes the signal, and its note is not looked at while a run goes on. */
static _Atomic(corten_run_options *) current;
static atomic_bool interrupted;
static struct sigaction before;
static corten_run_options *shared; /* of runs without limits of their own */

static void on_interrupt(int number, siginfo_t *info, void *context)
{
    corten_run_options *options = atomic_load(&current);
    if (options) {
        atomic_store(&interrupted, true);
        corten_run_options_cancel(options);
    }
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else
        before.sa_handler(number);
}

/* Takes its place before a handler that somebody has set. Looked at before every run, because
 * signal.signal() may have put another one there. */
static void catch_interrupts(void)
{
    struct sigaction present;
    if (sigaction(SIGINT, NULL, &present) < 0)
        return;
    bool with_info = present.sa_flags & SA_SIGINFO;
    if (with_info && present.sa_sigaction == on_interrupt)
        return;
    if (!with_info && (present.sa_handler == SIG_DFL || present.sa_handler == SIG_IGN))
        return;
    before = present;
    struct sigaction ours = present;
    ours.sa_flags |= SA_SIGINFO;
    ours.sa_sigaction = on_interrupt;
    sigaction(SIGINT, &ours, NULL);
}

static bool on_main_thread(void)
{
    static _Thread_local signed char known; /* 1 yes, -1 no */
    if (!known)
        known = gettid() == getpid() ? 1 : -1;
    return known > 0;
}

/* ------------------------------------------------------------------ guards */

int corten_py_guard_init(struct run_guard *guard, PyObject *limits)
{
    *guard = (struct run_guard){0};
    corten_run_options *options = NULL;
    if (limits && limits != Py_None) {
        if (!PyObject_TypeCheck(limits, (PyTypeObject *)(void *)corten_py.run_options_type)) {
            PyErr_Format(PyExc_TypeError, "run_options is of type %S, expected RunOptions",
                         (PyObject *)Py_TYPE(limits));
            return -1;
        }
        Py_INCREF(limits);
        guard->held = limits;
        options = self_of(limits)->options;
    }
    if (on_main_thread()) {
        corten_error error;
        if (!shared && corten_run_options_create(&shared, &error)) {
            Py_XDECREF(guard->held);
            corten_py_raise(&error);
            return -1;
        }
        if (!options)
            options = shared;
        catch_interrupts();
        guard->interruptible = true;
        guard->previous = atomic_exchange(&current, options);
    }
    guard->options = options;
    return 0;
}

int corten_py_guard_deinit(struct run_guard *guard, corten_status status)
{
    int result = 0;
    if (guard->interruptible) {
        atomic_store(&current, guard->previous);
        if (atomic_exchange(&interrupted, false)) {
            corten_run_options_reset((corten_run_options *)(uintptr_t)guard->options);
            result = status == CORTEN_CANCELLED;
            if (PyErr_CheckSignals() < 0)
                result = -1;
        }
    }
    Py_XDECREF(guard->held);
    guard->held = NULL;
    return result;
}

/* ------------------------------------------------------------------ the type */

static PyObject *limits_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    corten_error error;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    PyObject *self = allocate(type, 0);
    if (self && corten_run_options_create(&self_of(self)->options, &error)) {
        Py_DECREF(self);
        return corten_py_raise(&error);
    }
    return self;
}

static void limits_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    corten_run_options_destroy(self_of(object)->options);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

static PyObject *limits_cancel(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_run_options_cancel(self_of(self)->options);
    Py_RETURN_NONE;
}

static PyObject *limits_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_run_options_reset(self_of(self)->options);
    Py_RETURN_NONE;
}

static PyObject *limits_set_deadline(PyObject *self, PyObject *args)
{
    corten_error error;
    long long deadline_ns;
    if (!PyArg_ParseTuple(args, "L:_set_deadline", &deadline_ns))
        return NULL;
    if (corten_run_options_set_deadline(self_of(self)->options, deadline_ns, &error))
        return corten_py_raise(&error);
    Py_RETURN_NONE;
}

PyObject *corten_py_limits_type(void)
{
    static PyMethodDef methods[] = {
        {"_cancel", limits_cancel, METH_NOARGS, NULL},
        {"_reset", limits_reset, METH_NOARGS, NULL},
        {"_set_deadline", limits_set_deadline, METH_VARARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)limits_new},
        {Py_tp_dealloc, (void *)limits_dealloc},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.RunLimits", (int)sizeof(struct limits_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
    return PyType_FromSpec(&spec);
}
