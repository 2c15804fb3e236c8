# SPDX-License-Identifier: MIT
"""Hostile files for the DSP and MVE kernels, under ASAN and UBSAN: each wrong field is refused, what is accepted safe.

python tests/engine/test_hostile_layouts.py SECONDS      random mutations for so long
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import fuzz
import layouts_file
import mtb_file
import numpy as np
import pytest

from microt.compiler import layout_dsp
from microt.engine import Backbone

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


TARGETS = ["m0", "dsp", "mve"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(4))
def test_mutations(driver, tmp_path, seed, target):
    file = tmp_path / "every_layout.mtb"
    file.write_bytes(layouts_file.every_layout(target, seed))
    accepted = fuzz.run(driver, file, seed, 2000)
    # three of four addresses are refused, so are most of the others
    assert 40 < accepted < 500


GOOD = {target: layouts_file.every_layout(target) for target in TARGETS}


def opened(driver, tmp_path, data):
    """What the decoder says of a file: "" when it opens it."""
    file = tmp_path / "one.mtb"
    file.write_bytes(data)
    done = subprocess.run([str(driver), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_layout_opens(driver, tmp_path):
    for data in GOOD.values():
        assert opened(driver, tmp_path, data) == ""
    assert opened(driver, tmp_path, layouts_file.every_layout("generic")) == ""


def test_depthwise_in_place_of_dsp(driver, tmp_path):
    """Layout 21 with room for a copy of four channels, and no other, may overwrite its input."""
    good = GOOD["dsp"]
    scratch = mtb_file.get(good, "ops", 4, "scratch_size") + 4 * 8 * 8
    start = mtb_file.get(good, "tensors", 4, "offset")

    def moved(layout=layout_dsp.PLANES_IN_PLACE, size=scratch, offset=start):
        data = mtb_file.put_header(good, "arena", 1 << 16)
        for table, index, field, value in (
            ("ops", 4, "layout", layout),
            ("ops", 4, "scratch_size", size),
            ("tensors", 5, "offset", offset),
        ):
            data = mtb_file.put(data, table, index, field, value)
        return data

    assert opened(driver, tmp_path, moved()) == ""
    assert "plan: tensors 4 and 5 overlap" in opened(driver, tmp_path, moved(layout=layout_dsp.PLANES))
    assert "plan: tensors 4 and 5 overlap" in opened(driver, tmp_path, moved(offset=start + 16))
    assert f"expected {scratch} bytes of scratch, got {scratch - 1}" in opened(
        driver, tmp_path, moved(size=scratch - 1)
    )


@pytest.mark.parametrize("past", [1, 2, 3])
def test_weights_of_layout_1_lie_anywhere(driver, tmp_path, past):
    """The reference kernels, whose layout it is on every target, read bytes; a target's own kernels read words."""
    x = np.random.default_rng(past).integers(-128, 128, (6, 6, 4)).astype(np.int8)
    moved = mtb_file.pack_moved(mtb_file.depthwise_in_place(), 0, past)
    assert mtb_file.get(moved, "ops", 0, "weights") % 4 == past
    aligned = mtb_file.pack(mtb_file.depthwise_in_place())
    np.testing.assert_array_equal(Backbone(moved).run(x), Backbone(aligned).run(x))
    assert opened(driver, tmp_path, moved) == ""
    for code, target in enumerate(TARGETS, 1):
        assert opened(driver, tmp_path, mtb_file.put_header(moved, "target", code)) == ""
        own = GOOD[target]
        assert mtb_file.get(own, "ops", 2, "layout") >= 16
        said = opened(
            driver, tmp_path, mtb_file.put(own, "ops", 2, "weights", mtb_file.get(own, "ops", 2, "weights") + past)
        )
        assert "not at a multiple of 4" in said


