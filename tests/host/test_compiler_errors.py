# SPDX-License-Identifier: MIT
"""What cannot be compiled is refused with a ValueError that says what was expected."""

import os
import random
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import compiler_models as models
import numpy as np
import pytest

from microt.compiler import compile_tflite

SHARED = Path(__file__).resolve().parents[3] / "shared" / "models"


@pytest.fixture(scope="module")
def two_exits():
    return models.convert("two_exits")


@pytest.fixture(scope="module")
def residual():
    return models.convert("residual")


def convert(layers, shape, int8=True):
    """The .tflite bytes of a sequential model of Keras layers."""
    import keras
    import tensorflow as tf

    start = keras.layers.Input(shape)
    x = start
    for layer in layers(keras.layers):
        x = layer(x)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(start, x))
    if int8:
        rng = np.random.default_rng(0)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [rng.normal(0, 1, (1,) + shape).astype(np.float32)] for _ in range(4)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    return converter.convert()


def test_not_a_tflite_file(tmp_path):
    with pytest.raises(ValueError, match="TFL3"):
        compile_tflite(b"")
    path = tmp_path / "cat.tflite"
    path.write_bytes(b"\x89PNG\r\n" * 20)
    with pytest.raises(ValueError, match="cat.tflite: expected a TensorFlow Lite file"):
        compile_tflite(path)
    with pytest.raises(FileNotFoundError):
        compile_tflite(tmp_path / "none.tflite")


def test_legacy_uint8_file_names_the_way_in():
    path = SHARED / "mobilenet_v1_0.25_128_quant.tflite"
    if not path.exists():
        pytest.skip(f"no {path.name} in ../shared/models")
    with pytest.raises(ValueError) as error:
        compile_tflite(path)
    message = str(error.value)
    assert "uint8" in message and "asymmetric weights" in message
    assert f"microt quantize {path.name}" in message


def test_float_file():
    data = convert(lambda k: [k.Conv2D(4, 3), k.Flatten(), k.Dense(2)], (6, 6, 1), int8=False)
    with pytest.raises(ValueError, match="float32 file .* expected int8"):
        compile_tflite(data)


def test_all_unsupported_operators_are_listed_at_once():
    data = convert(
        lambda k: [
            k.Conv2D(4, 3),
            k.Activation("elu"),
            k.Activation("sigmoid"),
            k.Conv2D(4, 1),
            k.Activation("selu"),
            k.Flatten(),
            k.Dense(2),
        ],
        (8, 8, 1),
    )
    with pytest.raises(ValueError) as error:
        compile_tflite(data)
    lines = str(error.value).splitlines()
    assert lines[-1].startswith("supported operators: ADD, AVERAGE_POOL_2D, ")
    for layer, kind in ((2, "ELU"), (1, "DEQUANTIZE")):
        assert any(f"layer {layer} {kind} -> '" in line for line in lines), (layer, kind, lines)
    assert any(" GREATER -> '" in line for line in lines)
    assert not any("CONV_2D ->" in line or "LOGISTIC ->" in line for line in lines)
    assert f"{len([line for line in lines if line.startswith('  layer')])} of " in lines[0]


def test_exits_that_are_not_there(two_exits):
    with pytest.raises(ValueError, match="exit 'nowhere': expected a tensor of .* its vectors"):
        compile_tflite(two_exits, exits=["nowhere"])
    with pytest.raises(ValueError, match="exit 9999: expected a tensor index below"):
        compile_tflite(two_exits, exits=["9999"])
    names = [e["tensor"] for e in compile_tflite(two_exits).report["exits"]]
    with pytest.raises(ValueError, match="named twice"):
        compile_tflite(two_exits, exits=[names[0], names[0]])
    with pytest.raises(ValueError, match="1 to 8 exits, got 0"):
        compile_tflite(two_exits, exits=[])


