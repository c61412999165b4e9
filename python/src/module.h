/* What the files of the extension module share. The module is built for Python's stable ABI; arrays
 * are exchanged with NumPy through the array interface (numpy.org/doc/stable/reference/
 * arrays.interface.html), not through NumPy's C API, so that one build serves every version. */
#ifndef CORTEN_PYTHON_MODULE_H
#define CORTEN_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x03090000
#include <Python.h>

#include <corten/corten.h>

/** What `__array_struct__` hands out, in a capsule (NumPy's PyArrayInterface). */
struct array_interface {
    int two;
    int nd;
    char typekind;
    int itemsize_bytes;
    int flags;
    Py_ssize_t *shape, *strides;
    void *data;
    PyObject *descr;
};

enum {
    ARRAY_C_CONTIGUOUS = 0x1,
    ARRAY_ALIGNED = 0x100,
    ARRAY_NOT_SWAPPED = 0x200,
    ARRAY_WRITEABLE = 0x400
};

/** A corten_value with what keeps its memory alive. */
struct value_object {
    PyObject_HEAD corten_value *value;
    PyObject *owner; /* NULL when the value has memory of its own */
    bool borrowed;   /* `value` is an item of `owner`'s value */
    struct array_interface interface;
    Py_ssize_t shape[CORTEN_MAX_RANK], strides[CORTEN_MAX_RANK];
};

/** A value for the time of a call: what to destroy and what to let go of after it. */
struct input {
    corten_value *value;
    PyObject *hold; /* keeps the memory alive; may be NULL */
    bool owned;     /* destroy `value` */
};

/** References that the module holds as long as the process lives. */
struct module_state {
    PyObject *value_type, *run_options_type, *pool_type, *weights_type;
    PyObject *asarray;       /* numpy.asarray */
    PyObject *array_struct;  /* "__array_struct__" */
    PyObject *dtype_name;    /* "dtype" */
    PyObject *value_name;    /* "_value" */
    PyObject *dtype_codes;   /* dict: NumPy dtype -> corten_dtype */
    PyObject *errors;        /* dict: corten_status -> exception class */
    PyObject *arrays_module; /* corten._arrays: conversions that need not be fast */
};
extern struct module_state corten_py;

/** Sets the exception of `error`; returns NULL. */
PyObject *corten_py_raise(const corten_error *error);
/** The same for an error of the extension's own. */
PyObject *corten_py_raise_text(corten_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/** Calls a function of corten._arrays. */
PyObject *corten_py_helper(const char *name, const char *format, ...);

/** A value for `object`: an array (wrapped without a copy where its layout allows), anything that
 *  NumPy makes an array of, a list (sequence), a dict (map), None (empty optional), a SparseTensor, an
 *  OrtValue.
 *  `dtype` is used where the object does not say (NONE: NumPy decides); `kind` and `type_text`
 *  (may be NULL) are what the model declares. Returns 0, or -1 with an exception. */
int corten_py_input(PyObject *object, corten_kind kind, corten_dtype dtype, const char *type_text,
                    struct input *input);
void corten_py_input_deinit(struct input *input);

/** Dimensions from any sequence of integers; the rank, or -1 with an exception. */
int corten_py_shape(PyObject *shape, int64_t dims[CORTEN_MAX_RANK]);

/** A new Value over `value`, which it takes over (also on failure). */
PyObject *corten_py_value(corten_value *value, PyObject *owner, bool borrowed);
/** The Python object for `value`, which it takes over: an array, list, dict or None. */
PyObject *corten_py_output(corten_value *value);
/** The same for the value of a Value object, of which it holds a reference. */
PyObject *corten_py_to_python(PyObject *value);
/** The corten_value in a Value or OrtValue; NULL without an exception when it is neither. */
corten_value *corten_py_value_of(PyObject *object, PyObject **holder);

/** The corten_options of an Options object. */
const corten_options *corten_py_options_of(PyObject *options);

/** What a Pool or Weights object holds; NULL with an exception when it is no such object. */
corten_pool *corten_py_pool_of(PyObject *pool);
corten_weights *corten_py_weights_of(PyObject *weights);

/** Capsule of a DLManagedTensor over a Value, and a Value over one. */
PyObject *corten_py_to_dlpack(PyObject *value, PyObject *unused);
PyObject *corten_py_from_dlpack(PyObject *module, PyObject *capsule);

/** Elements below 8 bits: `packed` as corten_dtype says, `wide` one byte an element. */
void corten_py_pack(corten_dtype dtype, const unsigned char *wide, size_t count,
                    unsigned char *packed);
void corten_py_unpack(corten_dtype dtype, const unsigned char *packed, size_t count,
                      unsigned char *wide);

/** Make the types; return a new reference or NULL. */
PyObject *corten_py_value_type(void);
PyObject *corten_py_options_type(void);
PyObject *corten_py_pool_type(void);
PyObject *corten_py_weights_type(void);
PyObject *corten_py_session_type(void);

/** Functions of the module. */
PyObject *corten_py_model_info(PyObject *module, PyObject *args);
PyObject *corten_py_make_value(PyObject *module, PyObject *args);
PyObject *corten_py_create_tensor(PyObject *module, PyObject *args);
PyObject *corten_py_wrap_pointer(PyObject *module, PyObject *args);
PyObject *corten_py_parse_value(PyObject *module, PyObject *args);

#endif
