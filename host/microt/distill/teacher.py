# SPDX-License-Identifier: MIT
"""A teacher's embeddings of every training picture, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt.data import resize
from microt.distill.recipe import Teacher

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of red, green and blue in 0..1
IMAGENET_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


def teacher_of(settings: Teacher) -> TfliteTeacher | KerasTeacher | NpyTeacher:
    """The teacher that a recipe names."""
    if settings.npy is not None:
        return NpyTeacher(settings.npy)
    if settings.keras is not None:
        return KerasTeacher.saved(settings.keras)
    if settings.application:
        return KerasTeacher.application(settings.application, settings.weights, settings.size)
    if settings.keras_hub:
        return KerasTeacher.hub(settings.keras_hub, settings.size)
    return TfliteTeacher(settings.tflite, settings.tensor)


def teacher_named(source: str | Path) -> TfliteTeacher | KerasTeacher | NpyTeacher:
    """The teacher of a `.tflite`, `.keras` or `.npy` file, or a preset of KerasHub."""
    kinds = {".npy": NpyTeacher, ".keras": KerasTeacher.saved, ".tflite": TfliteTeacher}
    path = Path(source)
    if path.suffix not in kinds:
        return KerasTeacher.hub(str(source))
    if not path.is_file():
        raise FileNotFoundError(f"{source}: no such file")
    return kinds[path.suffix](path)


class NpyTeacher:
    """Embeddings that were made elsewhere: an `.npy` of (N, dim), a row for each training picture."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._rows = np.load(path, allow_pickle=False)
        if self._rows.ndim != 2 or self._rows.dtype.kind != "f":
            raise ValueError(f"{path}: expected float (N, dim), got {self._rows.dtype} {self._rows.shape}")
        self.dim = self._rows.shape[1]

    @property
    def identity(self) -> bytes:
        return self.path.read_bytes()

    def embed(self, x: np.ndarray, log: Callable[[str], None] = print) -> np.ndarray:
        """(N, dim) float32; ValueError unless there is a row for each picture of x."""
        if len(x) != len(self._rows):
            raise ValueError(f"{self.path}: expected {len(x)} rows, one a picture, got {len(self._rows)}")
        return self._rows.astype(np.float32)


