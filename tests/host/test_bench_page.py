# SPDX-License-Identifier: MIT
"""The benchmark page: every bar with its verdict, what falls short with its histogram, what is missing named."""

import json

import pytest

from microt.bench import bars, baseline, measure, page

ENGINE, MODULE = {"code": 40000, "data": 0, "zeroed": 0}, {"code": 5000, "data": 8, "zeroed": 4}
SIZE = {
    "flash_bytes": 300000,
    "parts": {
        "microt engine": ENGINE,
        "microt module": MODULE,
        "microt sensor input": {"code": 5000, "data": 77, "zeroed": 0},
        "MicroPython core": {"code": 100000, "data": 0, "zeroed": 0},
    },
    "microt_files": {"engine/kernels/dsp/pointwise": {"code": 9000, "data": 0, "zeroed": 0}},
}


def counted(instructions, cycles, dispatch=1000, arena=50000):
    return {
        "macs": 7_000_000, "instructions": instructions, "cycles_modelled": cycles,
        "cycles_modelled_low": cycles and cycles - 100_000, "cycles_modelled_high": cycles and cycles + 200_000,
        "energy_uj_modelled": cycles and cycles / 3000, "arena_bytes": arena, "flash_bytes": 280_000,
        "dispatch": {"instructions": dispatch},
        "histogram": {"dual multiply": 300, "load": 600, "branch": 100, "divide": 1},
    }  # fmt: skip


def layer(instructions, cycles):
    figures = {"cycles_modelled": cycles, "cycles_modelled_low": None, "cycles_modelled_high": None}
    return {"macs": 1000, "instructions": instructions, **figures, "histogram": {"load": 3, "branch": 1}}


def results():
    m4 = {
        "core": "Cortex-M4F",
        "networks": {
            "vww_96_int8": counted(7_700_000, 10_800_000, arena=56_448),
            "mobilenet_v2_035": counted(13_000_000, 17_000_000),
            "mcunet_like": counted(22_000_000, 28_000_000, dispatch=500_000),
        },
        "layers": {"pw_6x6_16-8": layer(900, 1300), "fc_16-8": layer(80, 100)},
        "left_out": {},
        "size": SIZE,
    }
    m0 = {
        "core": "Cortex-M0+",
        "networks": {"vww": counted(26_000_000, None)},
        "layers": {"pw_6x6_16-8": layer(5000, None), "fc_16-8": layer(80, None)},
        "left_out": {"mobilenet_v2_035": "needs too much"},
        "size": {**SIZE, "flash_bytes": 200000},
    }
    return {"MPS2_AN386": m4, "MPS2_M0PLUS": m0}


@pytest.fixture
def theirs(tmp_path):
    def both(instructions, cycles):
        return {"cmsis-nn": {"m4": {"insn": instructions, "m4cyc": cycles}, "m0": {"insn": 4000}}}

    content = {
        "format": "perf-baseline-1",
        "layers": [{"name": "pw_6x6_16-8", "results": both(1800, 1200)}, {"name": "fc_16-8", "results": both(81, 100)}],
        "networks": {
            "MLPerfTiny-VWW-MobileNetV1-0.25-96": {"layers": [], "results": both(24_711_000, 30_356_000)},
        },
    }
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(content))
    return baseline.load(path)


def line_with(text, part):
    (line,) = (line for line in text.splitlines() if line.startswith("|") and part in line)
    return line


def test_verdicts(theirs):
    text = page.page(results(), theirs, [], {})
    assert line_with(text, "vww_96_int8, Cortex-M4F: M instructions, counted").endswith(
        "| 24.71 | – | 7.87 | 8.6, then 7.5 | 7.70 | reached |"
    )
    assert line_with(text, "mcunet_like, Cortex-M4F: M instructions").endswith("| 22.00 | **missed** by 7% |")
    assert line_with(text, "mobilenet_v2_035, Cortex-M4F: M cycles, modelled").endswith("| 17.00 | reached |")
    # the network built from the list stands in for a file that is not there
    assert "26.00 | reached |" in line_with(text, "vww, Cortex-M0+")
    assert "not counted: needs too much" in line_with(text, "mobilenet_v2_035, Cortex-M0+")
    assert line_with(text, "mcunet_like, Cortex-M0+").endswith("| – | not counted: not there |")
    assert line_with(text, "dispatch and set-up").endswith("| **missed** by 1 of 4 runs |")
    assert "2.27% at most (mcunet_like, MPS2_AN386)" in text
    assert line_with(text, "arena of vww_96_int8").endswith("| 57,344 | 56,448 | reached |")
    assert line_with(text, "code of the module").endswith("| 49,152 | 45,008 | reached |")
    assert "`microt sensor input`, is not in it: 5,077 B more." in text


