/* Session: a corten_session as a Python object. */
#ifndef CORTEN_PYTHON_SESSION_H
#define CORTEN_PYTHON_SESSION_H

#include "module.h"

/** An input or output of a session; strings are the session's. */
struct slot {
    const char *name;
    const char *type_text;
    corten_kind kind;
    corten_dtype dtype;
    bool has_default;
};

struct session_object {
    PyObject_HEAD corten_session *session;
    PyObject *source, *options; /* kept alive: the model's bytes and what the options borrow */
    size_t input_count, output_count;
    struct slot *inputs, *outputs;
    const char **output_names;            /* of all outputs, for runs that name none */
    PyObject *input_index, *output_index; /* dict: str -> position */
};

/** (name, type, shape, has a default) as Python objects. */
PyObject *corten_py_info(const corten_value_info *info);
/** Position of the input or output that `name` (a str) names; -1 with an exception. */
Py_ssize_t corten_py_slot_index(PyObject *index, PyObject *name, const char *what);
/** Makes the type of bindings; a new reference or NULL. */
PyObject *corten_py_binding_type(void);

#endif