def wrong_sections(target, laid, without_records):
    """What no file has: sections of other sizes or places than the layouts of ops `laid` ask for, scratch that is not
    what the kernels need."""

    def of(op, field):
        return mtb_file.get(GOOD[target], "ops", op, field)

    recorded = [op for op in laid if op not in without_records]
    for op in laid:
        weights = of(op, "weights")
        yield op, "weights_size", [0, of(op, "weights_size") - 4, 1 << 31, 0xFFFFFFFF], ""
        yield op, "weights_size", [of(op, "weights_size") - 1], "weight layout"
        yield op, "weights", [weights + n for n in (1, 2, 3)], "constants"
        yield op, "bias", [weights], "constants"
        yield op, "bias_size", [4], "constants"
    for op in recorded:
        yield op, "requant_size", [0, 4, 1 << 31], ""
        yield op, "requant_size", [of(op, "requant_size") - 4], "sizes"
        yield op, "requant", [of(op, "requant") + 1, 0, 0xFFFFFFFF], "constants"
    for op in without_records:
        yield op, "requant_size", [16], "constants"
    for op in range(10):
        if of(op, "scratch_size"):
            yield op, "scratch_size", [1, 63], "scratch"
    for op in (0, 3, 7):
        yield op, "scratch", [1, 0xFFFFFFF0, of(op, "scratch") + 4096], "scratch"
    yield 0, "scratch", [0], "plan: tensor"


WRONG = {
    "m0": [
        # 0 FIRST, 1 WIDE, 2 PLANES, 3 ADD, 4 PLANES 5x5, 5 PLANES, 6 WIDE, 7 plain, 8 WIDE, 9 plain
        (0, "layout", [1, 15, 16, 18, 32, 50, 51, 255], "weight layout"),
        (0, "layout", [0], "constants"),  # layout 0 has a bias; 48 asks for the same sizes
        (1, "layout", [49, 50], "weight layout"),
        (2, "layout", [48, 49, 51], "weight layout"),
        (3, "layout", [48, 50], "weight layout"),
        (7, "layout", [48, 49], "constants"),  # and the other way round
        (8, "layout", [49], "weight layout"),
        *wrong_sections("m0", [0, 1, 2, 4, 5, 6, 8], []),
    ],
    "dsp": [
        # 0 FIRST, 1 NARROW, 2 PLANES, 3 ADD, 4 PLANES 5x5, 5 SMALL, 6 WIDE, 7 to 9 plain
        (0, "layout", [1, 15, 19, 20, 21, 32, 255], "weight layout"),
        (0, "layout", [16, 17], "weight layout"),
        (0, "layout", [0], "constants"),  # layout 0 has a bias
        (1, "layout", [18], "weight layout"),
        (2, "layout", [16, 17, 18, 22], "weight layout"),
        (2, "layout", [21], "bytes of scratch"),
        (2, "layout", [20], "weight layout"),
        (3, "layout", [16, 19], "weight layout"),
        (4, "layout", [20], "weight layout"),
        (5, "layout", [19], "weight layout"),
        (7, "layout", [16, 17, 18], "constants"),  # and the other way round
        *wrong_sections("dsp", [0, 1, 2, 4, 5, 6], [5]),
    ],
    "mve": [
        # 0 FIRST, 1 NARROW, 2 PLANES, 3 ADD, 4 PLANES 5x5, 5 PLANES, 6 NARROW, 7 plain, 8 WIDE, 9 BLOCKS
        (0, "layout", [1, 15, 16, 18, 31, 35, 36, 37, 255], "weight layout"),
        (0, "layout", [32], "weight layout"),
        (0, "layout", [0], "constants"),  # layout 0 has a bias
        (1, "layout", [34], "weight layout"),
        (2, "layout", [32, 33, 34, 36, 37], "weight layout"),
        (3, "layout", [32, 35], "weight layout"),
        (4, "layout", [36], "weight layout"),
        (7, "layout", [32, 33, 34], "constants"),  # and the other way round
        (8, "layout", [32, 34], "weight layout"),
        (9, "layout", [35], "weight layout"),
        *wrong_sections("mve", [0, 1, 2, 4, 5, 6, 8, 9], []),
    ],
}


