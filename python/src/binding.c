/* Binding: a corten_binding as a Python object. */
#include "limits.h"
#include "session.h"

struct binding_object {
    PyObject_HEAD corten_binding *binding;
    PyObject *session;
    PyObject *inputs;  /* dict: name -> Value, kept alive */
    PyObject *outputs; /* dict: name -> Value of the caller, or None where the library allocates */
    PyObject *results; /* dict: name -> Value taken from the library since the last run */
};

static struct binding_object *self_of(PyObject *object)
{
    return (struct binding_object *)(void *)object;
}

static struct session_object *session_of(PyObject *object)
{
    return (struct session_object *)(void *)self_of(object)->session;
}

static PyObject *binding_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    corten_error error;
    PyObject *session;
    if (!PyArg_ParseTuple(args, "O:Binding", &session))
        return NULL;
    struct binding_object *self = PyObject_New(struct binding_object, type);
    if (!self)
        return NULL;
    self->binding = NULL;
    Py_INCREF(session);
    self->session = session;
    self->inputs = PyDict_New();
    self->outputs = PyDict_New();
    self->results = PyDict_New();
    bool made = self->inputs && self->outputs && self->results;
    if (made &&
        corten_binding_create(session_of((PyObject *)self)->session, &self->binding, &error)) {
        corten_py_raise(&error);
        made = false;
    }
    if (made)
        return (PyObject *)self;
    Py_DECREF((PyObject *)self);
    return NULL;
}

static void binding_dealloc(PyObject *object)
{
    struct binding_object *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    corten_binding_destroy(self->binding);
    Py_XDECREF(self->inputs);
    Py_XDECREF(self->outputs);
    Py_XDECREF(self->results);
    Py_XDECREF(self->session);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyObject *bind_input(PyObject *object, PyObject *args)
{
    struct binding_object *self = self_of(object);
    corten_error error;
    PyObject *name, *given;
    struct input input = {0};
    if (!PyArg_ParseTuple(args, "OO:bind_input", &name, &given))
        return NULL;
    Py_ssize_t position = corten_py_slot_index(session_of(object)->input_index, name, "input");
    if (position < 0)
        return NULL;
    const struct slot *slot = &session_of(object)->inputs[position];
    if (corten_py_input(given, slot->kind, slot->dtype, slot->type_text, &input) < 0)
        return NULL;
    PyObject *value = corten_py_value(input.value, input.hold, !input.owned);
    corten_value *bound = input.value;
    input.owned = false;
    corten_py_input_deinit(&input);
    if (!value)
        return NULL;
    PyObject *result = NULL;
    if (corten_binding_bind_input(self->binding, slot->name, bound, &error))
        corten_py_raise(&error);
    else if (PyDict_SetItem(self->inputs, name, value) == 0)
        result = Py_None;
    Py_DECREF(value);
    Py_XINCREF(result);
    return result;
}

static PyObject *bind_output(PyObject *object, PyObject *args)
{
    struct binding_object *self = self_of(object);
    corten_error error;
    PyObject *name, *given, *holder = NULL;
    corten_value *value = NULL;
    if (!PyArg_ParseTuple(args, "OO:bind_output", &name, &given))
        return NULL;
    Py_ssize_t position = corten_py_slot_index(session_of(object)->output_index, name, "output");
    if (position < 0)
        return NULL;
    if (given != Py_None && !(value = corten_py_value_of(given, &holder))) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_TypeError, "an output is bound to an OrtValue or None");
        return NULL;
    }
    PyObject *result = NULL;
    if (corten_binding_bind_output(self->binding, session_of(object)->outputs[position].name, value,
                                   &error))
        corten_py_raise(&error);
    else if (PyDict_SetItem(self->outputs, name, holder ? holder : Py_None) == 0)
        result = Py_None;
    PyDict_Clear(self->results);
    Py_XDECREF(holder);
    Py_XINCREF(result);
    return result;
}

