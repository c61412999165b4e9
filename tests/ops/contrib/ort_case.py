"""Cases of one operator in the layout of the ONNX suite, with ONNX Runtime's outputs (or given ones)
as what is expected."""

import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ort.set_default_logger_severity(4)


def tolerance(arrays):
    kinds = {a.dtype.name for a in arrays}
    if "bfloat16" in kinds:
        return 2e-2, 2e-2
    if "float16" in kinds:
        return 4e-3, 4e-3
    return 2e-4, 2e-5


def to_tensor(array, name):
    return numpy_helper.from_array(np.array(array, order="C"), name)


def run_shared(session, values, outputs, names, shared):
    binding = session.io_binding()
    for name, value in values.items():
        binding.bind_ortvalue_input(name, value)
    for output in outputs:
        if output in shared:
            binding.bind_ortvalue_output(output, values[names[shared[output]]])
        elif output:
            binding.bind_output(output)
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()


class Cases:
    """Writes cases into a folder; `seed` makes them the same each time."""

    def __init__(self, folder, seed=1):
        self.folder, self.rng, self.count, self.failed = folder, np.random.default_rng(seed), 0, []

    def floats(self, *shape, dtype=np.float32, scale=1.0):
        return (self.rng.standard_normal(shape) * scale).astype(dtype)

    def ints(self, low, high, *shape, dtype=np.int32):
        """Numbers from low to high, both included."""
        return self.rng.integers(low, high + 1, size=shape).astype(dtype)

    def add(self, name, op, inputs, attrs=None, n_out=1, domain="com.microsoft", constants=(),
            expected=None, tol=None, outputs=None, types=None, ask=False, shared=None):
        """inputs: arrays or None, also TensorProtos; constants: the indices that are initializers;
        outputs: names, "" for one that is not wanted; expected: arrays that ONNX Runtime is not
        asked for; types: TensorProto types of outputs that ONNX Runtime cannot tell; ask: only returns
        what ONNX Runtime says; shared: outputs, by name, that have to lie where an input does, by its
        number."""
        names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
        outputs = outputs or [f"y{i}" for i in range(n_out)]
        protos = [x if isinstance(x, TensorProto) or x is None else to_tensor(x, names[i])
                  for i, x in enumerate(inputs)]
        for proto, n in zip(protos, names):
            if proto is not None:
                proto.name = n
        node = helper.make_node(op, names, outputs, domain=domain, **(attrs or {}))
        fed = [i for i, p in enumerate(protos) if p is not None and i not in constants]

        def model(types):
            graph = helper.make_graph(
                [node], "case",
                [helper.make_tensor_value_info(names[i], protos[i].data_type, list(protos[i].dims))
                 for i in fed],
                [helper.make_tensor_value_info(o, types[o], None) if types and o in types else
                 onnx.ValueInfoProto(name=o) for o in outputs if o],
                [p for i, p in enumerate(protos) if p is not None and i in constants])
            return helper.make_model(graph, ir_version=10, opset_imports=[
                helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)])

        if expected is None:
            options = ort.SessionOptions()
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            options.intra_op_num_threads = 1
            options.log_severity_level = 4
            try:
                session = ort.InferenceSession(model(types).SerializeToString(), options,
                                               providers=["CPUExecutionProvider"])
                values = {names[i]: ort.OrtValue.ortvalue_from_numpy(numpy_helper.to_array(protos[i]).copy())
                          if protos[i].data_type < 17 else protos[i] for i in fed}
                expected = run_shared(session, values, outputs, names, shared) if shared else \
                    session.run(None, values)
            except Exception as error:  # noqa: BLE001 - whatever it says is the report
                self.failed.append(f"{name}: {str(error)[:300]}")
                return None
        if ask:
            return expected
        wanted = [o for o in outputs if o]
        results = [to_tensor(e, o) for e, o in zip(expected, wanted)]
        folder = os.path.join(self.folder, "node", f"test_{self.count:04d}_{name}")
        data = os.path.join(folder, "test_data_set_0")
        os.makedirs(data)
        onnx.save(model({r.name: r.data_type for r in results}), os.path.join(folder, "model.onnx"))
        for kind, tensors in (("input", [protos[i] for i in fed]), ("output", results)):
            for i, tensor in enumerate(tensors):
                with open(os.path.join(data, f"{kind}_{i}.pb"), "wb") as stream:
                    stream.write(tensor.SerializeToString())
        rtol, atol = tol or tolerance([e for e in expected if e is not None])
        with open(os.path.join(folder, "tolerance.txt"), "w") as stream:
            stream.write(f"{rtol} {atol}\n")
        self.count += 1
        return expected
