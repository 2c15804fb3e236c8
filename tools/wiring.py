# SPDX-License-Identifier: MIT
"""Draws boards/<BOARD>/wiring.svg from wiring.toml beside it; `--check` only compares.

    button = "GP3"                      to ground while pressed; the pin pulls up
    led = "GP5"                         through 330 ohm to ground
    known_led = "GP6"
    i2c = ["GP27", "GP26"]              SCL, SDA: motion sensor, meter
    i2s = ["GP16", "GP17", "GP18"]      SCK, WS, SD: microphone
    analog = "GP28"

Rows that are left out are not drawn.
"""

import sys
from html import escape

from microt.boards.board import BOARDS, tomllib

ROW, TOP, LEFT, RIGHT = 46, 70, 190, 400  # pixels: a row's height, the first row, the board's edge, the parts'
STYLE = (
    ".box{fill:#eef5f4;stroke:#00796b;stroke-width:1.5}.wire{fill:none;stroke:#1565c0;stroke-width:2}"
    ".gnd{stroke:#333}.hot{stroke:#c62828}.pin{font-size:12px}.part{fill:#fff;stroke:#333;stroke-width:1.5}"
)


def text(x, y, words, anchor="start", kind="pin"):
    return f'<text class="{kind}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(words)}</text>'


def wire(path, kind=""):
    return f'<path class="wire {kind}" d="{path}"/>'


def button(y, rail):
    x = RIGHT
    return [
        wire(f"M{LEFT} {y} H{x} m0 0 l24 -12 M{x + 28} {y} H{rail}"),
        f'<circle class="part" cx="{x}" cy="{y}" r="3"/><circle class="part" cx="{x + 28}" cy="{y}" r="3"/>',
        text(x + 14, y - 16, "button", "middle"),
    ]


def led(words):
    def draw(y, rail):
        x = RIGHT - 70
        return [
            wire(f"M{LEFT} {y} H{rail}"),
            f'<rect class="part" x="{x}" y="{y - 7}" width="44" height="14"/>',
            text(x + 22, y - 12, "330 Ω", "middle"),
            f'<path class="part" d="M{RIGHT} {y - 8} v16 l16 -8 z M{RIGHT + 16} {y - 8} v16"/>',
            text(RIGHT + 8, y - 14, words, "middle"),
        ]

    return draw


def module(words):
    """A part of several rows with its own supply and ground."""

    def draw(y, rail, rows):
        top, height = y - 16, ROW * (rows - 1) + 32
        parts = [wire(f"M{LEFT} {y + ROW * i} H{RIGHT - 30}") for i in range(rows)]
        parts += [
            wire(f"M{RIGHT + 110} {y} H{rail}", "gnd"),
            f'<rect class="box" x="{RIGHT - 30}" y="{top}" width="140" height="{height}" rx="6"/>',
        ]
        lines = words.split("\n")
        middle = top + height / 2 + 5 - 8 * (len(lines) - 1)
        return parts + [text(RIGHT + 40, middle + 16 * i, line, "middle") for i, line in enumerate(lines)]

    return draw


def rows_of(wiring):
    """(pin labels, drawing) of each part."""
    single = [("button", button), ("led", led("LED")), ("known_led", led("known"))]
    for name, draw in single:
        if name in wiring:
            yield [wiring[name]], lambda y, rail, rows, draw=draw: draw(y, rail)
    several = [
        ("i2c", ("SCL", "SDA"), "motion sensor,\nmeter (I2C)"),
        ("i2s", ("SCK", "WS", "SD"), "microphone (I2S)"),
        ("analog", ("ADC",), "analogue signal"),
    ]
    for name, signals, words in several:
        if name in wiring:
            pins = [wiring[name]] if isinstance(wiring[name], str) else wiring[name]
            yield [f"{pin}  {signal}" for pin, signal in zip(pins, signals, strict=True)], module(words)


def drawing(title, wiring):
    """The SVG."""
    parts, y, rail = [], TOP, RIGHT + 160
    for pins, draw in rows_of(wiring):
        for i, pin in enumerate(pins):
            parts.append(text(LEFT - 8, y + ROW * i + 4, pin, "end"))
        parts += draw(y, rail, len(pins))
        y += ROW * len(pins)
    bottom = y
    parts.append(text(LEFT - 8, bottom + 4, "GND", "end"))
    parts.append(wire(f"M{rail} {TOP} V{bottom} H{LEFT}", "gnd"))
    height = bottom + 46
    note = "Modules take 3.3 V from the board's 3V3."
    size = f'viewBox="0 0 {rail + 30} {height}" font-family="sans-serif" font-size="15"'
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<style>{STYLE}</style>",
        f'<rect width="{rail + 30}" height="{height}" fill="#fff"/>',
        f'<rect class="box" x="20" y="20" width="{LEFT - 20}" height="{bottom - 4}" rx="8"/>',
        text((LEFT + 20) / 2, 44, title, "middle", ""),
    ]
    return "\n".join([*head, *parts, text(20, height - 8, note), "</svg>"]) + "\n"


def main():
    old = []
    for path in sorted(BOARDS.glob("*/wiring.toml")):
        svg, made = path.with_suffix(".svg"), drawing(path.parent.name, tomllib.loads(path.read_text()))
        if not svg.is_file() or svg.read_text(encoding="utf-8") != made:
            old.append(str(svg.relative_to(BOARDS.parent)))
            if "--check" not in sys.argv:
                svg.write_text(made, encoding="utf-8")
    if "--check" in sys.argv and old:
        sys.exit(f"not what wiring.toml says: {', '.join(old)}; run python tools/wiring.py")


if __name__ == "__main__":
    main()
