# SPDX-License-Identifier: MIT
"""Feeds hostile .mtb files to the engine under the address and undefined behaviour sanitizers.

python tests/engine/fuzz.py --seconds 60 [--seed 0] [--driver] [FILE.mtb ...]

With clang: libFuzzer, led by the code that each file reaches; what it finds of interest is kept in
build/fuzz/corpus/ and is where the next run starts, what fails in build/fuzz/. Without clang, or
with --driver: random mutations of the files. Without files: some made of all operators, and random layers of every
operator that the compiler laid out for each target. Files for targets whose kernels this machine lacks are opened, and
what their kernels rely on is looked at (fuzz_layouts.c). Stops at the first finding, with what repeats it.

At the end all that was kept is run on emulated cores, with the kernels of each (emulated/network_runner.c), where there
are QEMU and the cross-compiler.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import layouts_file
import mtb_file
import numpy as np

from microt import engine

DRIVER = Path(__file__).with_name("fuzz_layouts.c")
FLAGS = (
    "-std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -g -O1 -ffp-contract=off "
    "-fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -fno-omit-frame-pointer"
).split()
KEPT = engine.ROOT / "build" / "fuzz"
LONGEST = 16384
MAKERS = (
    mtb_file.every_operator, mtb_file.newer_operators, mtb_file.depthwise_in_place, mtb_file.sound, mtb_file.motion,
)  # fmt: skip


def clang() -> str | None:
    """A clang that has libFuzzer, or None."""
    for name in ["clang", *(f"clang-{n}" for n in range(22, 12, -1))]:
        if not shutil.which(name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            probe = Path(folder) / "probe.c"
            probe.write_text("int LLVMFuzzerTestOneInput(const char *x, long n) { return x == 0 && n; }\n")
            command = [name, "-fsanitize=fuzzer,address,undefined", "-o", str(Path(folder) / "probe"), str(probe)]
            if subprocess.run(command, capture_output=True).returncode == 0:
                return name
    return None


def build(folder: Path, fuzzer: str | None = None) -> Path:
    """The driver, with the engine's sources, instrumented; with `fuzzer`, a clang, the libFuzzer
    target. RuntimeError when it does not build."""
    program = folder / "fuzz_mtb"
    flags = [*FLAGS, "-DMICROT_CHECK_TARGETS", f"-I{engine.SOURCES}"]
    command = [fuzzer or engine.compiler(), *flags, "-o", str(program), str(DRIVER)]
    if fuzzer:
        command[1:1] = ["-DMICROT_LIBFUZZER", "-fsanitize=fuzzer"]
    command += [str(f) for f in engine.sources()] + ["-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return program


def run(program: Path, file: Path, seed: int, count: int) -> int:
    """Mutates `count` times; the number accepted. RuntimeError with the sanitizer's report."""
    command = [str(program), str(file), str(seed), str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return int(done.stdout.split()[1])


def findings() -> dict[str, dict]:
    """Programs of the kinds with which the fuzzer once found something, by what that was."""
    overflow = mtb_file.every_operator()
    overflow["tensors"][6]["scale"] = 3e38  # its feature divides infinity by infinity
    return {"a_feature_that_is_no_number": overflow}


def seeds(folder: Path) -> list[Path]:
    """Good files of all operators and layouts, and what was once found, written to the folder."""
    files = []
    for name, program in findings().items():
        files.append(folder / f"{name}.mtb")
        files[-1].write_bytes(mtb_file.pack(program))
    for make in MAKERS:
        for seed in range(3):
            files.append(folder / f"{make.__name__}_{seed}.mtb")
            files[-1].write_bytes(mtb_file.pack(make(seed)))
    for target in layouts_file.TARGETS:
        files.append(folder / f"every_layout_{target}.mtb")
        files[-1].write_bytes(layouts_file.every_layout(target))
    return files


def compiled_seeds(folder: Path, count: int = 2) -> list[Path]:
    """Random layers of every operator, `count` each, compiled for every target and written to the folder."""
    from random_operators import OPERATORS

    from microt.compiler import compile_tflite

    files = []
    for kind, make in OPERATORS.items():
        for seed in range(count):
            content, _ = make(np.random.default_rng([seed, 78]))
            for target in ("generic", *layouts_file.TARGETS):
                data = compile_tflite(content, target=target).data
                if len(data) <= LONGEST:
                    files.append(folder / f"{kind}_{seed}_{target}.mtb")
                    files[-1].write_bytes(data)
    return files


def lead(program: Path, files: list[Path], seconds: float, seed: int) -> int:
    """libFuzzer for so long; its exit status, 0 when nothing was found."""
    corpus = KEPT / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for file in files:
        shutil.copy(file, corpus)
    longest = max(LONGEST, *(file.stat().st_size for file in files))
    options = [f"-max_total_time={int(seconds)}", f"-seed={seed & 0xFFFFFFFF}", f"-max_len={longest}"]
    options += [f"-artifact_prefix={KEPT}/", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]
    done = subprocess.run([str(program), *options, "-verbosity=1", str(corpus)], stderr=subprocess.PIPE, text=True)
    lines = done.stderr.splitlines()
    if done.returncode:
        print("\n".join(lines[-80:]))
        print(f"failed; the file is in {KEPT}; again: {program} FILE")
    else:
        print("\n".join(line for line in lines if line.startswith(("stat::", "Done"))))
        print(f"nothing found; {sum(1 for _ in corpus.iterdir())} files are kept in {corpus}")
    return done.returncode


def mutate(program: Path, files: list[Path], seconds: float, seed: int) -> int:
    """Random mutations for so long; 1 at the first finding, else 0."""
    end = time.time() + seconds
    tried, accepted = 0, 0
    while time.time() < end:
        count = 2000
        try:
            accepted += run(program, files[seed % len(files)], seed, count)
        except RuntimeError as error:
            print(error)
            return 1
        seed += 1
        tried += count
        print(f"\r{tried} files, {accepted} accepted and run", end="", flush=True)
    print()
    return 0


def replay(files: list[Path], folder: Path) -> int:
    """Runs files on every emulated core that is for them; 1 when one did harm, else 0."""
    sys.path.insert(0, str(Path(__file__).with_name("emulated")))
    import network_machine as machine

    cases = [machine.Case(str(file), mtb_file.right_size(file.read_bytes())) for file in files]
    status = 0
    for core, its in machine.CORES.items():
        if not machine.available(core):
            print(f"{core}: not run, {its.qemu} or {its.compiler} is missing")
            continue
        found = machine.run([case for case in cases if machine.is_for(case.file, its.target)], folder, core)
        for name, word, reason in found:
            if word == "bad":
                print(f"{core}: {name} {reason}")
                status = 1
        accepted = sum(word == "ok" for _, word, _ in found)
        print(f"{core}: {len(found)} files, {accepted} accepted and run")
    return status


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--driver", action="store_true", help="random mutations even where there is clang")
    args = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    fuzzer = None if args.driver else clang()
    with tempfile.TemporaryDirectory() as folder:
        files = args.files or [*seeds(Path(folder)), *compiled_seeds(Path(folder))]
        program = build(KEPT, fuzzer)
        if not fuzzer:
            return mutate(program, files, args.seconds, args.seed)
        status = lead(program, files, args.seconds, args.seed)
        return status or replay(sorted((KEPT / "corpus").iterdir()), Path(folder))


if __name__ == "__main__":
    sys.exit(main())
