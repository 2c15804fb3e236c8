# Runs on a board or the unix build: for every file in cases.json its embeddings after run and resume, or why it is
# refused.
import binascii
import gc
import json
from array import array

import _microt

with open("cases.json") as file:
    cases = json.load(file)


def bytes_of(name):
    with open(name, "rb") as file:
        try:
            return memoryview(file)  # ROMFS: in place
        except TypeError:
            return memoryview(file.read())


def hex_of(embedding):
    return binascii.hexlify(embedding).decode()


for case in cases:
    net = x = data = None  # a small board's heap holds one case
    gc.collect()
    data = bytes_of(case["file"])
    if case["shift"]:
        data = memoryview(bytes(case["shift"]) + bytes(data))[case["shift"] :]
    try:
        net = _microt.Backbone(data)
    except ValueError as error:
        print(json.dumps(str(error)))
        continue
    x = array("b", bytes_of(case["x"]))
    staged = [hex_of(net.run(x))]
    while len(staged) < net.exits:
        staged.append(hex_of(net.resume()))
    straight = [hex_of(net.run(x, exit)) for exit in range(net.exits)]
    print(json.dumps({"staged": staged, "straight": straight, "sha256": hex_of(net.sha256)}))
print(json.dumps(_microt.kernels()))
