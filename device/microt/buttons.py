# SPDX-License-Identifier: MIT
"""What a press of a button means: short, long, very long, double; debounced.

    gestures = Gestures()
    event = gestures.update(pressed, time.ticks_ms())    every few milliseconds; None, or one of the names below

A short press is told once no second one has followed for DOUBLE_MS. How long a button has been held is in
`stage`, for the LED: 0 up, 1 down, 2 long enough for a long press, 3 for a very long one; what stage it
is in when it goes up is the event.
"""

import time

SHORT, LONG, VERY_LONG, DOUBLE = "short", "long", "very long", "double"

DEBOUNCE_MS = 20
DOUBLE_MS = 400
LONG_MS = 800
VERY_LONG_MS = 2500


class Gestures:
    """The state of one button; the times above can be given otherwise, in milliseconds."""

    def __init__(self, debounce=DEBOUNCE_MS, double=DOUBLE_MS, long=LONG_MS, very_long=VERY_LONG_MS):
        self.stage = 0
        self._debounce = debounce
        self._double = double
        self._long = long
        self._very_long = very_long
        self._seen = False  # the level that was read last, and since when
        self._since = None
        self._down = 0  # when the button went down
        self._up = None  # when a short press ended that may become a double one

    @property
    def busy(self):
        """Whether a press is under way, or a second one may still follow."""
        return self.stage > 0 or self._seen or self._up is not None

    def update(self, pressed, now):
        """Takes in the level at `now` (time.ticks_ms()); returns an event or None."""
        if self._since is None or pressed != self._seen:
            self._seen, self._since = pressed, now
        settled = time.ticks_diff(now, self._since) >= self._debounce
        if self.stage == 0:
            if pressed and settled:
                self.stage, self._down = 1, self._since
            elif self._up is not None and not pressed and time.ticks_diff(now, self._up) >= self._double:
                self._up = None
                return SHORT
            return None
        if pressed:
            held = time.ticks_diff(now, self._down)
            self.stage = 3 if held >= self._very_long else 2 if held >= self._long else 1
            return None
        if not settled:
            return None
        stage, self.stage = self.stage, 0
        again, self._up = self._up is not None, None
        if stage == 1 and not again:
            self._up = self._since
            return None
        return (DOUBLE, LONG, VERY_LONG)[stage - 1]
