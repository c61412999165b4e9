"""Generators: ai.onnx.ml, the optimisers of ai.onnx.preview.training, and attention and other late operators of
ai.onnx."""
import numpy as np
from onnx import TensorProto as T
from onnx import helper

from builder import Skip, tensor_types
from generators_basic import generator

ML, TRAINING = "ai.onnx.ml", "ai.onnx.preview.training"
NUMBERS = [T.FLOAT, T.DOUBLE, T.INT64, T.INT32]


def floats(g, *dims, low=-2, high=2):
    return [round(float(v), 3) for v in g.rng.uniform(low, high, dims).ravel()]


@generator("Binarizer", "Scaler", "Normalizer", "Imputer")
def scalers(g, schema):
    op = schema.name
    x = g.new(g.pick([T.FLOAT, T.FLOAT, T.INT64] if op == "Imputer" else NUMBERS if op != "Binarizer" else
                     [T.FLOAT, T.DOUBLE]), (g.int(1, 4), g.int(1, 5)))
    n, to, attributes = x.shape[1], x.dtype, {}
    if op == "Binarizer":
        attributes["threshold"] = 0.5
    elif op == "Scaler":
        to, count = T.FLOAT, g.pick([1, n])
        attributes = {"offset": floats(g, count), "scale": floats(g, count)}
    elif op == "Normalizer":
        to, attributes = T.FLOAT, {"norm": g.pick(["MAX", "L1", "L2"])}
    elif x.dtype == T.FLOAT:
        x.array.flat[0] = np.nan
        attributes = {"imputed_value_floats": floats(g, g.pick([1, n])), "replaced_value_float": float("nan")}
    else:
        attributes = {"imputed_value_int64s": [7], "replaced_value_int64": 3}
    g.node(op, [x], [(to, x.shape)], domain=ML, **attributes)
    g.pending = None


