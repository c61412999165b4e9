"""Generators: ai.onnx.ml, the optimisers of ai.onnx.preview.training, and attention and other late operators of
ai.onnx."""
import numpy as np
from onnx import TensorProto as T
from onnx import helper, numpy_helper

from builder import WORDS, Skip, tensor_types
from generators_basic import generator

ML, TRAINING = "ai.onnx.ml", "ai.onnx.preview.training"
POST = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
NAMES = ["cat", "dog", "Ä", "", "ox"]


def floats(g, n):
    return [float(x) for x in np.round(g.rng.normal(size=n), 2)]


def node(g, schema, inputs, outputs, **attributes):
    return g.node(schema.name, inputs, outputs, domain=ML, **attributes)


def features(g, schema, dims=None):
    """[n, features] numbers"""
    return g.data(tensor_types(schema, "in", 0), dims=dims or (g.int(1, 6), g.int(1, 5)))


def as_tensor(g, name, values, dtype):
    return numpy_helper.from_array(np.array(values, helper.tensor_dtype_to_np_dtype(dtype)), name)


@generator("ArrayFeatureExtractor")
def array_feature_extractor(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=2, high=4, zero=False)
    picked = g.rng.integers(0, x.shape[-1], (1, g.int(1, 4)))
    node(g, schema, [x, g.ints(picked)], [(x.dtype, None)])


@generator("Binarizer", "Scaler", "Normalizer", "Imputer")
def preprocess(g, schema):
    x = features(g, schema)
    width, dtype, attributes = x.shape[1], T.FLOAT, {}
    if schema.name == "Binarizer":
        dtype, attributes = x.dtype, {"threshold": float(g.int(-1, 1))}
    elif schema.name == "Scaler":
        n = g.pick([1, width])
        attributes = {"offset": floats(g, n), "scale": floats(g, n)}
    elif schema.name == "Normalizer":
        attributes = {"norm": g.pick(["MAX", "L1", "L2"])}
    else:
        n, dtype = g.pick([1, width]), x.dtype
        if x.dtype in (T.FLOAT, T.DOUBLE):
            missing = float(x.array.flat[0]) if g.chance(0.5) else float("nan")
            if missing != missing:
                x.array.flat[0] = missing
            attributes = {"imputed_value_floats": floats(g, n), "replaced_value_float": missing}
        else:
            attributes = {"imputed_value_int64s": [int(i) for i in g.rng.integers(0, 9, n)],
                          "replaced_value_int64": int(x.array.flat[0])}
    node(g, schema, [x], [(dtype, None)], **attributes)


@generator("FeatureVectorizer")
def feature_vectorizer(g, schema):
    rows, dtype = g.int(1, 4), g.dtype(tensor_types(schema, "in", 0))
    widths = [g.int(1, 4) for _ in range(g.int(1, 3))]
    asked = [max(1, w + g.int(-1, 1)) for w in widths] if g.chance(0.3) else widths
    node(g, schema, [g.new(dtype, (rows, w)) for w in widths], [(T.FLOAT, None)],
         inputdimensions=asked)


def words(g, shape):
    return g.hold(np.array([g.pick(NAMES + WORDS[:3]) for _ in range(int(np.prod(shape)))],
                           object).reshape(shape), T.STRING)


def whole_numbers(g, shape, dtype=np.int64):
    return g.hold(g.rng.integers(0, 8, shape).astype(dtype))


@generator("OneHotEncoder")
def one_hot_encoder(g, schema):
    x, attributes = g.data(tensor_types(schema, "in", 0), low=1, high=3), {}
    if x.dtype == T.STRING:
        attributes["cats_strings"] = sorted(set(WORDS[:5]))
    else:
        attributes["cats_int64s"] = list(range(-4, 5))
        x.array[...] = g.rng.integers(-4, 5, x.shape)
    if x.dtype == T.STRING and any(w not in attributes["cats_strings"] for w in x.array.ravel()) or \
            g.chance(0.3):
        attributes["zeros"] = 1
    node(g, schema, [x], [(T.FLOAT, None)], **attributes)


@generator("CategoryMapper")
def category_mapper(g, schema):
    to_text, shape = g.chance(0.5), g.shape(1, 3)
    x = whole_numbers(g, shape) if to_text else words(g, shape)
    node(g, schema, [x], [(T.STRING if to_text else T.INT64, shape)], cats_strings=NAMES,
         cats_int64s=[int(i) for i in g.rng.permutation(8)[:len(NAMES)]], default_int64=-7,
         default_string="none")


