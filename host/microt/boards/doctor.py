# SPDX-License-Identifier: MIT
"""What is installed, what is connected, which firmware answers, what is wrong and how to put it right."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

from microt.boards import checkout, identify
from microt.boards.board import ROOT, Board
from microt.boards.link import LinkError

# Program, the Debian package it comes with, what it is for; needed by everybody or by some boards only.
_PROGRAMS = (
    ("arm-none-eabi-gcc", "gcc-arm-none-eabi", "firmware of Arm boards", True),
    ("gcc", "gcc", "the host build of the engine", True),
    ("make", "make", "every build", True),
    ("qemu-system-arm", "qemu-system-arm", "emulated boards", True),
    ("riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf", "VIRT_RV32", False),
    ("qemu-system-riscv32", "qemu-system-misc", "VIRT_RV32", False),
    ("cmake", "cmake", "RPI_PICO, RPI_PICO2", False),
    ("picotool", "picotool", "flashing RPI_PICO, RPI_PICO2 without their drive", False),
    ("st-flash", "stlink-tools", "flashing NUCLEO boards", False),
    ("idf.py", None, "ESP32_GENERIC_S3: ESP-IDF, see microt build ESP32_GENERIC_S3", False),
)
_LIBRARIES = ("microt", "tensorflow", "numpy", "mpremote", "esptool", "pyserial")


def examine(ports: list[str] | None = None) -> dict:
    """Looks around; changes nothing and fetches nothing.

    ports: ask these instead of those that USB shows. Returns {"programs", "libraries", "micropython", "ports",
    "problems"}: programs [{"name", "version" or None, "for", "needed", "package"}], libraries {name: version or None},
    micropython {"folder", "version"} or None, ports [{"device", "usb", "description", "boards", "firmware" or
    "error"}], problems [{"what", "fix"}].
    """
    problems: list[dict[str, str]] = []
    programs = [_program(*entry, problems) for entry in _PROGRAMS]
    libraries = {name: _library(name) for name in _LIBRARIES}
    for name, version in libraries.items():
        if version is None:
            problems.append({"what": f"Python package {name} is not installed", "fix": "make setup"})
    found = [asdict(port) for port in identify.ports()] if ports is None else [_named(port) for port in ports]
    for port in found:
        _ask(port, problems, ports is not None)
    return {
        "programs": programs,
        "libraries": libraries | {"python": platform.python_version()},
        "micropython": _micropython(problems),
        "ports": found,
        "problems": problems,
    }


def describe(report: dict) -> str:
    """The report for people."""
    lines = ["programs"]
    for program in report["programs"]:
        state = program["version"] or ("MISSING" if program["needed"] else "not installed")
        lines.append(f"  {program['name']:20} {state:14} {program['for']}")
    lines.append("libraries")
    lines += [f"  {name:20} {version or 'MISSING'}" for name, version in report["libraries"].items()]
    source = report["micropython"]
    lines.append("MicroPython's source")
    lines.append(f"  {source['version']} in {source['folder']}" if source else "  none yet: the first build fetches it")
    lines.append("boards")
    for port in report["ports"]:
        lines.append(f"  {port['device']:20} {port['usb'] or '':14} {_what(port)}")
    if not report["ports"]:
        lines.append("  no serial port on USB; microt emulate needs none")
    lines.append("problems" if report["problems"] else "no problems")
    for problem in report["problems"]:
        lines.append(f"  {problem['what']}\n    {problem['fix']}")
    return "\n".join(lines)


def _what(port: dict) -> str:
    if "firmware" in port:
        firmware = port["firmware"]
        module = f"microt {firmware['module']}, kernels {', '.join(firmware['kernels'])}"
        return f"{firmware['machine']}, MicroPython {firmware['micropython']}, " + (
            module if firmware["module"] else "without microt"
        )
    guess = " or ".join(port["boards"])
    return (
        f"{port['description']}{f' (perhaps {guess})' if guess else ''}{': ' + port['error'] if port['error'] else ''}"
    )


def _program(name: str, package: str | None, purpose: str, needed: bool, problems: list) -> dict:
    path = shutil.which(name)
    version = None
    if path:
        option = "version" if name == "picotool" else "--version"
        done = subprocess.run([path, option], capture_output=True, text=True, timeout=30)
        number = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        version = number[0] if number else "installed"
    elif needed:
        problems.append({"what": f"{name} is not installed", "fix": f"make setup, or sudo apt-get install {package}"})
    return {"name": name, "version": version, "for": purpose, "needed": needed, "package": package}


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _micropython(problems: list) -> dict | None:
    named = os.environ.get("MICROPYTHON_DIR")
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("MICROT_CACHE") or Path(caches) / "microt")
    folder = Path(named) if named else cache / f"micropython-{'.'.join(map(str, checkout.OLDEST))}"
    if not (folder / "py" / "mpconfig.h").is_file():
        if named:
            what = f"MICROPYTHON_DIR names {folder}, which has no py/mpconfig.h"
            problems.append({"what": what, "fix": "name a checkout of MicroPython, or unset MICROPYTHON_DIR"})
        return None
    version = checkout.version(folder.resolve())
    dotted = ".".join(map(str, version))
    if version < checkout.OLDEST:
        what = f"MICROPYTHON_DIR names MicroPython {dotted}, 1.25.0 is the oldest that works"
        problems.append({"what": what, "fix": f"git -C {folder} checkout {checkout.TAG}"})
    return {"folder": str(folder), "version": dotted}


def _named(device: str) -> dict:
    known = {port.device: port for port in identify.ports()}
    if device in known:
        return asdict(known[device])
    return {"device": device, "usb": None, "description": "", "boards": ()}


def _ask(port: dict, problems: list, wanted: bool) -> None:
    """Adds "firmware" or "error" to a port. A port that no board of ours has is left alone unless it is wanted."""
    device, guess = port["device"], port["boards"][0] if port["boards"] else "BOARD"
    if not wanted and not port["boards"]:
        port["error"] = ""
        return
    if Path(device).exists() and not os.access(device, os.R_OK | os.W_OK):
        port["error"] = "no permission"
        fix = 'sudo usermod -a -G dialout "$USER", then log in again'
        problems.append({"what": f"{device}: you may not open it", "fix": fix})
        return
    try:
        firmware = identify.firmware(device)
    except LinkError as error:
        port["error"] = "no MicroPython answers"
        fix = f"close what else has it open; or microt build {guess}, then microt flash {guess} --port {device}"
        problems.append({"what": str(error), "fix": fix})
        return
    port["firmware"] = asdict(firmware)
    board = firmware.board or guess
    flash = f"microt build {board}, then microt flash {board} --port {device}"
    if firmware.module is None:
        problems.append({"what": f"{device}: {firmware.machine} has MicroPython without microt", "fix": flash})
        return
    if firmware.module != _module_version():
        what = f"{device}: the firmware's microt is {firmware.module}, this checkout's {_module_version()}"
        problems.append({"what": what, "fix": flash})
    best = Board.load(firmware.board).kernels if firmware.board else "reference"
    if best not in firmware.kernels:
        what = f"{device}: the firmware runs {', '.join(firmware.kernels)} kernels, the core has {best}"
        problems.append({"what": what, "fix": f"unset MICROT_REFERENCE; {flash}"})


def _module_version() -> str:
    header = (ROOT / "device" / "cmodules" / "microt" / "engine" / "engine.h").read_text()
    return re.search(r'#define MICROT_VERSION "(.*)"', header)[1]
