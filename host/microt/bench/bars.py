# SPDX-License-Identifier: MIT
"""The figures that the engine is to reach, and whether it does."""

from __future__ import annotations

from dataclasses import dataclass

from microt.bench.baseline import Baseline, core_of

VWW, MOBILENET, MCUNET = "vww_96_int8", "mobilenet_v2_035", "mcunet_like"

# Where a network is not at hand, the one built from the same list of layers stands in for it.
STAND_IN = {VWW: "vww"}
BASELINE_NAMES = {
    VWW: "MLPerfTiny-VWW-MobileNetV1-0.25-96",
    "vww": "MLPerfTiny-VWW-MobileNetV1-0.25-96",
    MOBILENET: "MobileNetV2-0.35-96",
    MCUNET: "MCUNet-like-96",
}

DISPATCH_SHARE = 0.01  # of a run, at most
ARENA_BYTES = 56 << 10  # of VWW on an M4 without patches
CODE_BYTES = 48 << 10  # of the module with all DSP kernels


@dataclass(frozen=True)
class Bar:
    """Millions that a run of a network on a board may take: required, and after that.

    figure: "instructions" or "cycles_modelled". prototype: what hand-written prototypes of the kernels needed.
    """

    board: str
    network: str
    figure: str
    prototype: float
    required: float
    after: float


BARS = [
    Bar("MPS2_AN386", VWW, "instructions", 7.87, 8.6, 7.5),
    Bar("MPS2_AN386", VWW, "cycles_modelled", 10.99, 11.9, 10.5),
    Bar("MPS2_AN386", MOBILENET, "instructions", 13.3, 14.5, 12.6),
    Bar("MPS2_AN386", MOBILENET, "cycles_modelled", 17.7, 19.3, 16.8),
    Bar("MPS2_AN386", MCUNET, "instructions", 18.8, 20.5, 18.0),
    Bar("MPS2_AN386", MCUNET, "cycles_modelled", 25.5, 27.8, 24.3),
    Bar("MPS3_AN547", VWW, "instructions", 2.0, 2.4, 1.9),
    Bar("MPS3_AN547", MOBILENET, "instructions", 3.6, 4.3, 3.4),
    Bar("MPS3_AN547", MCUNET, "instructions", 5.0, 6.0, 4.6),
    Bar("MPS2_M0PLUS", VWW, "instructions", 26.3, 28, 23),
    Bar("MPS2_M0PLUS", MOBILENET, "instructions", 44.3, 47, 39),
    Bar("MPS2_M0PLUS", MCUNET, "instructions", 66.0, 70, 58),
]


@dataclass(frozen=True)
class Verdict:
    """A bar beside what was counted; ours and what libraries need in millions, None where it is not known."""

    bar: Bar
    core: str
    network: str  # the one that was counted
    ours: float | None
    libraries: dict[str, float | None]
    left_out: str | None = None

    @property
    def key(self) -> str:
        """Names the figure in misses.toml."""
        return f"{self.bar.board}/{self.bar.network}/{self.bar.figure}"

    @property
    def reached(self) -> bool:
        return self.ours is not None and self.ours <= self.bar.required

    @property
    def words(self) -> str:
        if self.ours is None:
            return f"not counted: {self.left_out or 'not there'}"
        if self.ours <= self.bar.after:
            return "reached, the second too"
        if self.reached:
            return "reached"
        return f"**missed** by {self.ours / self.bar.required - 1:.0%}"


def verdicts(results: dict[str, dict], baseline: Baseline | None) -> list[Verdict]:
    """Every bar of the boards that were counted."""
    found = []
    for bar in BARS:
        if bar.board not in results:
            continue
        board = results[bar.board]
        network = next((n for n in (bar.network, STAND_IN.get(bar.network)) if n in board["networks"]), None)
        ours = None if network is None else board["networks"][network][bar.figure] / 1e6
        libraries = {}
        for library in ("cmsis-nn", "tinyengine"):
            theirs = None
            if baseline is not None:
                theirs = baseline.network(BASELINE_NAMES[bar.network], library, core_of(board["core"]))
            libraries[library] = None if theirs is None else theirs[bar.figure] and theirs[bar.figure] / 1e6
        left_out = board["left_out"].get(bar.network) or board["left_out"].get(STAND_IN.get(bar.network))
        found.append(Verdict(bar, board["core"], network or bar.network, ours, libraries, left_out))
    return found


def slower_layers(
    results: dict[str, dict], baseline: Baseline, library: str = "cmsis-nn"
) -> list[tuple[str, str, str]]:
    """(board, layer, in what) of single layers in which a library needs fewer instructions or modelled cycles."""
    found = []
    for board, counted in results.items():
        core = core_of(counted["core"])
        for name, ours in counted["layers"].items():
            theirs = baseline.layer(name, library, core)
            if theirs is None:
                continue
            for figure in ("instructions", "cycles_modelled", "cycles_modelled_low", "cycles_modelled_high"):
                if None not in (theirs[figure], ours[figure]) and ours[figure] > theirs[figure]:
                    found.append((board, name, f"{figure.replace('_', ' ')} {ours[figure]:,}, {theirs[figure]:,}"))
    return found


def compared_layers(results: dict[str, dict], baseline: Baseline, library: str = "cmsis-nn") -> int:
    """How many single layers, over all boards, the library has too."""
    return sum(
        baseline.layer(name, library, core_of(counted["core"])) is not None
        for counted in results.values()
        for name in counted["layers"]
    )


def module_bytes(size: dict) -> int:
    """Flash of the engine and its module without the sensors' input, from what tools/code_size.py tells."""
    parts = ("microt engine", "microt module")
    return sum(row["code"] + row["data"] for name, row in size["parts"].items() if name in parts)
