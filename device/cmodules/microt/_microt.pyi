# SPDX-License-Identifier: MIT
"""_microt: int8 backbones with early exits, and the vector primitives that heads are made of.

The C module of the microt firmware. `microt` (MicroPython, frozen into the same firmware) is what
applications use; this is what it stands on.

    import _microt
    from array import array

    net = _microt.Backbone(memoryview(open("/rom/objects.mtb", "rb")))
    part = net.run(pixels)          # int8 embedding of exit 0
    full = net.resume()             # of exit 1; no layer runs twice

Buffers are anything with the buffer protocol: bytes, bytearray, array.array, memoryview. In the
signatures below `Floats` is array("f") (or a memoryview of one), `Int8` is array("b"), or bytes
or bytearray read as int8, `Bytes` any buffer of bytes. Errors are ValueError for wrong sizes, types of
values and numbers out of range, TypeError for objects without a buffer, RuntimeError for calls out of
order; each says what was expected and what came.
"""

from typing import Any

Floats = Any
Int8 = Any
Bytes = Any

version: str
"""The version of microt, such as "0.1.0"."""

def kernels() -> tuple[str, ...]:
    """The kernels that this firmware was built with, the fastest first, such as ("dsp", "reference").

    "c" is tuned plain C, for files of the target generic where there are no kernels for the instruction set.

    A file that was compiled for a target (`microt compile --target dsp`) runs where the kernels of that name are, one
    for the target generic everywhere. `Backbone` refuses any other with ValueError: its weights are laid out for
    kernels that are not here. Files of one backbone for several targets have the same `sha256`, so what was taught
    with one is known with all.
    """

class Picture:
    """A camera's frame as a backbone takes it: the middle square, scaled, RGB of 8 bits.

    width, height: of the frame, size: of the result, 1 to 4096 pixels. format: "RGB565" (u16 of this machine's byte
    order), "RGB565_SWAPPED" (of the other), "RGB888" or "GREY". Holds 2 ceil(side / size) + 1 rows of the result
    and as many weights of 4 bytes for each of its columns; side: the shorter of width and height.
    """

    def __init__(self, width: int, height: int, size: int, format: str = "RGB565") -> None: ...
    def scale(self, frame: Bytes, out: Bytes) -> Bytes:
        """Scales `frame` into `out`, size x size x 3 bytes, and returns `out`.

        Pillow's bilinear filter with antialiasing, bit for bit; RGB565's upper bits become the lower ones too.
        """

class Backbone:
    """A compiled backbone (.mtb), used where it lies.

    buffer: the file. It is neither copied nor changed and must not be changed while the Backbone
    is in use; a file in ROMFS (`memoryview(open(path, "rb"))`) costs no RAM. Everything in it is checked here;
    ValueError names what is wrong.
    arena: a writable buffer of at least arena_size bytes, plus up to 15 when it does not start at a multiple of 16.
    None: allocated on the heap (MemoryError when it does not fit).
    """

    input_shape: tuple[int, int, int]
    """(h, w, c)"""
    input_scale: float
    input_zero_point: int
    """The input's real value is input_scale * (q - input_zero_point)."""
    takes_pixels: bool
    """True if uint8 pixels are taken as they are."""
    samples: int | None
    """int16 values of the window that the file's front end makes the input from; None without one."""
    rate: int | None
    """Samples a second of the front end's window, of each axis."""
    exits: int
    """Number of exits."""
    dims: tuple[int, ...]
    """Length of each exit's embedding."""
    output_shape: tuple[tuple[int, int, int], ...]
    output_scale: tuple[float, ...]
    output_zero_point: tuple[int, ...]
    """One entry for each exit; the real value of an embedding is scale * (q - zero_point)."""
    macs: tuple[int, ...]
    """Multiply-accumulates from the input to each exit, other exits' branches left out."""
    arena_size: int
    """Bytes of the arena."""
    ram: int
    """Bytes of RAM that this object holds (not counting the file, nor an arena that was given)."""
    sha256: bytes
    """32 bytes: the identity of the file."""

    def __init__(self, buffer: Bytes, *, arena: Bytes | None = None) -> None: ...
    def run(self, x: Bytes, exit: int = 0) -> memoryview:
        """Runs from the input to an exit.

        x: h * w * c values of int8 (typecode "b"), or of uint8 ("B", bytes, bytearray) if takes_pixels. With a front
        end a window of `samples` int16 values: typecode "h", or their bytes, little-endian.
        Returns a read-only memoryview of int8, valid until the next run.
        """

    def resume(self) -> memoryview:
        """Goes on to the next exit. RuntimeError when nothing was run or the last exit is reached."""

    def embedding(self, exit: int) -> memoryview:
        """The embedding of an exit where the last run, or a resume after it, has stopped."""

    def feature_size(self, exit: int) -> tuple[int, int]:
        """(d, k): length of an exit's feature vector and of its projection; 0 when there is none."""

    def feature_defaults(self, exit: int) -> tuple[float, float] | None:
        """(shrink, prior_trace) for an exit's head, or None when the file has no feature transform."""

    def feature(self, exit: int, embeddings: Int8, out: Floats) -> Floats:
        """What the head of an exit sees.

        embeddings: int8, those of exits 0 to exit one after the other, sum(dims[:exit + 1]) values. out: d values.
        Returns out.
        """

    def project(self, exit: int, z: Floats, out: Floats) -> Floats:
        """out (k) = R z (d), the file's projection. Returns out."""

    def project_back(self, exit: int, w: Floats, out: Floats) -> Floats:
        """out (d) = transposed R w (k): folds a head from projected space to feature space. Returns out."""

