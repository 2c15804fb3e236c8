# SPDX-License-Identifier: MIT
# ruff: noqa: B904
# What presses mean, bounces included, in simulated time; and samples that come as text.

try:
    import io
    import time

    from microt.buttons import DOUBLE, LONG, SHORT, VERY_LONG, Gestures
    from microt.sources import stream
except ImportError:
    print("SKIP needs microt, io and select")
    raise SystemExit


def events(levels, start=0):
    # levels: (pressed, milliseconds); what was told, and when
    gestures = Gestures()
    now, told = 0, []
    for pressed, length in levels:
        for _ in range(length):
            event = gestures.update(pressed, time.ticks_add(start, now))
            if event:
                told.append(event)
            now += 1
    return told


def press(length, rest=600):
    # with a bounce at both edges
    return [(True, 3), (False, 2), (True, length), (False, 2), (True, 3), (False, rest)]


# the second time the clock goes round on the way
for start in (0, time.ticks_add(0, -100)):
    assert events(press(100), start) == [SHORT]
    assert events(press(100, 150) + press(100), start) == [DOUBLE]
    assert events(press(900), start) == [LONG]
    assert events(press(2600), start) == [VERY_LONG]
assert events(press(60) + press(900) + press(60, 100) + press(70) + press(60)) == [SHORT, LONG, DOUBLE, SHORT]
assert events([(True, 10), (False, 900)]) == [], "too short to be a press"
assert events([(False, 50)] + [(True, 5), (False, 5)] * 100) == [], "nothing but bounces"
gestures, stages = Gestures(), []
for now in range(3000):
    gestures.update(True, now)
    if not stages or stages[-1] != gestures.stage:
        stages.append(gestures.stage)
assert stages == [0, 1, 2, 3]
print("gestures")


class Ready:
    def register(self, *_):
        pass

    def poll(self, _):
        return [1]


def feed(text, size=6):
    source = stream.Stream(["zero", "one"], size, io.StringIO(""))
    source._poll = Ready()
    source._file = io.StringIO(text)
    return source


class Select:
    POLLIN = 1
    poll = Ready


stream.select = Select
source = feed("#1\n#0\r\nAQID\nBAUG\n\n")
assert source.read() == "one" and source.read() == "zero" and bytes(source.read()) == bytes(range(1, 7))
assert source.read() is None and source.problem is None
# Enter, as terminals send it; the end of a sample and of a line is none
assert not source.entered
for text, entered in (("\r", True), ("\n", True), ("\r\n", True), ("#1\r\n", False), ("AQID\r\nBAUG\r\n\r\n", False)):
    source = feed(text)
    while source._file.tell() < len(text):
        source.read()
    assert source.entered == entered, text
# the buffer of the sample before is written over from the next one's first line on
source = feed("AQIDBAUG\n\n")
before = source.read()
assert bytes(before) == bytes(range(1, 7)) and not source.coming
for text, coming in (
    ("CQkJ\n", True),
    ("#5\n", True),
    ("#1\n", False),
    ("CQkJ\n", True),
    ("CQkJ\n", True),
    ("\n", False),
):
    source._file = io.StringIO(text)
    source.read()
    assert source.coming == coming, text
assert bytes(before) == b"\t" * 6
for text, says in (
    ("#7\n", "sample"),
    ("AQID\n\n", "expected 6 bytes, got 3"),
    ("AQIDBAUGBwgJ\n", "got more"),
    ("#x\n", ""),
):
    source = feed(text + "#1\n")
    assert source.read() == "one" and says in source.problem, source.problem
print("stream")
print("OK")
