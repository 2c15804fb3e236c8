# SPDX-License-Identifier: MIT
"""int8 post-training quantisation, and how far the int8 embeddings are from the float ones.

Weights are quantised per output channel, activations per tensor from calibration samples. The
input of a picture backbone means pixel - 128 with a scale of 1/128, so pictures need no arithmetic on the device.

The converter is TensorFlow's; a network that runs on another backend of Keras is converted by a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from microt.bias_correction import correct_bias


def quantize(model: keras.Model, pictures: np.ndarray, *, bias_correction: bool = False) -> bytes:
    """The int8 `.tflite` of a Keras model whose input is pictures in [-1, 1].

    pictures: (N, H, W, 3) uint8 calibration pictures at the model's resolution; a few hundred.
    bias_correction: see `microt.bias_correction`. The outputs keep the model's order.
    RuntimeError when the input's quantisation did not come
    out as pixel - 128.
    """
    shape = tuple(model.input_shape[1:])
    if pictures.shape[1:] != shape or pictures.dtype != np.uint8:
        raise ValueError(
            f"pictures: expected (N, {', '.join(map(str, shape))}) uint8, got {pictures.shape} {pictures.dtype}"
        )
    if bias_correction:
        model = correct_bias(model, pictures.astype(np.float32) / 128 - 1)
    # a picture that holds black and white pins the input's range
    extremes = np.resize(np.array([0, 255], np.uint8), (1, *shape))
    content = _convert(model, (p.astype(np.float32) / 128 - 1 for p in np.concatenate([pictures, extremes])))
    scale, zero = Int8Backbone(content).input_quantization
    if zero != 0 or abs(scale * 128 - 1) > 1e-3:
        raise RuntimeError(f"input: expected scale 1/128 and zero point 0, got {scale} and {zero}")
    return content


def quantize_samples(model: keras.Model, samples: np.ndarray, *, bias_correction: bool = False) -> bytes:
    """The int8 `.tflite` of a Keras model of any input: sound features, motion.

    samples: (N, *input shape) float32 calibration samples, a few hundred; their range becomes the
    input's. bias_correction: see `microt.bias_correction`. The outputs keep the model's order.
    """
    shape = tuple(model.input_shape[1:])
    if samples.shape[1:] != shape or samples.dtype != np.float32:
        raise ValueError(
            f"samples: expected (N, {', '.join(map(str, shape))}) float32, got {samples.shape} {samples.dtype}"
        )
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError("samples: expected finite values of at least one sample")
    return _convert(correct_bias(model, samples) if bias_correction else model, iter(samples))


def _convert(model: keras.Model, calibration: Iterable[np.ndarray]) -> bytes:
    if keras.backend.backend() != "tensorflow":
        return _convert_elsewhere(model, calibration)
    import tensorflow as tf

    signature = [tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name=model.inputs[0].name)]
    names = [f"exit{i}" for i in range(len(model.outputs))]

    @tf.function(input_signature=signature)
    def serve(x):
        outputs = model(x, training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return dict(zip(names, outputs, strict=True))

    holder = tf.Module()  # the converter freezes the variables that it can reach from here
    holder.variables_held = [v.value for v in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], holder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return converter.convert()


def _convert_elsewhere(model: keras.Model, calibration: Iterable[np.ndarray]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        np.save(Path(folder) / "samples.npy", np.stack(list(calibration)))
        done = subprocess.run(
            [sys.executable, "-m", "microt.quantize", folder], env=os.environ | {"KERAS_BACKEND": "tensorflow"},
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"TensorFlow's converter failed: {done.stderr[-2000:]}")
        return (Path(folder) / "model.tflite").read_bytes()


def main(folder: str) -> None:
    """For `_convert_elsewhere`: model.tflite from model.keras and samples.npy in a folder."""
    model = keras.models.load_model(Path(folder) / "model.keras")
    samples = np.load(Path(folder) / "samples.npy", allow_pickle=False)
    (Path(folder) / "model.tflite").write_bytes(_convert(model, iter(samples)))


class Int8Backbone:
    """An int8 `.tflite` backbone on TensorFlow Lite, to measure with while there is no `.mtb`."""

    def __init__(self, source: bytes | str | Path, *, reference: bool = False):
        """reference: use TensorFlow Lite's reference kernels (slow), else its fast ones."""
        import tensorflow as tf

        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        kinds = tf.lite.experimental.OpResolverType
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._interpreter = tf.lite.Interpreter(
                model_content=content,
                num_threads=1,
                experimental_op_resolver_type=kinds.BUILTIN_REF if reference else kinds.AUTO,
            )
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = _exits(self._interpreter, content)
        self.input_quantization = self._input["quantization"]
        self.input_shape = tuple(int(n) for n in self._input["shape"][1:])
        self.scales = [float(o["quantization"][0]) for o in self._outputs]
        self.zero_points = [int(o["quantization"][1]) for o in self._outputs]

    def embed(self, x: np.ndarray) -> list[np.ndarray]:
        """(N, H, W, 3) uint8 pictures -> one (N, dim) int8 array an exit."""
        if x.shape[1:] != self.input_shape or x.dtype != np.uint8:
            raise ValueError(f"x: expected (N, {', '.join(map(str, self.input_shape))}) uint8, got {x.shape} {x.dtype}")
        found = [np.empty((len(x), int(np.prod(o["shape"]))), np.int8) for o in self._outputs]
        for i, picture in enumerate(x):
            values = (picture.astype(np.int16) - 128).astype(np.int8)[None]
            self._interpreter.set_tensor(self._input["index"], values)
            self._interpreter.invoke()
            for rows, o in zip(found, self._outputs, strict=True):
                rows[i] = self._interpreter.get_tensor(o["index"]).reshape(-1)
        return found


def _exits(interpreter, content: bytes) -> list[dict]:
    """The outputs, first exit first: by the names `quantize` gives them, else by how many operators each needs."""
    outputs = interpreter.get_output_details()
    for signature in interpreter.get_signature_list():
        named = interpreter.get_signature_runner(signature).get_output_details()
        if sorted(named) == sorted(f"exit{i}" for i in range(len(outputs))):
            number = {detail["index"]: int(name.removeprefix("exit")) for name, detail in named.items()}
            return sorted(outputs, key=lambda o: number[o["index"]])
    return sorted(outputs, key=lambda o: _depth(content, int(o["index"])))


def _depth(content: bytes, tensor: int) -> int:
    """How many operators of a `.tflite` file's graph a tensor needs."""
    import tflite

    graph = tflite.Model.GetRootAs(content, 0).Subgraphs(0)
    wanted, count = {tensor}, 0
    for number in reversed(range(graph.OperatorsLength())):  # operators stand in order of execution
        op = graph.Operators(number)
        if wanted & {int(t) for t in op.OutputsAsNumpy()}:
            wanted |= {int(t) for t in op.InputsAsNumpy()}
            count += 1
    return count


if __name__ == "__main__":
    main(sys.argv[1])
