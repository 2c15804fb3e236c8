# SPDX-License-Identifier: MIT
"""The zoo's other families: published counts, int8 conversion, and what the microcontrollers hold."""

from pathlib import Path

import keras
import numpy as np
import pytest

from microt.boards import Board
from microt.compiler.compile import compile_tflite
from microt.distill.start import load_start
from microt.engine import Backbone
from microt.quantize import Int8Backbone, quantize, quantize_samples
from microt.zoo.ds_cnn import ds_cnn
from microt.zoo.macs import macs, parameters
from microt.zoo.mcunet import mcunet_in3
from microt.zoo.mobilenet_v2 import mobilenet_v2
from microt.zoo.motion import motion
from microt.zoo.proxylessnas import proxylessnas

ROOT = Path(__file__).parents[2]
KEYWORDS = ROOT.parent / "shared" / "models" / "kws_ref_model.tflite"


def published(model, classes=1000):
    """(multiply-accumulates, parameters) with a classifier and, as papers count them, two values of batch
    normalisation a channel where the folded network has one bias."""
    dim = model.outputs[1].shape[-1]
    biases = sum(w.shape[0] for layer in model.layers for w in layer.weights if w.name == "bias")
    return macs(model) + dim * classes, parameters(model) + biases + (dim + 1) * classes


@pytest.mark.parametrize("model, million_macs, million_parameters", [
    (mcunet_in3, 81.8, 0.74),  # MCUNet's model zoo, at 176
    (proxylessnas, 38.3, 0.75),  # likewise, w0.3
    (lambda: proxylessnas(1.0, 224), 320, 4.1),  # ProxylessNAS (mobile) in its paper
    (lambda: mobilenet_v2(1.0, 224), 300, 3.5),  # the paper's 300 M; 3.47 M of the authors' checkpoints
    (lambda: mobilenet_v2(1.4, 224), 582, 6.1),  # the authors' checkpoints
])  # fmt: skip
def test_counts_are_the_published_ones(model, million_macs, million_parameters):
    found = published(model())
    assert found[0] / 1e6 == pytest.approx(million_macs, abs=1 if million_macs > 100 else 0.05)
    assert found[1] / 1e6 == pytest.approx(million_parameters, abs=0.05 if million_parameters > 1 else 0.006)


def test_mcunets_layers_where_microt_cuts():
    """methods.md 1.3: the part model ends after block 9 with 40 values, at 62 % of the full model's work."""
    model = mcunet_in3()
    assert [o.shape[-1] for o in model.outputs] == [40, 160]
    assert macs(model, 0) / 1e6 == pytest.approx(50.88, abs=0.01)
    assert macs(model) / 1e6 == pytest.approx(81.63, abs=0.01)
    assert macs(mcunet_in3(224)) / 1e6 == pytest.approx(128.8, abs=0.05)
    assert [o.shape[-1] for o in proxylessnas().outputs] == [24, 384]


@pytest.mark.parametrize("width, resolution", [(0.35, 96), (1.3, 64)])
def test_mobilenet_v2_is_kerass(width, resolution):
    shape = (resolution, resolution, 3)
    twin = keras.applications.MobileNetV2(shape, alpha=width, include_top=False, weights=None)
    ours = mobilenet_v2(width, resolution)
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    kernels = [[tuple(n.kernel.shape) for n in m.layers if isinstance(n, kinds)] for m in (ours, twin)]
    assert kernels[0] == kernels[1]
    assert macs(ours) == macs(twin)
    assert sum(isinstance(n, keras.layers.Add) for n in ours.layers) == 10
    assert mobilenet_v2(width, resolution, last=False).outputs[1].shape[-1] == twin.get_layer("Conv_1").input.shape[-1]


