"""Which loop is the training loop, seen afterwards: the innermost one around a backward pass and its update.

Every event lies in a *context*: one pass of one loop, inside one pass of the loop around that, and so on. This
file turns contexts into iteration numbers; nothing is written back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from backstep.trace.records import ContextRow

NO_LOOP = -1
"""Stands for the loop's head of what is in no loop."""
NONE: frozenset[int] = frozenset()


def training_heads(training: Set[int], guesses: Set[int], around: Mapping[int, Set[int]]) -> frozenset[int]:
    """The heads of the loops whose passes are the iterations.

    `training` are around a backward pass and the update that uses it, `guesses` around a pass that no update has used;
    `around` has the loops around each. An iteration is in no other: of loops in each other the outermost counts (a
    critic's five updates and the generator's one are one iteration), a guess only apart from every training loop (the
    inner steps of meta-learning are a part of the iteration).
    """
    apart = {
        guess
        for guess in guesses - training
        if training.isdisjoint(around.get(guess, NONE)) and all(guess not in around.get(t, NONE) for t in training)
    }
    return outermost(training, around) | outermost(apart, around)


def outermost(heads: Set[int], around: Mapping[int, Set[int]]) -> frozenset[int]:
    """Those that lie in none of the others; all of them where functions call each other in a circle."""
    found = frozenset(head for head in heads if heads.isdisjoint(around.get(head, NONE) - {head}))
    return found or frozenset(heads)


class Iterations:
    """Grows with the trace: contexts and the passes and updates come in order, the numbering follows."""

    def __init__(self) -> None:
        self._contexts: list[ContextRow] = [ContextRow(-1, -1, NO_LOOP, 0, 0, None)]
        self._training: set[int] = set()
        self._fallback: set[int] = set()
        self._around: dict[int, set[int]] = {}
        """The heads of the loops that were seen around a loop, by its head."""
        self._seen_inside: set[tuple[int, int]] = set()
        """Pairs of a loop's head and the head of one in it of which `_around` knows everything."""
        self._delivered: dict[int, int] = {}
        """By the leaf, the context of the backward pass that wrote its gradient, until an update uses it."""
        self._used: set[int] = set()
        self._plain: set[int] = set()
        """Heads of loops a pass of which is known to hold a backward pass and its update."""
        self._numbers: list[int | None] = [None]
        self._last_pass = 0
        self._passes_before = [0]
        """How many iterations there are before each context."""
        self.version = 0
        """Changes when the number of an event that is already read may have changed."""

    def extend(self, rows: Iterable[ContextRow]) -> None:
        """New passes of loops. `parent` is an earlier context; ValueError if not, since chains must end."""
        for row in rows:
            if not 0 <= row.parent < len(self._contexts):
                raise ValueError(f"the context around {len(self._contexts)} is {row.parent}")
            self._contexts.append(row)
            inside = self._contexts[row.parent].head, row.head
            if inside not in self._seen_inside and self._lies_anew(row) and self._heads() != self._active:
                self._renumber()
            else:
                self._number(len(self._contexts) - 1)
            self._seen_inside.add(inside)

    def _lies_anew(self, row: ContextRow) -> bool:
        """Whether a loop has not been seen inside the loops around this pass of it before."""
        outer = self._contexts[row.parent].head
        around = self._around.setdefault(row.head, set())
        if outer == NO_LOOP or (outer in around and around.issuperset(self._around[outer])):
            return False
        around |= {outer, *self._around[outer]}
        self._seen_inside.clear()
        return True

    def row(self, context: int) -> ContextRow:
        return self._contexts[context]

    def bind(self, context: int, name: int, value: int | None) -> None:
        """The loop variable of this pass has got its value."""
        old = self._contexts[context]
        if context <= 0:
            raise ValueError(f"context {context} is no pass of a loop")
        self._contexts[context] = ContextRow(old.parent, old.loop, old.head, old.index, name, value)
        if old.pending:
            # Its number was not given yet, nor was that of the few contexts made while its iterator was asked.
            self.version += 1
            self._last_pass = self._passes_before[context]
            for later in range(context, len(self._contexts)):
                self._number(later)

    def chain(self, context: int) -> list[int]:
        """The contexts around an event, outermost first."""
        chain = []
        while context > 0:
            chain.append(context)
            context = self._contexts[context].parent
        return chain[::-1]

    def delivered(self, leaf: int, context: int) -> None:
        """A backward pass in this context has written the leaf's gradient."""
        self._delivered[leaf] = context

    def has_news(self, contexts: Iterable[int]) -> bool:
        """Whether a backward pass in one of these contexts is the first in its innermost loop."""
        return not {self._contexts[c].head if c else NO_LOOP for c in contexts} <= self._fallback

    def backward(self, context: int) -> None:
        """A backward pass began: until an update uses it, its own innermost loop is the best guess."""
        head = self._contexts[context].head if context else NO_LOOP
        if head not in self._fallback:
            self._fallback.add(head)
            self._renumber()

    def updated(self, leaf: int, context: int) -> None:
        """An update of this leaf; with the pass that wrote its gradient it shows the training loop.

        Only the first one after that pass: what is done to the leaf later (clamped, set back) uses no gradient.
        """
        delivery = self._delivered.pop(leaf, None)
        if delivery is None:
            return
        if delivery == context and self._contexts[context].head in self._plain:
            return
        around = {self._contexts[c].loop for c in self.chain(delivery)}
        common = [c for c in self.chain(context) if self._contexts[c].loop in around]
        head = self._contexts[common[-1]].head if common else NO_LOOP
        used = self._contexts[delivery].head if delivery else NO_LOOP
        if head not in self._training or used not in self._used:
            self._training.add(head)
            self._used.add(used)
            self._renumber()
        if head == used:
            self._plain.add(head)

    def _heads(self) -> frozenset[int]:
        return training_heads(self._training, self._fallback - self._used, self._around)

    def _renumber(self) -> None:
        self.version += 1
        self._active = self._heads()
        self._last_pass = 0
        # Without any loop around a backward pass the whole script is one iteration.
        self._numbers = [0 if self._active == {NO_LOOP} else None]
        for context in range(1, len(self._contexts)):
            self._number(context)

    _active: frozenset[int] = NONE

    def _number(self, context: int) -> None:
        row = self._contexts[context]
        if len(self._numbers) <= context:
            self._numbers.append(None)
        if len(self._passes_before) <= context:
            self._passes_before.append(0)
        self._passes_before[context] = self._last_pass
        if row.pending:
            self._numbers[context] = None
        elif row.head in self._active:
            self._numbers[context] = self._last_pass
            self._last_pass += 1
        else:
            self._numbers[context] = self._numbers[row.parent] if row.parent >= 0 else None

    def number(self, context: int) -> int | None:
        """The iteration of an event in this context."""
        return self._numbers[context]

    @property
    def numbers(self) -> list[int | None]:
        """The iteration of each context."""
        return self._numbers
