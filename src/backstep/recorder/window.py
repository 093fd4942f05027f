"""Which iterations are recorded, decided while the script runs.

A trace tells iterations by hindsight (`trace.iterations`); here the same is followed from pass to pass: the training
loop is the innermost one around a backward pass and the update that uses it. Between two windows the function mode
is away and nothing is hooked: what is left is one look at the loops for each backward pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backstep.recorder.frames import Pass
from backstep.trace.iterations import NO_LOOP, training_heads

PATIENCE = 64
"""Backward passes without an update, after which the loop around them is the training loop."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The iterations from `first` to before `end`, every `every`-th of them."""

    first: int = 0
    end: int | None = None
    every: int = 1

    def __contains__(self, iteration: object) -> bool:
        if not isinstance(iteration, int) or iteration < self.first:
            return False
        return (self.end is None or iteration < self.end) and (iteration - self.first) % self.every == 0


class Window:
    """Follows the training loop, and says what of it is wanted."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._begun: dict[int, int] = {}
        self._around: dict[int, set[int]] = {}
        self._training: set[int] = set()
        self._fallback: set[int] = set()
        self._used: set[int] = set()
        self._backward_passes = 0
        self._delivery: tuple[int, frozenset[int]] | None = None
        self._active: frozenset[int] = frozenset()

    def is_training(self, head: int) -> bool:
        """Whether this is the training loop's head, as far as is known."""
        return head in self._active

    def begun(self, head: int) -> None:
        """A pass of the loop with this head has begun."""
        self._begun[head] = self._begun.get(head, 0) + 1

    def backward(self, passes: Iterable[Pass]) -> None:
        """A backward pass begins, inside these passes of loops, outermost first."""
        around = list(passes)
        self._backward_passes += 1
        head = around[-1].loop.head if around else NO_LOOP
        news = self._lie(around)
        self._delivery = (head, frozenset(p.activation for p in around))
        if news or head not in self._fallback:
            self._fallback.add(head)
            self._decide()

    def _lie(self, passes: list[Pass]) -> bool:
        """Learns how the loops of these passes lie in each other; whether that is news."""
        news, outer = False, set[int]()
        for under_way in passes:
            head = under_way.loop.head
            around = self._around.setdefault(head, set())
            news = news or not around >= outer
            around |= outer
            outer.add(head)
        return news

    def updated(self, passes: Iterable[Pass]) -> None:
        """A leaf is updated: with the pass that wrote its gradient it shows the training loop."""
        if self._delivery is None:
            return
        (used, activations), self._delivery = self._delivery, None
        common = [p for p in passes if p.activation in activations]
        head = common[-1].loop.head if common else NO_LOOP
        if head not in self._training or used not in self._used:
            self._training.add(head)
            self._used.add(used)
            self._decide()

    @property
    def _settled(self) -> bool:
        """Whether it is known which loop is the training loop: an update has shown it, or none will come."""
        return bool(self._training) or self._backward_passes > PATIENCE

    def _decide(self) -> None:
        self._active = training_heads(self._training, self._fallback - self._used, self._around)

    def iteration(self, passes: Iterable[Pass]) -> int | None:
        """The number of the iteration that these passes are in, if they are in one."""
        if self._active == {NO_LOOP}:
            return 0
        for under_way in passes:
            if under_way.loop.head in self._active:
                # What a loop's iterator runs to make its next element belongs to the pass that then begins.
                return self.count if under_way.pending else self.count - 1
        return None

    @property
    def count(self) -> int:
        """The iterations that have begun."""
        return sum(self._begun.get(head, 0) for head in self._active)

    def keeps(self, passes: list[Pass]) -> bool:
        """Whether an event in these passes is recorded: in a wanted iteration, or before the training."""
        if not self._settled:
            return self._wanted.first == 0 or not passes
        iteration = self.iteration(passes)
        return iteration in self._wanted if iteration is not None else False

    def wants(self, iteration: int) -> bool:
        """Whether this iteration is recorded."""
        return iteration in self._wanted

    def closes(self) -> bool:
        """Whether neither the iteration that runs now nor the next one is wanted, so that nobody need look on."""
        return self._settled and self.count - 1 not in self._wanted and self.count not in self._wanted

    @property
    def is_over(self) -> bool:
        """Whether no later iteration is wanted."""
        return self._wanted.end is not None and self.count >= self._wanted.end

    def opens(self) -> bool:
        """Whether the next iteration is wanted again."""
        return self.count in self._wanted
