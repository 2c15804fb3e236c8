# SPDX-License-Identifier: MIT
"""The main job, end to end: teach a board, cut its power, see that it still knows, and report."""

import json
from pathlib import Path

import numpy as np

from microt import compiler, data, report, teach
from microt.bench import count
from microt.boards import Board, Emulator, firmware, romfs_image

# where `mpremote mount` puts a folder
MOUNTED = "/remote"

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "models"
# real pictures where the project's data sets lie beside the checkout
NEARBY_DATA = ROOT.parent / "shared" / "data" / "sign_digits.npz"


def teach_and_report(
    source, output, *, backbone=None, board="MPS2_AN386", port=None, shots=20, classes=11,
    tests=150, exit_ratio=0.5, seed=0, hold_back=True, restart=True, unseen=None, log=print, progress=None,
):  # fmt: skip
    """Teaches a board a lesson and writes report.json, report.png and examples.npz to `output`.

    backbone: an .mtb file, or the name of a shipped one, compiled for the board's kernels; None: "objects". source:
    what `data.load_for` takes (with `unseen`), or None for what is at hand (the project's data sets, else
    scikit-learn's digits). With `port` the board there is taught, else `board` is built and
    emulated; `restart` begins with an empty flash, cuts its power and looks again. Without `restart` and `hold_back`
    the same lesson that was cut before goes on where it was. progress(done, total): of samples learned and tested.
    Returns the report, a dict; its fields are described in docs/report.md.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    board = Board.load(board)
    backbone = compiled_for(board, backbone)
    if source is None:
        source = str(NEARBY_DATA) if NEARBY_DATA.is_file() else "digits"
    log(f"data: {source}")
    lesson = teach.choose(
        data.load_for(source, compiler.read_info(backbone), unseen=unseen),
        classes=classes,
        shots=shots,
        tests=tests,
        seed=seed,
        hold_back=hold_back,
    )
    log(f"{len(lesson.names)} classes: {', '.join(lesson.names)}")
    log(f"{len(lesson.train_y)} samples to teach, {len(lesson.test_y)} to test")
    elf = firmware.build(board, log=log)
    if port:
        taught, restored = teach_port(port, lesson, backbone, exit_ratio, output, log, progress), None
    else:
        files = teach.lesson_files(lesson, folder="/rom", exit_ratio=exit_ratio)
        image = romfs_image({"backbone.mtb": backbone, **files})
        taught, restored = teach_emulated(board, elf, image, output, restart, log, progress)
    log("counting the instructions of one inference")
    cost = count.count(board, backbone, log=log)
    result = assemble(taught, restored, cost, lesson, board, elf, backbone, shots, source)
    save(result, lesson, output)
    return result


def compiled_for(board, backbone=None):
    """The bytes of an .mtb file, checked against the board's target; or of a shipped backbone, compiled for it."""
    name = str(backbone or "objects")
    source = MODELS / f"{name}.tflite"
    if not name.endswith(".mtb"):
        if not source.is_file():
            raise FileNotFoundError(f"{name}: expected an .mtb file or one of {', '.join(shipped())}")
        front_end = MODELS / f"{name}.toml"
        return compiler.compile_tflite(
            source,
            features=MODELS / f"{name}_features.npz",
            pixels=None if front_end.is_file() else True,
            front_end=compiler.read_front_end(front_end) if front_end.is_file() else None,
            target=board.target,
        ).data
    content = Path(backbone).read_bytes()
    board.check_target(compiler.read_info(content)["target"])
    return content


def shipped():
    """Names of the backbones in models/."""
    return sorted(path.stem for path in MODELS.glob("*.mtb"))


def teach_emulated(board, elf, image, output, restart, log, progress):
    storage = output / "storage.bin"
    if restart:
        storage.unlink(missing_ok=True)
    with Emulator(board, elf, storage=storage, romfs=image) as emulator:
        log(f"{board.name} runs at {emulator.port}; mpremote run device/tasks/train_task.py")
        taught = teach.run_task("train_task.py", emulator.port, on_line=log, progress=progress)
        if restart:
            log("cutting the power")
            emulator.kill()
    if not restart:
        return taught, None
    with Emulator(board, elf, storage=storage, romfs=image) as emulator:
        log(f"{board.name} restarted at {emulator.port}; mpremote run device/tasks/show_task.py")
        shown = teach.run_task("show_task.py", emulator.port, on_line=log)
    return taught, same_answers(taught, shown)


