# SPDX-License-Identifier: MIT
"""The host build of the engine: the same C sources that run on the board, loaded with ctypes.

Accuracy over thousands of samples is measured with the code that ships. The sources are
``device/cmodules/microt/engine/``; the library is built once with the system's C compiler
(``CC`` or ``cc``, ``gcc``, ``clang``) and kept under ``build/host/`` of the checkout, or in the
user's cache folder when the checkout cannot be written, under the hash of sources and flags.

    net = Backbone("models/objects.mtb")
    part = net.run(x, exit=0)       # int8 (dim,)
    full = net.resume()
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "device" / "cmodules" / "microt" / "engine"
FLAGS = "-std=c99 -Wall -Wextra -Werror -O3 -ffp-contract=off -fno-math-errno -fPIC -shared".split()
TARGETS = ("generic", "m0", "dsp", "mve")
MEL, AXES = 1, 2  # kinds of front ends, engine.h's MICROT_MEL and MICROT_AXES

_MAX_EXITS = 8
_ERROR_SIZE = 160
_ALIGN = 16

# Checks at load time that the structures below are the C ones.
_SIZES = """
#include "engine.h"
const size_t microt_host_sizes[3] = {
    sizeof(microt_model_t), sizeof(microt_exit_t), sizeof(microt_run_t)};
