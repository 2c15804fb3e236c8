# SPDX-License-Identifier: MIT
"""Where to take the first exit: every place to cut an int8 network, with what it costs and how well it learns.

A cut is a map of the network behind which nothing else is needed to go on, but the means of earlier maps, so that
resuming takes this one tensor. Its vector is the pooled map. Accuracies are those of few-shot episodes with the
NumPy twin of the device's head (`microt.head`): no prior travels with an arbitrary cut, so they lie a
little below what the finished backbone reaches, alike for all cuts.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from microt import head, split_adapter
from microt.data import SPLITS, Dataset, draw_episode, load

SHRINK = 0.6  # of the head, as in the shipped backbone
FEWEST_VALUES = 8  # of a pooled map worth learning on


@dataclass(frozen=True)
class Cut:
    """tensor: index in the file. macs: multiply-accumulates up to it. size: bytes to keep for resuming.

    beside: values of pooled maps of earlier layers that are still wanted at the end, kept as well.
    """

    tensor: int
    name: str
    shape: tuple[int, int, int]
    macs: int
    beside: int = 0

    @property
    def size(self) -> int:
        return math.prod(self.shape) + self.beside


def split(
    source: str | Path | bytes,
    data: str | Path | Dataset,
    *,
    ways: int = 10,
    shots: int = 10,
    episodes: int = 5,
    exit_ratio: float = 0.5,
    tolerance: float = 0.01,
    queries: int = 20,
    seed: int = 0,
    bench: dict | None = None,
    adapter: int = 0,
    log: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict:
    """Figures of every cut of an int8 `.tflite` picture network, and the one to take.

    data: what `microt.data.load` takes, or a Dataset at the network's size; of a set with splits
    only the training samples are used. episodes: of `ways` classes and `shots` samples, the same for every cut, asked
    about at most `queries` samples a class. exit_ratio: share of samples to be answered at the cut, the most
    confident. bench: what `microt.bench.count` found for the compiled file, to take cycles from; without it
    energy is taken to follow the multiply-accumulates. adapter: filters of a branch to train at the best cut and the
    two before it, see `microt.split_adapter`, 0 for none. progress(done, total) counts samples.

    Returns {"cuts": [{"tensor" and "index" (either names it to `microt compile --exit`), "shape", "bytes", "dim",
    "macs", "share", "energy_share", "accuracy" (at the cut alone), "staged" (at the ratio), "full" (always at the end,
    the cut's vector beside the last), "energy_saving_modelled", "ci95" (of "staged")}], "full": {"tensor", "index",
    "dim", "macs", "accuracy" (of the last vector alone)}, "best": index into cuts, "adapters": [as "cuts", with an
    adapter: "cut" (index into cuts), "filters", the rest as of a cut, its work added], "best_adapter": index into
    adapters where one is better than the best cut, else None, "exit_ratio", "tolerance", "energy_source", "file",
    "data", "ways", "shots", "episodes"}. The best is the cut of least energy
    whose staged accuracy is within `tolerance` of the highest. ValueError says what is wrong with the file or an
    argument.
    """
    if not 0 < exit_ratio <= 1:
        raise ValueError(f"exit_ratio: expected above 0, at most 1, got {exit_ratio}")
    if episodes < 1 or queries < 1:
        raise ValueError(f"expected at least 1 episode and 1 query, got {episodes} and {queries}")
    network = Network(source)
    found, last = network.cuts()
    data = _training_samples(data, network.size, network.name)
    ways = min(ways, len(data.class_names))
    rng = np.random.default_rng(seed)
    drawn = [_fewer(draw_episode(data, ways, shots, rng), queries, rng) for _ in range(episodes)]
    used = np.unique(np.concatenate([np.concatenate([support, query]) for support, _, query, _ in drawn]))
    if adapter:  # learns from none of those that it is asked about
        asked = np.unique(np.concatenate([query for _, _, query, _ in drawn]))
        learned = split_adapter.pictures(len(data), asked, rng)
    log(f"{data.name}: {len(used)} samples through {network.name}, {len(found)} cuts")
    pooled = network.pooled([*found, last], data.x[used], progress)
    place = np.zeros(len(data), int)
    place[used] = np.arange(len(used))
    energy = _energy(network, bench)
    rows = []
    for cut, values in zip(found, pooled, strict=False):
        rows.append({
            "tensor": cut.name, "index": cut.tensor, "shape": list(cut.shape), "bytes": cut.size, "dim": cut.shape[-1],
            "macs": cut.macs, "share": cut.macs / last.macs, "energy_share": energy(cut.macs),
            "energy_saving_modelled": exit_ratio * (1 - energy(cut.macs)),
        } | _learned([values], pooled[-1], drawn, place, exit_ratio))  # fmt: skip
    best, branches = choose(rows, tolerance), []
    for number in range(max(best - 2, 0), best + 1) if adapter else ():
        cut = found[number]
        log(f"an adapter of {adapter} filters at {cut.name}: training on {len(learned)} pictures")
        maps = network.maps(cut, data.x[np.concatenate([learned, used])], progress)
        branch = split_adapter.train(maps[: len(learned)], network.pooled([last], data.x[learned], progress)[0],
                                     adapter, seed)  # fmt: skip
        share = branch.macs / last.macs  # a resumed answer has run the adapter as well
        branches.append({
            "cut": number, "filters": adapter, "tensor": cut.name, "index": cut.tensor, "shape": list(cut.shape),
            "bytes": cut.size + adapter, "dim": cut.shape[-1] + adapter, "macs": cut.macs + branch.macs,
            "share": rows[number]["share"] + share, "energy_share": rows[number]["energy_share"] + share,
            "energy_saving_modelled": rows[number]["energy_saving_modelled"] - share,
        } | _learned([pooled[number], branch(maps[len(learned) :])], pooled[-1], drawn, place, exit_ratio))  # fmt: skip
    chosen = choose([*rows, *branches], tolerance)
    return {
        "cuts": rows,
        "adapters": branches,
        "best_adapter": chosen - len(rows) if chosen >= len(rows) else None,
        "full": {
            "tensor": last.name, "index": last.tensor, "dim": last.shape[-1], "macs": last.macs,
            "accuracy": float(np.mean(_accuracies([pooled[-1]], pooled[-1], drawn, place, exit_ratio)[0])),
        },
        "best": best,
        "exit_ratio": exit_ratio,
        "tolerance": tolerance,
        "energy_source": "share of the multiply-accumulates" if bench is None
        else f"instructions counted on {bench['board']}, cycles modelled",
        "file": network.name,
        "data": data.name,
        "ways": ways,
        "shots": shots,
        "episodes": episodes,
    }  # fmt: skip


def choose(cuts: list[dict], tolerance: float) -> int:
    """Index of the cut that saves most, of those whose staged accuracy is within `tolerance` of the highest."""
    highest = max(cut["staged"] for cut in cuts)
    able = [i for i, cut in enumerate(cuts) if cut["staged"] >= highest - tolerance]
    return max(able, key=lambda i: cuts[i]["energy_saving_modelled"])


def describe(result: dict) -> str:
    """The cuts as a table, the proposed one marked."""
    ratio = result["exit_ratio"]
    lines = [
        f"{result['file']} on {result['data']}: {result['ways']} classes, {result['shots']} samples each, "
        f"{result['episodes']} episodes",
        "",
        f"{'':>2}{'M MACs':>8}{'share':>7}{'resume bytes':>14}{'values':>8}{'alone':>8}"
        f"{f'at {ratio:g}':>8}{'+-':>7}{'saved':>8}  tensor",
    ]
    for i, cut in enumerate(result["cuts"]):
        lines.append(_line(cut, i == result["best"]))
    if result["adapters"]:
        lines += ["", f"with an adapter of {result['adapters'][0]['filters']} filters, briefly trained:"]
        lines += [_line(row, i == result["best_adapter"]) for i, row in enumerate(result["adapters"])]
        lines.append(
            "no adapter pays: the cut alone saves more, or answers as well" if result["best_adapter"] is None else
            "* the adapter pays: train it in with a recipe, [backbone] exit_block and adapter (microt distill)"
        )  # fmt: skip
    best, full = result["cuts"][result["best"]], result["full"]
    lines += [
        "",
        f"always to the end, the last vector alone: {full['accuracy']:.3f} with {full['macs'] / 1e6:.2f} M MACs",
        f"* saves most ({best['energy_saving_modelled']:.1%}, {result['energy_source']}) within "
        f"{result['tolerance']:g} of the highest accuracy with {ratio:.0%} answered at the cut",
        f"microt compile {result['file']} --exit {best['index']} --exit {full['index']} --pixels -o backbone.mtb",
    ]
    return "\n".join(lines)


def _line(row: dict, chosen: bool) -> str:
    spread = "" if row["ci95"] is None else f"{row['ci95']:.3f}"
    return (
        f"{'*' if chosen else '':>2}{row['macs'] / 1e6:>8.2f}{row['share']:>7.1%}{row['bytes']:>14,}"
        f"{row['dim']:>8}{row['accuracy']:>8.3f}{row['staged']:>8.3f}{spread:>7}"
        f"{row['energy_saving_modelled']:>8.1%}  {row['index']} {row['tensor'].split(';')[0]}"
    )


def write(result: dict, folder: str | Path) -> dict[str, Path]:
    """Write split.json and split.png; returns the paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"split.{kind}" for kind in ("json", "png")}
    paths["json"].write_text(json.dumps(result, indent=1))
    paths["png"].write_bytes(draw(result))
    return paths


def draw(result: dict) -> bytes:
    """PNG: accuracy at each cut, alone and staged, against its share of the work; bytes to resume from below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from microt.report import BLUE, GREEN, GREY, ORANGE, VERMILION

    cuts = result["cuts"]
    share = [100 * c["share"] for c in cuts]
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6), sharex=True, height_ratios=[2.2, 1])
    top.plot(share, [100 * c["accuracy"] for c in cuts], "o-", color=ORANGE, ms=4, label="answered at the cut alone")
    top.errorbar(share, [100 * c["staged"] for c in cuts], [100 * (c["ci95"] or 0) for c in cuts], color=BLUE,
                 marker="o", ms=4, capsize=2, label=f"{result['exit_ratio']:.0%} answered at the cut")  # fmt: skip
    if result["adapters"]:
        top.errorbar([100 * c["share"] for c in result["adapters"]], [100 * c["staged"] for c in result["adapters"]],
                     [100 * (c["ci95"] or 0) for c in result["adapters"]], color=VERMILION, marker="^", ms=5, ls="",
                     capsize=2, label="the same with an adapter")  # fmt: skip
    top.axhline(100 * result["full"]["accuracy"], color=GREEN, lw=1, ls="--", label="always to the end")
    best = cuts[result["best"]]
    top.plot(100 * best["share"], 100 * best["staged"], "*", ms=17, color=VERMILION, zorder=5,
             label=f"proposed: saves {best['energy_saving_modelled']:.0%}")  # fmt: skip
    top.set_ylabel("accuracy, %")
    top.legend(frameon=False, fontsize=8, loc="lower right")
    bottom.bar(share, [c["bytes"] / 1024 for c in cuts], width=1.2, color=GREY)
    bottom.set_ylabel("kept to resume, KiB")
    bottom.set_xlabel("multiply-accumulates up to the cut, % of the network")
    for axes in (top, bottom):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{result['file']} on {result['data']}", fontsize=10)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return file.getvalue()


class Network:
    """An int8 `.tflite` picture network whose every map can be read, and its places to cut."""

    def __init__(self, source: str | Path | bytes):
        import tensorflow as tf
        import tflite

        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        self.name = "network" if isinstance(source, bytes) else Path(source).name
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._interpreter = tf.lite.Interpreter(
                    model_content=content, num_threads=1, experimental_preserve_all_tensors=True
                )
        except ValueError as error:
            raise ValueError(f"{self.name}: not a .tflite file ({error})") from error
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        shape = tuple(int(n) for n in self._input["shape"])
        if self._input["dtype"] != np.int8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3:
            raise ValueError(
                f"{self.name}: expected an int8 input of square RGB pictures, got {shape} of "
                f"{self._input['dtype'].__name__}"
            )
        self.size = shape[1]
        self._model = tflite.Model.GetRootAs(content, 0)
        self._graph = self._model.Subgraphs(0)
        self._trunk()

    def cuts(self) -> tuple[list[Cut], Cut]:
        """(the cuts in order, the last map or vector before a classifier), with the multiply-accumulates up to each."""
        found, macs, written = [], 0, {int(self._input["index"])}
        for place, op in enumerate(self._ops):
            macs += self.macs[place]
            output = int(op.Outputs(0))
            written.add(output)
            live = {t for t in written if any(t in _inputs(later) for later in self._ops[place + 1 :])}
            beside = [self._pooled_length(t, place) for t in live - {output}]
            shape = self._shape(output)
            alone = output in live and all(beside)
            if alone and len(shape) == 4 and shape[1] * shape[2] > 1 and shape[3] >= FEWEST_VALUES:
                name = self._graph.Tensors(output).Name().decode()
                found.append((place, Cut(output, name, shape[1:], macs, sum(beside))))
        maps = [item for item in found if self._kind(item[0]) not in ("PAD", "DEPTHWISE_CONV_2D")]
        if len(maps) < 2:
            raise ValueError(f"{self.name}: no map to cut at, got {len(maps)} that alone carries the network on")
        return [cut for _, cut in maps[:-1]], maps[-1][1]

    def pooled(self, cuts: list[Cut], x: np.ndarray, progress: Callable[[int, int], None]) -> list[np.ndarray]:
        """(N, dim) float32 of each cut: its map's mean over the places. x: (N, size, size, 3) uint8."""
        found = [np.empty((len(x), cut.shape[-1]), np.float32) for cut in cuts]
        scales = {d["index"]: d["quantization"] for d in self._interpreter.get_tensor_details()}
        for i, picture in enumerate(x):
            self._run(picture)
            for rows, cut in zip(found, cuts, strict=True):
                scale, zero = scales[cut.tensor]
                rows[i] = scale * (
                    self._interpreter.get_tensor(cut.tensor)[0].mean(axis=(0, 1), dtype=np.float64) - zero
                )
            progress(i + 1, len(x))
        return found

    def maps(self, cut: Cut, x: np.ndarray, progress: Callable[[int, int], None]) -> np.ndarray:
        """(N, *cut.shape) float16: a cut's maps. x: (N, size, size, 3) uint8."""
        found = np.empty((len(x), *cut.shape), np.float16)
        scale, zero = next(d for d in self._interpreter.get_tensor_details() if d["index"] == cut.tensor)[
            "quantization"
        ]
        for i, picture in enumerate(x):
            self._run(picture)
            found[i] = scale * (self._interpreter.get_tensor(cut.tensor)[0].astype(np.float32) - zero)
            progress(i + 1, len(x))
        return found

    def _run(self, picture: np.ndarray) -> None:
        self._interpreter.set_tensor(self._input["index"], (picture.astype(np.int16) - 128).astype(np.int8)[None])
        self._interpreter.invoke()

    def _pooled_length(self, tensor: int, place: int) -> int:
        """Values that stand for a tensor of which, after `place`, only the mean is wanted; 0 for any other tensor."""
        shape = self._shape(tensor)
        if math.prod(shape[1:-1]) == 1:
            return shape[-1]
        later = [i for i in range(place + 1, len(self._ops)) if tensor in _inputs(self._ops[i])]
        return shape[-1] if all(self._kind(i) in ("MEAN", "AVERAGE_POOL_2D") for i in later) else 0

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return tuple(int(n) for n in self._graph.Tensors(tensor).ShapeAsNumpy())

    def _trunk(self) -> None:
        """Keeps the operators that the deepest output needs: not the branches of earlier exits."""
        graph = self._graph
        every = [graph.Operators(i) for i in range(graph.OperatorsLength())]
        best: list[int] = []
        for output in graph.OutputsAsNumpy():
            wanted, need = {int(output)}, []
            for number in reversed(range(len(every))):  # operators stand in order of execution
                if int(every[number].Outputs(0)) in wanted:
                    wanted |= _inputs(every[number])
                    need.append(number)
            best = max(best, need[::-1], key=len)
        self._ops = [every[number] for number in best]
        self.macs = [self._count(place) for place in range(len(best))]

    def _kind(self, place: int) -> str:
        import tflite

        code = self._model.OperatorCodes(self._ops[place].OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return next(n for n, v in vars(tflite.BuiltinOperator).items() if v == number and n.isupper())

    def _count(self, place: int) -> int:
        op, kind = self._ops[place], self._kind(place)
        if kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
            return 0
        out = math.prod(int(n) for n in self._graph.Tensors(op.Outputs(0)).ShapeAsNumpy())
        weights = [int(n) for n in self._graph.Tensors(op.Inputs(1)).ShapeAsNumpy()]
        return out * (weights[1] * weights[2] if kind == "DEPTHWISE_CONV_2D" else math.prod(weights[1:]))


def _inputs(op) -> set[int]:
    return {int(t) for t in op.InputsAsNumpy() if t >= 0}


def _training_samples(data: str | Path | Dataset, size: int, name: str) -> Dataset:
    if not isinstance(data, Dataset):
        data = load(data, size)
    elif data.x.shape[1:] != (size, size, 3) or data.x.dtype != np.uint8:
        raise ValueError(f"data: expected ({size}, {size}, 3) of uint8, got {data.x.shape[1:]} of {data.x.dtype}")
    if data.split is None:
        return data
    if not (data.split == SPLITS["train"]).any():
        raise ValueError(f"{data.name}: no training sample to choose a cut for {name} on")
    return data.part("train")


def _fewer(episode, queries: int, rng: np.random.Generator):
    """(support, its labels, query, its labels) with at most `queries` a class."""
    chosen = np.concatenate([
        rng.permutation(np.flatnonzero(episode.query_y == c))[:queries] for c in range(len(episode.classes))
    ])  # fmt: skip
    return episode.support, episode.support_y, episode.query[chosen], episode.query_y[chosen]


def _learned(vectors: list[np.ndarray], last: np.ndarray, drawn, place, ratio: float) -> dict:
    """The accuracies of a row, of the vectors at a cut and the last one."""
    alone, staged, complete = _accuracies(vectors, last, drawn, place, ratio)
    return {
        "accuracy": float(np.mean(alone)), "staged": float(np.mean(staged)), "full": float(np.mean(complete)),
        "ci95": float(1.96 * np.std(staged, ddof=1) / len(staged) ** 0.5) if len(staged) > 1 else None,
    }  # fmt: skip


def _accuracies(vectors, last, drawn, place, ratio: float):
    """Per episode: accuracy of the cut's vectors alone, staged at the ratio, and of the head on them and the last."""
    parts = [_rooted(v) for v in (*vectors, last)]
    z = [head.centred(p, np.concatenate([v.mean(axis=0) for v in p])) for p in (parts[:-1], parts)]
    alone, staged, full = [], [], []
    for support, support_y, query, query_y in drawn:
        classes = int(support_y.max()) + 1
        p = []
        for features in z:
            u = features[place[support]]
            w, b = head.lda(u, support_y, classes, SHRINK, 1.0)
            heat = head.temperature(len(u), classes, u.shape[1])
            p.append(head.scores(features[place[query]], (heat * w, heat * b)))
        confidence = p[0].max(axis=1)
        early = confidence >= np.quantile(confidence, 1 - ratio)
        first, second = p[0].argmax(axis=1) == query_y, p[1].argmax(axis=1) == query_y
        alone.append(first.mean())
        staged.append(np.where(early, first, second).mean())
        full.append(second.mean())
    return alone, staged, full


def _rooted(v: np.ndarray) -> np.ndarray:
    # maps of a linear layer have both signs and are taken as they are, as the engine would
    return np.sqrt(v) if v.min() >= 0 else v


def _energy(network: Network, bench: dict | None) -> Callable[[int], float]:
    """Share of the whole network's energy up to a number of multiply-accumulates."""
    total = sum(network.macs)
    if bench is None:
        return lambda macs: macs / total
    try:
        layers = [(layer["macs"], layer["cycles_modelled"]) for layer in bench["layers"]]
    except (KeyError, TypeError):
        raise ValueError("bench: expected the result of microt bench, with layers and their cycles") from None
    if any(cycles is None for _, cycles in layers):
        raise ValueError(f"bench: cycles are not modelled for {bench.get('board')}")
    macs, cycles = np.cumsum(layers, axis=0).T
    return lambda done: float(np.interp(done, macs, cycles) / cycles[-1])
