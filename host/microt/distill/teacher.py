# SPDX-License-Identifier: MIT
"""A teacher's embeddings of every training picture, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from microt.data import resize


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
    teacher: TfliteTeacher,
    x: np.ndarray,
    folder: str | Path,
    log: Callable[[str], None] = print,
) -> np.ndarray:
    """(N, dim) float32; kept in `folder` under a name made of the teacher's and pictures' hash."""
    digest = hashlib.sha256(teacher.path.read_bytes())
    digest.update(teacher.tensor.encode())
    digest.update(repr(x.shape).encode())
    digest.update(np.ascontiguousarray(x).data)
    file = Path(folder) / f"teacher-{digest.hexdigest()[:16]}.npy"
    if file.exists():
        log(f"teacher: embeddings of {len(x)} pictures taken from {file.name}")
        return np.load(file, allow_pickle=False).astype(np.float32)
    embeddings = teacher.embed(x, log)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part.npy")
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
