# SPDX-License-Identifier: MIT
"""The `microt` command: every verb parses, calls and prints; other modules do the work."""

import contextlib
import functools
import json
import os
import signal
import sys
import time
from pathlib import Path

# TensorFlow's start-up notes belong in nobody's report
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: E402

EXISTING = click.Path(exists=True, path_type=Path)
EXISTING_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW = click.Path(path_type=Path)
DEFAULT_BOARD = "MPS2_AN386"


def fail(error):
    """One line on standard error, exit status 1."""
    text = " ".join(str(error).split()) or type(error).__name__
    click.echo(f"microt: {text}", err=True)
    sys.exit(1)


def one_line_errors(command):
    """What a user can cause ends in one line; what only we can cause keeps its traceback."""

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except (ValueError, OSError, RuntimeError) as error:
            if os.environ.get("MICROT_TRACEBACK"):
                raise
            fail(error)

    return wrapped


def note(text):
    """Progress in words, on standard error, so that --json leaves standard output alone."""
    click.echo(text, err=True)


@contextlib.contextmanager
def progress_bar(description):
    """A bar on standard error; yields `update(done, total)`."""
    console = Console(stderr=True)
    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
    ]
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(description, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def board_option(default=DEFAULT_BOARD, help="an emulated board or UNIX"):
    return click.option("--board", default=default, show_default=default is not None, help=help)


json_option = click.option("--json", "as_json", is_flag=True, help="one JSON object on standard output")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="microt")
def main():
    """A microcontroller that learns: prepare a backbone, build firmware, teach a board."""


@main.command()
@click.argument("source", type=EXISTING_FILE)
@click.option("-o", "--output", type=NEW, required=True, help="the .mtb file to write")
@click.option("--exit", "exits", multiple=True, help="a tensor's name or index; again for each exit")
@click.option("--target", help="generic: all; m0: M0+; dsp: M4F/M7/M33; mve: M55  [default: generic]")
@click.option("--board", help="for this board: its target, refused if its flash or RAM is too small")
@click.option("--features", type=EXISTING_FILE, help=".npz: what happens to an embedding before a head")
@click.option("--pixels", is_flag=True, default=None, help="the input is a picture: take uint8 pixels too")
@click.option("--front-end", help="samples to input: a recipe (.toml), or such as mel:rate=8000,coefficients=10")
@click.option("--patches", type=int, default=0, metavar="N", help="first layers in N strips of rows: less memory")
@click.option("--plot", type=NEW, help="a picture of the arena over time (.png)")
@json_option
@one_line_errors
def compile(source, output, exits, target, board, features, pixels, front_end, patches, plot, as_json):
    """Turn an int8 .tflite file into an .mtb file for the board.

    \b
    microt compile models/objects.tflite -o objects.mtb --pixels
    """
    from microt import compiler, fit
    from microt.boards import Board

    if target and board:
        raise ValueError("compile: expected --target or --board, got both")
    board = Board.load(board) if board else None
    compiled = compiler.compile_tflite(
        source,
        exits=list(exits) or None,
        target=board.target if board else target or "generic",
        features=features,
        pixels=pixels,
        front_end=compiler.read_front_end(front_end) if front_end else None,
        strips=patches,
    )
    if board:
        fit.check(board, compiled.report, source.name)
    compiled.write(output)
    if plot:
        compiler.plot(compiled.report, plot)
    click.echo(json.dumps(compiled.report) if as_json else compiler.describe(compiled.report))


@main.command()
@click.argument("file", type=EXISTING_FILE)
@json_option
@one_line_errors
def info(file, as_json):
    """What a compiled file holds and costs.

    \b
    microt info models/objects.mtb
    """
    from microt import compiler

    report = compiler.read_info(file.read_bytes(), file.name)
    click.echo(json.dumps(report) if as_json else compiler.describe(report))


@main.command()
@click.argument("file", type=EXISTING_FILE)
@click.option(
    "--input",
    "inputs",
    type=EXISTING_FILE,
    required=True,
    help="(N, H, W, C) .npy: int8, uint8 pixels or float32; or windows of int16 for a front end",
)
@click.option("-o", "--output", type=NEW, required=True, help=".npz with exit0, exit1, ...: (N, dim) int8")
@click.option("--board", help="run on this emulated board; without it on the host build of the engine")
@click.option("--port", help="run on the board at this serial port")
@one_line_errors
def run(file, inputs, output, board, port):
    """Embeddings of every exit for a batch of inputs.

    \b
    microt run models/objects.mtb --input x.npy -o y.npz --board MPS2_AN386
    """
    import numpy as np

    from microt import embed

    with progress_bar("embedding") as update:
        embeddings = embed.embed(file, np.load(inputs), board=board, port=port, progress=update, log=note)
    np.savez(output, **{f"exit{index}": array for index, array in enumerate(embeddings)})
    shapes = ", ".join(f"exit{i} {a.shape} int8" for i, a in enumerate(embeddings))
    click.echo(f"{output}: {shapes}")


