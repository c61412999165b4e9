/* What a model says of itself. */
#include "session.h"

static int set_item(PyObject *dict, const char *key, PyObject *value)
{
    int status = value ? PyDict_SetItemString(dict, key, value) : -1;
    Py_XDECREF(value);
    return status;
}

static PyObject *metadata(const corten_model *model, size_t count)
{
    corten_error error;
    PyObject *dict = PyDict_New();
    for (size_t i = 0; dict && i < count; i++) {
        const char *key, *value;
        if (corten_model_metadata(model, i, &key, &value, &error) ||
            set_item(dict, key, PyUnicode_FromString(value)) < 0) {
            Py_DECREF(dict);
            return PyErr_Occurred() ? NULL : corten_py_raise(&error);
        }
    }
    return dict;
}

static PyObject *describe(const corten_model *model)
{
    corten_model_info info;
    corten_model_get_info(model, &info);
    PyObject *dict = PyDict_New();
    if (dict && set_item(dict, "producer_name", PyUnicode_FromString(info.producer_name)) == 0 &&
        set_item(dict, "graph_name", PyUnicode_FromString(info.graph_name)) == 0 &&
        set_item(dict, "domain", PyUnicode_FromString(info.domain)) == 0 &&
        set_item(dict, "description", PyUnicode_FromString(info.doc)) == 0 &&
        set_item(dict, "version", PyLong_FromLongLong(info.model_version)) == 0 &&
        set_item(dict, "custom_metadata_map", metadata(model, info.metadata_count)) == 0)
        return dict;
    Py_XDECREF(dict);
    return NULL;
}

/* model_info(path, options): a dict. */
PyObject *corten_py_model_info(PyObject *module, PyObject *args)
{
    (void)module;
    corten_error error;
    const char *path;
    PyObject *options;
    corten_model *model = NULL;
    if (!PyArg_ParseTuple(args, "yO:model_info", &path, &options))
        return NULL;
    const corten_options *o = corten_py_options_of(options);
    PyThreadState *state = PyEval_SaveThread();
    corten_status status = corten_model_open(path, o, &model, &error);
    PyEval_RestoreThread(state);
    if (status)
        return corten_py_raise(&error);
    PyObject *dict = describe(model);
    corten_model_close(model);
    return dict;
}
