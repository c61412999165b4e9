#include "session.h"

#include <string.h>

#include "limits.h"

static struct session_object *self_of(PyObject *object)
{
    return (struct session_object *)(void *)object;
}

/* ------------------------------------------------------------------ opening and closing */

typedef corten_status info_fn(const corten_session *session, size_t index, corten_value_info *info,
                              corten_error *error);

static int fill_slots(struct session_object *self, info_fn *get_info, size_t count,
                      struct slot **slots, PyObject **index)
{
    corten_error error;
    *slots = PyMem_Malloc((count + 1) * sizeof **slots);
    *index = PyDict_New();
    if (!*slots || !*index)
        return -1;
    for (size_t i = 0; i < count; i++) {
        corten_value_info info;
        if (get_info(self->session, i, &info, &error)) {
            corten_py_raise(&error);
            return -1;
        }
        (*slots)[i] =
            (struct slot){info.name, info.type_text, info.kind, info.dtype, info.has_default};
        PyObject *name = PyUnicode_FromString(info.name), *position = PyLong_FromSize_t(i);
        if (name)
            PyUnicode_InternInPlace(&name); /* names in a program's text are the same object */
        int status = name && position ? PyDict_SetItem(*index, name, position) : -1;
        Py_XDECREF(name);
        Py_XDECREF(position);
        if (status < 0)
            return -1;
    }
    return 0;
}

static int look(struct session_object *self)
{
    self->input_count = corten_session_input_count(self->session);
    self->output_count = corten_session_output_count(self->session);
    if (fill_slots(self, corten_session_input_info, self->input_count, &self->inputs,
                   &self->input_index) < 0 ||
        fill_slots(self, corten_session_output_info, self->output_count, &self->outputs,
                   &self->output_index) < 0)
        return -1;
    self->output_names = PyMem_Malloc((self->output_count + 1) * sizeof *self->output_names);
    if (!self->output_names)
        return -1;
    for (size_t i = 0; i < self->output_count; i++)
        self->output_names[i] = self->outputs[i].name;
    return 0;
}

/* Session(path, bytes, folder, options): one of path and bytes is None; paths are bytes. */
static PyObject *session_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)keywords;
    corten_error error;
    const char *folder;
    char *path = NULL, *data = NULL;
    PyObject *path_bytes, *bytes, *options;
    Py_ssize_t size_bytes = 0;
    if (!PyArg_ParseTuple(args, "OOzO:Session", &path_bytes, &bytes, &folder, &options))
        return NULL;
    if (path_bytes != Py_None && PyBytes_AsStringAndSize(path_bytes, &path, NULL) < 0)
        return NULL;
    if (!path && PyBytes_AsStringAndSize(bytes, &data, &size_bytes) < 0)
        return NULL;
    struct session_object *self = PyObject_New(struct session_object, type);
    if (!self)
        return NULL;
    memset((char *)self + sizeof self->ob_base, 0, sizeof *self - sizeof self->ob_base);
    Py_INCREF(bytes);
    self->source = bytes;
    Py_INCREF(options);
    self->options = options;
    corten_status status;
    const corten_options *o = corten_py_options_of(options);
    PyThreadState *state = PyEval_SaveThread();
    if (path)
        status = corten_session_open(path, o, &self->session, &error);
    else
        status =
            corten_session_open_memory(data, (size_t)size_bytes, folder, o, &self->session, &error);
    PyEval_RestoreThread(state);
    if (status) {
        self->session = NULL;
        corten_py_raise(&error);
    } else if (look(self) == 0) {
        return (PyObject *)self;
    } else if (!PyErr_Occurred()) {
        PyErr_NoMemory();
    }
    Py_DECREF((PyObject *)self);
    return NULL;
}

static void session_dealloc(PyObject *object)
{
    struct session_object *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    corten_session_close(self->session);
    PyMem_Free(self->inputs);
    PyMem_Free(self->outputs);
    PyMem_Free((void *)self->output_names);
    Py_XDECREF(self->input_index);
    Py_XDECREF(self->output_index);
    Py_XDECREF(self->source);
    Py_XDECREF(self->options);
    PyObject_Free(object);
    Py_DECREF(type);
}

