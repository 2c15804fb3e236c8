# SPDX-License-Identifier: MIT
"""The benchmark's networks and single layers are good files: TensorFlow Lite's tensors, values that fill int8."""

import numpy as np
import pytest
import tflite_file as tfl

from microt.bench import network_files, networks
from microt.compiler import compile_tflite
from microt.engine import Backbone


def run(content):
    """(engine's tensors, the reference's) for a random input."""
    net = Backbone(compile_tflite(content).data)
    x = np.random.default_rng(0).integers(-128, 128, net.input_shape).astype(np.int8)
    return net.tensors(x), tfl.Reference(content).run(x)


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_networks(network):
    names = networks.NETWORKS[network]()
    found, expected = run(network_files.network(names))
    assert len(found) == len(names)
    for name, got in found:
        np.testing.assert_array_equal(got.reshape(-1), expected[name].reshape(-1), err_msg=name)
    alive = [got.std() > 1 for _, got in found if got.size > 100]
    assert np.mean(alive) > 0.95


@pytest.mark.parametrize("name", networks.SINGLE)
def test_single_layers(name):
    found, expected = run(network_files.single_layer(name))
    for tensor, got in found:
        np.testing.assert_array_equal(got.reshape(-1), expected[tensor].reshape(-1), err_msg=tensor)
    assert found[-1][1].std() > 5


def test_macs_are_those_of_the_networks():
    macs = [compile_tflite(network_files.network(make())).report["macs"] for make in networks.NETWORKS.values()]
    assert macs == [7_489_664, 10_666_928, 17_157_616]


@pytest.mark.parametrize("name", ["", "pw", "conv3x5_8x8_3-4", "dw3x3_8x8", "pw_8x8_3-4+relu6", "softmax_1"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="expected a name such as"):
        network_files.read_name(name)


def test_layers_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"layer pw_8x8_4-4: expected an input of \(8, 8, 4\), got \(8, 8, 8\)"):
        network_files.network(["pw_8x8_3-8", "pw_8x8_4-4"])
    with pytest.raises(ValueError, match="expected a tensor of .* before it"):
        network_files.network(["pw_8x8_3-8", "add_8x8_8"])
