"""The test models of onnx and the example models of onnxruntime, with their test data."""

import random
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime.datasets

from cases import Case, Source, folder
from instance import is_float
from reference import MAPS, NUMPY, Failed

SEED = 10
# How many tests of a group are tried to find those that ONNX Runtime can run.
TRIES = 16
TESTS_A_TYPE = 4
# The folders of onnx.backend.test.data that hold models; those of `real` are downloaded and not in the package.
SUITES = ("simple", "pytorch-operator", "pytorch-converted", "light")


def sources(reference, say, seed=SEED):
    return [*single_nodes(reference, say, seed), suites(reference), runtime_datasets()]


def single_nodes(reference, say, seed):
    """Tests with a single node, drawn by a seed: one for every operator of ONNX, and some for every element type."""
    from onnx.backend.test.case.node import collect_testcases

    by_operator = Source("onnx: a test an operator", "onnx", version("onnx"), "Apache-2.0")
    by_type = Source("onnx: tests of every element type", "onnx", version("onnx"), "Apache-2.0")
    operators, types = {}, {}
    for test in sorted(collect_testcases(None), key=lambda test: test.name):
        if len(test.model.graph.node) != 1 or not test.data_sets:
            continue
        node = test.model.graph.node[0]
        operators.setdefault(f"{node.domain}.{node.op_type}".removeprefix("."), []).append(test)
        # Tests of a supported type use no unsupported one; of each unsupported type one test shows the refusal.
        kinds = {name_of(info.type.tensor_type.elem_type) for info in [*test.model.graph.input, *test.model.graph.output]}
        strange = {kind for kind in kinds if f"tensor({kind})" not in NUMPY}
        for kind in strange or kinds:
            types.setdefault(kind, []).append(test)
    drawn = set()
    for source, groups in ((by_operator, operators), (by_type, types)):
        for group in sorted(groups):
            say(f"{source.name}: {group}")
            count = TESTS_A_TYPE if f"tensor({group})" in NUMPY else 1
            draw(source, group, [test for test in groups[group] if test.name not in drawn], reference, count, seed)
            drawn |= {case.path.stem for case in source.cases}
    return [by_operator, by_type]


def name_of(element):
    """An element type as ONNX Runtime writes it; "undefined" for what is no tensor."""
    return onnx.TensorProto.DataType.Name(element).lower()


def draw(source, group, tests, reference, count, seed):
    """Adds the first `count` tests of a group, in seeded random order, that ONNX Runtime itself can run."""
    random.Random(f"{seed} {group}").shuffle(tests)
    found, reasons = 0, []
    for test in tests[:TRIES]:
        path = folder("onnx-node") / f"{test.name}.onnx"
        onnx.save(test.model, path)
        case = Case(source.name, f"{group}: {test.name.removeprefix('test_')}", path, [])
        case.feeds = variants(test.model, [inputs for inputs, _ in test.data_sets])
        reason = unrunnable(reference, case)
        if reason is not None:
            reasons.append(reason)
            continue
        source.cases.append(case)
        found += 1
        if found == count:
            break
    if not found and reasons:
        source.left_out.append((group, reasons[0]))


def unrunnable(reference, case):
    """Why ONNX Runtime itself cannot run a case; None if it can, or if the case uses unsupported types."""
    try:
        truth = reference.truth(case.path, case.feeds)
    except Failed as error:
        return str(error)
    strange = [spec for spec in truth.inputs + truth.outputs if spec.kind not in NUMPY and spec.kind not in MAPS]
    if strange or truth.answers:
        return None
    return truth.failures[0] if truth.failures else "there is no input for it"


def suites(reference):
    """The models that the package ships."""
    source = Source("onnx: backend test models", "onnx", version("onnx"), "Apache-2.0")
    data = Path(onnx.__file__).parent / "backend" / "test" / "data"
    for suite in SUITES:
        for path in sorted((data / suite).glob("*.onnx")) + sorted((data / suite).glob("*/model.onnx")):
            name = path.stem if path.stem != "model" else path.parent.name.removeprefix("test_")
            model = onnx.load(path)
            sets = [data_set(model, folder) for folder in sorted(path.parent.glob("test_data_set_*"))]
            case = Case(source.name, f"{suite}/{name}", path, variants(model, sets) if sets else images(model))
            reason = unrunnable(reference, case)
            if reason is None:
                source.cases.append(case)
            else:
                source.left_out.append((case.name, reason))
    return source


def data_set(model, directory):
    """The inputs of a data set in graph order; None for sequences and optionals."""
    found = []
    for index, info in enumerate(fed(model)):
        path = directory / f"input_{index}.pb"
        if info.type.HasField("tensor_type") and path.exists():
            tensor = onnx.TensorProto()
            tensor.ParseFromString(path.read_bytes())
            found.append(onnx.numpy_helper.to_array(tensor))
        else:
            found.append(None)
    return found


def images(model):
    """Inputs for networks without data: noise with two decimals, which keeps the JSON of an image small."""
    noise = np.random.default_rng(SEED)
    shapes = [[size.dim_value for size in info.type.tensor_type.shape.dim] for info in fed(model)]
    feeds = []
    for _ in range(2):
        feeds.append([noise.random(shape).round(2).astype(np.float32) for shape in shapes])
    return [dict(zip([info.name for info in fed(model)], feed, strict=True)) for feed in feeds]


def fed(model):
    """The inputs that a caller must feed: older graphs list their weights among the inputs."""
    weights = {weight.name for weight in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]


def variants(model, sets):
    """The shipped inputs, and two copies with the floats shuffled. Integers stay: they may be shapes or indices."""
    names = [info.name for info in fed(model)]
    feeds = []
    for number, arrays in enumerate(sets[:3]):
        # Types that NumPy does not have come as TensorProto.
        arrays = [onnx.numpy_helper.to_array(array) if isinstance(array, onnx.TensorProto) else array for array in arrays]
        given = [array for array in arrays if array is not None or len(arrays) == len(names)]
        feed = dict(zip(names, given, strict=False))
        if any(not isinstance(array, (np.ndarray, np.generic)) for array in feed.values()):
            return [feed]
        feeds.append({name: np.asarray(array) for name, array in feed.items()})
        noise = np.random.default_rng([SEED, number])
        for _ in range(2):
            feeds.append({name: mixed(array, noise) for name, array in feeds[-1].items()})
    return feeds


def mixed(array, noise):
    return noise.permutation(array.reshape(-1)).reshape(array.shape) if is_float(array) and array.size else array


def runtime_datasets():
    """The three models of onnxruntime.datasets."""
    source = Source("onnxruntime: example models", "onnxruntime", version("onnxruntime"), "MIT")
    noise = np.random.default_rng(SEED)
    shapes = {"sigmoid": ("x", (3, 4, 5)), "mul_1": ("X", (3, 2)), "logreg_iris": ("float_input", (3, 2))}
    for name, (tensor, shape) in shapes.items():
        path = Path(onnxruntime.datasets.get_example(f"{name}.onnx"))
        feeds = [{tensor: noise.normal(2, 2, shape).round(2).astype(np.float32)} for _ in range(4)]
        source.cases.append(Case(source.name, name, path, feeds))
    return source
