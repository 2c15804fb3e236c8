# SPDX-License-Identifier: MIT
"""device/package.json: mip puts the Python part onto a board whose firmware has the C module, and it works there."""

import functools
import http.server
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from microt.boards import Link, romfs_image

ROOT = Path(__file__).resolve().parents[2]
DEVICE = ROOT / "device"
BACKBONE = ROOT / "models" / "objects.mtb"

# /lib before what is frozen into the firmware, as on one that has nothing frozen into it
TEACH = """
import sys
sys.path.insert(0, "/lib")
x = bytearray(37632)
import microt
from microt.store import journal
from microt.vector import dot
print(microt.__file__, journal.__file__)
net = microt.Backbone("/rom/backbone.mtb")
task = microt.Task(net, "/task")
def sample(start):
    for j in range(len(x)):
        x[j] = (start + j) & 255
    return x
for _ in range(2):
    for i, start in enumerate((37, 202)):
        task.learn(sample(start), "class %d" % i)
task.fit()
task.calibrate()
task.save()
print([task.predict(sample(start)).label for start in (37, 202)], len(microt.Task(net, "/task")))
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """URL of a server of device/."""
    handler = functools.partial(Quiet, directory=DEVICE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_mip_installs_the_package(start, server, board):
    if not BACKBONE.is_file():
        pytest.skip("models/objects.mtb is not there")
    emulator = start(romfs=romfs_image({"backbone.mtb": BACKBONE.read_bytes()}), icount=False)
    command = [sys.executable, "-m", "mpremote", "connect", emulator.port, "mip", "install", "--no-mpy"]
    done = subprocess.run([*command, f"{server}/package.json"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    with Link(emulator.port) as link:
        for name, source in json.loads((DEVICE / "package.json").read_text())["urls"]:
            size = (DEVICE / source).stat().st_size
            assert link.eval(f"__import__('os').stat('/lib/{name}')[6]") == size, name
        if board.heap_bytes < 256 << 10:
            pytest.skip("installed; compiled on the board it takes 39 KB, and 75 KB in one stretch are not left here")
        said = link.run(TEACH, timeout=120).splitlines()
    assert said == ["/lib/microt/__init__.py /lib/microt/store/journal.py", "['class 0', 'class 1'] 4"]
