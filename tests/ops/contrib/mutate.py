"""Cases whose model or inputs were spoilt: whatever they give, it must not be a crash."""

import glob
import os
import random

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

INTS = [0, -1, 1, 3, 7, 2**31, 2**62, -2**63]


def spoil(tensor, kind):
    array = numpy_helper.to_array(tensor)
    if array.dtype.kind not in "iufb" or tensor.data_type >= 17:
        return tensor
    if kind == "rank":
        array = random.choice([array.reshape(-1), array[None], array[..., None]])
    elif kind == "shape" and array.ndim:
        axis = random.randrange(array.ndim)
        size = array.shape[axis]
        wanted = random.choice([0, 1, max(size - 1, 0), size + 1, 2 * size])
        if size:
            array = np.take(array, [i % size for i in range(wanted)], axis=axis)
    elif kind == "value" and array.dtype.kind in "iu" and array.size:
        array, info = array.copy(), np.iinfo(array.dtype)
        array.flat[random.randrange(array.size)] = random.choice([info.min, info.max, 0])
    return numpy_helper.from_array(np.array(array, order="C"), tensor.name)


def spoil_attribute(node):
    attribute = random.choice(node.attribute)
    if attribute.type == onnx.AttributeProto.INT:
        attribute.i = random.choice(INTS)
    elif attribute.type == onnx.AttributeProto.INTS and attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = random.choice(INTS)
    else:
        node.attribute.remove(attribute)


def number(path):
    return int(os.path.basename(path).split("_")[1].split(".")[0])


def mutate(cases, folder, count, seed):
    """Writes `count` spoilt copies of the cases in folder `cases`."""
    random.seed(seed)
    origins = sorted(glob.glob(os.path.join(cases, "node", "*")))
    for n in range(count):
        origin = random.choice(origins)
        model = onnx.load(os.path.join(origin, "model.onnx"))
        graph, inputs = model.graph, []
        for path in sorted(glob.glob(os.path.join(origin, "*", "input_*.pb")), key=number):
            with open(path, "rb") as stream:
                inputs.append(TensorProto.FromString(stream.read()))
        kind = random.choice(["shape", "shape", "rank", "value", "attribute", "drop"])
        if kind == "attribute" and graph.node[0].attribute:
            spoil_attribute(graph.node[0])
        elif kind == "drop":
            graph.node[0].input[random.randrange(len(graph.node[0].input))] = ""
        else:
            place = random.randrange(len(graph.initializer) + len(inputs))
            if place < len(inputs):
                inputs[place] = spoil(inputs[place], kind)
            else:
                tensor = graph.initializer[place - len(inputs)]
                tensor.CopyFrom(spoil(tensor, kind))
        for info, tensor in zip(graph.input, inputs):
            shape = info.type.tensor_type.shape
            del shape.dim[:]
            for size in tensor.dims:
                shape.dim.add().dim_value = size
            if random.random() < 0.3:
                info.type.tensor_type.ClearField("shape")
        target = os.path.join(folder, "node", f"test_{n:04d}_{os.path.basename(origin)}")
        os.makedirs(os.path.join(target, "test_data_set_0"))
        onnx.save(model, os.path.join(target, "model.onnx"))
        for i, tensor in enumerate(inputs):
            path = os.path.join(target, "test_data_set_0", f"input_{i}.pb")
            with open(path, "wb") as stream:
                stream.write(tensor.SerializeToString())
