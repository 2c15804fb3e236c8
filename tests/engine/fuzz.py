# SPDX-License-Identifier: MIT
"""Feeds mutated .mtb files to the engine under the address and undefined behaviour sanitizers.

python tests/engine/fuzz.py --seconds 60 [--seed 0] [FILE.mtb ...]

Without files: one made of all operators. Stops at the first finding, with the seed to repeat it.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import mtb_file

from microt import engine

DRIVER = Path(__file__).with_name("fuzz_mtb.c")
FLAGS = (
    "-std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Werror -g -O1 -ffp-contract=off "
    "-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer"
).split()


def build(folder: Path) -> Path:
    """The driver, with the engine's sources, instrumented. RuntimeError when it does not build."""
    program = folder / "fuzz_mtb"
    command = [engine.compiler(), *FLAGS, f"-I{engine.SOURCES}", "-o", str(program), str(DRIVER)]
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = build(Path(folder))
        files = args.files
        if not files:
            files = [Path(folder) / "every_operator.mtb"]
            files[0].write_bytes(mtb_file.pack(mtb_file.every_operator()))
        end = time.time() + args.seconds
        seed, tried, accepted = args.seed, 0, 0
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


if __name__ == "__main__":
    sys.exit(main())
