"""OrtValue and OrtDevice."""
import numpy as np

from . import _arrays, _corten, _errors

TENSOR, SEQUENCE, OPTIONAL, MAP, SPARSE = range(5)


def only_cpu(device_type, device_id=0):
    """Raises when a device is named that is not the CPU."""
    if isinstance(device_type, OrtDevice):
        device_type, device_id = device_type.device_type(), device_type.device_id()
    if str(device_type).lower() not in ("cpu", "0") or device_id not in (0, None):
        raise _errors.NotImplemented(f"There is no device {device_type}:{device_id}, only cpu:0")


class OrtDevice:
    """A device; there is only the CPU."""

    def __init__(self, device_type="cpu", device_id=0):
        self._type, self._id = device_type, device_id

    @staticmethod
    def make(ort_device_name, device_id=0, vendor_id=-1):
        only_cpu(ort_device_name, device_id)
        return OrtDevice("cpu", device_id)

    def _get_c_device(self):
        return self

    def device_type(self):
        return self._type

    def device_id(self):
        return self._id

    def device_mem_type(self):
        return 0

    def device_vendor_id(self):
        return 0


class OrtValue:
    """A tensor, sequence, map or optional."""

    __slots__ = ("_value", "__weakref__")

    def __init__(self, ortvalue):
        if not isinstance(ortvalue, _corten.Value):
            raise ValueError("an OrtValue is made by the functions ortvalue_from_...")
        self._value = ortvalue

    # ------------------------------------------------------------------ making

    @classmethod
    def ortvalue_from_numpy(cls, numpy_obj, device_type="cpu", device_id=0, vendor_id=-1):
        """A value over the array's memory where its layout allows; a copy where not, and for
        strings."""
        only_cpu(device_type, device_id)
        return cls(_corten.make_value(np.asarray(numpy_obj), TENSOR, 0))

    @classmethod
    def ortvalue_from_numpy_with_onnx_type(cls, data, onnx_element_type):
        """A value over the array's memory, whose bits are those of another type of equal size."""
        code = _arrays.element_code(onnx_element_type)
        bits = _arrays.element_bits(code)
        if code == _arrays.STRING or data.dtype.itemsize * 8 != max(bits, 8):
            raise _errors.InvalidArgument(
                f"elements of {data.dtype} have another size than {_arrays.NAMES[code][1]}")
        if not data.flags.c_contiguous:
            raise _errors.InvalidArgument("the array is not contiguous")
        if bits < 8:
            dtype = _arrays.dtype_of(code)
            if dtype is None:
                raise _errors.NotImplemented("ml_dtypes is needed for types below 8 bits")
            return cls(_corten.make_value(data.view(dtype), TENSOR, code))
        return cls(_corten.wrap_pointer(code, data.shape, data.ctypes.data, data))

    @classmethod
    def ortvalue_from_shape_and_type(cls, shape, element_type, device_type="cpu", device_id=0,
                                     vendor_id=-1, memory_info=None):
        """A tensor of zeros; `element_type` is a NumPy type or a number of ONNX."""
        only_cpu(device_type, device_id)
        return cls(_corten.create_tensor(_arrays.element_code(element_type), tuple(shape)))

    @classmethod
    def ort_value_from_sparse_tensor(cls, sparse_tensor):
        """A copy of a SparseTensor."""
        return cls(_corten.make_value(sparse_tensor, SPARSE, 0))

    @classmethod
    def from_object(cls, value):
        """Corten's: a value for an array, a list (sequence), a dict (map), a SparseTensor or
        None."""
        kind = (OPTIONAL if value is None else SEQUENCE if isinstance(value, (list, tuple)) else
                MAP if isinstance(value, dict) else
                SPARSE if isinstance(value, _arrays.SparseTensor) else TENSOR)
        return cls(_corten.make_value(value, kind, 0))

    @classmethod
    def from_dlpack(cls, data, is_bool_tensor=False):
        """A value over the memory of another framework's tensor, or of a DLPack capsule."""
        capsule = data.__dlpack__() if hasattr(data, "__dlpack__") else data
        value = _corten.from_dlpack(capsule)
        if is_bool_tensor and value.dtype == 2:
            value = _corten.wrap_pointer(9, value.shape, value.data_ptr, value)
        return cls(value)

    # ------------------------------------------------------------------ looking

    def _tensor(self, what):
        if self._value.kind != TENSOR:
            raise _errors.InvalidArgument(f"{what}: the OrtValue is not a tensor")
        return self._value

    def numpy(self, copy=True):
        """The elements as an array; with copy=False over the value's own memory."""
        array = self._tensor("numpy").to_python()
        return array.copy() if copy else array

    def to_python(self):
        """Corten's: an array, a list (sequence), a dict (map) or None (empty optional)."""
        return self._value.to_python()

    def __array__(self, dtype=None, copy=None):
        array = self._tensor("__array__").to_python()
        if dtype is not None:
            array = array.astype(dtype, copy=False)
        return array.copy() if copy else array

    def shape(self):
        return self._tensor("shape").shape

    def data_ptr(self):
        return self._tensor("data_ptr").data_ptr

    def tensor_size_in_bytes(self):
        return self._tensor("tensor_size_in_bytes").size_bytes

    def element_type(self):
        """ONNX's number of the element type."""
        return self._tensor("element_type").dtype

    def data_type(self):
        """The type as ONNX writes it, such as "tensor(float)"."""
        return _type_text(self._value)

    def device_name(self):
        return "cpu"

    def has_value(self):
        return self._value.kind != OPTIONAL or self._value.item_count > 0

    def is_tensor(self):
        return self._value.kind == TENSOR

    def is_sparse_tensor(self):
        return self._value.kind == SPARSE

    def is_tensor_sequence(self):
        return self._value.kind == SEQUENCE

    def as_sparse_tensor(self):
        if not self.is_sparse_tensor():
            raise _errors.InvalidArgument("the OrtValue is not a sparse tensor")
        return self._value.to_python()

    # ------------------------------------------------------------------ writing and sharing

    def update_inplace(self, data):
        """Copies an array of the same type and shape into the value's memory."""
        self._tensor("update_inplace").update(np.asarray(data))

    def to_dlpack(self):
        return self._value.to_dlpack()

    @property
    def _ortvalue(self):
        """What onnxruntime hides behind its OrtValue, and scripts take from there."""
        return self

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        if copy:
            raise BufferError("the memory is shared; copy what from_dlpack returns")
        return self._value.to_dlpack()

    def __dlpack_device__(self):
        return 1, 0

    def __repr__(self):
        shape = f", shape {self._value.shape}" if self._value.kind == TENSOR else ""
        return f"<OrtValue {self.data_type()}{shape}>"


