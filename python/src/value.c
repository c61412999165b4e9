/* Value: a corten_value as a Python object. */
#include <string.h>

#include "module.h"

static struct value_object *self_of(PyObject *object)
{
    return (struct value_object *)(void *)object;
}

PyObject *corten_py_value(corten_value *value, PyObject *owner, bool borrowed)
{
    PyTypeObject *type = (PyTypeObject *)(void *)corten_py.value_type;
    struct value_object *self = PyObject_New(struct value_object, type);
    if (!self) {
        if (!borrowed)
            corten_value_destroy(value);
        return NULL;
    }
    self->value = value;
    self->borrowed = borrowed;
    self->interface.two = 0;
    Py_XINCREF(owner);
    self->owner = owner;
    return (PyObject *)self;
}

static void value_dealloc(PyObject *object)
{
    struct value_object *self = self_of(object);
    PyTypeObject *type = Py_TYPE(object);
    if (!self->borrowed)
        corten_value_destroy(self->value);
    Py_XDECREF(self->owner);
    PyObject_Free(object);
    Py_DECREF(type);
}

corten_value *corten_py_value_of(PyObject *object, PyObject **holder)
{
    PyTypeObject *type = (PyTypeObject *)(void *)corten_py.value_type;
    if (PyObject_TypeCheck(object, type)) {
        Py_INCREF(object);
        *holder = object;
        return self_of(object)->value;
    }
    PyObject *inner = PyObject_GetAttr(object, corten_py.value_name);
    if (!inner) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            PyErr_Clear();
        return NULL;
    }
    if (!PyObject_TypeCheck(inner, type)) {
        Py_DECREF(inner);
        return NULL;
    }
    *holder = inner;
    return self_of(inner)->value;
}

/* ------------------------------------------------------------------ the array interface */

/* Letter and size that the array interface has for a type. Types that NumPy lacks are shown as
 * unsigned integers. */
static char typekind_of(corten_dtype dtype)
{
    switch (dtype) {
    case CORTEN_BOOL: return 'b';
    case CORTEN_I8:
    case CORTEN_I16:
    case CORTEN_I32:
    case CORTEN_I64: return 'i';
    case CORTEN_F16:
    case CORTEN_F32:
    case CORTEN_F64: return 'f';
    case CORTEN_C64:
    case CORTEN_C128: return 'c';
    default: return 'u';
    }
}

static void fill_interface(struct value_object *self)
{
    corten_dtype dtype = corten_value_dtype(self->value);
    int rank = corten_tensor_rank(self->value);
    const int64_t *dims = corten_tensor_dims(self->value);
    Py_ssize_t stride_bytes = (Py_ssize_t)(corten_dtype_bits(dtype) / 8);
    self->interface = (struct array_interface){
        .two = 2,
        .nd = rank,
        .typekind = typekind_of(dtype),
        .itemsize_bytes = (int)stride_bytes,
        .flags = ARRAY_C_CONTIGUOUS | ARRAY_ALIGNED | ARRAY_NOT_SWAPPED | ARRAY_WRITEABLE,
        .shape = self->shape,
        .strides = self->strides,
        .data = corten_tensor_data(self->value),
    };
    if (!self->interface.data) /* no elements */
        self->interface.data = self->shape;
    for (int i = rank - 1; i >= 0; i--) {
        self->shape[i] = (Py_ssize_t)dims[i];
        self->strides[i] = stride_bytes;
        stride_bytes *= dims[i] > 0 ? (Py_ssize_t)dims[i] : 1;
    }
}

static void release_interface(PyObject *capsule)
{
    Py_XDECREF((PyObject *)PyCapsule_GetContext(capsule));
}

static PyObject *get_array_struct(PyObject *object, void *unused)
{
    (void)unused;
    struct value_object *self = self_of(object);
    corten_dtype dtype = corten_value_dtype(self->value);
    if (corten_value_kind(self->value) != CORTEN_TENSOR || dtype == CORTEN_STRING ||
        corten_dtype_bits(dtype) < 8) {
        PyErr_SetString(PyExc_AttributeError, "__array_struct__");
        return NULL;
    }
    if (self->interface.two == 0)
        fill_interface(self);
    PyObject *capsule = PyCapsule_New(&self->interface, NULL, release_interface);
    if (!capsule)
        return NULL;
    Py_INCREF(object);
    PyCapsule_SetContext(capsule, object);
    return capsule;
}

