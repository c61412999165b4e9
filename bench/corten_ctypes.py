"""The few functions of the C API that the benchmarks need, by ctypes."""
import ctypes as c

import numpy as np

DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9, "float64": 11}
NUMPY = {number: name for name, number in DTYPES.items()}
PRECISIONS = {"f32": 0, "bf16": 1}


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 1020)]


class Session:
    """A model opened by Corten; run() returns the outputs as arrays."""

    def __init__(self, library, path, threads, precision="f32"):
        self.lib = lib = c.CDLL(str(library))
        for name in ("corten_tensor_const_data", "corten_tensor_dims"):
            getattr(lib, name).restype = c.c_void_p
        self.error = Error()
        options, self.session = c.c_void_p(), c.c_void_p()
        self.check(lib.corten_options_create(c.byref(options), c.byref(self.error)))
        self.check(lib.corten_options_set_threads(options, threads, c.byref(self.error)))
        self.check(lib.corten_options_set_precision(options, PRECISIONS[precision],
                                                    c.byref(self.error)))
        self.check(lib.corten_session_open(str(path).encode(), options, c.byref(self.session),
                                           c.byref(self.error)))
        lib.corten_options_destroy(options)
        self.outputs = None

    def check(self, status):
        if status:
            raise RuntimeError(self.error.text.decode())

    def bind(self, inputs, output_names):
        self.arrays = {k: np.ascontiguousarray(v) for k, v in inputs.items()}
        n, m = len(inputs), len(output_names)
        self.input_names = (c.c_char_p * n)(*[k.encode() for k in inputs])
        self.inputs = (c.c_void_p * n)()
        for i, a in enumerate(self.arrays.values()):
            value = c.c_void_p()
            dims = (c.c_int64 * a.ndim)(*a.shape)
            self.check(self.lib.corten_tensor_wrap(
                DTYPES[a.dtype.name], a.ndim, dims, c.c_void_p(a.ctypes.data), c.c_size_t(a.nbytes),
                c.byref(value), c.byref(self.error)))
            self.inputs[i] = value
        self.output_names = (c.c_char_p * m)(*[k.encode() for k in output_names])
        self.outputs = (c.c_void_p * m)()
        self.n, self.m = c.c_size_t(n), c.c_size_t(m)

    def run(self):
        """Runs into the outputs of the last run."""
        self.check(self.lib.corten_session_run(
            self.session, self.input_names, self.inputs, self.n, self.output_names, self.outputs,
            self.m, c.byref(self.error)))

    def drop_outputs(self):
        """Frees them; the next run makes new ones."""
        for i in range(len(self.outputs)):
            self.lib.corten_value_destroy(c.c_void_p(self.outputs[i]))
            self.outputs[i] = None

    def results(self):
        arrays = []
        for value in self.outputs:
            value = c.c_void_p(value)
            rank = self.lib.corten_tensor_rank(value)
            dims = (c.c_int64 * rank).from_address(self.lib.corten_tensor_dims(value))[:]
            dtype = np.dtype(NUMPY[self.lib.corten_value_dtype(value)])
            size = int(np.prod(dims)) * dtype.itemsize
            data = c.string_at(self.lib.corten_tensor_const_data(value), size)
            arrays.append(np.frombuffer(data, dtype).reshape(dims))
        return arrays
