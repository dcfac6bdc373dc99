"""The reference answers: ONNX Runtime in Python, in a separate process.

A model that crashes or hangs ends that process and not the survey.
"""

import ctypes
import multiprocessing
import re
from dataclasses import dataclass

import ml_dtypes
import numpy as np

# Seconds to load a model and run all of its inputs.
LIMIT = 120

NUMPY = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(bfloat16)": ml_dtypes.bfloat16,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
}
# scikit-learn's ZipMap: a map from class to probability, one a row.
MAPS = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")


@dataclass
class Spec:
    """An input or an output as the graph declares it; `shape` has None for an open dimension."""

    name: str
    kind: str
    shape: list

    def __str__(self):
        shape = ", ".join("?" if size is None else str(size) for size in self.shape)
        return f"{self.name} {self.kind}[{shape}]"


@dataclass
class Truth:
    """The reference for one model: `answers[i]` belongs to `feeds[i]`; inputs on which ONNX Runtime fails are dropped."""

    inputs: list
    outputs: list
    feeds: list
    answers: list
    # The same input gave the same answer twice.
    steady: bool
    failures: list


class Failed(Exception):
    """ONNX Runtime itself cannot load the model, crashed or timed out; the message is the reason."""


class Reference:
    """Sends work to the process, and restarts it after a crash or a timeout."""

    def __init__(self):
        self.process = None

    def truth(self, path, feeds):
        """The reference answers of a model file. Raises `Failed` if there are none."""
        if self.process is None:
            self._start()
        self.pipe.send((str(path), feeds))
        try:
            if not self.pipe.poll(LIMIT):
                raise Failed(f"no answer within {LIMIT} s")
            found = self.pipe.recv()
        except (EOFError, OSError):
            self.close()
            raise Failed("the process crashed") from None
        except Failed:
            self.close()
            raise
        if isinstance(found, str):
            raise Failed(found)
        return found

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.process = None


def serve(pipe):
    """The main loop of the process."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    while True:
        try:
            path, feeds = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(find(onnxruntime, path, feeds))
        except Exception as error:
            pipe.send(one_line(str(error)))


def find(onnxruntime, path, feeds):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    inputs, outputs = specs(session.get_inputs()), specs(session.get_outputs())
    for spec in inputs:
        # An optional tensor that every input gives is fed as the tensor.
        optional = re.fullmatch(r"optional\((tensor\(\w+\))\)", spec.kind)
        if optional and all(feed.get(spec.name) is not None for feed in feeds):
            spec.kind = optional[1]
    truth = Truth(inputs, outputs, [], [], True, [])
    if any(spec.kind not in NUMPY for spec in inputs):
        return truth
    if any(spec.kind not in NUMPY and spec.kind not in MAPS for spec in outputs):
        return truth
    for feed in single_rows(inputs, feeds):
        try:
            feed = {spec.name: np.asarray(feed[spec.name]).astype(NUMPY[spec.kind], copy=False) for spec in inputs}
            answer = run(onnxruntime, session, inputs, outputs, feed)
            again = run(onnxruntime, session, inputs, outputs, feed)
        except Exception as error:
            truth.failures.append(one_line(str(error)))
            continue
        truth.feeds.append(feed)
        truth.answers.append(answer)
        truth.steady &= all(map(same, answer.values(), again.values()))
    return truth


def specs(arguments):
    def sizes(shape):
        return [size if isinstance(size, int) and size >= 0 else None for size in shape or []]

    return [Spec(argument.name, argument.type, sizes(argument.shape)) for argument in arguments]


def single_rows(inputs, feeds):
    """Splits a batch into single rows if every input has an open first dimension: a request holds one row."""
    for feed in feeds:
        arrays = [np.asarray(feed[spec.name]) for spec in inputs if spec.name in feed]
        rows = {array.shape[0] if array.ndim else 0 for array in arrays}
        if len(rows) == 1 and max(rows) > 1 and all(spec.shape and spec.shape[0] is None for spec in inputs):
            for row in range(min(3, *rows)):
                yield {name: np.asarray(array)[row : row + 1] for name, array in feed.items()}
        else:
            yield feed


def run(onnxruntime, session, inputs, outputs, feed):
    if all(spec.kind != "tensor(bfloat16)" for spec in inputs + outputs):
        found = session.run(None, feed)
    else:
        values = {spec.name: value_of(onnxruntime, feed[spec.name]) for spec in inputs}
        found = [array_of(value) for value in session.run_with_ort_values(None, values)]
    return dict(zip([spec.name for spec in outputs], found, strict=True))


def value_of(onnxruntime, array):
    if array.dtype == ml_dtypes.bfloat16:
        bits = np.ascontiguousarray(array).view(np.uint16)
        return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, 16)
    return onnxruntime.OrtValue.ortvalue_from_numpy(array)


def array_of(value):
    """Reads bfloat16 bits from the runtime's memory, since `OrtValue.numpy` has no type for them."""
    if value.data_type() != "tensor(bfloat16)":
        return value.numpy()
    shape = value.shape()
    size = 2 * int(np.prod(shape))
    bits = np.frombuffer(ctypes.string_at(value.data_ptr(), size), np.uint16)
    return bits.view(ml_dtypes.bfloat16).reshape(shape)


def same(one, other):
    if isinstance(one, list):
        return one == other
    if one.dtype == np.object_:
        return one.tolist() == other.tolist()
    return one.tobytes() == other.tobytes()


def one_line(text):
    """A message of ONNX Runtime without line breaks, and without the place of the model on this machine."""
    return re.sub(r"Load model from \S+ failed: ?", "", " ".join(text.split()))[:300]