/* ------------------------------------------------------------------ looking */

static PyObject *get_kind(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLong(corten_value_kind(self_of(object)->value));
}

static PyObject *get_dtype(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromLong(corten_value_dtype(self_of(object)->value));
}

static PyObject *get_shape(PyObject *object, void *unused)
{
    (void)unused;
    const corten_value *value = self_of(object)->value;
    int rank = corten_tensor_rank(value);
    PyObject *list = PyList_New(rank);
    for (int i = 0; list && i < rank; i++) {
        PyObject *dim = PyLong_FromLongLong(corten_tensor_dims(value)[i]);
        if (!dim || PyList_SetItem(list, i, dim) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *get_size_bytes(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(corten_tensor_size_bytes(self_of(object)->value));
}

static PyObject *get_data_ptr(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromVoidPtr(corten_tensor_data(self_of(object)->value));
}

static PyObject *get_item_count(PyObject *object, void *unused)
{
    (void)unused;
    return PyLong_FromSize_t(corten_value_item_count(self_of(object)->value));
}

static PyObject *value_to_python(PyObject *object, PyObject *unused)
{
    (void)unused;
    return corten_py_to_python(object);
}

static PyObject *value_item(PyObject *object, PyObject *args)
{
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "n:item", &index))
        return NULL;
    const corten_value *item =
        index < 0 ? NULL : corten_value_item(self_of(object)->value, (size_t)index);
    if (!item) {
        PyErr_Format(PyExc_IndexError, "the value has no item %zd", index);
        return NULL;
    }
    return corten_py_value((corten_value *)(uintptr_t)item, object, true);
}

static PyObject *value_serialize(PyObject *object, PyObject *args)
{
    corten_error error;
    const char *name;
    void *bytes;
    size_t size_bytes;
    if (!PyArg_ParseTuple(args, "s:serialize", &name))
        return NULL;
    if (corten_value_serialize(self_of(object)->value, name, &bytes, &size_bytes, &error))
        return corten_py_raise(&error);
    PyObject *result = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)size_bytes);
    corten_free(bytes);
    return result;
}

/* ------------------------------------------------------------------ writing */

static bool same_shape(const corten_value *a, const corten_value *b)
{
    int rank = corten_tensor_rank(a);
    return corten_value_kind(a) == corten_value_kind(b) &&
           corten_value_dtype(a) == corten_value_dtype(b) && rank == corten_tensor_rank(b) &&
           memcmp(corten_tensor_dims(a), corten_tensor_dims(b), (size_t)rank * sizeof(int64_t)) ==
               0;
}

