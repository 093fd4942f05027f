"""Playing a run as one plays a film: by events or by iterations, forward or back. Any key that moves pauses it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from textual.timer import Timer

from backstep.tui.stopping import Stopping
from backstep.tui.travelling import Travelling
from backstep.view.stop_list import SIGN


@dataclass(frozen=True, slots=True)
class Speed:
    """So many units a second."""

    rate: int
    iterations: bool = False

    def __str__(self) -> str:
        return f"{self.rate} {'iterations' if self.iterations else 'events'}/s"


SPEEDS = (*(Speed(rate) for rate in (2, 5, 10, 30)), *(Speed(rate, True) for rate in (1, 5, 20)))
USUAL = 1
"""Which of them one begins with: slow enough to be seen over SSH."""


class Playing(Travelling, Stopping):
    """The part of the app that moves by itself."""

    _speed = USUAL
    _direction = 0
    """1 or -1 while it plays."""
    _clock: Timer | None = None

    def action_play(self, direction: int) -> None:
        """Plays, or pauses where it plays in this direction."""
        if self._direction == direction:
            self._pause()
            self._show("paused")
        elif len(self.trace):
            self._direction = direction
            self.cursor.remember()
            self._start()

    def action_speed(self, change: int) -> None:
        """Slower or faster."""
        if not 0 <= self._speed + change < len(SPEEDS):
            self._show(f"{'faster' if change > 0 else 'slower'} than {SPEEDS[self._speed]} it does not go")
            return
        self._speed += change
        if self._direction:
            self._start()
        else:
            self._show(f"space plays {SPEEDS[self._speed]}, r plays them back")

    def _start(self) -> None:
        if self._clock is not None:
            self._clock.stop()
        speed = SPEEDS[self._speed]
        self._clock = self.set_interval(1 / speed.rate, self._tick)
        self._tell_speed()

    def _tell_speed(self) -> None:
        back = ", back" if self._direction < 0 else ""
        self.view = replace(self.view, playing=f"{SPEEDS[self._speed]}{back}")
        self._show()

    def _pause(self) -> None:
        if self._clock is not None:
            self._clock.stop()
        self._clock, self._direction = None, 0
        self.view = replace(self.view, playing="")

    def _tick(self) -> None:
        """One unit on, but not past the hit of a stop; it ends there, or where there is nothing more."""
        moves = self.cursor.iteration if SPEEDS[self._speed].iterations else self.cursor.step
        direction, before, hit = self._direction, self.cursor.node, self.next_hit(self._direction)
        super()._move(lambda: self.cursor.unremembered(lambda: moves(direction)))
        if hit is not None and (self.cursor.position - hit[0]) * direction >= 0:
            self._pause()
            super()._move(lambda: self.cursor.unremembered(lambda: self.cursor.goto(hit[0])))
            self._show(f"{SIGN} {hit[1]}")
        elif self.cursor.node == before:
            self._pause()

    def _move(self, motion: Callable[[], str | None]) -> None:
        self._pause()
        super()._move(motion)
