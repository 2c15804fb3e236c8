# SPDX-License-Identifier: MIT
"""What a backbone takes on the board at a serial port: by its cycle counter, or by its clock where there is none.

The cycle counter is the one of the core's Data Watchpoint and Trace unit (DWT_CYCCNT, Armv7-M Architecture Reference
Manual, C1.8.8), which Cortex-M3, M4, M7, M33 and M55 may have. Elsewhere `time.ticks_us` times `machine.freq()` gives
cycles. A board that is emulated has no time of its own, and what is said of it is never called measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median

TASK = Path(__file__).resolve().parents[3] / "device" / "tasks" / "bench.py"
LINE_MARK = "BENCH "
MEASURED = "measured"
EMULATED = "emulated time, not measured"
# Microseconds past which a counter of 32 bits may have wrapped, for a clock in Hz.
_WRAP = (1 << 32) * 1e6


def measure(file: Path, port: str, *, log=print) -> dict:
    """Puts a backbone into the ROMFS of the board at a port (as ``microt push``), and runs it.

    Returns:
        ``port``, ``machine`` (the board's name of itself), ``core`` or None, ``clock_hz`` or None, ``label`` (MEASURED
        or EMULATED), ``counted_by`` ("DWT_CYCCNT" or "ticks_us"), ``notes``, and ``exits`` [{exit, macs, cycles,
        microseconds, cycles_most, resume {cycles, microseconds, cycles_most} or None}]: the median of several runs and
        the most cycles that one took; reading the clock is taken off. cycles are None where there is neither a cycle
        counter nor a known clock.

    Raises:
        RuntimeError: the board does not answer, or refuses the backbone.
    """
    from microt import teach
    from microt.boards import Link
    from microt.compiler import read_info

    data = file.read_bytes()
    info = read_info(data, str(file))
    teach.push(data, port, on_line=log)
    said = []
    with Link(port) as board:
        board.run(TASK, on_line=said.append)
    lines = [line[len(LINE_MARK) :] for line in said if line.startswith(LINE_MARK)]
    if len(lines) != 1:
        raise RuntimeError(f"{port}: expected one line {LINE_MARK}from the board, got {len(lines)}")
    return result(json.loads(lines[0]), port, [exit["macs"] for exit in info["exits"]])


def result(found: dict, port: str, macs: list[int]) -> dict:
    """What ``measure`` returns, from what device/tasks/bench.py printed."""
    notes = []
    clock = found["clock_hz"]
    counter = found["cycle_counter"]
    longest = max(us for runs in found["runs"] for _, us in runs)
    if counter and clock and longest * clock > _WRAP:
        notes.append("a run takes longer than the cycle counter counts: by the clock")
        counter = False
    elif not counter:
        notes.append(f"no cycle counter here ({found['core'] or 'not a Cortex-M that may have one'}): by the clock")
    if found["emulated"]:
        notes.append("an emulated board: times are the emulator's, no chip was measured")
    if not counter and clock is None:
        notes.append("the board does not tell its clock: no cycles")
    idle = _figures(found["nothing"], counter, clock, {"cycles": 0, "microseconds": 0})

    def figures(runs):
        return _figures(runs, counter, clock, idle)

    exits = []
    for exit, runs in enumerate(found["runs"]):
        resume = None if exit == 0 else figures(found["resumes"][exit - 1])
        exits.append({"exit": exit, "macs": macs[exit], **figures(runs), "resume": resume})
    return {
        "port": port,
        "machine": found["machine"],
        "core": found["core"],
        "clock_hz": clock,
        "label": EMULATED if found["emulated"] else MEASURED,
        "counted_by": "DWT_CYCCNT" if counter else "ticks_us",
        "exits": exits,
        "notes": notes,
    }


def _figures(runs: list, counter: bool, clock: int | None, idle: dict) -> dict:
    """Median and most of runs [(cycles or None, microseconds)], less the cost of reading the clock."""
    microseconds = median(us for _, us in runs) - idle["microseconds"]
    cycles = [n for n, _ in runs] if counter else [us * clock / 1e6 for _, us in runs] if clock else None
    if cycles is None:
        return {"cycles": None, "cycles_most": None, "microseconds": microseconds}
    less = idle["cycles"]
    return {
        "cycles": round(median(cycles) - less), "cycles_most": round(max(cycles) - less), "microseconds": microseconds
    }  # fmt: skip


def describe(found: dict) -> str:
    """A table of the exits, with what each figure is and where it is from."""
    clock = "unknown clock" if found["clock_hz"] is None else f"{found['clock_hz'] / 1e6:g} MHz"
    lines = [f"{found['machine']} at {found['port']}, {clock}: {found['label']}", ""]
    lines.append(f"      {'':16} {'MACs':>11} {'cycles':>13} {'per MAC':>8} {'most':>13} {'ms':>9}")
    for entry in found["exits"]:
        lines.append(_row(f"run to exit {entry['exit']}", entry, entry["macs"]))
        if entry["resume"] is not None:
            lines.append(_row(f"resume to {entry['exit']}", entry["resume"], None))
    source = "the cycle counter (DWT_CYCCNT)" if found["counted_by"] == "DWT_CYCCNT" else "ticks_us"
    lines += ["", f"cycles and times: {found['label']}, by {source}; median and most of several runs"]
    return "\n".join([*lines, *(f"note: {note}" for note in found["notes"])])


def _row(name: str, figures: dict, macs: int | None) -> str:
    cycles = figures["cycles"]
    per_mac = "" if cycles is None or not macs else f"{cycles / macs:.2f}"
    shown = ["-" if n is None else f"{n:,}" for n in (cycles, figures["cycles_most"])]
    milliseconds = f"{figures['microseconds'] / 1000:.2f}"
    return (
        f"      {name:16} {'' if macs is None else f'{macs:,}':>11} {shown[0]:>13} {per_mac:>8} {shown[1]:>13}"
        f" {milliseconds:>9}"
    )
