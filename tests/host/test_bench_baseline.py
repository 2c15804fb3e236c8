# SPDX-License-Identifier: MIT
"""``microt bench --compare``: layers find their counterparts, ratios are right, what is absent is said."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from microt import compiler
from microt.bench import baseline, network_files, networks, present_comparison
from microt.cli import main

SHARED = Path(__file__).parents[3] / "shared" / "design" / "perf_baseline.json"


def layer(index, macs, instructions, cycles, *, op="CONV_2D", inputs=(6, 6, 16), outputs=(6, 6, 8), branch=None):
    return {
        "index": index, "op": op, "branch": branch, "macs": macs, "input_shapes": [list(inputs)],
        "output_shape": list(outputs), "instructions": instructions,
        "cycles_modelled": cycles, "cycles_modelled_low": None, "cycles_modelled_high": None,
    }  # fmt: skip


RESULT = {
    "board": "MPS2_AN386",
    "core": "Cortex-M4F",
    "exits": [{}, {}],
    "layers": [
        layer(0, 36 * 8 * 16, 1000, 2000),
        layer(1, 36 * 8 * 9, 500, 700, op="DEPTHWISE_CONV_2D", inputs=(6, 6, 8), outputs=(6, 6, 8)),
        layer(2, 0, 99, 99, branch=0),  # the first exit's own
        layer(3, 0, 70, 80, op="SOFTMAX", inputs=(1, 1, 8), outputs=(1, 1, 8)),
    ],
}


def written(tmp_path, **changes):
    both = {"cmsis-nn": {"m4": {"insn": 3000, "m4cyc": 5000}}, "tinyengine": {"m4": {"insn": 800, "m4cyc": 3000}}}
    depthwise = {"cmsis-nn": {"m4": {"insn": 1500, "m4cyc": 690}, "m55": {"insn": 100}}}
    content = {
        "format": "perf-baseline-1",
        "layers": [{"name": "pw_6x6_16-8", "results": both}, {"name": "dw3x3s1_6x6_8", "results": depthwise}],
        "networks": {"small": {"layers": ["dw3x3s1_6x6_8", "pw_6x6_16-8"], "results": {}}},
        **changes,
    }
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(content))
    return path


def test_ratios_are_theirs_to_ours(tmp_path):
    found = baseline.compare(RESULT, baseline.load(written(tmp_path)))
    assert found["core"] == "Cortex-M4F" and found["network"] == "small"
    assert [row["index"] for row in found["layers"]] == [0, 1, 3]
    first, second, softmax = found["layers"]
    assert first["cmsis-nn"] == {
        "instructions": 3000, "cycles_modelled": 5000, "cycles_modelled_low": None, "cycles_modelled_high": None,
        "ratio": 3.0, "cycles_ratio": 2.5,
    }  # fmt: skip
    assert second["tinyengine"] is None and softmax["layer"] is None and softmax["cmsis-nn"] is None
    total = found["totals"]["cmsis-nn"]
    assert (total["layers"], total["of"], total["instructions"], total["ratio"]) == (2, 3, 4500, 3.0)
    assert (total["ours"]["instructions"], total["ours"]["cycles_modelled"]) == (1500, 2700)
    assert found["totals"]["tinyengine"]["ours"]["instructions"] == 1000  # of the layer that it has
    assert set(found["totals"]) == {"cmsis-nn", "tinyengine"}
    # slower in instructions, slower in cycles
    assert [row["index"] for row in baseline.slower(found)] == [1]
    assert [row["index"] for row in baseline.slower(found, "tinyengine")] == [0]


def test_the_table_names_who_is_slower(tmp_path):
    text = present_comparison.describe(baseline.compare(RESULT, baseline.load(written(tmp_path))))
    for part in (
        "CMSIS-NN, 2 of 3 layers: 4,500 instructions, ours 1,500: 3.00 times ours; cycles (modelled) 5,690, ours 2,700",
        "slower than CMSIS-NN: layer 1, dw3x3s1_6x6_8: 3.00 times our instructions, 0.99 times our modelled cycles",
        "instructions: counted under QEMU, of the kernels alone; cycles: modelled",
        "network: small",
    ):
        assert part in text
    assert "no layer slower" not in text


def test_a_core_without_cycles_is_compared_by_instructions(tmp_path):
    layers = [{**each, "cycles_modelled": None} for each in RESULT["layers"]]
    result = {**RESULT, "core": "Cortex-M55", "layers": layers}
    found = baseline.compare(result, baseline.load(written(tmp_path)))
    assert found["totals"]["cmsis-nn"]["cycles_ratio"] is None
    assert [row["layer"] for row in baseline.slower(found)] == ["dw3x3s1_6x6_8"]
    assert "cycles (modelled)" not in present_comparison.describe(found)


def test_the_chart_is_drawn(tmp_path):
    present_comparison.plot(baseline.compare(RESULT, baseline.load(written(tmp_path))), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes()[:4] == b"\x89PNG"


def test_what_cannot_be_compared_is_refused(tmp_path):
    theirs = baseline.load(written(tmp_path))
    with pytest.raises(ValueError, match="expected a core that .*baseline.json has, got Cortex-M7"):
        baseline.compare({**RESULT, "core": "Cortex-M7"}, theirs)
    uncounted = [{**RESULT["layers"][0], "instructions": None}]
    with pytest.raises(ValueError, match="totals only"):
        baseline.compare({**RESULT, "layers": uncounted}, theirs)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": "another"}', '{"format": "perf-baseline-1"}'])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "other.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="expected a file of the format perf-baseline-1"):
        baseline.load(path)


def test_an_absent_baseline_is_named_before_anything_runs(tmp_path, monkeypatch):
    usual = tmp_path / "shared" / "design" / "perf_baseline.json"
    monkeypatch.setattr(baseline, "USUAL_PLACE", usual)
    model = tmp_path / "x.tflite"
    model.write_bytes(b"")
    for given, place in (([], usual), ([str(tmp_path / "mine.json")], tmp_path / "mine.json")):
        done = CliRunner().invoke(main, ["bench", str(model), "--compare", *given])
        assert done.exit_code == 1
        assert f"expected a perf_baseline.json at {place}" in done.output
        assert "--compare PATH" in done.output and str(usual) in done.output


def names_of(content):
    return [baseline.name_of(each) for each in compiler.compile_tflite(content).report["layers"]]


@pytest.mark.parametrize("name", networks.SINGLE)
def test_single_layers_are_recognised(name):
    assert name in names_of(network_files.single_layer(name))


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_networks_are_recognised(network):
    listed = networks.NETWORKS[network]()
    assert names_of(network_files.network(listed)) == [name.removesuffix("+relu") for name in listed]


@pytest.mark.skipif(not SHARED.is_file(), reason="../shared/design/perf_baseline.json is not there")
def test_the_project_s_baseline_has_our_networks_and_layers():
    theirs = baseline.load()
    assert set(networks.SINGLE) <= set(theirs.layers)
    found = [theirs.network_of(names_of(network_files.network(make()))) for make in networks.NETWORKS.values()]
    assert found == ["MLPerfTiny-VWW-MobileNetV1-0.25-96", "MobileNetV2-0.35-96", "MCUNet-like-96"]
    figures = theirs.network(found[0], "cmsis-nn", "m4")
    assert (figures["instructions"], figures["cycles_modelled"]) == (24711074, 30356249)
    assert theirs.network(found[0], "cmsis-nn", "m55")["cycles_modelled_low"] == 6684284


@pytest.mark.skipif(
    not all(map(shutil.which, ("qemu-system-arm", "arm-none-eabi-gcc", "gcc", "make"))), reason="no tools for a board"
)
def test_the_command_compares_a_network_on_a_board(tmp_path):
    model = tmp_path / "pw.tflite"
    model.write_bytes(network_files.single_layer("pw_6x6_16-8"))
    arguments = ["bench", str(model), "--compare", str(written(tmp_path)), "--json"]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    found = json.loads(done.stdout)
    assert found["layers"][0]["layer"] == "pw_6x6_16-8"
    ours = found["layers"][0]["instructions"]
    assert 1000 < ours < 36 * 8 * 16 * 4
    assert found["layers"][0]["cmsis-nn"]["ratio"] == 3000 / ours