"""


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("offset", ctypes.c_uint32),
        ("h", ctypes.c_int32),
        ("w", ctypes.c_int32),
        ("c", ctypes.c_int32),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
    ]


class _Feature(ctypes.Structure):
    _fields_ = [
        ("parts", ctypes.c_uint32),
        ("square_root", ctypes.c_bool),
        ("d", ctypes.c_uint32),
        ("k", ctypes.c_uint32),
        ("part", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("projection", ctypes.c_void_p),
        ("row_scale", ctypes.c_void_p),
        ("shrink", ctypes.c_float),
        ("prior_trace", ctypes.c_float),
    ]


class _Exit(ctypes.Structure):
    _fields_ = [
        ("tensor", _Tensor),
        ("tensor_index", ctypes.c_uint16),
        ("end", ctypes.c_uint16),
        ("macs", ctypes.c_uint32),
        ("feature", _Feature),
    ]


class _FrontEnd(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint16),
        ("rate", ctypes.c_uint16),
        ("samples", ctypes.c_uint32),
        ("record", ctypes.c_void_p),
    ]


class _Model(ctypes.Structure):
    _fields_ = [
        ("file", ctypes.c_void_p),
        ("size", ctypes.c_uint32),
        ("sha256", ctypes.c_void_p),
        ("target", ctypes.c_uint16),
        ("input", ctypes.c_uint16),
        ("arena_size", ctypes.c_uint32),
        ("tensor_count", ctypes.c_uint16),
        ("op_count", ctypes.c_uint16),
        ("exit_count", ctypes.c_uint16),
        ("tensors", ctypes.c_void_p),
        ("ops", ctypes.c_void_p),
        ("pixel_table", ctypes.c_void_p),
        ("front_end", _FrontEnd),
        ("strings", ctypes.c_void_p),
        ("strings_size", ctypes.c_uint32),
        ("exits", _Exit * _MAX_EXITS),
    ]


class _Run(ctypes.Structure):
    _fields_ = [
        ("arena", ctypes.c_void_p),
        ("exit", ctypes.c_uint16),
        ("next", ctypes.c_uint16),
        ("done", ctypes.c_uint16),
    ]


def sources() -> list[Path]:
    """The C files of the engine, in a fixed order."""
    folders = (SOURCES, *(SOURCES / "kernels" / name for name in ("ref", "c", "m0", "dsp", "mve")))
    files = [file for folder in folders for file in sorted(folder.glob("*.c"))]
    if not files:
        raise RuntimeError(
            f"engine: expected its C sources in {SOURCES}, found none; "
            "install microt from a checkout (pip install -e .)"
        )
    return files


def compiler() -> str:
    """The C compiler; RuntimeError with what to install when there is none."""
    asked = os.environ.get("CC")
    for name in [asked] if asked else ["cc", "gcc", "clang"]:
        path = shutil.which(name)
        if path:
            return path
    raise RuntimeError(
        f"engine: expected a C compiler ({asked or 'cc, gcc or clang'}), found none; "
        "install one (Debian: apt-get install gcc) or set CC"
    )


def _cache_folder(key: str) -> Path:
    if (ROOT / "pyproject.toml").is_file() and os.access(ROOT, os.W_OK):
        return ROOT / "build" / "host" / key
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "microt" / "host" / key


def build(reference: bool = False) -> Path:
    """Builds the library if its sources changed; returns its path. reference: with the reference kernels alone."""
    files = sources()
    cc = compiler()
    flags = [*FLAGS, "-DMICROT_REFERENCE"] if reference else FLAGS
    digest = hashlib.sha256(" ".join([cc, *flags, _SIZES]).encode())
    for file in files + sorted(SOURCES.rglob("*.h")):
        digest.update(str(file.relative_to(SOURCES)).encode() + b"\0" + file.read_bytes())
    folder = _cache_folder(digest.hexdigest()[:16])
    library = folder / "libmicrot.so"
    if library.is_file():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        sizes = Path(scratch) / "sizes.c"
        sizes.write_text(_SIZES)
        made = Path(scratch) / "libmicrot.so"
        command = [cc, *flags, f"-I{SOURCES}", "-o", str(made)]
        command += [str(f) for f in files] + [str(sizes), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"engine: {cc} failed to build it:\n{done.stderr.strip()}")
        os.replace(made, library)
    return library


@functools.cache
def _library(reference: bool) -> ctypes.CDLL:
    lib = ctypes.CDLL(str(build(reference)))
    sizes = (ctypes.c_size_t * 3).in_dll(lib, "microt_host_sizes")
    mirrored = [ctypes.sizeof(t) for t in (_Model, _Exit, _Run)]
    if list(sizes) != mirrored:
        raise RuntimeError(f"engine: engine.py's structures are {mirrored} bytes, engine.h's {list(sizes)}")
    model, run = ctypes.POINTER(_Model), ctypes.POINTER(_Run)
    pointer, number = ctypes.c_void_p, ctypes.c_uint
    for name, result, *args in [
        ("open", ctypes.c_int, model, pointer, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t),
        ("front_end", None, model, pointer, pointer),
        ("run", ctypes.c_int, model, run, pointer, number),
        ("resume", ctypes.c_int, model, run),
        ("begin", ctypes.c_int, model, run, pointer, number),
        ("begin_resume", ctypes.c_int, model, run),
        ("step", ctypes.c_int, model, run),
        ("tensor", _Tensor, model, number),
        ("tensor_name", ctypes.c_char_p, model, number),
        ("op_name", ctypes.c_char_p, model, number),
        ("op_code", number, model, number),
        ("op_output", number, model, number),
        ("op_macs", ctypes.c_uint32, model, number),
        ("embeddings_size", ctypes.c_uint32, model, number),
        ("feature", ctypes.c_int, model, number, pointer, pointer),
        ("project", ctypes.c_int, model, number, pointer, pointer),
        ("project_back", ctypes.c_int, model, number, pointer, pointer),
    ]:
        function = getattr(lib, f"microt_{name}")
        function.restype = result
        function.argtypes = args
    return lib


@dataclass(frozen=True)
class Exit:
    """One exit: where an embedding is taken.

    name: of its tensor; dim: length of the int8 embedding; real value = scale * (q - zero_point);
    macs: multiply-accumulates from the input to here, other exits' branches left out.
    """

    name: str
    dim: int
    scale: float
    zero_point: int
    macs: int


@dataclass(frozen=True)
class Op:
    """One op of the file: name of its output, opcode (mtb.c), multiply-accumulates."""

    name: str
    code: int
    macs: int


class Backbone:
    """A compiled backbone, run by the engine's tuned plain C. The mirror of _microt.Backbone.

    source: the bytes of a .mtb file, or its path. reference: the reference kernels run every operator, as they do with
    MICROT_REFERENCE=1 in the environment. ValueError with the decoder's sentence when the file is not a good one;
    FileNotFoundError when there is none.
    """

    def __init__(self, source: bytes | str | Path, *, reference: bool = False):
        self._lib = _library(reference or os.environ.get("MICROT_REFERENCE") == "1")
        if isinstance(source, str | Path):
            source = Path(source).read_bytes()
        self._file = bytes(source)
        self._model = _Model()
        self._state = _Run()
        error = ctypes.create_string_buffer(_ERROR_SIZE)
        self._buffer = ctypes.create_string_buffer(self._file, len(self._file))
        if self._lib.microt_open(self._model, ctypes.addressof(self._buffer), len(self._file), error, _ERROR_SIZE):
            raise ValueError(error.value.decode())
        self.sha256 = self._file[16:48].hex()
        # of a file for the generic target, and this engine runs no other
        identity = hashlib.sha256(self._file[48:]).hexdigest()
        if self.sha256 != identity:
            raise ValueError(f"file: its SHA-256 is {identity}, its header says {self.sha256}")
        m = self._model
        self.arena_size = m.arena_size
        self.target = TARGETS[m.target]
        self.takes_pixels = bool(m.pixel_table)
        self._input = self._tensor(m.input)
        self.input_shape = (self._input.h, self._input.w, self._input.c)
        front = m.front_end
        self.rate = front.rate if front.kind else None
        rows = self._input.h
        shapes = {0: None, MEL: (front.samples,), AXES: (rows, front.samples // rows)}
        self.samples_shape = shapes[front.kind]
        self.input_scale = self._input.scale
        self.input_zero_point = self._input.zero_point
        self.exits = [
            Exit(self._name(e.tensor_index), e.tensor.c, e.tensor.scale, e.tensor.zero_point, e.macs)
            for e in m.exits[: m.exit_count]
        ]
        self.macs = self.exits[-1].macs
        self.ops = [
            Op(
                self._lib.microt_op_name(m, i).decode(),
                self._lib.microt_op_code(m, i),
                self._lib.microt_op_macs(m, i),
            )
            for i in range(m.op_count)
        ]
        if self.takes_pixels:
            self._table = np.frombuffer(ctypes.string_at(m.pixel_table, 256), np.int8)
        self._memory = np.zeros(self.arena_size + _ALIGN, np.uint8)
        start = -self._memory.ctypes.data % _ALIGN
        self._arena = self._memory[start : start + self.arena_size]

    def _tensor(self, index: int) -> _Tensor:
        return self._lib.microt_tensor(self._model, index)

    def _name(self, index: int) -> str:
        return self._lib.microt_tensor_name(self._model, index).decode()

    def _values(self, tensor: _Tensor) -> np.ndarray:
        """A copy of a tensor, int8 (h, w, c)."""
        n = tensor.h * tensor.w * tensor.c
        raw = self._arena[tensor.offset : tensor.offset + n].view(np.int8)
        return raw.reshape(tensor.h, tensor.w, tensor.c).copy()

    def _put_input(self, x) -> None:
        x = np.asarray(x)
        n = int(np.prod(self.input_shape))
        if self.samples_shape and x.dtype == np.int16:
            if x.size != np.prod(self.samples_shape):
                raise ValueError(f"input: expected a window of {self.samples_shape} of int16, got {x.shape}")
            window = np.ascontiguousarray(x)
            self._lib.microt_front_end(self._model, self._arena.ctypes.data, window.ctypes.data)
            return
        kinds = "int8 or uint8" if self.takes_pixels else "int8"
        if x.size != n or not (x.dtype == np.int8 or (x.dtype == np.uint8 and self.takes_pixels)):
            also = f", or a window of {self.samples_shape} of int16" if self.samples_shape else ""
            raise ValueError(
                f"input: expected {n} values {self.input_shape} of {kinds}{also}, got {x.size} of {x.dtype}"
            )
        if x.dtype == np.uint8:
            x = self._table[x]
        t = self._input
        self._arena[t.offset : t.offset + n] = np.ascontiguousarray(x).reshape(-1).view(np.uint8)

    def _check_exit(self, exit: int) -> None:
        if not 0 <= exit < len(self.exits):
            raise ValueError(f"exit: expected 0 to {len(self.exits) - 1}, got {exit}")

    def run(self, x, exit: int = 0) -> np.ndarray:
        """Runs from the input to an exit.

        x: int8 of input_shape, or uint8 pixels if takes_pixels, or int16 of samples_shape if there is a front end
        (sound: (samples,), motion: (rows, axes), both at `rate` Hz). Returns int8 (dim,).
        ValueError names the expected and the given shape and dtype.
        """
        self._check_exit(exit)
        self._put_input(x)
        self._lib.microt_run(self._model, self._state, self._arena.ctypes.data, exit)
        return self._values(self._model.exits[exit].tensor).reshape(-1)

    def resume(self) -> np.ndarray:
        """Goes on to the next exit: int8 (dim,). RuntimeError when there is nothing to resume."""
        if not self._state.done or self._lib.microt_resume(self._model, self._state):
            raise RuntimeError("resume: expected a run that stopped before the last exit")
        return self._values(self._model.exits[self._state.exit].tensor).reshape(-1)

    def front_end(self, samples) -> np.ndarray:
        """The input that a window of int16 samples makes: int8 (h, w, c). ValueError without a front end."""
        samples = np.asarray(samples)
        if not self.samples_shape or samples.dtype != np.int16:
            raise ValueError(f"front end: expected {self.samples_shape} of int16, got {samples.shape} {samples.dtype}")
        self._put_input(samples)
        return self._values(self._input)

    def embed(self, x, progress: Callable[[int, int], None] | None = None) -> list[np.ndarray]:
        """All embeddings of a batch.

        x: (N, ...), each what `run` takes. Returns one int8 array (N, dim) for each exit.
        progress(done, total) is called after every sample.
        """
        x = np.asarray(x)
        out = [np.empty((len(x), e.dim), np.int8) for e in self.exits]
        for i, sample in enumerate(x):
            out[0][i] = self.run(sample)
            for e in range(1, len(self.exits)):
                out[e][i] = self.resume()
            if progress:
                progress(i + 1, len(x))
        return out

    def tensors(self, x) -> list[tuple[str, np.ndarray]]:
        """Every op's output in order of execution: (name, int8 (h, w, c)); for tests."""
        self._put_input(x)
        found = []
        arena = self._arena.ctypes.data
        self._lib.microt_begin(self._model, self._state, arena, 0)
        while True:
            op = self._lib.microt_step(self._model, self._state)
            if op >= 0:
                tensor = self._lib.microt_op_output(self._model, op)
                found.append((self.ops[op].name, self._values(self._tensor(tensor))))
            elif self._lib.microt_begin_resume(self._model, self._state):
                return found

    def feature_size(self, exit: int) -> tuple[int, int]:
        """(d, k) of an exit: lengths of its feature vector and of its projection; 0: none."""
        self._check_exit(exit)
        f = self._model.exits[exit].feature
        return f.d, f.k

    def feature_defaults(self, exit: int) -> tuple[float, float] | None:
        """(shrink, prior_trace) of an exit's head, or None without a feature transform."""
        self._check_exit(exit)
        f = self._model.exits[exit].feature
        return (f.shrink, f.prior_trace) if f.parts else None

    def feature(self, exit: int, embeddings) -> np.ndarray:
        """The feature vectors a head sees.

        embeddings: int8 (N, sum of dims of exits 0..exit) or one row. Returns float32 (N, d).
        ValueError when the exit has no transform or the shape is another.
        """
        d, _ = self.feature_size(exit)
        if not d:
            raise ValueError(f"feature: exit {exit} of this file has no feature transform")
        rows = np.atleast_2d(np.asarray(embeddings))
        size = self._lib.microt_embeddings_size(self._model, exit)
        if rows.dtype != np.int8 or rows.ndim != 2 or rows.shape[1] != size:
            raise ValueError(f"embeddings: expected (N, {size}) of int8, got {rows.shape} of {rows.dtype}")
        rows = np.ascontiguousarray(rows)
        z = np.empty((len(rows), d), np.float32)
        for i in range(len(rows)):
            self._lib.microt_feature(self._model, exit, rows[i].ctypes.data, z[i].ctypes.data)
        return z

    def project(self, exit: int, z) -> np.ndarray:
        """u = R z of an exit: float32 (N, d) -> (N, k)."""
        d, k = self.feature_size(exit)
        return self._map(exit, z, d, k, self._lib.microt_project)

    def project_back(self, exit: int, u) -> np.ndarray:
        """z = R^T u of an exit, the transpose of project: float32 (N, k) -> (N, d)."""
        d, k = self.feature_size(exit)
        return self._map(exit, u, k, d, self._lib.microt_project_back)

    def _map(self, exit: int, x, size_in: int, size_out: int, function) -> np.ndarray:
        if not self.feature_size(exit)[1]:
            raise ValueError(f"project: exit {exit} of this file has no projection")
        rows = np.ascontiguousarray(np.atleast_2d(np.asarray(x, np.float32)))
        if rows.ndim != 2 or rows.shape[1] != size_in:
            raise ValueError(f"project: expected (N, {size_in}), got {rows.shape}")
        out = np.empty((len(rows), size_out), np.float32)
        for i in range(len(rows)):
            function(self._model, exit, rows[i].ctypes.data, out[i].ctypes.data)
        return out