/* ------------------------------------------------------------------ inputs and outputs */

/* (name, type, shape, has a default); a dimension is a number, a symbol or None, and so may a
 * shape be. */
PyObject *corten_py_info(const corten_value_info *info)
{
    PyObject *shape;
    if (info->rank < 0) {
        Py_INCREF(Py_None);
        shape = Py_None;
    } else {
        shape = PyList_New(info->rank);
    }
    for (int i = 0; shape && i < info->rank; i++) {
        PyObject *dim;
        if (info->dims[i] >= 0)
            dim = PyLong_FromLongLong(info->dims[i]);
        else
            dim = Py_BuildValue("z", info->dim_names[i][0] ? info->dim_names[i] : NULL);
        if (!dim || PyList_SetItem(shape, i, dim) < 0) {
            Py_DECREF(shape);
            return NULL;
        }
    }
    return shape ? Py_BuildValue("(ssNi)", info->name, info->type_text, shape, info->has_default)
                 : NULL;
}

static PyObject *infos(const struct session_object *self, info_fn *get_info, size_t count)
{
    corten_error error;
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        corten_value_info info;
        PyObject *item = get_info(self->session, i, &info, &error) ? corten_py_raise(&error)
                                                                   : corten_py_info(&info);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *get_inputs(PyObject *self, void *unused)
{
    (void)unused;
    return infos(self_of(self), corten_session_input_info, self_of(self)->input_count);
}

static PyObject *get_outputs(PyObject *self, void *unused)
{
    (void)unused;
    return infos(self_of(self), corten_session_output_info, self_of(self)->output_count);
}

/* ------------------------------------------------------------------ what a run is given */

enum { FEW = 16 };

/* Arrays of a run, on the stack when there are few inputs and outputs. */
struct call {
    size_t input_count, output_count;
    const char **input_names, **output_names;
    corten_value **inputs, **outputs;
    struct input *held;
    void *memory;
    const char *few_names[2 * FEW];
    corten_value *few_values[2 * FEW];
    struct input few_held[FEW];
};

static int call_init(struct call *call, size_t input_count, size_t output_count)
{
    call->input_count = 0;
    call->output_count = output_count;
    call->memory = NULL;
    call->input_names = call->few_names;
    call->inputs = call->few_values;
    call->held = call->few_held;
    if (input_count > FEW || output_count > FEW) {
        size_t count = input_count + output_count;
        call->memory =
            PyMem_Malloc(count * (2 * sizeof(void *)) + input_count * sizeof(struct input));
        if (!call->memory) {
            PyErr_NoMemory();
            return -1;
        }
        call->held = call->memory;
        call->inputs = (corten_value **)(void *)(call->held + input_count);
        call->input_names = (const char **)(void *)(call->inputs + count);
    }
    call->outputs = call->inputs + (call->memory ? input_count : FEW);
    call->output_names = call->input_names + (call->memory ? input_count : FEW);
    memset(call->outputs, 0, output_count * sizeof(corten_value *));
    return 0;
}

static void call_deinit(struct call *call)
{
    for (size_t i = 0; i < call->input_count; i++)
        corten_py_input_deinit(&call->held[i]);
    for (size_t i = 0; i < call->output_count; i++)
        corten_value_destroy(call->outputs[i]);
    PyMem_Free(call->memory);
}

Py_ssize_t corten_py_slot_index(PyObject *index, PyObject *name, const char *what)
{
    PyObject *position = PyDict_GetItemWithError(index, name);
    if (position)
        return PyLong_AsSsize_t(position);
    if (!PyErr_Occurred())
        Py_XDECREF(corten_py_helper("wrong_name", "(sOO)", what, name, index));
    return -1;
}

/* A TypeError becomes an InvalidArgument that names the input. */
static void explain_type_error(const char *name)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return;
    PyErr_Fetch(&type, &value, &traceback);
    Py_XDECREF(corten_py_helper("wrong_input", "(sO)", name, value ? value : Py_None));
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

static int add_input(struct session_object *self, struct call *call, Py_ssize_t position,
                     PyObject *object)
{
    const struct slot *slot = &self->inputs[position];
    struct input *input = &call->held[call->input_count];
    if (corten_py_input(object, slot->kind, slot->dtype, slot->type_text, input) < 0) {
        explain_type_error(slot->name);
        return -1;
    }
    call->input_names[call->input_count] = slot->name;
    call->inputs[call->input_count++] = input->value;
    return 0;
}

/* Optional inputs may be left out; they are then empty. All others without a default must be
 * there. */
static int add_missing(struct session_object *self, struct call *call, PyObject *feed)
{
    for (size_t i = 0; i < self->input_count; i++) {
        bool there = false;
        for (size_t k = 0; k < call->input_count && !there; k++)
            there = call->input_names[k] == self->inputs[i].name;
        if (there || self->inputs[i].has_default)
            continue;
        if (self->inputs[i].kind != CORTEN_OPTIONAL) {
            PyObject *inputs = get_inputs((PyObject *)self, NULL);
            if (inputs)
                Py_XDECREF(corten_py_helper("missing_inputs", "(NO)", inputs, feed));
            return -1;
        }
        if (add_input(self, call, (Py_ssize_t)i, Py_None) < 0)
            return -1;
    }
    return 0;
}

static int add_inputs(struct session_object *self, struct call *call, PyObject *feed)
{
    Py_ssize_t place = 0;
    PyObject *name, *object;
    while (PyDict_Next(feed, &place, &name, &object)) {
        Py_ssize_t position = corten_py_slot_index(self->input_index, name, "input");
        if (position < 0)
            return -1;
        Py_INCREF(object); /* conversion may run Python code, which may change the dict */
        int status =
            call->input_count < self->input_count ? add_input(self, call, position, object) : -1;
        Py_DECREF(object);
        if (status < 0) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_RuntimeError, "the input feed changed during the call");
            return -1;
        }
    }
    return call->input_count == self->input_count ? 0 : add_missing(self, call, feed);
}

