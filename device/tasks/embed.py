# SPDX-License-Identifier: MIT
# Prints every exit's embedding of every input in /rom/input.npy: EMBEDDING sample exit hex.
# `microt run X.mtb --input x.npy -o y.npz --board BOARD` puts the files there and gathers these.

import binascii

from microt.sources import npy

import microt

net = microt.Backbone("/rom/backbone.mtb")
inputs = npy.open("/rom/input.npy")
for sample in range(len(inputs)):
    for index in range(net.exits):
        embedding = net.resume() if index else net.run(inputs[sample])
        print("EMBEDDING", sample, index, str(binascii.hexlify(embedding), "ascii"))