@main.command()
@click.argument("file", type=EXISTING_FILE)
@board_option()
@click.option("--plot", type=NEW, help="a chart of the layers (.png)")
@click.option(
    "--compare", metavar="[PATH]", is_flag=False, flag_value="", default=None,
    help="beside other libraries' counts, from a perf_baseline.json  [default: ../shared/design/ beside the checkout]",
)  # fmt: skip
@click.option("--port", help="measure on the board at this serial port, into whose ROMFS the file is put")
@json_option
@one_line_errors
def bench(file, board, plot, compare, port, as_json):
    """Count the instructions of a backbone on an emulated board; model cycles and energy. With --port: measure.

    \b
    microt bench models/objects.mtb --board MPS2_AN386
    microt bench models/objects.tflite --compare
    microt bench models/objects.mtb --port /dev/ttyACM0
    """
    from microt.bench import baseline, count, present, present_comparison
    from microt.bench import port as on_port
    from microt.boards import Board

    if port:
        if plot or compare is not None:
            raise ValueError("bench: expected --port without --plot and --compare, which are of counts by layer")
        measured = on_port.measure(file, port, log=note)
        click.echo(json.dumps(measured) if as_json else on_port.describe(measured))
        return
    theirs = None if compare is None else baseline.load(compare)
    counted = count.count_tflite if file.suffix == ".tflite" else count.count
    source = file if file.suffix == ".tflite" else file.read_bytes()
    result = counted(Board.load(board), source, log=note)
    shown = present
    if theirs is not None:
        result, shown = baseline.compare(result, theirs), present_comparison
    if plot:
        shown.plot(result, plot)
    click.echo(json.dumps(result) if as_json else shown.describe(result))


@main.command()
@click.argument("board", default=DEFAULT_BOARD)
@json_option
@one_line_errors
def build(board, as_json):
    """Build a board's firmware (fetches MicroPython's source the first time).

    \b
    microt build MPS2_AN386
    """
    from microt.boards import Board, firmware

    board = Board.load(board)
    elf = firmware.build(board, log=note)
    image = firmware.flashable(board, elf) or elf
    memory = firmware.memory(board, elf)
    if as_json:
        click.echo(json.dumps({"board": board.name, "image": str(image), **memory}))
        return
    click.echo(f"{image}")
    for name, value in memory.items():
        click.echo(f"  {name.replace('_', ' ')}: {value:,}")


@main.command()
@json_option
@one_line_errors
def boards(as_json):
    """The boards, their kernels, and what they have room for.

    \b
    microt boards
    """
    from microt import fit

    rows = fit.overview()
    click.echo(json.dumps(rows) if as_json else fit.describe(rows))


@main.command()
@click.argument("board")
@click.option("--port", help="the board's serial port  [default: the only one that may be it]")
@click.option("--drive", type=EXISTING, help="RPI_PICO, RPI_PICO2: the folder of the drive that BOOTSEL shows")
@json_option
@one_line_errors
def flash(board, port, drive, as_json):
    """Write the firmware that `microt build` made to a real board and ask whether it runs.

    \b
    microt flash RPI_PICO2
    """
    import dataclasses

    from microt.boards import Board, firmware
    from microt.boards import flash as flashing

    board = Board.load(board)
    found = flashing.flash(board, firmware.folder(board) / "firmware.elf", port=port, drive=drive, log=note)
    if as_json:
        click.echo(json.dumps({"board": board.name, "firmware": dataclasses.asdict(found) if found else None}))
    elif found:
        click.echo(f"{found.machine}: microt {found.module}, kernels {', '.join(found.kernels)}")
        click.echo(
            "next: microt compile X.tflite --board " + board.name + " -o X.mtb, then microt push X.mtb --port PORT"
        )
    else:
        click.echo("written; the board restarts by itself. Next: microt doctor")


@main.command()
@click.option("--port", "ports", multiple=True, help="ask this port instead of those that USB shows; again for more")
@json_option
@one_line_errors
def doctor(ports, as_json):
    """What is installed and connected, which firmware answers, what is wrong and how to fix it.

    \b
    microt doctor
    """
    from microt.boards import doctor as surgery

    report = surgery.examine(list(ports) or None)
    click.echo(json.dumps(report) if as_json else surgery.describe(report))
    sys.exit(1 if report["problems"] else 0)