def test_layers_beside_the_libraries(theirs):
    text = page.page(results(), theirs, [], {})
    assert line_with(text, "single layers, never slower").endswith("| 4 of 4 | 2 of 4 | **missed** by 2 |")
    assert "| pw_6x6_16-8 | 1,000 | 900 | 0.900 | 1.80 (2.00x) | – | 1.30 | 1.20 (0.92x) |" in text
    assert "### pw_6x6_16-8 on Cortex-M4F: cycles modelled 1,300, 1,200 with CMSIS-NN" in text
    assert "### pw_6x6_16-8 on Cortex-M0+: instructions 5,000, 4,000 with CMSIS-NN" in text


def test_what_falls_short_has_its_histogram_and_what_was_tried(theirs, monkeypatch, tmp_path):
    notes = tmp_path / "misses.toml"
    notes.write_text('untold = "nothing yet"\n"MPS2_AN386/mcunet_like/instructions" = "Two things were tried."\n')
    monkeypatch.setattr(page, "MISSES", notes)
    text = page.page(results(), theirs, [], {})
    section = text.partition("### mcunet_like on Cortex-M4F: instructions")[2].partition("###")[0]
    assert "| dual multiply | load | branch |" in section and "| 30.0% | 59.9% | 10.0% |" in section
    assert "Two things were tried." in section
    assert "nothing yet" in text.partition("### mcunet_like on Cortex-M4F: cycles modelled")[2]
    assert "### call, dispatch and set-up around the kernels, counted: 2.27% at most" in text


def test_a_second_figure_that_is_not_reached_is_told_too(theirs):
    text = page.page(results(), theirs, [], {})
    assert "### vww_96_int8 on Cortex-M4F: instructions, 7.70 M, of the second figure, 7.5 M" in text
    assert "### mobilenet_v2_035 on Cortex-M4F: cycles modelled, 17.00 M, of the second figure, 16.8 M" in text


def test_the_notes_that_are_shipped_are_read():
    notes = page.tomllib.loads(page.MISSES.read_text())
    keys = {f"{bar.board}/{bar.network}/{bar.figure}" for bar in bars.BARS}
    keys |= {f"{board}/{name}" for board in measure.BOARDS for name in measure.networks.SINGLE}
    assert set(notes) - {"untold", "dispatch", "arena", "code"} <= keys


def test_a_page_without_a_baseline_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "USUAL_PLACE", measure.ROOT.parent / "shared" / "nowhere.json")
    folder, theirs, missing = page._at_hand(tmp_path / "no folder", None)
    assert folder is None and theirs is None and len(missing) == 2
    text = page.page(results(), theirs, missing, {})
    assert "* public models: no folder" in text
    assert "* figures of other libraries: compare: expected a perf_baseline.json at ../shared/nowhere.json" in text
    assert str(measure.ROOT.parent) not in text
    assert line_with(text, "single layers, never slower").endswith("| not compared |")
    assert "| pw_6x6_16-8 | 1,000 | 900 | 0.900 | – | – | 1.30 | – |" in text


def test_networks_and_sizes(theirs):
    text = page.page(results(), theirs, [], {})
    assert (
        "| vww_96_int8 | Cortex-M4F | 7.00 | 7.700 | 1.10 | 0.01% | 10.800 | 10.70 – 11.00 | 3.600 | 56,448 | 280,000 |"
        in text
    )
    assert "| vww | Cortex-M0+ | 7.00 | 26.000 | 3.71 | 0.00% | – | – | – | 50,000 | 280,000 |" in text
    assert "| of the engine: dsp kernels | 9,000 | 9,000 |" in text
    assert "| whole firmware | 300,000 | 200,000 |" in text
    assert text.count("measured on hardware") == 1 and "Nothing here was measured" in text


def test_files_are_written(tmp_path, theirs):
    written = page.write(results(), theirs, tmp_path / "docs" / "b.md", [])
    assert [file.name for file in written] == ["b.md", "b_networks.png", "b_layers.png"]
    text = written[0].read_text()
    for picture in written[1:]:
        assert f"]({picture.name})" in text and picture.read_bytes()[:4] == b"\x89PNG"
        assert picture.stat().st_size < 100_000


def test_files_the_compiler_refuses_are_left_out(tmp_path):
    (tmp_path / "legacy.tflite").write_bytes(b"not an int8 network")
    lines = []
    found = measure.sources(tmp_path, log=lines.append)
    assert set(found) == {"vww", "mobilenet_v2_035", "mcunet_like", *(p.stem for p in measure.SHIPPED.glob("*.tflite"))}
    assert len(lines) == 1 and lines[0].startswith("legacy.tflite is left out")