static int add_outputs(struct session_object *self, struct call *call, PyObject *names)
{
    for (size_t i = 0; i < call->output_count; i++) {
        PyObject *name = PySequence_GetItem(names, (Py_ssize_t)i);
        Py_ssize_t position = name ? corten_py_slot_index(self->output_index, name, "output") : -1;
        Py_XDECREF(name);
        if (position < 0)
            return -1;
        call->output_names[i] = self->outputs[position].name;
    }
    return 0;
}

/* ------------------------------------------------------------------ running */

static int run(struct session_object *self, struct call *call, PyObject *limits)
{
    corten_error error;
    int again = 0;
    do {
        struct run_guard guard;
        if (corten_py_guard_init(&guard, limits) < 0)
            return -1;
        PyThreadState *state = PyEval_SaveThread();
        corten_status status =
            corten_session_run_with(self->session, guard.options, call->input_names,
                                    (const corten_value *const *)call->inputs, call->input_count,
                                    call->output_names, call->outputs, call->output_count, &error);
        PyEval_RestoreThread(state);
        again = corten_py_guard_deinit(&guard, status);
        if (again < 0)
            return -1;
        if (status && !again) {
            corten_py_raise(&error);
            return -1;
        }
    } while (again);
    return 0;
}

static PyObject *results_of(struct call *call, bool as_values)
{
    PyObject *list = PyList_New((Py_ssize_t)call->output_count);
    for (size_t i = 0; list && i < call->output_count; i++) {
        corten_value *value = call->outputs[i];
        call->outputs[i] = NULL;
        PyObject *item = as_values ? corten_py_value(value, NULL, false) : corten_py_output(value);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *run_call(PyObject *object, PyObject *args, bool as_values)
{
    struct session_object *self = self_of(object);
    PyObject *names, *feed, *limits = NULL, *result = NULL;
    struct call call;
    if (!PyArg_UnpackTuple(args, "run", 2, 3, &names, &feed, &limits))
        return NULL;
    Py_ssize_t named = names == Py_None ? 0 : PySequence_Size(names);
    if (named < 0)
        return NULL;
    if (!PyDict_Check(feed)) {
        PyErr_Format(PyExc_TypeError, "input_feed is of type %S, expected a dict",
                     (PyObject *)Py_TYPE(feed));
        return NULL;
    }
    if (call_init(&call, self->input_count, named ? (size_t)named : self->output_count) < 0)
        return NULL;
    if (!named)
        memcpy((void *)call.output_names, (const void *)self->output_names,
               self->output_count * sizeof(char *));
    if ((!named || add_outputs(self, &call, names) == 0) && add_inputs(self, &call, feed) == 0 &&
        run(self, &call, limits) == 0)
        result = results_of(&call, as_values);
    call_deinit(&call);
    return result;
}

static PyObject *session_run(PyObject *self, PyObject *args)
{
    return run_call(self, args, false);
}

static PyObject *session_run_values(PyObject *self, PyObject *args)
{
    return run_call(self, args, true);
}

/* ------------------------------------------------------------------ looking */

static PyObject *get_threads(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLong(corten_session_threads(self_of(self)->session));
}

static PyObject *get_profile_start_ns(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromLongLong(corten_session_profile_start_ns(self_of(self)->session));
}

static PyObject *session_memory(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_error error;
    corten_memory_info m;
    if (corten_session_memory(self_of(self)->session, &m, &error))
        return corten_py_raise(&error);
    return Py_BuildValue("{sn sn sn sn sn sn sn sn}", "weight_bytes", (Py_ssize_t)m.weight_bytes,
                         "packed_bytes", (Py_ssize_t)m.packed_bytes, "arena_bytes",
                         (Py_ssize_t)m.arena_bytes, "plan_count", (Py_ssize_t)m.plan_count,
                         "frame_count", (Py_ssize_t)m.frame_count, "live_bytes",
                         (Py_ssize_t)m.live_bytes, "peak_bytes", (Py_ssize_t)m.peak_bytes,
                         "limit_bytes", (Py_ssize_t)m.limit_bytes);
}

static PyObject *session_times(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_error error;
    corten_times t;
    if (corten_session_times(self_of(self)->session, &t, &error))
        return corten_py_raise(&error);
    return Py_BuildValue("{sL sL sL sL}", "load_ns", (long long)t.load_ns, "optimize_ns",
                         (long long)t.optimize_ns, "plan_ns", (long long)t.plan_ns, "pack_ns",
                         (long long)t.pack_ns);
}

static PyObject *session_trim(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyLong_FromSize_t(corten_session_trim(self_of(self)->session));
}

static PyObject *session_profile(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_error error;
    char *json;
    if (corten_session_profile(self_of(self)->session, &json, &error))
        return corten_py_raise(&error);
    PyObject *text = PyUnicode_FromString(json);
    corten_free(json);
    return text;
}

static PyObject *session_end_profile(PyObject *self, PyObject *unused)
{
    (void)unused;
    corten_error error;
    char path[4096];
    if (corten_session_end_profile(self_of(self)->session, path, sizeof path, &error))
        return corten_py_raise(&error);
    return PyUnicode_DecodeFSDefault(path);
}

PyObject *corten_py_session_type(void)
{
    static PyGetSetDef getters[] = {
        {"inputs", get_inputs, NULL, NULL, NULL},
        {"outputs", get_outputs, NULL, NULL, NULL},
        {"threads", get_threads, NULL, NULL, NULL},
        {"profile_start_ns", get_profile_start_ns, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyMethodDef methods[] = {
        {"run", session_run, METH_VARARGS, NULL},
        {"run_values", session_run_values, METH_VARARGS, NULL},
        {"memory", session_memory, METH_NOARGS, NULL},
        {"times", session_times, METH_NOARGS, NULL},
        {"trim", session_trim, METH_NOARGS, NULL},
        {"profile", session_profile, METH_NOARGS, NULL},
        {"end_profile", session_end_profile, METH_NOARGS, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_new, (void *)session_new},
        {Py_tp_dealloc, (void *)session_dealloc},
        {Py_tp_getset, getters},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Session", (int)sizeof(struct session_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}
