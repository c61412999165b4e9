/* Pool and Weights: what sessions share, as Python objects. */
#include "module.h"

struct pool_object {
    PyObject_HEAD corten_pool *pool;
};

struct weights_object {
    PyObject_HEAD corten_weights *weights;
};

static struct pool_object *pool_of(PyObject *object)
{
    return (struct pool_object *)(void *)object;
}

static struct weights_object *weights_of(PyObject *object)
{
    return (struct weights_object *)(void *)object;
}

static bool is_of(PyObject *object, PyObject *type)
{
    if (PyObject_TypeCheck(object, (PyTypeObject *)(void *)type))
        return true;
    PyErr_Format(PyExc_TypeError, "a value of type %S is given, expected %S",
                 (PyObject *)Py_TYPE(object), type);
    return false;
}

corten_pool *corten_py_pool_of(PyObject *pool)
{
    return is_of(pool, corten_py.pool_type) ? pool_of(pool)->pool : NULL;
}

corten_weights *corten_py_weights_of(PyObject *weights)
{
    return is_of(weights, corten_py.weights_type) ? weights_of(weights)->weights : NULL;
}

/* ------------------------------------------------------------------ pools */

/* Pool(options) */
static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    corten_error error;
    PyObject *options;
    if (!PyArg_ParseTuple(args, "O:Pool", &options))
        return NULL;
    struct pool_object *self = PyObject_New(struct pool_object, type);
    if (!self)
        return NULL;
    self->pool = NULL;
    if (corten_pool_create(corten_py_options_of(options), &self->pool, &error) == CORTEN_OK)
        return (PyObject *)self;
    Py_DECREF((PyObject *)self);
    return corten_py_raise(&error);
}

static void pool_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    corten_pool_destroy(pool_of(object)->pool);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *pool_threads(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLong(corten_pool_threads(pool_of(object)->pool));
}

PyObject *corten_py_pool_type(void)
{
    static PyGetSetDef members[] = {
        {"threads", pool_threads, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)pool_new},
        {Py_tp_dealloc, (void *)pool_dealloc},
        {Py_tp_getset, members},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Pool", (int)sizeof(struct pool_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}

/* ------------------------------------------------------------------ weights */

static PyObject *weights_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    corten_error error;
    struct weights_object *self = PyObject_New(struct weights_object, type);
    if (!self)
        return NULL;
    self->weights = NULL;
    if (corten_weights_create(NULL, &self->weights, &error) == CORTEN_OK)
        return (PyObject *)self;
    Py_DECREF((PyObject *)self);
    return corten_py_raise(&error);
}

static void weights_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    corten_weights_destroy(weights_of(object)->weights);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *weights_bytes(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(corten_weights_bytes(weights_of(object)->weights));
}

PyObject *corten_py_weights_type(void)
{
    static PyGetSetDef members[] = {
        {"size_bytes", weights_bytes, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)weights_new},
        {Py_tp_dealloc, (void *)weights_dealloc},
        {Py_tp_getset, members},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Weights", (int)sizeof(struct weights_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}
