/* Options: a corten_options as a Python object. */
#include <stdio.h>

#include "module.h"

struct options_object {
    PyObject_HEAD corten_options *options;
    PyObject *held; /* list of values that the options borrow */
};

static struct options_object *self_of(PyObject *object)
{
    return (struct options_object *)(void *)object;
}

const corten_options *corten_py_options_of(PyObject *options)
{
    return self_of(options)->options;
}

static PyObject *options_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    corten_error error;
    struct options_object *self = PyObject_New(struct options_object, type);
    if (!self)
        return NULL;
    self->options = NULL;
    self->held = PyList_New(0);
    if (!self->held || corten_options_create(&self->options, &error)) {
        if (self->held)
            corten_py_raise(&error);
        Py_DECREF((PyObject *)self);
        return NULL;
    }
    return (PyObject *)self;
}

static void options_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    corten_options_destroy(self_of(object)->options);
    Py_XDECREF(self_of(object)->held);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *done(corten_status status, const corten_error *error)
{
    if (status)
        return corten_py_raise(error);
    Py_RETURN_NONE;
}

static PyObject *set_threads(PyObject *self, PyObject *args)
{
    corten_error error;
    int threads;
    if (!PyArg_ParseTuple(args, "i:set_threads", &threads))
        return NULL;
    return done(corten_options_set_threads(self_of(self)->options, threads, &error), &error);
}

typedef corten_status set_flag_fn(corten_options *options, bool flag, corten_error *error);

static PyObject *set_flag(PyObject *self, PyObject *args, set_flag_fn *set)
{
    corten_error error;
    int flag;
    if (!PyArg_ParseTuple(args, "p", &flag))
        return NULL;
    return done(set(self_of(self)->options, flag != 0, &error), &error);
}

static PyObject *set_spinning(PyObject *self, PyObject *args)
{
    return set_flag(self, args, corten_options_set_spinning);
}

static PyObject *set_packing(PyObject *self, PyObject *args)
{
    return set_flag(self, args, corten_options_set_packing);
}

static PyObject *set_flush_denormals(PyObject *self, PyObject *args)
{
    return set_flag(self, args, corten_options_set_flush_denormals);
}

static PyObject *set_affinities(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *affinities;
    if (!PyArg_ParseTuple(args, "s:set_affinities", &affinities))
        return NULL;
    return done(corten_options_set_affinities(self_of(self)->options, affinities, &error), &error);
}

static PyObject *set_seed(PyObject *self, PyObject *args)
{
    corten_error error;
    unsigned long long seed;
    if (!PyArg_ParseTuple(args, "K:set_seed", &seed))
        return NULL;
    return done(corten_options_set_seed(self_of(self)->options, seed, &error), &error);
}

static PyObject *set_pool(PyObject *self, PyObject *pool)
{
    corten_error error;
    corten_pool *shared = corten_py_pool_of(pool);
    if (!shared || PyList_Append(self_of(self)->held, pool) < 0)
        return NULL;
    return done(corten_options_set_pool(self_of(self)->options, shared, &error), &error);
}

static PyObject *set_weights(PyObject *self, PyObject *weights)
{
    corten_error error;
    corten_weights *shared = corten_py_weights_of(weights);
    if (!shared || PyList_Append(self_of(self)->held, weights) < 0)
        return NULL;
    return done(corten_options_set_weights(self_of(self)->options, shared, &error), &error);
}

static PyObject *set_level(PyObject *self, PyObject *args)
{
    corten_error error;
    int level;
    if (!PyArg_ParseTuple(args, "i:set_level", &level))
        return NULL;
    return done(corten_options_set_level(self_of(self)->options, (corten_level)level, &error),
                &error);
}

static PyObject *set_precision(PyObject *self, PyObject *args)
{
    corten_error error;
    int precision;
    if (!PyArg_ParseTuple(args, "i:set_precision", &precision))
        return NULL;
    return done(
        corten_options_set_precision(self_of(self)->options, (corten_precision)precision, &error),
        &error);
}

static PyObject *disable_pass(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:disable_pass", &name))
        return NULL;
    return done(corten_options_disable_pass(self_of(self)->options, name, &error), &error);
}

static PyObject *set_dim(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *name;
    long long value;
    if (!PyArg_ParseTuple(args, "sL:set_dim", &name, &value))
        return NULL;
    return done(corten_options_set_dim(self_of(self)->options, name, value, &error), &error);
}

static PyObject *set_denotation(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *denotation;
    long long value;
    if (!PyArg_ParseTuple(args, "sL:set_denotation", &denotation, &value))
        return NULL;
    return done(corten_options_set_denotation(self_of(self)->options, denotation, value, &error),
                &error);
}