@main.command()
@click.argument("board", default=DEFAULT_BOARD)
@click.option(
    "--storage",
    type=NEW,
    help="the board's memory, kept between starts  [default: build/BOARD/storage.bin]",
)
@click.option("--romfs", type=EXISTING, help="a folder, or a ROMFS image, to find at /rom")
@click.option(
    "--icount/--no-icount",
    default=True,
    show_default=True,
    help="a clock that counts instructions",
)
@one_line_errors
def emulate(board, storage, romfs, icount):
    """Start an emulated board and print its serial port.

    Type p4 to press the button at pin 4, r4 to release it, l4 to read an output, q to quit.

    \b
    microt emulate MPS2_AN386 --romfs build/rom
    mpremote connect /dev/pts/N repl
    """
    from microt.boards import Board, Emulator, firmware, romfs_folder

    board = Board.load(board)
    image = firmware.build(board, log=note)
    storage = storage or default_storage(image)
    # ends as Ctrl-C does, and the emulator with it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    if romfs is not None:
        romfs = romfs_folder(romfs) if romfs.is_dir() else romfs.read_bytes()
    with Emulator(board, image, storage=storage, romfs=romfs, icount=icount) as emulator:
        click.echo(f"{board.name} at {emulator.port}, flash in {storage}")
        click.echo(f"mpremote connect {emulator.port} repl")
        emulator_console(emulator)


def emulator_console(emulator):
    """Obeys pN, rN, lN and q from standard input; at its end waits for the emulator."""
    for line in sys.stdin:
        verb, pin = line.strip()[:1], line.strip()[1:]
        if verb == "q":
            return
        if verb not in ("p", "r", "l") or not pin.isdigit() or int(pin) > 31:
            click.echo("expected pN (press), rN (release), lN (read an output) with N from 0 to 31, or q")
        elif verb == "p":
            emulator.press(int(pin))
        elif verb == "r":
            emulator.release(int(pin))
        else:
            click.echo("on" if emulator.led(int(pin)) else "off")
    emulator.wait()


@main.command()
@click.argument("file", type=EXISTING_FILE)
@click.option("--board", help="an emulated board that is not running: into the memory `microt emulate` gives it")
@click.option("--port", help="the serial port of a board, or of an emulated one that runs")
@click.option("--storage", type=NEW, help="with --board: its memory  [default: build/BOARD/storage.bin]")
@click.option("--name", default="backbone.mtb", show_default=True, help="the file's name in /rom")
@one_line_errors
def push(file, board, port, storage, name):
    """Put a compiled backbone into a board's ROMFS, where it is used in place.

    FILE may also be a task that `microt pull` took off a board (.npz): it replaces the one in /task.

    \b
    microt push models/objects.mtb --port /dev/ttyACM0
    """
    from microt import compiler
    from microt.boards import Board, Emulator, firmware

    if (board is None) == (port is None):
        raise ValueError("push: expected --board or --port")
    task = file.suffix == ".npz"
    if port is None:
        board = Board.load(board)
        if not task:
            board.check_target(compiler.read_info(file.read_bytes(), str(file))["target"])
        image = firmware.build(board, log=note)
        with Emulator(board, image, storage=storage or default_storage(image)) as emulator:
            (push_task if task else push_backbone)(file, emulator.port, name)
    else:
        (push_task if task else push_backbone)(file, port, name)


def push_backbone(file, port, name):
    from microt import teach

    data = file.read_bytes()
    identity = teach.push(data, port, name=name, on_line=note)
    click.echo(f"/rom/{name}: {len(data):,} bytes, backbone {identity[:12]}")


def push_task(file, port, _):
    from microt.learning import task_file

    task = task_file.load(file)
    task_file.push(task, port)
    click.echo(f"/task: {len(task.labels)} samples of {len(set(task.labels))} classes; call fit() on the board")


@main.command()
@click.option("--port", required=True, help="the serial port of a board, or of an emulated one that runs")
@click.option("--task", default="/task", show_default=True, help="the task's folder on the board")
@click.option(
    "-o", "--output", type=NEW, required=True, help=".npz: embeddings, labels, times, the backbone's identity"
)
@one_line_errors
def pull(port, task, output):
    """Take what a board was taught off it, as NumPy arrays.

    \b
    microt pull --port /dev/ttyACM0 -o task.npz
    """
    from microt.learning import task_file

    taken = task_file.pull(port, task)
    task_file.save(taken, output)
    for line in taken.notes:
        note(line)
    click.echo(f"{output}: {len(taken.labels)} samples of {len(set(taken.labels))} classes")