class KerasTeacher:
    """A Keras network; its output, pooled if it is a map, is the embedding."""

    def __init__(self, model, prepare: Callable[[np.ndarray], np.ndarray], name: str, size: int):
        """prepare: float32 pixel values 0..255 -> what the model takes. size: pixels of its input."""
        self._model, self._prepare, self._name, self.size = model, prepare, name, size
        self.dim = int(model.output_shape[-1])

    @classmethod
    def saved(cls, path: str | Path) -> KerasTeacher:
        """A `.keras` file whose input is pictures in [-1, 1]; of several outputs the last."""
        import keras

        model = keras.models.load_model(path)
        shape = model.input_shape
        if isinstance(shape, list) or len(shape) != 4 or shape[1] is None or shape[3] != 3:
            raise ValueError(f"{path}: expected one input of RGB pictures of a fixed size, got {shape}")
        if len(model.outputs) > 1:
            model = keras.Model(model.inputs, model.outputs[-1])
        return cls(model, lambda x: x / 128 - 1, Path(path).name, shape[1])

    @classmethod
    def application(cls, name: str, weights: str = "imagenet", size: int = 224) -> KerasTeacher:
        """A network of keras.applications, such as "MobileNetV2"; weights: "imagenet", a file, or "random"."""
        import keras

        builder = getattr(keras.applications, name, None)
        if not isinstance(builder, Callable):
            known = [n for n in dir(keras.applications) if n[0].isupper()]
            raise ValueError(f"teacher.application: expected one of {', '.join(known)}, got {name!r}")
        module = importlib.import_module(builder.__module__)
        try:
            model = builder(
                include_top=False, pooling="avg", weights=None if weights == "random" else weights,
                input_shape=(size, size, 3),
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise ValueError(f"teacher.application: {name} with weights {weights!r}: {error}") from error
        return cls(model, module.preprocess_input, f"{name} {weights} {size}", size)

    @classmethod
    def hub(cls, preset: str, size: int = 224) -> KerasTeacher:
        """DINOv2 (Oquab et al., arXiv:2304.07193) of KerasHub: the class token behind the last normalisation.

        preset: such as "dinov2_small", whose weights KerasHub fetches, or the folder of one. size: a multiple of the
        patches' (14). ValueError says what is missing and how to get it.
        """
        try:
            import keras_hub
        except ImportError:
            raise ValueError(
                "teacher.keras_hub needs KerasHub; in the checkout: .venv/bin/pip install -e '.[hub]'"
            ) from None
        import keras

        try:
            backbone = keras_hub.models.Backbone.from_preset(preset, image_shape=(size, size, 3))
        except Exception as error:  # what fetches them raises errors of many libraries
            raise ValueError(
                f"teacher.keras_hub: the weights of {preset!r} are not to be had; expected a DINOv2 preset "
                f"(dinov2_small, ...) and a way to its host, or the folder of one: {error}"
            ) from error
        if not isinstance(backbone, keras_hub.models.DINOV2Backbone):
            raise ValueError(f"teacher.keras_hub: expected a DINOv2, got {preset!r}, a {type(backbone).__name__}")
        if size % backbone.patch_size:
            raise ValueError(f"teacher.size: expected a multiple of {backbone.patch_size} pixels, got {size}")
        model = keras.Model(backbone.inputs[0], backbone.output[:, 0])
        return cls(model, lambda x: (x / 255 - IMAGENET_MEAN) / IMAGENET_SPREAD, f"{Path(preset).name} {size}", size)

    @property
    def identity(self) -> bytes:
        digest = hashlib.sha256(self._name.encode())
        for weight in self._model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
        return digest.digest()

    def embed(self, x: np.ndarray, log: Callable[[str], None] = print, batch: int = 32) -> np.ndarray:
        """(N, H, W, 3) uint8 pictures -> (N, dim) float32 embeddings."""
        import keras

        found, said = [], time.monotonic()
        for i in range(0, len(x), batch):
            pictures = np.stack([resize(p, self.size) for p in x[i : i + batch]]).astype(np.float32)
            value = keras.ops.convert_to_numpy(self._model(self._prepare(pictures), training=False))
            found.append(value.mean(axis=(1, 2)) if value.ndim == 4 else value.reshape(len(value), -1))
            if time.monotonic() - said > 10:
                log(f"teacher: {i + len(pictures)} of {len(x)} pictures")
                said = time.monotonic()
        return np.concatenate(found).astype(np.float32)


class TfliteTeacher:
    """A `.tflite` network cut at one of its tensors.

    tensor: part of the tensor's name, or the name of an operator kind of which the last one is
    taken ("AVERAGE_POOL_2D" is the embedding of the usual classifiers). The input is pictures,
    uint8 or float in [-1, 1], scaled to the network's own input size.
    """

    def __init__(self, path: str | Path, tensor: str = "AVERAGE_POOL_2D"):
        import tensorflow as tf
        from tensorflow.lite.tools import flatbuffer_utils

        self.path, self.tensor = Path(path), tensor
        model = flatbuffer_utils.read_model(str(path))
        graph = model.subgraphs[0]
        position, index = _find(model, graph, tensor, path)
        graph.operators = graph.operators[: position + 1]
        graph.outputs = np.array([index], np.int32)
        model.signatureDefs = None
        content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
        self._interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self.size = int(self._input["shape"][1])
        self.dim = int(np.prod(self._output["shape"]))
        if self._input["dtype"] not in (np.uint8, np.float32):
            raise ValueError(f"{path}: expected a uint8 or float32 input, got "
                             f"{self._input['dtype'].__name__}")  # fmt: skip

    @property
    def identity(self) -> bytes:
        return self.path.read_bytes() + self.tensor.encode()

    def embed(self, x: np.ndarray, log: Callable[[str], None] = print, every: float = 10.0) -> np.ndarray:
        """(N, H, W, 3) uint8 pictures -> (N, dim) float32 embeddings."""
        out = np.empty((len(x), self.dim), np.float32)
        scale, zero = self._output["quantization"]
        said = time.monotonic()
        for i, picture in enumerate(x):
            picture = resize(picture, self.size)[None]
            if self._input["dtype"] == np.float32:
                picture = picture.astype(np.float32) / 128 - 1
            self._interpreter.set_tensor(self._input["index"], picture)
            self._interpreter.invoke()
            value = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
            out[i] = value if not scale else (value.astype(np.float32) - zero) * scale
            if time.monotonic() - said > every:
                log(f"teacher: {i + 1} of {len(x)} pictures")
                said = time.monotonic()
        return out


def cached_embeddings(
    teacher: TfliteTeacher | KerasTeacher | NpyTeacher,
    x: np.ndarray,
    folder: str | Path,
    log: Callable[[str], None] = print,
) -> np.ndarray:
    """(N, dim) float32; kept in `folder` under a name made of the teacher's and pictures' hash."""
    digest = hashlib.sha256(teacher.identity)
    digest.update(repr(x.shape).encode())
    digest.update(np.ascontiguousarray(x).data)
    file = Path(folder) / f"teacher-{digest.hexdigest()[:16]}.npy"
    if file.exists():
        log(f"teacher: embeddings of {len(x)} pictures taken from {file.name}")
        return np.load(file, allow_pickle=False).astype(np.float32)
    embeddings = teacher.embed(x, log)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(f".{os.getpid()}.part.npy")  # workers may do so at the same time
    np.save(unfinished, embeddings.astype(np.float16))
    unfinished.replace(file)
    return embeddings.astype(np.float16).astype(np.float32)


def _find(model, graph, wanted: str, path) -> tuple[int, int]:
    import tflite

    kinds = {value: name for name, value in vars(tflite.BuiltinOperator).items() if name.isupper()}
    for position in reversed(range(len(graph.operators))):
        op = graph.operators[position]
        code = model.operatorCodes[op.opcodeIndex]
        kind = kinds.get(max(code.builtinCode, code.deprecatedBuiltinCode), "?")
        output = int(op.outputs[0])
        if kind == wanted or wanted in graph.tensors[output].name.decode():
            return position, output
    raise ValueError(f"{path}: no tensor and no operator named {wanted!r}")
