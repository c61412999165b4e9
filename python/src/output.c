/* From corten_values to Python objects. */
#include "module.h"

/* A list of str (bytes where it is not UTF-8), in order. */
static PyObject *string_list(const corten_value *tensor)
{
    size_t count = corten_tensor_element_count(tensor);
    const corten_string *strings = corten_tensor_const_data(tensor);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *text = PyUnicode_DecodeUTF8(strings[i].data ? strings[i].data : "",
                                              (Py_ssize_t)strings[i].size_bytes, "surrogateescape");
        if (!text || PyList_SetItem(list, (Py_ssize_t)i, text) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *shape_tuple(const corten_value *tensor)
{
    int rank = corten_tensor_rank(tensor);
    const int64_t *dims = corten_tensor_dims(tensor);
    PyObject *shape = PyTuple_New(rank);
    for (int i = 0; shape && i < rank; i++) {
        PyObject *dim = PyLong_FromLongLong(dims[i]);
        if (!dim || PyTuple_SetItem(shape, i, dim) < 0) {
            Py_DECREF(shape);
            return NULL;
        }
    }
    return shape;
}

static PyObject *string_array(const corten_value *tensor)
{
    PyObject *list = string_list(tensor), *shape = list ? shape_tuple(tensor) : NULL;
    PyObject *array = shape ? corten_py_helper("string_array", "(OO)", list, shape) : NULL;
    Py_XDECREF(list);
    Py_XDECREF(shape);
    return array;
}

/* One byte an element; the array is seen as the type of ml_dtypes when that is there. */
static PyObject *unpacked_array(const corten_value *tensor)
{
    corten_error error;
    corten_value *wide = NULL;
    corten_dtype dtype = corten_value_dtype(tensor);
    bool is_signed = dtype == CORTEN_I4 || dtype == CORTEN_I2;
    if (corten_tensor_create(NULL, is_signed ? CORTEN_I8 : CORTEN_U8, corten_tensor_rank(tensor),
                             corten_tensor_dims(tensor), &wide, &error))
        return corten_py_raise(&error);
    corten_py_unpack(dtype, corten_tensor_const_data(tensor), corten_tensor_element_count(tensor),
                     corten_tensor_data(wide));
    PyObject *bytes = corten_py_output(wide);
    PyObject *array = bytes ? corten_py_helper("seen_as", "(Oi)", bytes, (int)dtype) : NULL;
    Py_XDECREF(bytes);
    return array;
}

static PyObject *tensor_to_python(PyObject *object, const corten_value *tensor)
{
    corten_dtype dtype = corten_value_dtype(tensor);
    if (dtype == CORTEN_STRING)
        return string_array(tensor);
    if (corten_dtype_bits(dtype) < 8)
        return unpacked_array(tensor);
    PyObject *array = PyObject_CallFunctionObjArgs(corten_py.asarray, object, NULL);
    if (!array || dtype < CORTEN_BF16)
        return array;
    PyObject *seen = corten_py_helper("seen_as", "(Oi)", array, (int)dtype);
    Py_DECREF(array);
    return seen;
}

static PyObject *item_to_python(PyObject *object, const corten_value *value, size_t index)
{
    /* Items are only read; a Value has no const. */
    corten_value *item = (corten_value *)(uintptr_t)corten_value_item(value, index);
    PyObject *wrapped = corten_py_value(item, object, true);
    PyObject *python = wrapped ? corten_py_to_python(wrapped) : NULL;
    Py_XDECREF(wrapped);
    return python;
}

static PyObject *list_of_items(PyObject *object, const corten_value *value)
{
    size_t count = corten_value_item_count(value);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *item = item_to_python(object, value, i);
        if (!item || PyList_SetItem(list, (Py_ssize_t)i, item) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *pair_to_python(PyObject *object, const corten_value *value, const char *helper)
{
    PyObject *first = item_to_python(object, value, 0);
    PyObject *second = first ? item_to_python(object, value, 1) : NULL;
    PyObject *shape = second ? shape_tuple(value) : NULL;
    PyObject *result = shape ? corten_py_helper(helper, "(OOO)", first, second, shape) : NULL;
    Py_XDECREF(first);
    Py_XDECREF(second);
    Py_XDECREF(shape);
    return result;
}

PyObject *corten_py_to_python(PyObject *object)
{
    const corten_value *value = ((struct value_object *)(void *)object)->value;
    switch (corten_value_kind(value)) {
    case CORTEN_TENSOR: return tensor_to_python(object, value);
    case CORTEN_SEQUENCE: return list_of_items(object, value);
    case CORTEN_MAP: return pair_to_python(object, value, "dict_of");
    case CORTEN_SPARSE: return pair_to_python(object, value, "sparse_of");
    case CORTEN_OPTIONAL: break;
    }
    if (corten_value_item_count(value) > 0)
        return item_to_python(object, value, 0);
    Py_RETURN_NONE;
}

PyObject *corten_py_output(corten_value *value)
{
    PyObject *object = corten_py_value(value, NULL, false);
    PyObject *python = object ? corten_py_to_python(object) : NULL;
    Py_XDECREF(object);
    return python;
}