def default_storage(image):
    """The memory file of an emulated board, beside its firmware."""
    return image.parent / "storage.bin"


@main.command()
@click.argument("data", type=str)
@click.option("--backbone", help="an .mtb file, or a shipped one: objects, sound, motion  [default: objects]")
@board_option(help="an emulated board")
@click.option("--port", help="the serial port of a board, instead of --board")
@click.option("--shots", default=20, show_default=True, help="labelled samples a class")
@click.option("--classes", default=11, show_default=True, help="at most so many classes")
@click.option("--unseen", help="of sound and motion: groups only to test with, such as speaker=lucas,theo")
@click.option("--exit-ratio", default=0.5, show_default=True, help="share to be answered at exit 0")
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "--output", type=NEW, default=Path("build/train"), show_default=True)
@json_option
@one_line_errors
def train(data, backbone, board, port, shots, classes, unseen, exit_ratio, seed, output, as_json):
    """Teach a board from labelled pictures, sounds or motions.

    Started again after a cut in the middle, it goes on where it was.

    DATA: a folder with a sub-folder a class, an .npz file, or `digits`.

    \b
    microt train pictures/ --board MPS2_AN386
    microt train words/ --backbone sound
    """
    from microt import demo
    from microt.report import describe

    with progress_bar("teaching") as update:
        report = demo.teach_and_report(
            data, output, backbone=backbone, board=board, port=port, shots=shots, classes=classes,
            exit_ratio=exit_ratio, seed=seed, hold_back=False, restart=False, unseen=unseen, log=note, progress=update,
        )  # fmt: skip
    click.echo(json.dumps(report) if as_json else describe(report))


@main.command()
@click.argument("file", type=EXISTING_FILE)
@click.option("--data", required=True, help="a folder of pictures, .wav or .csv files, an .npz file or `digits`")
@click.option("--unseen", help="of sound and motion: groups only to ask about, such as speaker=lucas,theo")
@click.option("--ways", default=10, show_default=True, help="classes an episode, at most those there are")
@click.option("--shots", default=10, show_default=True, help="labelled samples a class")
@click.option("--episodes", default=20, show_default=True)
@click.option("--head", default="lda", show_default=True, help="lda, logistic, means or ridge")
@click.option("--exit-ratio", default=0.5, show_default=True, help="share to be answered at exit 0")
@click.option("--seed", default=0, show_default=True)
@click.option("--float", "float_model", type=EXISTING_FILE, help="compare with model.keras, before int8")
@click.option("--teacher", help="compare with the ceiling: a .tflite or .keras file, or dinov2_small of KerasHub")
@click.option("--baseline", "baselines", type=EXISTING_FILE, multiple=True, help="compare with another; again for more")
@click.option("-o", "--output", type=NEW, help="a folder for the report: JSON, picture and page")
@json_option
@one_line_errors
def evaluate(file, data, output, as_json, float_model, teacher, baselines, **protocol):
    """Few-shot accuracy of a backbone, with the engine and the learning code that ship.

    \b
    microt evaluate models/objects.mtb --data digits --shots 20
    """
    from microt.evaluate import fewshot
    from microt.evaluate import report as paper

    against = {"float_model": float_model, "teacher": teacher, "baselines": baselines}
    with progress_bar("evaluating") as update:
        result = fewshot.evaluate(
            file, data, against=against if any(against.values()) else None, log=note, progress=update, **protocol
        )
    written = paper.write(result, output) if output else {}
    click.echo(json.dumps(result) if as_json else paper.describe(result))
    for path in written.values():
        note(path)


@main.command("demo")
@click.option("--data", help="a folder of pictures, an .npz file or `digits`  [default: what is at hand]")
@board_option()
@click.option("-o", "--output", type=NEW, default=Path("build/demo"), show_default=True)
@json_option
@one_line_errors
def demo_command(data, board, output, as_json):
    """Teach an emulated board new classes, cut its power, and report what it learned and cost.

    \b
    microt demo --data pictures/
    """
    from microt import demo
    from microt.report import describe

    started = time.monotonic()
    report = demo.teach_and_report(data, output, board=board, log=note)
    if as_json:
        click.echo(json.dumps(report))
        return
    click.echo(describe(report))
    click.echo()
    click.echo(output / "report.json")
    click.echo(output / "report.png")
    click.echo(f"{time.monotonic() - started:.0f} seconds")


@main.command()
@click.argument("run", type=EXISTING)
@click.option("-o", "--output", type=NEW, required=True, help=".png or .html")
@one_line_errors
def report(run, output):
    """Draw a run's report again from its report.json and examples.npz.

    \b
    microt report build/demo -o report.html
    """
    from microt import report as drawing

    drawing.draw_run(run, output)
    click.echo(output)