@pytest.mark.parametrize("target, op, field, values, words", [(t, *each) for t in TARGETS for each in WRONG[t]])
def test_wrong_fields_of_layouts(driver, tmp_path, target, op, field, values, words):
    for value in values:
        said = opened(driver, tmp_path, mtb_file.put(GOOD[target], "ops", op, field, value))
        assert said and words in said, (value, said)


SHAPES = {
    "m0": [
        (0, 10, [1, 5]),  # kernel: FIRST is 3x3
        (0, 2, [2]),  # dilation
        (2, 12, [2]),  # multiplier
        (2, 0, [2, 3]),
        (4, 10, [3, 9]),
    ],
    "dsp": [
        (0, 10, [1, 5]),  # kernel: FIRST is 3x3
        (0, 2, [2]),  # dilation
        (1, 0, [2]),  # stride: NARROW reads its input as it lies
        (1, 4, [1]),  # padding
        (2, 12, [2]),  # multiplier
        (2, 0, [2, 3]),
        (5, 4, [0, 2]),  # padding of SMALL
    ],
    "mve": [
        (0, 10, [1, 5]),  # kernel: FIRST is 3x3
        (0, 2, [2]),  # dilation
        (1, 0, [2]),  # stride: NARROW reads its input as it lies
        (1, 4, [1]),  # padding
        (2, 12, [2]),  # multiplier
        (2, 0, [2, 3]),
        (4, 10, [3, 9]),
        (9, 10, [5, 65]),
    ],
}


@pytest.mark.parametrize("target, op, number, values", [(t, *each) for t in TARGETS for each in SHAPES[t]])
def test_shapes_that_a_layout_is_not_for(driver, tmp_path, target, op, number, values):
    good = GOOD[target]
    for value in values:
        at = mtb_file.get(good, "ops", op, "args") + 4 * number
        data = mtb_file.seal(good[:at] + value.to_bytes(4, "little") + good[at + 4 :])
        assert opened(driver, tmp_path, data), (number, value)


@pytest.mark.parametrize(
    "target, op, past, said",
    [
        ("m0", 5, 0, ""),
        ("m0", 5, 16, "plan: tensors"),
        ("m0", 6, 0, "plan: tensors"),
        ("mve", 5, 0, ""),  # PLANES in one strip reads a channel before it writes it
        ("mve", 5, 16, "plan: tensors"),
        ("mve", 9, 0, "plan: tensors"),  # BLOCKS does not
        ("mve", 6, 0, "plan: tensors"),
        ("dsp", 4, 0, "plan: tensors"),
        ("generic", 5, 0, "plan: tensors"),
    ],
)
def test_outputs_in_the_place_of_the_input(driver, tmp_path, target, op, past, said):
    data = layouts_file.every_layout(target)
    place = mtb_file.get(data, "tensors", op, "offset") + past
    got = opened(driver, tmp_path, mtb_file.put(data, "tensors", op + 1, "offset", place))
    assert got.startswith(said) if said else got == ""


@pytest.mark.parametrize("target", TARGETS)
def test_layouts_are_refused_in_files_for_other_targets(driver, tmp_path, target):
    others = [(code, name) for code, name in enumerate(TARGETS, 1) if name != target]
    for code, words in (
        (0, "none of opcode 1 for target generic"),
        *((code, f"none of opcode 1 for target {name}") for code, name in others),
        (4, "expected a target of 0 to 3"),
    ):
        said = opened(driver, tmp_path, mtb_file.put_header(GOOD[target], "target", code))
        assert words in said, (code, said)


def main():
    end = time.time() + float(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        file = Path(folder) / "every_layout.mtb"
        seed = accepted = 0
        while time.time() < end:
            file.write_bytes(layouts_file.every_layout(TARGETS[seed % len(TARGETS)], seed))
            accepted += fuzz.run(program, file, seed, 4000)
            seed += 1
    print(f"{4000 * seed} files, {accepted} accepted, nothing found")


if __name__ == "__main__":
    main()
