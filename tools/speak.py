# SPDX-License-Identifier: MIT
"""Spoken words from a speech synthesiser: many voices, as a set to train a backbone for sound on.

    python tools/speak.py build/spoken_words.npz [--words FILE] [--voices 60] [--seed 0]

Needs espeak-ng (Debian: apt-get install espeak-ng). Each voice is one of its English accents with one of its variants,
at a speed and a pitch drawn once a word. Writes `audio`, `offset`, `rate` (8000), `label`, `class_names`, `speaker`.
"""

import argparse
import io
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

RATE = 8000
ACCENTS = (
    "en-gb", "en-us", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029", "en-us-nyc",
)  # fmt: skip
# no number among them: those stay new to the backbone
WORDS = """
yes no up down left right on off stop go bed bird cat dog happy house marvin sheila tree wow forward backward follow
learn visual red green blue yellow black white orange apple banana cherry lemon bread milk water coffee door window
light lamp music radio kitchen garden open close start pause louder softer warm cold monday friday summer winter hello
goodbye please thanks help again doctor teacher paper pencil table chair button camera river mountain city village
""".split()


def variants() -> list[str]:
    """The synthesiser's variants of a voice."""
    listed = subprocess.run(["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=True).stdout
    return sorted(line.split("!v/")[1].split()[0] for line in listed.splitlines() if "!v/" in line)


def say(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """(samples,) int16 at RATE, without the silence around it; speed in words a minute, pitch 0 to 99."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    with wave.open(io.BytesIO(subprocess.run(command, capture_output=True, check=True).stdout)) as file:
        rate = file.getframerate()
        x = np.frombuffer(file.readframes(rate * 10), "<i2").astype(np.float64)
    common = int(np.gcd(RATE, rate))
    x = resample_poly(x, RATE // common, rate // common)
    loud = np.flatnonzero(np.abs(x) > 0.01 * np.abs(x).max())
    x = x[max(loud[0] - 200, 0) : loud[-1] + 400]
    return np.clip(np.round(x), -32768, 32767).astype(np.int16)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--words", type=Path, help="a file of words  [default: 78 common ones, no numbers]")
    parser.add_argument("--voices", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        print("speak: espeak-ng is missing; apt-get install espeak-ng", file=sys.stderr)
        return 1
    words = args.words.read_text().split() if args.words else WORDS
    rng = np.random.default_rng(args.seed)
    known = variants()
    clips, label, speaker = [], [], []
    for number in range(args.voices):
        voice = f"{ACCENTS[rng.integers(len(ACCENTS))]}+{known[rng.integers(len(known))]}"
        for index, word in enumerate(words):
            clips.append(say(word, voice, int(rng.integers(110, 210)), int(rng.integers(10, 90))))
            label.append(index)
            speaker.append(number)
        print(f"\r{number + 1} of {args.voices} voices", end="", flush=True)
    print()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        args.output, audio=np.concatenate(clips), offset=np.cumsum([0] + [len(c) for c in clips]), rate=RATE,
        label=np.array(label, np.int16), class_names=np.array(words), speaker=np.array(speaker, np.int16),
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