def dot(a: Floats | Int8, b: Floats | Int8, n: int = -1, a_off: int = 0, b_off: int = 0) -> float:
    """sum of a[a_off + i] * b[b_off + i] for i below n.

    n = -1 is all from the offsets on, and then a and b must have equally many. Sums run in float32 from the first
    to the last; int8 by int8 is summed in int32.
    """

def axpy(alpha: float, x: Floats | Int8, y: Floats, n: int = -1, x_off: int = 0, y_off: int = 0) -> None:
    """y[y_off + i] += alpha * x[x_off + i] for i below n; -1 as for dot."""

def matvec(A: Floats | Int8, x: Floats | Int8, out: Floats, rows: int, cols: int, A_off: int = 0) -> None:
    """out[r] = sum of A[A_off + r * cols + c] * x[c]"""

def vecmat(v: Floats, A: Floats | Int8, out: Floats, rows: int, cols: int, A_off: int = 0) -> None:
    """out[c] = sum of v[r] * A[A_off + r * cols + c]; out is overwritten and must not be v."""

def rank1(A: Floats, alpha: float, x: Floats, y: Floats | Int8, rows: int, cols: int, /) -> None:
    """A[r * cols + c] += alpha * x[r] * y[c]"""

def softmax(x: Floats, out: Floats, n: int = -1, x_off: int = 0) -> int:
    """out[i] = exp(x[x_off + i]) / sum, safe for large x; out may be x. Returns the index of the largest."""

def scale(x: Floats, alpha: float, n: int = -1, x_off: int = 0) -> None:
    """x[x_off + i] *= alpha"""

def fill(x: Floats, value: float, /) -> None:
    """x[i] = value"""

def quantize(x: Floats, out: Int8, at: int = ..., /) -> float:
    """out[i] = round(x[i] / scale), halves away from zero, with scale = max |x| / 127, which is returned.

    at: then out may be any writable buffer, longer than x, and its bytes from `at` on are written.
    ValueError for values that are not finite. All zeros give scale 0.
    """

def gram_size(n: int, k: int, /) -> int:
    """float32 values of the buffer that `gram` wants; about n * n / 2."""

def gram(buffer: Floats, scales: Floats, n: int, k: int, /) -> float:
    """The products of n samples with each other, in place.

    buffer: gram_size(n, k) values, at whose start lie n int8 rows of k values (put there by `quantize`); sample i is
    scales[i] * row i. Afterwards the rows are gone and the lower triangle of the n x n matrix, packed by rows, lies at
    the end of buffer. Returns the sum of its diagonal. Integer sums are exact.

    The functions below take such a buffer, or any array("f") that ends with a triangle, as A.
    """

def symmetric_times(A: Floats, x: Floats, out: Floats, n: int, /) -> None:
    """out = A x; out must not be x."""

def symmetric_rank2(A: Floats, alpha: float, x: Floats, y: Floats, n: int, /) -> None:
    """A += alpha * (x y^T + y x^T)"""

def cholesky(A: Floats, shift: float, n: int, /) -> None:
    """A + shift * I = L L^T; L takes the place of A. ValueError when that is not positive definite; A is lost then."""

def cholesky_solve(L: Floats, x: Floats, n: int, /) -> None:
    """x = (L L^T)^-1 x, in place."""

def cholesky_diagonal(L: Floats, out: Floats, work: Floats, n: int, /) -> None:
    """out = the diagonal of (L L^T)^-1. L becomes its own inverse; work: n values to work with."""