def test_mobilenet_v2s_exits_pool_wide_maps():
    whole = shaken(mobilenet_v2(0.35, 64))
    shape = {"exit_block": 7, "wide": True, "beside": ((3, 4), (9,)), "last_block": 11}
    ours = shaken(mobilenet_v2(0.35, 64, adapter=16, adapter_block=4, **shape))
    for layer in ours.layers:
        if layer.weights and not layer.name.startswith("adapter"):
            layer.set_weights(whole.get_layer(layer.name).get_weights())
    x = np.random.default_rng(7).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)

    def pooled(numbers):
        maps = keras.Model(whole.input, [whole.get_layer(f"dw{n}_relu").output for n in numbers])
        return np.concatenate([np.mean(m, axis=(1, 2)) for m in maps.predict(x, verbose=0)], axis=1)

    exit0, exit1 = ours.predict(x, verbose=0)
    assert np.allclose(exit0[:, :-16], pooled([3, 4, 7]), atol=1e-5) and exit0[:, -16:].std() > 0
    assert np.allclose(exit1, pooled([9, 11]), atol=1e-5)
    assert "block11" not in [layer.name for layer in ours.layers], "what is behind the last wide map is left out"
    # the adapter's 16 filters on block 4's map, 8 x 8 x 16: 3 x 3 with stride 2, then pointwise
    assert macs(ours, 0) - macs(mobilenet_v2(0.35, 64, **shape), 0) == 4 * 4 * 16 * (9 + 16)


def test_ds_cnn_is_mlperf_tinys():
    model = ds_cnn()
    # by hand: 25 x 5 places; first 10 x 4 x 64, then four times (9 + 64) x 64
    assert macs(model) == 125 * (40 * 64 + 4 * 73 * 64) == 2_656_000
    assert macs(model, 0) == 125 * (40 * 64 + 73 * 64)
    assert parameters(model) == 41 * 64 + 4 * (10 * 64 + 65 * 64)


@pytest.mark.skipif(not KEYWORDS.exists(), reason=f"{KEYWORDS.name} is not at hand")
def test_ds_cnn_starts_from_the_keyword_model():
    assert load_start(ds_cnn(), KEYWORDS) == ["conv0", *(f"{k}{n}" for n in (1, 2, 3, 4) for k in ("dw", "pw"))]


def test_motion_by_hand():
    model = motion(128, adapter=0)
    # (samples out, kernel x channels in, channels out) of each pair of layers
    work = 64 * 5 * 6 * 24
    for length, before, after in ((32, 24, 32), (16, 32, 48), (16, 48, 64), (8, 64, 96), (8, 96, 128), (8, 128, 128)):
        work += length * (5 * before + before * after)
    assert macs(model) == work == 444_672
    assert [o.shape for o in model.outputs] == [(None, 64), (None, 128)]


def shaken(model):
    """The network with random weights whose outputs differ from channel to channel."""
    rng = np.random.default_rng(4)
    for layer in model.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            fan_in = kernel[..., 0].size if kernel.shape[-1] > 1 else kernel[..., 0, 0].size
            layer.set_weights([rng.normal(0, (2 / fan_in) ** 0.5, kernel.shape), rng.normal(0, 0.3, bias.shape)])
    return model


def convert(model, samples=2):
    """The int8 file of a network with random weights, and a sample as the backbone takes it."""
    rng = np.random.default_rng(3)
    shape = model.input_shape[1:]
    if shape[-1] == 3:
        x = rng.integers(0, 256, (samples, *shape), dtype=np.uint8)
        return quantize(model, x), x[0]
    x = rng.normal(0, 1, (samples, *shape)).astype(np.float32)
    return quantize_samples(model, x), rng.integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize("build", [
    lambda: ds_cnn(adapter=16),
    lambda: motion(64, adapter=16),
    lambda: mobilenet_v2(0.35, 96, adapter=32),
    lambda: mobilenet_v2(0.35, 100, exit_block=7, adapter=16, wide=True, adapter_block=6, beside=((6,), (9,))),
    lambda: mcunet_in3(96),
    lambda: proxylessnas(0.3, 96),
], ids=["ds_cnn", "motion", "mobilenet_v2", "mobilenet_v2_wide", "mcunet_in3", "proxylessnas"])  # fmt: skip
def test_families_compile_and_agree_with_tensorflow_lite(build):
    content, sample = convert(shaken(build()))
    net = Backbone(compile_tflite(content, pixels=sample.dtype == np.uint8 or None).data)
    if sample.dtype == np.uint8:
        wanted = Int8Backbone(content, reference=True).embed(sample[None])
    else:
        wanted = _reference(content, sample)
    for got, expected in zip(net.embed(sample[None]), wanted, strict=True):
        assert (got == expected).all()
        assert len(np.unique(got)) > 3