def teach_port(port, lesson, backbone, exit_ratio, output, log, progress=None):
    """Teaches the board at a port: the backbone in its ROMFS, the pictures from a folder of this machine."""
    log(f"the board at {port} gets its backbone")
    teach.push(backbone, port, on_line=log)
    folder = output / "lesson"
    folder.mkdir(exist_ok=True)
    for name, data_ in teach.lesson_files(lesson, folder=MOUNTED, exit_ratio=exit_ratio).items():
        (folder / name).write_bytes(data_)
    log(f"mpremote connect {port} mount {folder} run device/tasks/train_task.py")
    return teach.run_task("train_task.py", port, mount=folder, on_line=log, progress=progress)


def same_answers(taught, shown):
    """Whether a restarted board has every class and gives the very answers it gave before."""
    labels = taught["labels"]
    answers = []
    for _, label0, _, label1, _, exit_index, _ in taught["samples"][: len(shown["predictions"])]:
        answers.append([labels[label0 if exit_index == 0 else label1], exit_index])
    return (
        bool(answers)
        and sorted(shown["classes"]) == sorted(labels)
        and shown["samples"] == taught["train_samples"]
        and [list(answer) for answer in shown["predictions"]] == answers
    )


def assemble(taught, restored, cost, lesson, board, elf, backbone, shots, source):
    """The report: what the board said, what was counted, and what follows from both."""
    # the last head sees both exits' embeddings, so its cost is always run(0) and resume()
    exit0, exit1 = ({key: cost["exits"][index]["staged"][key] for key in COST_FIELDS} for index in (0, 1))
    early = taught["exit_ratio_got"]
    staged = {key: None if exit0[key] is None else early * exit0[key] + (1 - early) * exit1[key] for key in COST_FIELDS}
    times = taught["time_ms"]
    # the emulated clock counts one instruction as one nanosecond, whatever a real board's clock is
    instructions = {name: value * 1_000_000 for name, value in times.items()}
    size = firmware.size(elf)
    result = {
        "board": board.name,
        "core": board.core,
        "data": {"source": Path(source).name, "classes": len(lesson.names), "kind": lesson.kind},
        "accuracy": taught["accuracy"],
        "exit_ratio_asked": taught["exit_ratio_asked"],
        "exit_ratio_got": early,
        "test_samples": taught["test_samples"],
        "train_samples": taught["train_samples"],
        "shots": shots,
        "instructions": staged["instructions"],
        "cycles_modelled": staged["cycles_modelled"],
        "energy_uj_modelled": staged["energy_uj_modelled"],
        "energy_saving_modelled": None
        if staged["energy_uj_modelled"] is None
        else 1 - staged["energy_uj_modelled"] / exit1["energy_uj_modelled"],
        "cost": {"exit0": exit0, "exit1": exit1, "counted_by": cost.get("counted_by", "plugin")},
        "power": {
            "milliwatts": board.power_mw,
            "clock_hz": board.clock_hz,
            "source": board.power_source,
        },
        "learning": {
            "instructions": instructions["learn"] + instructions["fit"] + instructions["calibrate"],
            "head_instructions": instructions["fit"] + instructions["calibrate"],
            "instructions_per_avoided_epoch": taught["train_samples"] * exit1["instructions"],
        },
        # the firmware's data and stack, and of the heap what is in use
        "ram_bytes": size["ram_bytes"] - board.heap_bytes + taught["ram_bytes"],
        "flash_bytes": size["flash_bytes"] + len(backbone),
        "arena_bytes": taught["arena_bytes"],
        "heap_bytes": taught["heap_bytes"],
        "restored_after_restart": restored,
        "before": taught.get("before"),
        "hold_back": lesson.hold_back,
        "labels": taught["labels"],
        "samples": taught["samples"],
        "time_ms": times,
    }
    return result


COST_FIELDS = ("instructions", "cycles_modelled", "energy_uj_modelled")


def save(result, lesson, output):
    (output / "report.json").write_text(json.dumps(result, indent=1) + "\n")
    index = report.choose_examples(result["samples"])
    np.savez_compressed(output / "examples.npz", index=np.array(index), x=lesson.test_x[index])
    report.draw(result, (index, lesson.test_x[index]), output / "report.png")
