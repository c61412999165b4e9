/* The extension module corten._corten: what corten's Python code needs of the C API. */
#include "module.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "session.h"

struct module_state corten_py;

/* ------------------------------------------------------------------ shared */

PyObject *corten_py_raise(const corten_error *error)
{
    PyObject *number = PyLong_FromLong(error->status);
    PyObject *type = NULL;
    if (number && corten_py.errors)
        type = PyDict_GetItemWithError(corten_py.errors, number);
    Py_XDECREF(number);
    /* A text may have been cut within a character, and may name a path in any encoding. */
    PyObject *text = PyUnicode_DecodeUTF8(error->text, (Py_ssize_t)strlen(error->text), "replace");
    if (text)
        PyErr_SetObject(type ? type : PyExc_RuntimeError, text);
    Py_XDECREF(text);
    return NULL;
}

PyObject *corten_py_raise_text(corten_status status, const char *format, ...)
{
    corten_error error = {.status = status};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.text, sizeof error.text, format, arguments);
    va_end(arguments);
    return corten_py_raise(&error);
}

PyObject *corten_py_helper(const char *name, const char *format, ...)
{
    PyObject *function = PyObject_GetAttrString(corten_py.arrays_module, name);
    va_list arguments;
    va_start(arguments, format);
    PyObject *tuple = function ? Py_VaBuildValue(format, arguments) : NULL;
    va_end(arguments);
    PyObject *result = tuple ? PyObject_CallObject(function, tuple) : NULL;
    Py_XDECREF(tuple);
    Py_XDECREF(function);
    return result;
}

/* ------------------------------------------------------------------ the module */

/* setup(numpy.asarray, codes, errors, corten._arrays), once, before anything else. */
static PyObject *setup(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *asarray, *codes, *errors, *arrays;
    if (!PyArg_ParseTuple(args, "OOOO:setup", &asarray, &codes, &errors, &arrays))
        return NULL;
    Py_INCREF(asarray);
    Py_INCREF(codes);
    Py_INCREF(errors);
    Py_INCREF(arrays);
    corten_py.asarray = asarray;
    corten_py.dtype_codes = codes;
    corten_py.errors = errors;
    corten_py.arrays_module = arrays;
    Py_RETURN_NONE;
}

static PyObject *version(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyUnicode_FromString(corten_version());
}

static PyMethodDef functions[] = {
    {"setup", setup, METH_VARARGS, NULL},
    {"version", version, METH_NOARGS, NULL},
    {"model_info", corten_py_model_info, METH_VARARGS, NULL},
    {"make_value", corten_py_make_value, METH_VARARGS, NULL},
    {"create_tensor", corten_py_create_tensor, METH_VARARGS, NULL},
    {"wrap_pointer", corten_py_wrap_pointer, METH_VARARGS, NULL},
    {"parse_value", corten_py_parse_value, METH_VARARGS, NULL},
    {"from_dlpack", corten_py_from_dlpack, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "corten._corten", NULL, -1, functions, NULL, NULL, NULL, NULL,
};

/* Adds `object`, which it takes over, and keeps another reference in `*kept` (may be NULL). */
static int add(PyObject *module, const char *name, PyObject *object, PyObject **kept)
{
    if (!object)
        return -1;
    if (kept) {
        Py_INCREF(object);
        *kept = object;
    }
    if (PyModule_AddObject(module, name, object) == 0)
        return 0;
    Py_DECREF(object);
    return -1;
}

/* What Python calls; no header declares it. */
__attribute__((visibility("default"))) PyMODINIT_FUNC PyInit__corten(void);

PyMODINIT_FUNC PyInit__corten(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (!module)
        return NULL;
    corten_py.array_struct = PyUnicode_InternFromString("__array_struct__");
    corten_py.dtype_name = PyUnicode_InternFromString("dtype");
    corten_py.value_name = PyUnicode_InternFromString("_value");
    if (corten_py.array_struct && corten_py.dtype_name && corten_py.value_name &&
        add(module, "Value", corten_py_value_type(), &corten_py.value_type) == 0 &&
        add(module, "Options", corten_py_options_type(), NULL) == 0 &&
        add(module, "Pool", corten_py_pool_type(), &corten_py.pool_type) == 0 &&
        add(module, "Weights", corten_py_weights_type(), &corten_py.weights_type) == 0 &&
        add(module, "RunLimits", corten_py_limits_type(), &corten_py.run_options_type) == 0 &&
        add(module, "Session", corten_py_session_type(), NULL) == 0 &&
        add(module, "Binding", corten_py_binding_type(), NULL) == 0)
        return module;
    Py_DECREF(module);
    return NULL;
}