def test_exits_by_name_and_index(two_exits):
    names = [e["tensor"] for e in compile_tflite(two_exits).report["exits"]]
    interpreter = models.reference(two_exits)
    index = {d["name"]: d["index"] for d in interpreter.get_tensor_details()}
    by_index = compile_tflite(two_exits, exits=[index[names[1]], str(index[names[0]])])
    assert by_index.data == compile_tflite(two_exits, exits=names).data
    only = compile_tflite(two_exits, exits=[names[0]]).report
    assert [e["tensor"] for e in only["exits"]] == [names[0]]
    assert len(only["layers"]) == 5 and all(x["branch"] is None for x in only["layers"])


def test_input_and_constants_are_no_exits(two_exits):
    interpreter = models.reference(two_exits)
    start = interpreter.get_input_details()[0]["name"]
    with pytest.raises(ValueError, match="got the model's input"):
        compile_tflite(two_exits, exits=[start])
    known = {t["name"] for t in compile_tflite(two_exits).report["tensors"]}
    constant = next(d["name"] for d in interpreter.get_tensor_details() if d["name"] not in known)
    with pytest.raises(ValueError, match="got a constant"):
        compile_tflite(two_exits, exits=[constant])


def test_target(two_exits):
    with pytest.raises(ValueError, match="expected one of generic, m0, dsp, mve, got 'avr'"):
        compile_tflite(two_exits, target="avr")


def test_pixels_need_a_picture():
    data = convert(lambda k: [k.Flatten(), k.Dense(3)], (5, 4, 2))
    with pytest.raises(ValueError, match="1 or 3 channels"):
        compile_tflite(data, pixels=True)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"exit0_parts": [[1, 0, 4]]}, "outside the embeddings of exits 0..0"),
        ({"exit0_parts": [[0, 20, 5]]}, "outside the embeddings"),
        ({"exit0_parts": [0, 20, 5]}, "parts of shape"),
        ({"exit0_mean": [1.0, 2.0]}, r"mean of shape \(24,\)"),
        ({"exit0_mean": [np.nan] * 24}, "finite mean"),
        ({"exit0_projection": np.zeros((3, 24), np.int8)}, "projection and row_scale together"),
        (
            {"exit0_projection": np.zeros((3, 24)), "exit0_row_scale": np.ones(3)},
            "expected an int8 projection",
        ),
        ({"exit0_shrink": 1.5}, "shrink in 0..1"),
        ({"exit0_colour": 1}, "unknown key 'exit0_colour'"),
        ({"exit5_parts": [[0, 0, 4]]}, "the backbone has 2"),
    ],
)
def test_features_that_do_not_fit(two_exits, change, message):
    with pytest.raises(ValueError, match=message):
        compile_tflite(two_exits, features={"exit0_parts": [[0, 0, 24]], **change})


def mutations(data, count):
    """Truncated, bit-flipped, byte-flipped and word-flipped copies of a file, by fixed seeds."""
    words = (b"\xff\xff\xff\xff", bytes(4), b"\xff\xff\xff\x7f", b"\0\0\0\x80")
    for seed in range(count):
        rng = random.Random(seed)
        changed = bytearray(data)
        if seed % 4 == 0:
            changed = changed[: rng.randrange(len(changed))]
        elif seed % 4 == 1:
            for _ in range(rng.randrange(1, 4)):
                changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        elif seed % 4 == 2:
            for _ in range(rng.randrange(1, 30)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        else:
            at = rng.randrange(len(changed) - 4)
            changed[at : at + 4] = rng.choice(words)
        yield bytes(changed)


@pytest.mark.parametrize("name", ["two_exits", "residual"])
def test_damaged_files_give_value_errors_only(name, two_exits, residual):
    from microt.engine import Backbone

    data = {"two_exits": two_exits, "residual": residual}[name]
    refused = 0
    for changed in mutations(data, 800):
        try:
            compiled = compile_tflite(changed)
        except ValueError:
            refused += 1
            continue
        # what the compiler takes, the engine's decoder takes
        Backbone(compiled.data)
    assert 300 < refused < 800


def test_the_compiler_needs_no_tensorflow():
    code = "import sys, microt.compiler; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