@main.command()
@click.argument("recipe", type=EXISTING_FILE)
@click.option(
    "-o",
    "--output",
    type=NEW,
    required=True,
    help="folder for model, .tflite, .mtb, card and curves",
)
@click.option("--data", help="pictures to train on in place of the recipe's: a folder of class folders or .npz")
@click.option("--search", type=EXISTING_FILE, help="a TOML file of ranges: look for the best recipe instead")
@one_line_errors
def distill(recipe, output, data, search):
    """Train a backbone by a recipe: distil a teacher into both exits, then int8 and compile.

    \b
    microt distill models/mobilenet_v1_025_96.toml -o build/backbone
    microt distill recipe.toml --search ranges.toml -o build/search
    """
    from microt.distill import signals, train

    if signals.is_recipe(recipe):
        if data or search:
            raise ValueError(f"{recipe}: --data and --search are for recipes of pictures")
        signals.run(recipe, output, log=note)
    elif search:
        from microt.distill import search as searching

        click.echo(searching.describe(searching.search(recipe, search, output, log=note, pictures=data)))
    else:
        train.run(recipe, output, log=note, pictures=data)


@main.command()
@click.argument("backbone")
@click.option("--data", multiple=True, required=True, help="what has no labels: a folder or .npz; again for more")
@click.option("-o", "--output", type=NEW, required=True, help="folder for the new backbone and the files beside it")
@click.option("--teacher", help="to learn from as well: .tflite, .keras, .npy embeddings, or dinov2_small of KerasHub")
@click.option("--steps", type=int, help="training steps  [default: a few minutes' worth]")
@click.option("--seed", default=1, show_default=True)
@one_line_errors
def adapt(backbone, data, output, teacher, steps, seed):
    """Adapt a backbone to your own unlabelled pictures, sounds or motions.

    \b
    microt adapt objects --data pictures/ -o build/mine
    microt adapt sound --data recordings/ -o build/mine
    """
    from microt.distill import adapt as adapting
    from microt.distill import adapt_signals

    given = {"steps": steps} if steps is not None else {}
    if adapt_signals.is_signals(backbone):
        if teacher:
            raise ValueError("--teacher is for pictures")
        result = adapt_signals.adapt(backbone, list(data), output, seed=seed, log=note, **given)
    else:
        result = adapting.adapt(backbone, list(data), output, teacher=teacher, seed=seed, log=note, **given)
    click.echo(adapting.describe(result))


@main.command()
@click.argument("source", type=EXISTING_FILE)
@click.option("--data", required=True, help="pictures to judge by: a folder of class folders, .npz or `digits`")
@click.option("--ways", default=10, show_default=True)
@click.option("--shots", default=10, show_default=True)
@click.option("--episodes", default=5, show_default=True)
@click.option("--exit-ratio", default=0.5, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--adapter", is_flag=True, help="also train a small branch at the best cuts and see if it pays")
@click.option("--filters", default=128, show_default=True, help="of the adapter")
@click.option("-o", "--output", type=NEW, help="a folder for JSON and picture")
@json_option
@one_line_errors
def split(source, data, output, as_json, adapter, filters, **protocol):
    """Where to take the first exit of a .tflite network: cost and accuracy of every cut.

    \b
    microt split models/objects.tflite --data digits
    """
    from microt import split as splitting

    with progress_bar("cutting") as update:
        result = splitting.split(source, data, adapter=filters if adapter else 0, log=note, progress=update, **protocol)
    written = splitting.write(result, output) if output else {}
    click.echo(json.dumps(result) if as_json else splitting.describe(result))
    for path in written.values():
        note(path)


@main.command()
@click.argument("source", type=EXISTING_FILE)
@click.option("--data", required=True, help="samples to calibrate with: .npy, .npz, a folder of pictures or `digits`")
@click.option("-o", "--output", type=NEW, required=True, help="the int8 .tflite to write")
@one_line_errors
def quantize(source, data, output):
    """Turn a legacy uint8 .tflite file into an int8 one.

    \b
    microt quantize old_uint8.tflite --data pictures/ -o new.tflite
    """
    from microt import requantize

    samples = requantize.calibration(source, data)
    new = requantize.requantize(source, samples)
    output.write_bytes(new)
    agreement = ", ".join(f"{value:.3f}" for value in requantize.agreement(source, new, samples))
    click.echo(f"{output}: {len(new):,} bytes; correlation of each output with the old file's: {agreement}")


if __name__ == "__main__":
    main()