@generator("LinearRegressor", "LinearClassifier", "SVMRegressor")
def linear_models(g, schema):
    op, rows, n, targets = schema.name, g.int(1, 4), g.int(1, 5), g.int(1, 3)
    x = g.new(T.FLOAT, (rows, n))
    post = g.pick(["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
    if op == "LinearRegressor":
        g.node(op, [x], [(T.FLOAT, (rows, targets))], domain=ML, coefficients=floats(g, n * targets),
               intercepts=floats(g, targets), targets=targets, post_transform="NONE")
    elif op == "SVMRegressor":
        vectors = g.int(1, 4)
        g.node(op, [x], [(T.FLOAT, (rows, 1))], domain=ML, coefficients=floats(g, vectors), n_supports=vectors,
               support_vectors=floats(g, vectors * n), rho=floats(g, 1), post_transform="NONE",
               kernel_type=g.pick(["LINEAR", "RBF", "POLY", "SIGMOID"]), kernel_params=[0.3, 0.5, 2.0])
    else:
        classes = g.int(2, 4)
        g.node(op, [x], [(T.INT64, (rows,)), (T.FLOAT, (rows, classes))], domain=ML, post_transform=post,
               coefficients=floats(g, n * classes), intercepts=floats(g, classes), multi_class=0,
               classlabels_ints=list(range(classes)))
    g.pending = None


def tree(g, depth, n, nodes, leaf):
    """Adds a random tree to the lists of the attributes; returns the id of its root."""
    at = len(nodes["nodes_nodeids"])
    for key in nodes:
        nodes[key].append(0)
    nodes["nodes_nodeids"][at] = at
    nodes["nodes_featureids"][at] = g.int(0, n - 1)
    nodes["nodes_values"][at] = round(float(g.rng.normal()), 2)
    if depth == 0 or g.chance(0.2):
        nodes["nodes_modes"][at] = "LEAF"
        leaf(at)
        return at
    nodes["nodes_modes"][at] = g.pick(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"])
    nodes["nodes_truenodeids"][at] = tree(g, depth - 1, n, nodes, leaf)
    nodes["nodes_falsenodeids"][at] = tree(g, depth - 1, n, nodes, leaf)
    return at


@generator("TreeEnsembleRegressor", "TreeEnsembleClassifier")
def trees(g, schema):
    op, rows, n, count = schema.name, g.int(1, 6), g.int(1, 4), g.int(1, 3)
    x = g.new(T.FLOAT, (rows, n))
    nodes = {k: [] for k in ("nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes",
                             "nodes_truenodeids", "nodes_falsenodeids")}
    kind = "target" if op[12] == "R" else "class"
    leaves = {f"{kind}_{k}": [] for k in ("nodeids", "treeids", "ids", "weights")}
    whole, tree_ids = {k: [] for k in nodes}, []
    for t in range(count):
        mine = {k: [] for k in nodes}

        def leaf(at, t=t):
            for key, value in (("nodeids", at), ("treeids", t), ("ids", g.int(0, 2)),
                               ("weights", round(float(g.rng.normal()), 2))):
                leaves[f"{kind}_{key}"].append(value)
        tree(g, g.int(0, 3), n, mine, leaf)
        tree_ids += [t] * len(mine["nodes_nodeids"])
        for key, values in mine.items():
            whole[key] += values
    attributes = {**whole, **leaves, "nodes_treeids": tree_ids}
    if kind == "target":
        g.node(op, [x], [(T.FLOAT, (rows, 3))], domain=ML, n_targets=3, post_transform="NONE",
               aggregate_function=g.pick(["SUM", "AVERAGE", "MIN", "MAX"]), base_values=floats(g, 3), **attributes)
    else:
        g.node(op, [x], [(T.INT64, (rows,)), (T.FLOAT, (rows, 3))], domain=ML, classlabels_int64s=[0, 1, 2],
               post_transform=g.pick(["NONE", "SOFTMAX"]), **attributes)
    g.pending = None


@generator("LabelEncoder", "CategoryMapper", "OneHotEncoder", "ArrayFeatureExtractor", "FeatureVectorizer")
def encoders(g, schema):
    op, dims = schema.name, g.shape(1, 2, False)
    words = ["a", "b", "Corten", "ÄÖ"]
    if op == "LabelEncoder":
        if schema.since_version < 2:
            raise Skip
        x = g.hold(np.array([g.pick(words + ["z"]) for _ in range(int(np.prod(dims)))], object).reshape(dims))
        g.node(op, [x], [(T.INT64, dims)], domain=ML, keys_strings=words, values_int64s=[3, 1, 4, 1],
               default_int64=-5)
    elif op == "CategoryMapper":
        x = g.hold(g.rng.integers(0, 6, dims))
        g.node(op, [x], [(T.STRING, dims)], domain=ML, cats_int64s=[0, 1, 2, 3], cats_strings=words,
               default_string="none")
    elif op == "OneHotEncoder":
        x = g.hold(g.rng.integers(0, 6, dims))
        g.node(op, [x], [(T.FLOAT, dims + (4,))], domain=ML, cats_int64s=[0, 1, 2, 3], zeros=1)
    elif op == "ArrayFeatureExtractor":
        x = g.new(g.pick(NUMBERS), (g.int(1, 3), g.int(1, 5)))
        count = g.int(1, 4)
        i = g.hold(g.rng.integers(0, x.shape[1], count))
        g.node(op, [x, i], [(x.dtype, (x.shape[0], count))], domain=ML)
    else:
        rows, sizes = g.int(1, 3), [g.int(1, 4) for _ in range(g.int(1, 3))]
        g.node(op, [g.new(T.FLOAT, (rows, s)) for s in sizes], [(T.FLOAT, (rows, sum(sizes)))], domain=ML,
               inputdimensions=sizes)
    g.pending = None


@generator("Adagrad", "Adam", "Momentum")
def optimisers(g, schema):
    op, dims = schema.name, g.shape(1, 3, False)
    rate, step = g.hold(np.float32(0.1)), g.hold(np.int64(g.int(0, 3)))
    x, gradient, first = g.new(T.FLOAT, dims), g.new(T.FLOAT, dims), g.new(T.FLOAT, dims, "positive")
    out = [(T.FLOAT, dims)] * (3 if op == "Adam" else 2)
    inputs = [rate, step, x, gradient, first] + ([g.new(T.FLOAT, dims, "positive")] if op == "Adam" else [])
    attributes = {"norm_coefficient": 0.01, "epsilon": 1e-2}
    if op == "Momentum":
        attributes = {"norm_coefficient": 0.01, "alpha": 0.9, "beta": 1.0, "mode": g.pick(["standard", "nesterov"])}
    elif op == "Adagrad":
        attributes["decay_factor"] = 0.1
    g.node(op, inputs, out, domain=TRAINING, **attributes)
    g.pending = None


@generator("Attention")
def attention(g, _):
    heads, kv, size, n, rows, columns = g.int(1, 2) * 2, g.pick([1, 2]), g.int(1, 4), g.int(1, 2), g.int(1, 4), \
        g.int(1, 5)
    dtype = g.pick([T.FLOAT, T.FLOAT, T.FLOAT16, T.DOUBLE])
    q = g.data([dtype], dims=(n, heads, rows, size), dtype=dtype)
    k, v = g.new(dtype, (n, kv, columns, size)), g.new(dtype, (n, kv, columns, size))
    mask = None
    if g.chance(0.5):
        mask = g.hold(g.rng.random((rows, columns)) < 0.8) if g.chance(0.5) else g.new(dtype, (rows, columns))
        if mask.dtype == T.BOOL:
            mask.array[:, 0] = True
    g.node("Attention", [q, k, v, mask], [(dtype, q.shape)], scale=g.pick([None, 0.3]),
           is_causal=g.int(0, 1) if rows <= columns else None, softcap=g.pick([None, None, 2.0]))


@generator("RotaryEmbedding")
def rotary(g, schema):
    n, heads, length, half = g.int(1, 2), g.int(1, 3), g.int(1, 4), g.int(1, 4)
    x = g.data([T.FLOAT], dims=(n, heads, length, 2 * half), dtype=T.FLOAT)
    if g.chance(0.5):
        tables, positions = (8, half), [g.hold(g.rng.integers(0, 8, (n, length)))]
    else:
        tables, positions = (n, length, half), []
    g.node(schema.name, [x, g.new(T.FLOAT, tables), g.new(T.FLOAT, tables)] + positions, [(T.FLOAT, x.shape)],
           interleaved=g.int(0, 1))


@generator("TensorScatter")
def tensor_scatter(g, schema):
    n, most, length = g.int(1, 3), g.int(2, 6), g.int(1, 2)
    tail = g.shape(1, 2, False)
    dtype = g.pick([T.FLOAT, T.INT64, T.FLOAT16])
    past, update = g.new(dtype, (n, most) + tail), g.new(dtype, (n, length) + tail)
    where = [g.hold(g.rng.integers(0, most - length + 1, n))] if g.chance(0.7) else []
    g.node(schema.name, [past, update] + where, [(dtype, past.shape)], axis=1,
           mode=g.pick(["linear", "circular"]))


@generator("MaxUnpool")
def max_unpool(g, schema):
    n, c, h, w = g.int(1, 2), g.int(1, 3), g.int(1, 3), g.int(1, 3)
    cells = 4 * h * w
    picks = np.stack([g.rng.choice(cells, h * w, replace=False) + i * cells for i in range(n * c)])
    x = g.data([T.FLOAT], dims=(n, c, h, w), dtype=T.FLOAT)
    g.node(schema.name, [x, g.hold(picks.reshape(n, c, h, w))], [(T.FLOAT, (n, c, 2 * h, 2 * w))],
           kernel_shape=[2, 2], strides=[2, 2])


@generator("Optional", "OptionalHasElement", "OptionalGetElement")
def optionals(g, schema):
    x = g.data([T.FLOAT, T.INT64], high=4)
    tensor = helper.make_tensor_type_proto(x.dtype, None)
    y = g.node("Optional", [x], [helper.make_optional_type_proto(tensor)])
    if schema.name == "OptionalHasElement":
        g.node("OptionalHasElement", [y], [(T.BOOL, ())])
    else:
        g.node("OptionalGetElement", [y], [(x.dtype, x.shape)])


@generator("TfIdfVectorizer")
def tf_idf(g, schema):
    x = g.hold(g.rng.integers(0, 5, g.int(1, 12)))
    g.node(schema.name, [x], [(T.FLOAT, (7,))], mode=g.pick(["TF", "IDF", "TFIDF"]), min_gram_length=1,
           max_gram_length=2, max_skip_count=g.int(0, 3), ngram_counts=[0, 4], ngram_indexes=list(range(7)),
           pool_int64s=[2, 3, 4, 0, 1, 2, 3, 4, 0, 1], weights=floats(g, 7))


@generator("DeformConv")
def deform_conv(g, schema):
    c, m, h, w = g.int(1, 3), g.int(1, 3), g.int(2, 5), g.int(2, 5)
    dtype = g.pick([t for t in (T.FLOAT, T.DOUBLE) if t in tensor_types(schema, "in", 0)])
    x = g.data([dtype], dims=(1, c, h, w), dtype=dtype)
    offset = g.hold(g.rng.uniform(-1, 1, (1, 8, h - 1, w - 1)).astype(helper.tensor_dtype_to_np_dtype(dtype)))
    g.node(schema.name, [x, g.new(dtype, (m, c, 2, 2)), offset], [(dtype, (1, m, h - 1, w - 1))],
           kernel_shape=[2, 2])