/* Reads (name, OrtValue or Value); the options hold the value from now on. */
static corten_value *named_value(PyObject *self, PyObject *args, const char **name)
{
    PyObject *object, *holder = NULL;
    if (!PyArg_ParseTuple(args, "sO", name, &object))
        return NULL;
    corten_value *value = corten_py_value_of(object, &holder);
    if (!value) {
        if (!PyErr_Occurred())
            PyErr_Format(PyExc_TypeError, "%s is not given as an OrtValue", *name);
        return NULL;
    }
    int kept = PyList_Append(self_of(self)->held, holder);
    Py_DECREF(holder);
    return kept < 0 ? NULL : value;
}

static PyObject *set_initializer(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *name;
    corten_value *value = named_value(self, args, &name);
    if (!value)
        return NULL;
    return done(corten_options_set_initializer(self_of(self)->options, name, value, &error),
                &error);
}

/* add_external_file(location, value): the file's bytes are the tensor's. */
static PyObject *add_external_file(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *location;
    corten_value *value = named_value(self, args, &location);
    if (!value)
        return NULL;
    return done(corten_options_add_external_file(self_of(self)->options, location,
                                                 corten_tensor_const_data(value),
                                                 corten_tensor_size_bytes(value), &error),
                &error);
}

static PyObject *set_optimized_path(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *path;
    int external;
    if (!PyArg_ParseTuple(args, "sp:set_optimized_path", &path, &external))
        return NULL;
    return done(
        corten_options_set_optimized_path(self_of(self)->options, path, external != 0, &error),
        &error);
}

static PyObject *add_output(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *name;
    if (!PyArg_ParseTuple(args, "s:add_output", &name))
        return NULL;
    return done(corten_options_add_output(self_of(self)->options, name, &error), &error);
}

static PyObject *set_memory_limit(PyObject *self, PyObject *args)
{
    corten_error error;
    Py_ssize_t size_bytes;
    if (!PyArg_ParseTuple(args, "n:set_memory_limit", &size_bytes))
        return NULL;
    if (size_bytes < 0) {
        PyErr_SetString(PyExc_ValueError, "the memory limit must not be negative");
        return NULL;
    }
    return done(corten_options_set_memory_limit(self_of(self)->options, (size_t)size_bytes, &error),
                &error);
}

static PyObject *set_profile(PyObject *self, PyObject *args)
{
    corten_error error;
    const char *prefix;
    if (!PyArg_ParseTuple(args, "z:set_profile", &prefix))
        return NULL;
    return done(corten_options_set_profile(self_of(self)->options, prefix, &error), &error);
}

/* Runs on any thread, with or without the GIL. */
static void write_log(void *user, corten_log_level level, const char *text)
{
    (void)user;
    static const char letters[] = "VIWE";
    fprintf(stderr, "[%c:corten] %s\n", level < CORTEN_LOG_NONE ? letters[level] : '?', text);
}

static PyObject *set_log(PyObject *self, PyObject *args)
{
    corten_error error;
    int least;
    if (!PyArg_ParseTuple(args, "i:set_log", &least))
        return NULL;
    return done(corten_options_set_log(self_of(self)->options, write_log, NULL,
                                       (corten_log_level)least, &error),
                &error);
}

PyObject *corten_py_options_type(void)
{
    static PyMethodDef methods[] = {
        {"set_threads", set_threads, METH_VARARGS, NULL},
        {"set_spinning", set_spinning, METH_VARARGS, NULL},
        {"set_affinities", set_affinities, METH_VARARGS, NULL},
        {"set_packing", set_packing, METH_VARARGS, NULL},
        {"set_flush_denormals", set_flush_denormals, METH_VARARGS, NULL},
        {"set_seed", set_seed, METH_VARARGS, NULL},
        {"set_pool", set_pool, METH_O, NULL},
        {"set_weights", set_weights, METH_O, NULL},
        {"add_external_file", add_external_file, METH_VARARGS, NULL},
        {"set_level", set_level, METH_VARARGS, NULL},
        {"set_precision", set_precision, METH_VARARGS, NULL},
        {"disable_pass", disable_pass, METH_VARARGS, NULL},
        {"set_dim", set_dim, METH_VARARGS, NULL},
        {"set_denotation", set_denotation, METH_VARARGS, NULL},
        {"set_initializer", set_initializer, METH_VARARGS, NULL},
        {"set_optimized_path", set_optimized_path, METH_VARARGS, NULL},
        {"add_output", add_output, METH_VARARGS, NULL},
        {"set_memory_limit", set_memory_limit, METH_VARARGS, NULL},
        {"set_profile", set_profile, METH_VARARGS, NULL},
        {"set_log", set_log, METH_VARARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)options_new},
        {Py_tp_dealloc, (void *)options_dealloc},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Options", (int)sizeof(struct options_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}
