/* From Python objects to corten_values. */
#include <string.h>

#include "module.h"

void corten_py_input_deinit(struct input *input)
{
    if (input->owned)
        corten_value_destroy(input->value);
    Py_XDECREF(input->hold);
    *input = (struct input){0};
}

/* ------------------------------------------------------------------ element types */

static corten_dtype dtype_by_kind(char typekind, int itemsize_bytes)
{
    switch (typekind) {
    case 'b': return itemsize_bytes == 1 ? CORTEN_BOOL : CORTEN_DTYPE_NONE;
    case 'i':
        switch (itemsize_bytes) {
        case 1: return CORTEN_I8;
        case 2: return CORTEN_I16;
        case 4: return CORTEN_I32;
        case 8: return CORTEN_I64;
        }
        break;
    case 'u':
        switch (itemsize_bytes) {
        case 1: return CORTEN_U8;
        case 2: return CORTEN_U16;
        case 4: return CORTEN_U32;
        case 8: return CORTEN_U64;
        }
        break;
    case 'f':
        switch (itemsize_bytes) {
        case 2: return CORTEN_F16;
        case 4: return CORTEN_F32;
        case 8: return CORTEN_F64;
        }
        break;
    case 'c':
        switch (itemsize_bytes) {
        case 8: return CORTEN_C64;
        case 16: return CORTEN_C128;
        }
        break;
    case 'O':
    case 'U':
    case 'S':
    case 'T': return CORTEN_STRING;
    }
    return CORTEN_DTYPE_NONE;
}

/* Types that NumPy does not have (those of ml_dtypes) look alike in the array interface; the array
 * tells. NONE with an exception when it is no type of ours. */
static corten_dtype dtype_of_array(PyObject *array)
{
    PyObject *dtype = PyObject_GetAttr(array, corten_py.dtype_name);
    if (!dtype)
        return CORTEN_DTYPE_NONE;
    PyObject *known = PyDict_GetItemWithError(corten_py.dtype_codes, dtype);
    PyObject *code = NULL;
    if (known) {
        code = known;
        Py_INCREF(code);
    } else if (!PyErr_Occurred()) {
        code = corten_py_helper("code_of", "(O)", dtype);
    }
    Py_DECREF(dtype);
    if (!code)
        return CORTEN_DTYPE_NONE;
    long number = PyLong_AsLong(code);
    Py_DECREF(code);
    return number > 0 ? (corten_dtype)number : CORTEN_DTYPE_NONE;
}

/* Unsigned integers may be the bits of floats that NumPy has no type for. */
static bool may_be_bits(corten_dtype expected, int itemsize_bytes)
{
    switch (expected) {
    case CORTEN_BF16: return itemsize_bytes == 2;
    case CORTEN_F8E4M3FN:
    case CORTEN_F8E4M3FNUZ:
    case CORTEN_F8E5M2:
    case CORTEN_F8E5M2FNUZ:
    case CORTEN_F8E8M0:
    case CORTEN_F6E2M3:
    case CORTEN_F6E3M2:
    case CORTEN_F4E2M1: return itemsize_bytes == 1;
    default: return false;
    }
}

/* ------------------------------------------------------------------ elements below 8 bits */

void corten_py_pack(corten_dtype dtype, const unsigned char *wide, size_t count,
                    unsigned char *packed)
{
    size_t bits = corten_dtype_bits(dtype);
    unsigned mask = (1u << bits) - 1;
    memset(packed, 0, count / 8 * bits + (count % 8 * bits + 7) / 8);
    for (size_t i = 0; i < count; i++) {
        unsigned shifted = (wide[i] & mask) << (i * bits % 8);
        unsigned char *at = packed + i * bits / 8;
        at[0] = (unsigned char)(at[0] | shifted);
        if (shifted >> 8)
            at[1] = (unsigned char)(shifted >> 8);
    }
}

void corten_py_unpack(corten_dtype dtype, const unsigned char *packed, size_t count,
                      unsigned char *wide)
{
    size_t bits = corten_dtype_bits(dtype);
    unsigned mask = (1u << bits) - 1;
    unsigned sign = dtype == CORTEN_I4 || dtype == CORTEN_I2 ? 1u << (bits - 1) : 0;
    for (size_t i = 0; i < count; i++) {
        unsigned shift = (unsigned)(i * bits % 8), word = packed[i * bits / 8];
        if (shift + bits > 8)
            word |= (unsigned)packed[i * bits / 8 + 1] << 8;
        unsigned element = word >> shift & mask;
        wide[i] = (unsigned char)((element ^ sign) - sign);
    }
}

/* ------------------------------------------------------------------ tensors */

static int fail(const corten_error *error)
{
    corten_py_raise(error);
    return -1;
}

