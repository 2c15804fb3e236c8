# SPDX-License-Identifier: MIT
"""Embeddings of a batch of inputs, from the host build of the engine or from a board."""

import binascii
from pathlib import Path

import numpy as np

from microt.compiler import read_info
from microt.engine import Backbone
from microt.teach import deploy, npy_bytes

TASK = Path(__file__).resolve().parents[2] / "device" / "tasks" / "embed.py"
LINE_MARK = "EMBEDDING "


def embed(backbone, inputs, *, board=None, port=None, progress=lambda done, total: None, log=print):
    """Runs every input through every exit.

    backbone: an .mtb file's path. inputs: (N, *input_shape), int8 as the network takes it, uint8
    pixels if the backbone takes pixels, windows of int16 samples if it has a front end, or float32
    real values, which are quantised with the input's scale and zero point. board: an emulated
    board's name; port: a serial port; neither: the host build. Returns a list of (N, dim) int8
    arrays, one an exit. ValueError for a wrong shape or dtype, or a backbone compiled for a target
    that cannot run there.
    """
    info = read_info(Path(backbone).read_bytes(), str(backbone))
    if board is None and port is None:
        return Backbone(backbone).embed(as_network_input(info, inputs), progress=progress)
    inputs = as_network_input(info, inputs)
    dims = [exit["dim"] for exit in info["exits"]]
    from microt.boards import Board, Emulator, Link, firmware, romfs_image

    image = romfs_image({"backbone.mtb": Path(backbone).read_bytes(), "input.npy": npy_bytes(inputs)})
    if port:
        deploy(image, port, on_line=log)
        with Link(port) as board_link:
            return collect(board_link, dims, len(inputs), progress)
    board = Board.load(board)
    board.check_target(info["target"])
    elf = firmware.build(board, log=log)
    storage = elf.parent / "embed.bin"
    with (
        Emulator(board, elf, storage=storage, romfs=image) as emulator,
        Link(emulator.port) as board_link,
    ):
        return collect(board_link, dims, len(inputs), progress)


def as_network_input(info, inputs):
    """Checks a batch against the input of a backbone (see `compiler.read_info`); float32 becomes int8."""
    shape = tuple(info["input"]["shape"])
    front = info["front_end"]
    if front is not None and inputs.dtype == np.int16:
        if len(inputs.shape) < 2 or inputs[0].size != front["samples"]:
            raise ValueError(f"input: expected windows of {front['samples']} int16 samples, got {inputs.shape}")
        return np.ascontiguousarray(inputs)
    kinds = ["int8", "float32"] + (["uint8"] if info["takes_pixels"] else [])
    if inputs.shape[1:] != shape or inputs.dtype.name not in kinds:
        raise ValueError(
            f"input: expected {('N', *shape)} of {' or '.join(kinds)}, got {inputs.shape} of {inputs.dtype}"
        )
    if inputs.dtype == np.float32:
        if not np.isfinite(inputs).all():
            raise ValueError("input: expected finite values, got NaN or infinity")
        steps = np.round(inputs / np.float32(info["input"]["scale"])) + info["input"]["zero_point"]
        inputs = np.clip(steps, -128, 127).astype(np.int8)
    return np.ascontiguousarray(inputs)


def collect(board_link, dims, count, progress):
    """Runs device/tasks/embed.py and gathers the lines `EMBEDDING sample exit hex`; dims: the exits' lengths."""
    outputs = [np.zeros((count, dim), np.int8) for dim in dims]
    seen = np.zeros((count, len(outputs)), bool)

    def on_line(line):
        if line.startswith(LINE_MARK):
            sample, exit_index, values = line[len(LINE_MARK) :].split()
            outputs[int(exit_index)][int(sample)] = np.frombuffer(binascii.unhexlify(values), np.int8)
            seen[int(sample), int(exit_index)] = True
            progress(int(sample) + 1, count)

    board_link.run(TASK, on_line=on_line)
    if not seen.all():
        raise RuntimeError(f"the board sent {int(seen.sum())} embeddings, expected {seen.size}")
    return outputs