def _reference(content, sample):
    backbone = Int8Backbone(content, reference=True)
    interpreter = backbone._interpreter
    interpreter.set_tensor(backbone._input["index"], sample[None])
    interpreter.invoke()
    return [interpreter.get_tensor(o["index"]).reshape(1, -1) for o in backbone._outputs]


@pytest.mark.parametrize("build", [mcunet_in3, proxylessnas])
@pytest.mark.parametrize("resolution", [176, pytest.param(224, marks=pytest.mark.slow)])
def test_microts_networks_fit_its_boards(build, resolution):
    keras.utils.set_random_seed(5)
    content, _ = convert(build(resolution=resolution), samples=1)
    program = compile_tflite(content, pixels=True)
    for name in ("MPS2_AN386", "MPS2_AN500"):  # STM32L4R5ZI and STM32H7A3ZI
        board = Board.load(name)
        assert Backbone(program.data).arena_size < board.ram_bytes - 65536, "the rest is for MicroPython"
        assert len(program.data) < board.flash_bytes - 524288, "the firmware takes less"


@pytest.mark.parametrize("call, message", [
    (lambda: mcunet_in3(exit_block=18), "exit_block: expected 1..17, got 18"),
    (lambda: ds_cnn(exit_block=0), "exit_block: expected 1..3, got 0"),
    (lambda: mobilenet_v2(0.35, 16), "resolution: expected at least 32, got 16"),
    (lambda: mobilenet_v2(wide=True, last_block=15, exit_block=15), "exit_block: expected 1..14, got 15"),
    (lambda: mobilenet_v2(last_block=18), "last_block: expected 2..17, got 18"),
    (lambda: mobilenet_v2(wide=True, beside=((5, 4), ())), "beside: expected ascending blocks 1..5 for exit 0, got"),
    (lambda: mobilenet_v2(wide=True, last_block=15, beside=((), (15,))), "beside: expected ascending blocks 1..14 for"),
    (lambda: mobilenet_v2(wide=True, last_block=15, adapter_block=7), "adapter_block: expected 0..6, got 7"),
    (lambda: mobilenet_v2(beside=((2,), ())), "adapter_block, beside and last_block are for wide exits"),
    (lambda: motion(8), "samples: expected at least 16, got 8"),
])  # fmt: skip
def test_wrong_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_wrong_samples_are_refused():
    model = motion(16)
    with pytest.raises(ValueError, match=r"expected \(N, 16, 1, 6\) float32, got \(2, 16, 6\) float64"):
        quantize_samples(model, np.zeros((2, 16, 6)))
    with pytest.raises(ValueError, match="finite values of at least one sample"):
        quantize_samples(model, np.full((2, 16, 1, 6), np.nan, np.float32))


def test_exits_are_told_apart_without_their_names():
    """A file whose signature does not name the exits: they go by the operators they need."""
    from tensorflow.lite.tools import flatbuffer_utils

    content, _ = convert(shaken(ds_cnn(adapter=16)))
    model = flatbuffer_utils.convert_bytearray_to_object(content)
    model.signatureDefs = None
    nameless = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    for file in (content, nameless):
        assert [int(np.prod(o["shape"])) for o in Int8Backbone(file)._outputs] == [80, 64]