static PyObject *clear_inputs(PyObject *object, PyObject *unused)
{
    (void)unused;
    corten_binding_clear_inputs(self_of(object)->binding);
    PyDict_Clear(self_of(object)->inputs);
    Py_RETURN_NONE;
}

static PyObject *clear_outputs(PyObject *object, PyObject *unused)
{
    (void)unused;
    corten_binding_clear_outputs(self_of(object)->binding);
    PyDict_Clear(self_of(object)->outputs);
    PyDict_Clear(self_of(object)->results);
    Py_RETURN_NONE;
}

/* A new reference to the Value of output `index`. What the library allocated is taken from the
 * binding, so that the next run does not change it. */
static PyObject *output_at(struct binding_object *self, size_t index)
{
    corten_error error;
    corten_value *value;
    const char *name = corten_binding_output_name(self->binding, index);
    PyObject *key = PyUnicode_FromString(name), *found;
    if (!key)
        return NULL;
    found = PyDict_GetItemWithError(self->outputs, key);
    if (!found || found == Py_None)
        found = PyDict_GetItemWithError(self->results, key);
    Py_XINCREF(found);
    if (!found && !PyErr_Occurred()) {
        if (corten_binding_take_output(self->binding, index, &value, &error))
            corten_py_raise(&error);
        else if ((found = corten_py_value(value, NULL, false)) &&
                 PyDict_SetItem(self->results, key, found) < 0) {
            Py_DECREF(found);
            found = NULL;
        }
    }
    Py_DECREF(key);
    return found;
}

static PyObject *binding_outputs(PyObject *object, PyObject *unused)
{
    (void)unused;
    struct binding_object *self = self_of(object);
    size_t count = corten_binding_output_count(self->binding);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *value = output_at(self, i);
        if (!value || PyList_SetItem(list, (Py_ssize_t)i, value) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *copy_at(PyObject *object, size_t index)
{
    struct binding_object *self = self_of(object);
    corten_value *value = corten_binding_output(self->binding, index);
    PyObject *seen = value ? corten_py_value(value, object, true) : output_at(self, index);
    PyObject *python = seen ? corten_py_to_python(seen) : NULL;
    PyObject *copy = python ? corten_py_helper("copied", "(O)", python) : NULL;
    Py_XDECREF(seen);
    Py_XDECREF(python);
    return copy;
}

/* Copies of the outputs as Python objects; the binding keeps its memory for the next run. */
static PyObject *copy_outputs(PyObject *object, PyObject *unused)
{
    (void)unused;
    size_t count = corten_binding_output_count(self_of(object)->binding);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *copy = copy_at(object, i);
        if (!copy || PyList_SetItem(list, (Py_ssize_t)i, copy) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *binding_run(PyObject *object, PyObject *limits)
{
    struct binding_object *self = self_of(object);
    corten_error error;
    int again;
    PyDict_Clear(self->results);
    do {
        struct run_guard guard;
        if (corten_py_guard_init(&guard, limits) < 0)
            return NULL;
        PyThreadState *state = PyEval_SaveThread();
        corten_status status = corten_binding_run(self->binding, guard.options, &error);
        PyEval_RestoreThread(state);
        again = corten_py_guard_deinit(&guard, status);
        if (again < 0)
            return NULL;
        if (status && !again)
            return corten_py_raise(&error);
    } while (again);
    Py_RETURN_NONE;
}

PyObject *corten_py_binding_type(void)
{
    static PyMethodDef methods[] = {
        {"bind_input", bind_input, METH_VARARGS, NULL},
        {"bind_output", bind_output, METH_VARARGS, NULL},
        {"clear_inputs", clear_inputs, METH_NOARGS, NULL},
        {"clear_outputs", clear_outputs, METH_NOARGS, NULL},
        {"outputs", binding_outputs, METH_NOARGS, NULL},
        {"copy_outputs", copy_outputs, METH_NOARGS, NULL},
        {"run", binding_run, METH_O, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)binding_new},
        {Py_tp_dealloc, (void *)binding_dealloc},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Binding", (int)sizeof(struct binding_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}
