# SPDX-License-Identifier: MIT
"""int8 post-training quantisation, and how far the int8 embeddings are from the float ones.

Weights are quantised per output channel, activations per tensor from calibration pictures. The
input means pixel - 128 with a scale of 1/128, so pictures need no arithmetic on the device.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import keras
import numpy as np


def quantize(model: keras.Model, pictures: np.ndarray) -> bytes:
    """The int8 `.tflite` of a Keras model whose input is pictures in [-1, 1].

    pictures: (N, H, W, 3) uint8 calibration pictures at the model's resolution; a few hundred.
    The outputs keep the model's order. RuntimeError when the input's quantisation did not come
    out as pixel - 128.
    """
    import tensorflow as tf

    shape = tuple(model.input_shape[1:])
    if pictures.shape[1:] != shape or pictures.dtype != np.uint8:
        raise ValueError(
            f"pictures: expected (N, {', '.join(map(str, shape))}) uint8, got {pictures.shape} {pictures.dtype}"
        )
    signature = [tf.TensorSpec((1, *shape), tf.float32, name="image")]
    names = [f"exit{i}" for i in range(len(model.outputs))]

    @tf.function(input_signature=signature)
    def serve(image):
        outputs = model(image, training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        return dict(zip(names, outputs, strict=True))

    # a picture that holds black and white pins the input's range
    extremes = np.resize(np.array([0, 255], np.uint8), (1, *shape))
    calibration = np.concatenate([pictures, extremes])
    holder = tf.Module()  # the converter freezes the variables that it can reach from here
    holder.variables_held = [v.value for v in model.variables]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()], holder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([p[None].astype(np.float32) / 128 - 1] for p in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = converter.convert()
    backbone = Int8Backbone(content)
    scale, zero = backbone.input_quantization
    if zero != 0 or abs(scale * 128 - 1) > 1e-3:
        raise RuntimeError(f"input: expected scale 1/128 and zero point 0, got {scale} and {zero}")
    return content


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
        # exits in the order of the graph, whatever order the signature lists them in
        self._outputs = sorted(self._interpreter.get_output_details(), key=_exit_number)
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


def cosine_similarity(model: keras.Model, content: bytes, pictures: np.ndarray) -> list[float]:
    """Mean cosine of float and int8 embeddings over the pictures, one figure an exit."""
    backbone = Int8Backbone(content)
    wanted = model.predict(pictures.astype(np.float32) / 128 - 1, batch_size=64, verbose=0)
    figures = []
    for exact, rough, scale, zero in zip(
        wanted, backbone.embed(pictures), backbone.scales, backbone.zero_points, strict=True
    ):
        rough = (rough.astype(np.float32) - zero) * scale
        norms = np.linalg.norm(exact, axis=1) * np.linalg.norm(rough, axis=1)
        figures.append(float(np.mean((exact * rough).sum(axis=1) / np.maximum(norms, 1e-9))))
    return figures


def _exit_number(output: dict) -> int:
    return int(output["index"])