/* A list of bytes objects for the elements, in order. */
static int string_input(PyObject *array, const struct array_interface *interface,
                        struct input *input)
{
    corten_error error;
    int64_t dims[CORTEN_MAX_RANK] = {0};
    for (int i = 0; i < interface->nd; i++)
        dims[i] = interface->shape[i];
    PyObject *list = corten_py_helper("encoded_strings", "(O)", array);
    if (!list)
        return -1;
    Py_ssize_t count = PyList_Size(list);
    corten_string *strings = PyMem_Malloc((size_t)(count ? count : 1) * sizeof *strings);
    int result = -1;
    if (!strings) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        char *data;
        Py_ssize_t size_bytes;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &data, &size_bytes) < 0)
            goto done;
        strings[i] = (corten_string){data, (size_t)size_bytes};
    }
    corten_value *value = NULL;
    if (corten_tensor_create(NULL, CORTEN_STRING, interface->nd, dims, &value, &error) ||
        corten_tensor_set_strings(value, strings, (size_t)count, &error)) {
        corten_value_destroy(value);
        fail(&error);
        goto done;
    }
    *input = (struct input){.value = value, .owned = true};
    result = 0;
done:
    PyMem_Free(strings);
    Py_DECREF(list);
    return result;
}

static int packed_input(corten_dtype dtype, const struct array_interface *interface,
                        const int64_t *dims, struct input *input)
{
    corten_error error;
    corten_value *value = NULL;
    if (corten_tensor_create(NULL, dtype, interface->nd, dims, &value, &error))
        return fail(&error);
    corten_py_pack(dtype, interface->data, corten_tensor_element_count(value),
                   corten_tensor_data(value));
    *input = (struct input){.value = value, .owned = true};
    return 0;
}

/* `capsule` is the array's `__array_struct__` and keeps the array alive. */
static int array_input(PyObject *array, PyObject *capsule, corten_dtype expected, bool again,
                       struct input *input)
{
    const struct array_interface *interface = PyCapsule_GetPointer(capsule, NULL);
    if (!interface)
        return -1;
    if (interface->nd > CORTEN_MAX_RANK) {
        corten_py_raise_text(CORTEN_INVALID_ARGUMENT, "the array has %d dimensions, at most %d",
                             interface->nd, CORTEN_MAX_RANK);
        return -1;
    }
    corten_dtype dtype = dtype_by_kind(interface->typekind, interface->itemsize_bytes);
    if (dtype == CORTEN_DTYPE_NONE && !(dtype = dtype_of_array(array)))
        return -1;
    if (dtype == CORTEN_STRING)
        return string_input(array, interface, input);
    enum { NEEDED = ARRAY_C_CONTIGUOUS | ARRAY_ALIGNED | ARRAY_NOT_SWAPPED };
    if ((interface->flags & NEEDED) != NEEDED && !again) {
        PyObject *copy = corten_py_helper("plain_copy", "(O)", array);
        PyObject *other = copy ? PyObject_GetAttr(copy, corten_py.array_struct) : NULL;
        int result = other ? array_input(copy, other, expected, true, input) : -1;
        Py_XDECREF(other);
        Py_XDECREF(copy);
        return result;
    }
    if (interface->typekind == 'u' && may_be_bits(expected, interface->itemsize_bytes))
        dtype = expected;
    int64_t dims[CORTEN_MAX_RANK] = {0};
    size_t size_bytes = (size_t)interface->itemsize_bytes;
    for (int i = 0; i < interface->nd; i++) {
        dims[i] = interface->shape[i];
        size_bytes *= (size_t)dims[i];
    }
    if (corten_dtype_bits(dtype) < 8)
        return packed_input(dtype, interface, dims, input);
    corten_error error;
    corten_value *value = NULL;
    if (corten_tensor_wrap(dtype, interface->nd, dims, interface->data, size_bytes, &value, &error))
        return fail(&error);
    Py_INCREF(capsule);
    *input = (struct input){.value = value, .hold = capsule, .owned = true};
    return 0;
}

static int tensor_input(PyObject *object, corten_dtype dtype, struct input *input)
{
    PyObject *capsule = PyObject_GetAttr(object, corten_py.array_struct);
    if (capsule) {
        int result = array_input(object, capsule, dtype, false, input);
        Py_DECREF(capsule);
        return result;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError))
        return -1;
    PyErr_Clear();
    PyObject *holder = NULL;
    corten_value *value = corten_py_value_of(object, &holder);
    if (value) {
        *input = (struct input){.value = value, .hold = holder};
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    PyObject *array = corten_py_helper("as_array", "(Oi)", object, (int)dtype);
    if (!array)
        return -1;
    capsule = PyObject_GetAttr(array, corten_py.array_struct);
    int result = capsule ? array_input(array, capsule, dtype, false, input) : -1;
    Py_XDECREF(capsule);
    Py_DECREF(array);
    return result;
}

/* ------------------------------------------------------------------ containers */