class OrtValueVector(list):
    """A list of OrtValues, for run_with_ortvaluevector."""

    def push_back(self, value, is_bool_tensor=False):
        """An OrtValue, or the tensor or capsule of DLPack."""
        self.append(value if isinstance(value, OrtValue) else
                    OrtValue.from_dlpack(value, is_bool_tensor))

    def push_back_batch(self, tensors, data_ptrs, element_types, shapes, devices):
        """Memory at addresses, which `tensors` own."""
        for owner, pointer, element_type, shape in zip(tensors, data_ptrs, element_types, shapes):
            self.append(OrtValue(_corten.wrap_pointer(_arrays.element_code(element_type),
                                                      tuple(shape), int(pointer), owner)))

    def reserve(self, count):
        """There is nothing to reserve."""

    def shrink_to_fit(self):
        """There is nothing to give back."""

    def element_type_at(self, index):
        return self[index].element_type()

    def dlpack_at(self, index):
        return self[index].to_dlpack()

    def bool_tensor_indices(self):
        return [i for i, value in enumerate(self) if value.element_type() == 9]

    def to_dlpacks(self, to_tensor=None):
        capsules = [value.to_dlpack() for value in self]
        return capsules if to_tensor is None else [to_tensor(capsule) for capsule in capsules]


def copy_tensors(src, dst, stream=None):
    """Copies the elements of values into others of the same types and shapes."""
    if len(src) != len(dst):
        raise ValueError(f"{len(src)} values are to be copied to {len(dst)}")
    for source, target in zip(src, dst):
        target.update_inplace(source.numpy(copy=False))


def _type_text(value):
    name = _arrays.NAMES[value.dtype][1] if value.dtype else "none"
    if value.kind == TENSOR:
        return f"tensor({name})"
    if value.kind == SPARSE:
        return f"sparse_tensor({name})"
    if value.kind == MAP:
        key = _arrays.NAMES[value.item(0).dtype][1]
        return f"map({key},{_type_text(value.item(1))})"
    inner = _type_text(value.item(0)) if value.item_count else f"tensor({name})"
    return f"seq({inner})" if value.kind == SEQUENCE else f"optional({inner})"