@generator("LabelEncoder")
def label_encoder(g, schema):
    shape = g.shape(1, 3)
    if schema.since_version == 1:
        to_text = g.chance(0.5)
        x = whole_numbers(g, shape) if to_text else words(g, shape)
        node(g, schema, [x], [(T.STRING if to_text else T.INT64, shape)], classes_strings=NAMES,
             default_int64=-7, default_string="none")
        return
    types = {T.STRING: ("strings", NAMES), T.INT64: ("int64s", [3, 0, 7, 5, 1]),
             # Engines that know versions 2 and 3 do not find NaN there.
             T.FLOAT: ("floats", [1.0, 4.0, 5.0 if schema.since_version < 4 else float("nan"), 0.0, 6.0])}
    by_tensor = schema.since_version >= 4 and g.chance(0.5)
    found = {}
    for what in ("keys", "values"):
        # ONNX Runtime knows these pairs only.
        dtype = g.pick([t for t in tensor_types(schema, "in", 0) if t in types or by_tensor])
        if by_tensor:
            dtype = g.pick([T.DOUBLE, T.INT64, T.STRING]) if what == "keys" else \
                T.INT16 if found["keys"][0] == T.STRING else found["keys"][0]
        found[what] = dtype, *types.get(dtype, ("", [2, 5, 1, 0, 7]))
    attributes = {}
    for what, (dtype, suffix, values) in found.items():
        if by_tensor:
            attributes[f"{what}_tensor"] = helper.make_tensor(
                what, dtype, [5], values if dtype != T.STRING else [v.encode() for v in values])
        else:
            attributes[f"{what}_{suffix}"] = values
    dtype = found["keys"][0]
    if by_tensor:
        to = found["values"][0]
        attributes["default_tensor"] = helper.make_tensor("default", to, [1],
                                                          [b"none"] if to == T.STRING else [9])
    x = words(g, shape) if dtype == T.STRING else \
        whole_numbers(g, shape, helper.tensor_dtype_to_np_dtype(dtype))
    if dtype in (T.FLOAT, T.DOUBLE) and x.array.size and g.chance(0.3):
        x.array.flat[0] = np.nan
    node(g, schema, [x], [(found["values"][0], shape)], **attributes)


# ------------------------------------------------------------------ maps


@generator("CastMap", "DictVectorizer")
def from_map(g, schema):
    if schema.name == "CastMap":
        sparse, text = g.chance(0.5), g.chance(0.5)
        keys = [int(k) for k in np.sort(g.rng.permutation(8)[:g.int(1, 6)])]
        x = g.mapping({k: g.pick(["1", "2.5", "-3"]) if text else float(g.int(-9, 9)) / 2
                       for k in keys}, T.INT64, T.STRING if text else T.FLOAT)
        to = g.pick([T.FLOAT, T.STRING, T.INT64])
        if to == T.INT64 and text:
            raise Skip  # what "2.5" is as an integer is not said
        if to == T.STRING and not text:
            raise Skip  # how numbers are written differs
        names = {T.FLOAT: "TO_FLOAT", T.STRING: "TO_STRING", T.INT64: "TO_INT64"}
        node(g, schema, [x], [(to, None)], cast_to=names[to],
             map_form="SPARSE" if sparse else "DENSE", max_map=g.int(8, 10) if sparse else None)
        return
    text, to = g.chance(0.5), g.pick([T.FLOAT, T.DOUBLE, T.INT64 if g.chance(0.5) else T.STRING])
    vocabulary = NAMES if text else [5, 1, 4, 0, 3]
    keys = [vocabulary[i] for i in g.rng.permutation(5)[:g.int(1, 5)]] + ["zebra" if text else 9]
    if (text, to) in ((True, T.STRING), (False, T.INT64)):
        raise Skip  # there are no such maps
    x = g.mapping({k: f"w{i}" if to == T.STRING else i + (0.5 if to != T.INT64 else 1)
                   for i, k in enumerate(keys)}, T.STRING if text else T.INT64, to)
    node(g, schema, [x], [(to, None)],
         **{"string_vocabulary" if text else "int64_vocabulary": vocabulary})


@generator("ZipMap")
def zip_map(g, schema):
    width, text = g.int(1, 5), g.chance(0.5)
    x = g.data([T.FLOAT], dims=(g.int(1, 4), width))
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(
        T.STRING if text else T.INT64, helper.make_tensor_type_proto(T.FLOAT, [])))
    node(g, schema, [x], [kind], **({"classlabels_strings": NAMES[:width]} if text else
                                    {"classlabels_int64s": [7, 2, 9, 4, 1][:width]}))


# ------------------------------------------------------------------ models


def labels(g, count, text, ints="classlabels_ints"):
    """Attributes that name the classes, and the type of the names"""
    if text:
        return {"classlabels_strings": NAMES[:count]}, T.STRING
    return {ints: [4, 1, 7, 2, 9][:count]}, T.INT64


@generator("LinearRegressor", "LinearClassifier")
def linear(g, schema):
    x = features(g, schema)
    n, width = x.shape[0], x.shape[1]
    if schema.name == "LinearRegressor":
        targets = g.int(1, 3)
        node(g, schema, [x], [(T.FLOAT, (n, targets))], targets=targets,
             coefficients=floats(g, targets * width),
             intercepts=floats(g, targets) if g.chance(0.7) else None)
        return
    classes = g.int(2, 4)
    attributes, dtype = labels(g, classes, g.chance(0.5))
    node(g, schema, [x], [(dtype, None), (T.FLOAT, None)], coefficients=floats(g, classes * width),
         intercepts=floats(g, classes), multi_class=g.int(0, 1), post_transform=g.pick(POST[:4]),
         **attributes)


KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"]


@generator("SVMRegressor", "SVMClassifier")
def svm(g, schema):
    x = features(g, schema)
    width, kernel = x.shape[1], g.pick(KERNELS)
    common = {"kernel_type": kernel, "kernel_params": [0.3, 0.5, 2.0]}
    if schema.name == "SVMRegressor":
        n = g.int(1, 5)
        node(g, schema, [x], [(T.FLOAT, None)], n_supports=n, coefficients=floats(g, n),
             support_vectors=floats(g, n * width), rho=floats(g, 1), one_class=g.int(0, 1), **common)
        return
    classes = g.int(2, 4)
    attributes, dtype = labels(g, classes, g.chance(0.5))
    counts, pairs = [g.int(1, 3) for _ in range(classes)], classes * (classes - 1) // 2
    if g.chance(0.4):
        attributes.update(prob_a=[-1.0 - i / 8 for i in range(pairs)], prob_b=floats(g, pairs))
    node(g, schema, [x], [(dtype, None), (T.FLOAT, None)], vectors_per_class=counts,
         support_vectors=floats(g, sum(counts) * width), rho=floats(g, pairs),
         coefficients=floats(g, (classes - 1) * sum(counts)), **common, **attributes)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def tree_nodes(g, width, trees):
    """Attributes nodes_* of complete trees of depth 2, and (tree, node) of their leaves"""
    columns, leaves = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values",
                                       "truenodeids", "falsenodeids",
                                       "missing_value_tracks_true")}, []
    for tree in range(trees):
        for n in range(7):
            leaf = n >= 3
            row = (tree, n, 0 if leaf else g.int(0, width - 1), "LEAF" if leaf else g.pick(MODES),
                   0.0 if leaf else floats(g, 1)[0], 0 if leaf else 2 * n + 1,
                   0 if leaf else 2 * n + 2, 0 if leaf else g.int(0, 1))
            for column, value in zip(columns.values(), row):
                column.append(value)
            if leaf:
                leaves.append((tree, n))
    return {f"nodes_{k}": v for k, v in columns.items()}, leaves


@generator("TreeEnsembleRegressor", "TreeEnsembleClassifier")
def tree_ensemble(g, schema):
    x = features(g, schema)
    attributes, leaves = tree_nodes(g, x.shape[1], g.int(1, 3))
    if x.dtype == T.FLOAT and g.chance(0.3) and "BRANCH_NEQ" not in attributes["nodes_modes"]:
        x.array.flat[0] = np.nan  # which ONNX Runtime takes for unequal, whatever the node says
    regressor = schema.name == "TreeEnsembleRegressor"
    what, count = ("target", g.int(1, 3)) if regressor else ("class", g.int(3, 4))
    attributes.update({f"{what}_treeids": [t for t, _ in leaves],
                       f"{what}_nodeids": [n for _, n in leaves],
                       f"{what}_ids": [g.int(0, count - 1) for _ in leaves],
                       f"{what}_weights": floats(g, len(leaves))})
    aggregate = g.pick(["SUM", "AVERAGE", "MIN", "MAX"])
    if g.chance(0.4) and (count == 1 or not regressor):  # ONNX Runtime needs a vote to add them
        attributes["base_values"] = floats(g, count)
    if schema.since_version >= 3 and x.dtype == T.DOUBLE:
        for name in ("nodes_values", f"{what}_weights", "base_values"):
            if name in attributes:
                attributes[f"{name}_as_tensor"] = as_tensor(g, name, attributes.pop(name), T.DOUBLE)
    if regressor:
        node(g, schema, [x], [(T.FLOAT, None)], n_targets=count,
             aggregate_function=aggregate, **attributes)
        return
    more, dtype = labels(g, count, g.chance(0.5), "classlabels_int64s")
    node(g, schema, [x], [(dtype, None), (T.FLOAT, None)], post_transform=g.pick(POST[:4]),
         **attributes, **more)


@generator("TreeEnsemble")
def tree_ensemble_5(g, schema):
    x = features(g, schema)
    # One split, two leaves a tree.
    trees, targets = g.int(1, 3), g.int(1, 2)
    ids = list(range(0, 2 * trees, 2))
    modes = as_tensor(g, "modes", [g.int(0, 5) for _ in ids], T.UINT8)
    node(g, schema, [x], [(x.dtype, None)], n_targets=targets, aggregate_function=g.int(0, 3),
         tree_roots=list(range(trees)), nodes_modes=modes, nodes_trueleafs=[1] * trees,
         nodes_falseleafs=[1] * trees, nodes_truenodeids=ids, nodes_falsenodeids=[i + 1 for i in ids],
         nodes_featureids=[g.int(0, x.shape[1] - 1) for _ in ids],
         nodes_splits=as_tensor(g, "splits", floats(g, trees), x.dtype),
         leaf_targetids=[g.int(0, targets - 1) for _ in range(2 * trees)],
         leaf_weights=as_tensor(g, "weights", floats(g, 2 * trees), x.dtype))


# ------------------------------------------------------------------ other domains and late operators


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