static int sequence_input(PyObject *object, corten_dtype dtype, struct input *input)
{
    Py_ssize_t count = PySequence_Size(object);
    if (count < 0)
        return -1;
    size_t room = (size_t)(count ? count : 1), size_bytes = room * sizeof(struct input);
    struct input *items = PyMem_Malloc(size_bytes);
    const corten_value **values = PyMem_Malloc(room * sizeof *values);
    corten_value *sequence = NULL;
    corten_error error;
    int result = -1;
    if (items)
        memset(items, 0, size_bytes);
    if (!items || !values) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(object, i);
        corten_kind kind = !item                                       ? CORTEN_TENSOR
                           : PyDict_Check(item)                        ? CORTEN_MAP
                           : PyList_Check(item) || PyTuple_Check(item) ? CORTEN_SEQUENCE
                                                                       : CORTEN_TENSOR;
        int status = item ? corten_py_input(item, kind, dtype, NULL, &items[i]) : -1;
        Py_XDECREF(item);
        if (status < 0)
            goto done;
        values[i] = items[i].value;
    }
    if (corten_sequence_create(count ? corten_value_dtype(values[0]) : dtype, values, (size_t)count,
                               &sequence, &error)) {
        fail(&error);
        goto done;
    }
    *input = (struct input){.value = sequence, .owned = true};
    result = 0;
done:
    for (Py_ssize_t i = 0; items && i < count; i++)
        corten_py_input_deinit(&items[i]);
    PyMem_Free(items);
    PyMem_Free((void *)values);
    return result;
}

static int map_input(PyObject *object, corten_dtype dtype, struct input *input)
{
    corten_error error;
    corten_value *map = NULL;
    struct input keys = {0}, values = {0};
    PyObject *arrays = corten_py_helper("map_arrays", "(Oi)", object, (int)dtype);
    if (!arrays)
        return -1;
    int result = -1;
    if (tensor_input(PyTuple_GetItem(arrays, 0), CORTEN_DTYPE_NONE, &keys) == 0 &&
        tensor_input(PyTuple_GetItem(arrays, 1), dtype, &values) == 0) {
        if (corten_map_create(keys.value, values.value, &map, &error)) {
            fail(&error);
        } else {
            *input = (struct input){.value = map, .owned = true};
            result = 0;
        }
    }
    corten_py_input_deinit(&keys);
    corten_py_input_deinit(&values);
    Py_DECREF(arrays);
    return result;
}

static int optional_input(PyObject *object, corten_dtype dtype, const char *type_text,
                          struct input *input)
{
    corten_error error;
    corten_value *optional = NULL;
    struct input inner = {0};
    if (object != Py_None) {
        bool sequence = type_text && strstr(type_text, "seq(");
        if (corten_py_input(object, sequence ? CORTEN_SEQUENCE : CORTEN_TENSOR, dtype, NULL,
                            &inner) < 0)
            return -1;
    }
    corten_status status = corten_optional_create(inner.value, &optional, &error);
    corten_py_input_deinit(&inner);
    if (status)
        return fail(&error);
    *input = (struct input){.value = optional, .owned = true};
    return 0;
}

/* A SparseTensor of corten._arrays. */
static int sparse_input(PyObject *object, struct input *input)
{
    corten_error error;
    corten_value *sparse = NULL;
    struct input values = {0}, indices = {0};
    int64_t dims[CORTEN_MAX_RANK];
    PyObject *parts = corten_py_helper("sparse_parts", "(O)", object);
    if (!parts)
        return -1;
    int result = -1, rank = corten_py_shape(PyTuple_GetItem(parts, 2), dims);
    if (rank >= 0 && tensor_input(PyTuple_GetItem(parts, 0), CORTEN_DTYPE_NONE, &values) == 0 &&
        tensor_input(PyTuple_GetItem(parts, 1), CORTEN_I64, &indices) == 0) {
        if (corten_sparse_create(rank, dims, values.value, indices.value, &sparse, &error)) {
            fail(&error);
        } else {
            *input = (struct input){.value = sparse, .owned = true};
            result = 0;
        }
    }
    corten_py_input_deinit(&values);
    corten_py_input_deinit(&indices);
    Py_DECREF(parts);
    return result;
}

int corten_py_input(PyObject *object, corten_kind kind, corten_dtype dtype, const char *type_text,
                    struct input *input)
{
    if (kind == CORTEN_TENSOR && object != Py_None)
        return tensor_input(object, dtype, input);
    PyObject *holder = NULL;
    corten_value *value = corten_py_value_of(object, &holder);
    if (value) {
        *input = (struct input){.value = value, .hold = holder};
        return 0;
    }
    if (PyErr_Occurred())
        return -1;
    if (kind == CORTEN_OPTIONAL)
        return optional_input(object, dtype, type_text, input);
    if (kind == CORTEN_SEQUENCE && (PyList_Check(object) || PyTuple_Check(object)))
        return sequence_input(object, dtype, input);
    if (kind == CORTEN_MAP && PyDict_Check(object))
        return map_input(object, dtype, input);
    if (kind == CORTEN_SPARSE)
        return sparse_input(object, input);
    PyErr_Format(PyExc_TypeError, "a value of type %S is given for %s", (PyObject *)Py_TYPE(object),
                 kind == CORTEN_SEQUENCE ? "a sequence, expected a list"
                 : kind == CORTEN_MAP    ? "a map, expected a dict"
                                         : "a tensor, expected an array");
    return -1;
}
