/* Exchange of tensors through DLPack (dmlc.github.io/dlpack), version 0 structures. */
#include <stdlib.h>
#include <string.h>

#include "module.h"

struct dl_device {
    int32_t type, id;
};

struct dl_dtype {
    uint8_t code, bits;
    uint16_t lanes;
};

struct dl_tensor {
    void *data;
    struct dl_device device;
    int32_t rank;
    struct dl_dtype dtype;
    int64_t *shape, *strides;
    uint64_t offset_bytes;
};

struct dl_managed {
    struct dl_tensor tensor;
    void *context;
    void (*deleter)(struct dl_managed *self);
};

enum { DL_CPU = 1, DL_CUDA_HOST = 3 };

/* X(corten_dtype, code of DLPack) */
#define DL_MAP(X)                                                                                  \
    X(I8, 0)                                                                                       \
    X(I16, 0)                                                                                      \
    X(I32, 0)                                                                                      \
    X(I64, 0)                                                                                      \
    X(U8, 1)                                                                                       \
    X(U16, 1)                                                                                      \
    X(U32, 1)                                                                                      \
    X(U64, 1)                                                                                      \
    X(F16, 2)                                                                                      \
    X(F32, 2)                                                                                      \
    X(F64, 2)                                                                                      \
    X(BF16, 4)                                                                                     \
    X(C64, 5)                                                                                      \
    X(C128, 5)                                                                                     \
    X(BOOL, 6)                                                                                     \
    X(F8E4M3FN, 10)                                                                                \
    X(F8E4M3FNUZ, 11)                                                                              \
    X(F8E5M2, 12)                                                                                  \
    X(F8E5M2FNUZ, 13)                                                                              \
    X(F8E8M0, 14)

static const struct {
    corten_dtype dtype;
    uint8_t code;
} codes[] = {
#define X(name, code) {CORTEN_##name, code},
    DL_MAP(X)
#undef X
};

enum { CODE_COUNT = sizeof codes / sizeof codes[0] };

/* ------------------------------------------------------------------ out */

struct exported {
    struct dl_managed managed;
    PyObject *value;
};

static void delete_exported(struct dl_managed *managed)
{
    struct exported *exported = managed->context;
    PyGILState_STATE state = PyGILState_Ensure();
    Py_DECREF(exported->value);
    PyGILState_Release(state);
    free(exported);
}

static void drop_unused(PyObject *capsule)
{
    if (!PyCapsule_IsValid(capsule, "dltensor"))
        return; /* somebody took it */
    struct dl_managed *managed = PyCapsule_GetPointer(capsule, "dltensor");
    managed->deleter(managed);
}

PyObject *corten_py_to_dlpack(PyObject *object, PyObject *unused)
{
    (void)unused;
    corten_value *value = ((struct value_object *)(void *)object)->value;
    corten_dtype dtype = corten_value_dtype(value);
    int index = 0;
    while (index < CODE_COUNT && codes[index].dtype != dtype)
        index++;
    if (index == CODE_COUNT || corten_value_kind(value) != CORTEN_TENSOR)
        return corten_py_raise_text(CORTEN_UNSUPPORTED, "DLPack has no type for %s values",
                                    corten_dtype_name(dtype));
    struct exported *exported = calloc(1, sizeof *exported);
    if (!exported)
        return PyErr_NoMemory();
    exported->managed = (struct dl_managed){
        .tensor = {.data = corten_tensor_data(value),
                   .device = {DL_CPU, 0},
                   .rank = corten_tensor_rank(value),
                   .dtype = {codes[index].code, (uint8_t)corten_dtype_bits(dtype), 1},
                   /* The value lives as long as this does and never changes its shape. */
                   .shape = (int64_t *)(uintptr_t)corten_tensor_dims(value)},
        .context = exported,
        .deleter = delete_exported,
    };
    PyObject *capsule = PyCapsule_New(&exported->managed, "dltensor", drop_unused);
    if (!capsule) {
        free(exported);
        return NULL;
    }
    Py_INCREF(object);
    exported->value = object;
    return capsule;
}

/* ------------------------------------------------------------------ in */

static void delete_imported(PyObject *capsule)
{
    struct dl_managed *managed = PyCapsule_GetPointer(capsule, "corten.dltensor");
    if (managed && managed->deleter)
        managed->deleter(managed);
}

static bool is_contiguous(const struct dl_tensor *tensor)
{
    int64_t stride = 1;
    for (int32_t i = tensor->rank - 1; tensor->strides && i >= 0; i--) {
        if (tensor->shape[i] != 1 && tensor->strides[i] != stride)
            return false;
        stride *= tensor->shape[i];
    }
    return true;
}

PyObject *corten_py_from_dlpack(PyObject *module, PyObject *capsule)
{
    (void)module;
    struct dl_managed *managed = PyCapsule_GetPointer(capsule, "dltensor");
    if (!managed)
        return NULL;
    const struct dl_tensor *tensor = &managed->tensor;
    int index = 0;
    while (index < CODE_COUNT && (codes[index].code != tensor->dtype.code ||
                                  corten_dtype_bits(codes[index].dtype) != tensor->dtype.bits))
        index++;
    if (index == CODE_COUNT || tensor->dtype.lanes != 1)
        return corten_py_raise_text(CORTEN_UNSUPPORTED, "DLPack type %d of %d bits, %d lanes",
                                    tensor->dtype.code, tensor->dtype.bits, tensor->dtype.lanes);
    if (tensor->device.type != DL_CPU && tensor->device.type != DL_CUDA_HOST)
        return corten_py_raise_text(CORTEN_UNSUPPORTED,
                                    "the tensor is on DLPack device %d, expected the CPU (%d)",
                                    (int)tensor->device.type, DL_CPU);
    if (!is_contiguous(tensor))
        return corten_py_raise_text(CORTEN_INVALID_ARGUMENT, "the tensor is not contiguous");
    corten_error error;
    corten_value *value;
    unsigned char *data = tensor->data;
    static int64_t nothing; /* memory for no elements */
    if (corten_tensor_wrap(codes[index].dtype, tensor->rank, tensor->shape,
                           data ? data + tensor->offset_bytes : (void *)&nothing, PTRDIFF_MAX,
                           &value, &error))
        return corten_py_raise(&error);
    PyObject *owner = PyCapsule_New(managed, "corten.dltensor", delete_imported);
    if (!owner || PyCapsule_SetName(capsule, "used_dltensor") < 0) {
        if (owner)
            PyCapsule_SetDestructor(owner, NULL);
        Py_XDECREF(owner);
        corten_value_destroy(value);
        return NULL;
    }
    PyObject *result = corten_py_value(value, owner, false);
    Py_DECREF(owner);
    return result;
}
