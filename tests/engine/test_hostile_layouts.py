# SPDX-License-Identifier: MIT
"""Hostile files for the DSP kernels, under ASAN and UBSAN: each wrong field is refused, and what is accepted is safe.

python tests/engine/test_hostile_layouts.py SECONDS      random mutations for so long
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dsp_file
import fuzz
import mtb_file
import pytest

DRIVER = Path(__file__).with_name("fuzz_layouts.c")


def build(folder):
    """The driver; RuntimeError when it does not build."""
    program = folder / "fuzz_layouts"
    flags = [*fuzz.FLAGS, "-DMICROT_CHECK_TARGETS", f"-I{fuzz.engine.SOURCES}"]
    sources = [DRIVER, *fuzz.engine.sources()]
    command = [fuzz.engine.compiler(), *flags, "-o", str(program), *map(str, sources), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return program


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    if not any(shutil.which(cc) for cc in ("cc", "gcc", "clang")):
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("fuzz")
    probe = folder / "probe.c"
    probe.write_text("int main(void) { return 0; }\n")
    command = [fuzz.engine.compiler(), "-fsanitize=address,undefined", "-o", str(folder / "probe"), str(probe)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this C compiler has no sanitizers")
    return build(folder)


@pytest.mark.parametrize("seed", range(4))
def test_mutations(driver, tmp_path, seed):
    file = tmp_path / "every_layout.mtb"
    file.write_bytes(dsp_file.every_layout("dsp", seed))
    accepted = fuzz.run(driver, file, seed, 2000)
    # three of four addresses are refused, so are most of the others
    assert 40 < accepted < 500


GOOD = dsp_file.every_layout("dsp")


def opened(driver, tmp_path, data):
    """What the decoder says of a file: "" when it opens it."""
    file = tmp_path / "one.mtb"
    file.write_bytes(data)
    done = subprocess.run([str(driver), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_layout_opens(driver, tmp_path):
    assert opened(driver, tmp_path, GOOD) == ""
    assert opened(driver, tmp_path, dsp_file.every_layout("generic")) == ""


def size_of(index, field):
    return mtb_file.get(GOOD, "ops", index, field)


@pytest.mark.parametrize(
    "op, field, values, words",
    [
        # opcode and layout: 0 FIRST, 1 NARROW, 2 PLANES, 3 ADD, 4 PLANES 5x5, 5 SMALL, 6 WIDE, 7 and 8 plain
        (0, "layout", [1, 15, 19, 20, 21, 32, 255], "weight layout"),
        (0, "layout", [16, 17], "weight layout"),
        (0, "layout", [0], "constants"),  # layout 0 has a bias
        (1, "layout", [18], "weight layout"),
        (2, "layout", [16, 17, 18, 21], "weight layout"),
        (2, "layout", [20], "weight layout"),
        (3, "layout", [16, 19], "weight layout"),
        (4, "layout", [20], "weight layout"),
        (5, "layout", [19], "weight layout"),
        (7, "layout", [16, 17, 18], "constants"),  # and the other way round
        # sections: what a layout asks for, at multiples of 4
        *((op, "weights_size", [0, size_of(op, "weights_size") - 4, 1 << 31, 0xFFFFFFFF], "") for op in range(3)),
        *((op, "weights_size", [size_of(op, "weights_size") - 1], "weight layout") for op in (0, 1, 2, 4, 5, 6)),
        *((op, "weights", [size_of(op, "weights") + n for n in (1, 2, 3)], "constants") for op in (0, 1, 2, 4, 5, 6)),
        *((op, "requant_size", [0, 4, 1 << 31], "") for op in (0, 1, 2, 4, 6)),
        *((op, "requant_size", [size_of(op, "requant_size") - 4], "sizes") for op in (0, 1, 2, 4, 6)),
        *((op, "requant", [size_of(op, "requant") + 1, 0, 0xFFFFFFFF], "constants") for op in (0, 1, 2, 4, 6)),
        (5, "requant_size", [16], "constants"),  # SMALL has none
        *((op, "bias", [size_of(op, "weights")], "constants") for op in (0, 1, 2, 4, 5, 6)),
        *((op, "bias_size", [4], "constants") for op in (0, 1, 2, 4, 5, 6)),
        # scratch: all that the kernel needs, inside the arena, over no tensor
        *((op, "scratch_size", [size_of(op, "scratch_size") - 1, 1], "scratch") for op in (0, 1, 2, 3, 4, 6, 7, 8)),
        *((op, "scratch", [1, 0xFFFFFFF0, size_of(op, "scratch") + 4096], "scratch") for op in (0, 3, 7)),
        (0, "scratch", [0], "plan: tensor"),
    ],
)
def test_wrong_fields_of_layouts(driver, tmp_path, op, field, values, words):
    for value in values:
        said = opened(driver, tmp_path, mtb_file.put(GOOD, "ops", op, field, value))
        assert said and words in said, (value, said)


@pytest.mark.parametrize(
    "op, number, values",
    [
        (0, 10, [1, 5]),  # kernel: FIRST is 3x3
        (0, 2, [2]),  # dilation
        (1, 0, [2]),  # stride: NARROW reads its input as it lies
        (1, 4, [1]),  # padding
        (2, 12, [2]),  # multiplier
        (2, 0, [2, 3]),
        (5, 4, [0, 2]),  # padding of SMALL
    ],
)
def test_shapes_that_a_layout_is_not_for(driver, tmp_path, op, number, values):
    for value in values:
        at = mtb_file.get(GOOD, "ops", op, "args") + 4 * number
        data = mtb_file.seal(GOOD[:at] + value.to_bytes(4, "little") + GOOD[at + 4 :])
        assert opened(driver, tmp_path, data), (number, value)


def test_layouts_are_refused_in_files_for_other_targets(driver, tmp_path):
    for target, words in ((0, "none of opcode 1 for target generic"), (1, "target m0"), (4, "expected target 0 to 3")):
        assert words in opened(driver, tmp_path, mtb_file.put_header(GOOD, "target", target))


def main():
    end = time.time() + float(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        file = Path(folder) / "every_layout.mtb"
        seed = accepted = 0
        while time.time() < end:
            file.write_bytes(dsp_file.every_layout("dsp", seed))
            accepted += fuzz.run(program, file, seed, 4000)
            seed += 1
    print(f"{4000 * seed} files, {accepted} accepted, nothing found")


if __name__ == "__main__":
    main()
