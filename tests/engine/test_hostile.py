# SPDX-License-Identifier: MIT
"""Mutated files under ASAN and UBSAN: refused or run, never a bad access or undefined arithmetic."""

import shutil
import subprocess

import fuzz
import mtb_file
import numpy as np
import pytest
from random_operators import OPERATORS

from microt.compiler import compile_tflite


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
    return fuzz.build(folder)


@pytest.mark.parametrize("make", fuzz.MAKERS)
@pytest.mark.parametrize("seed", range(4))
def test_mutations(driver, tmp_path, make, seed):
    file = tmp_path / "good.mtb"
    file.write_bytes(mtb_file.pack(make(seed)))
    accepted = fuzz.run(driver, file, seed, 500)
    # both ways are taken: most are refused, some change only weights and run
    assert 20 < accepted < 400


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "ADD"])
def test_good_layers(driver, tmp_path, kind):
    """Of the operators that have tuned kernels, in all their shapes: no access outside of file and arena."""
    makers = [make for name, make in OPERATORS.items() if name.startswith(kind)]
    for seed in range(12):
        for make in makers:
            content, _ = make(np.random.default_rng([seed, 79]))
            for in_place in (False, True):
                file = tmp_path / "layer.mtb"
                file.write_bytes(compile_tflite(content, in_place=in_place).data)
                done = subprocess.run([str(driver), str(file)], capture_output=True, text=True)
                assert (done.returncode, done.stdout) == (0, ""), f"seed {seed}: {done.stderr}"


@pytest.mark.parametrize("name", fuzz.findings())
def test_what_the_fuzzer_once_found(driver, tmp_path, name):
    file = tmp_path / "found.mtb"
    file.write_bytes(mtb_file.pack(fuzz.findings()[name]))
    done = subprocess.run([str(driver), str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""  # accepted, and run


def test_the_libfuzzer_target_builds_and_runs(tmp_path):
    clang = fuzz.clang()
    if clang is None:
        pytest.skip("no clang with libFuzzer (apt-get install clang)")
    program = fuzz.build(tmp_path, clang)
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    files = fuzz.seeds(corpus)
    done = subprocess.run([str(program), "-runs=2000", "-seed=1", str(corpus)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # files that reach more code were kept
    assert len(list(corpus.iterdir())) > len(files)