static PyObject *value_update(PyObject *object, PyObject *array)
{
    corten_error error;
    corten_value *value = self_of(object)->value;
    struct input input = {0};
    if (corten_value_kind(value) != CORTEN_TENSOR)
        return corten_py_raise_text(CORTEN_INVALID_ARGUMENT, "the value is not a tensor");
    corten_dtype dtype = corten_value_dtype(value);
    if (corten_py_input(array, CORTEN_TENSOR, dtype, NULL, &input) < 0)
        return NULL;
    bool ok = same_shape(value, input.value);
    if (!ok) {
        corten_py_raise_text(CORTEN_INVALID_ARGUMENT,
                             "the array's type or shape is not that of the value");
    } else if (dtype == CORTEN_STRING) {
        ok = !corten_tensor_set_strings(value, corten_tensor_const_data(input.value),
                                        corten_tensor_element_count(input.value), &error);
        if (!ok)
            corten_py_raise(&error);
    } else {
        memmove(corten_tensor_data(value), corten_tensor_const_data(input.value),
                corten_tensor_size_bytes(value));
    }
    corten_py_input_deinit(&input);
    if (!ok)
        return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ making */

/* make_value(object, kind, dtype): a value over an array, or of a list, a dict or None. */
PyObject *corten_py_make_value(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *object;
    int kind, dtype;
    struct input input = {0};
    if (!PyArg_ParseTuple(args, "Oii:make_value", &object, &kind, &dtype) ||
        corten_py_input(object, (corten_kind)kind, (corten_dtype)dtype, NULL, &input) < 0)
        return NULL;
    PyObject *value = corten_py_value(input.value, input.hold, !input.owned);
    input.owned = false; /* the Value has it */
    corten_py_input_deinit(&input);
    return value;
}

int corten_py_shape(PyObject *shape, int64_t dims[CORTEN_MAX_RANK])
{
    Py_ssize_t rank = PySequence_Size(shape);
    if (rank < 0)
        return -1;
    if (rank > CORTEN_MAX_RANK) {
        corten_py_raise_text(CORTEN_INVALID_ARGUMENT, "the shape has %zd dimensions, at most %d",
                             rank, CORTEN_MAX_RANK);
        return -1;
    }
    for (Py_ssize_t i = 0; i < rank; i++) {
        PyObject *item = PySequence_GetItem(shape, i);
        PyObject *number = item ? PyNumber_Index(item) : NULL;
        dims[i] = number ? PyLong_AsLongLong(number) : -1;
        Py_XDECREF(item);
        Py_XDECREF(number);
        if (PyErr_Occurred())
            return -1;
    }
    return (int)rank;
}

/* create_tensor(dtype, shape) */
PyObject *corten_py_create_tensor(PyObject *module, PyObject *args)
{
    (void)module;
    corten_error error;
    PyObject *shape;
    int dtype, rank;
    int64_t dims[CORTEN_MAX_RANK] = {0};
    corten_value *value;
    if (!PyArg_ParseTuple(args, "iO:create_tensor", &dtype, &shape) ||
        (rank = corten_py_shape(shape, dims)) < 0)
        return NULL;
    if (corten_tensor_create(NULL, (corten_dtype)dtype, rank, dims, &value, &error))
        return corten_py_raise(&error);
    return corten_py_value(value, NULL, false);
}

/* wrap_pointer(dtype, shape, pointer, owner): the caller vouches for the memory. */
PyObject *corten_py_wrap_pointer(PyObject *module, PyObject *args)
{
    (void)module;
    corten_error error;
    PyObject *shape, *pointer, *owner;
    int dtype, rank;
    int64_t dims[CORTEN_MAX_RANK] = {0};
    corten_value *value;
    if (!PyArg_ParseTuple(args, "iOOO:wrap_pointer", &dtype, &shape, &pointer, &owner) ||
        (rank = corten_py_shape(shape, dims)) < 0)
        return NULL;
    void *data = PyLong_AsVoidPtr(pointer);
    if (PyErr_Occurred())
        return NULL;
    if (corten_tensor_wrap((corten_dtype)dtype, rank, dims, data, PTRDIFF_MAX, &value, &error))
        return corten_py_raise(&error);
    return corten_py_value(value, owner, false);
}

/* parse_value(kind, bytes) */
PyObject *corten_py_parse_value(PyObject *module, PyObject *args)
{
    (void)module;
    corten_error error;
    int kind;
    const char *bytes;
    Py_ssize_t size_bytes;
    corten_value *value;
    if (!PyArg_ParseTuple(args, "iy#:parse_value", &kind, &bytes, &size_bytes))
        return NULL;
    if (corten_value_parse((corten_kind)kind, bytes, (size_t)size_bytes, NULL, 0, &value, &error))
        return corten_py_raise(&error);
    return corten_py_value(value, NULL, false);
}

/* ------------------------------------------------------------------ the type */

PyObject *corten_py_value_type(void)
{
    static PyGetSetDef getters[] = {
        {"__array_struct__", get_array_struct, NULL, NULL, NULL},
        {"kind", get_kind, NULL, NULL, NULL},
        {"dtype", get_dtype, NULL, NULL, NULL},
        {"shape", get_shape, NULL, NULL, NULL},
        {"size_bytes", get_size_bytes, NULL, NULL, NULL},
        {"data_ptr", get_data_ptr, NULL, NULL, NULL},
        {"item_count", get_item_count, NULL, NULL, NULL},
        {NULL, NULL, NULL, NULL, NULL},
    };
    static PyMethodDef methods[] = {
        {"to_python", value_to_python, METH_NOARGS, NULL},
        {"to_dlpack", corten_py_to_dlpack, METH_NOARGS, NULL},
        {"item", value_item, METH_VARARGS, NULL},
        {"serialize", value_serialize, METH_VARARGS, NULL},
        {"update", value_update, METH_O, NULL},
        {NULL, NULL, 0, NULL},
    };
    static PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)value_dealloc},
        {Py_tp_getset, getters},
        {Py_tp_methods, methods},
        {0, NULL},
    };
    static PyType_Spec spec = {"corten._corten.Value", (int)sizeof(struct value_object), 0,
                               Py_TPFLAGS_DEFAULT, slots};
    return PyType_FromSpec(&spec);
}
