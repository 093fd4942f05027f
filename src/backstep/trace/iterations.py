"""Which loop is the training loop, seen afterwards: the innermost one around a backward pass and its update.

Every event lies in a *context*: one pass of one loop, inside one pass of the loop around that, and so on. This
file turns contexts into iteration numbers; nothing is written back.
"""

from __future__ import annotations

from backstep.trace.records import ContextRow


class Iterations:
    """Grows with the trace: contexts and the passes and updates come in order, the numbering follows."""

    def __init__(self) -> None:
        self._contexts: list[ContextRow] = [ContextRow(-1, -1, -1, 0, 0, None)]
        self._training: set[int] = set()
        self._fallback: set[int] = set()
        self._delivered: dict[int, int] = {}
        self._used: set[int] = set()
        self._numbers: list[int | None] = [None]
        self._last_pass = 0
        self._passes_before = [0]
        """How many iterations there are before each context."""
        self.version = 0
        """Changes when the number of an event that is already read may have changed."""

    def context(self, row: ContextRow) -> None:
        """A new pass of a loop. `parent` is an earlier context; ValueError if not, since chains must end."""
        if not 0 <= row.parent < len(self._contexts):
            raise ValueError(f"the context around {len(self._contexts)} is {row.parent}")
        self._contexts.append(row)
        self._number(len(self._contexts) - 1)

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

    def backward(self, context: int) -> None:
        """A backward pass began: until an update uses it, its own innermost loop is the best guess."""
        head = self._contexts[context].head if context else -1
        if head not in self._fallback:
            self._fallback.add(head)
            self._renumber()

    def updated(self, leaf: int, context: int) -> None:
        """An update of this leaf; with the pass that wrote its gradient it shows the training loop."""
        delivery = self._delivered.get(leaf)
        if delivery is None:
            return
        around = {self._contexts[c].loop for c in self.chain(delivery)}
        common = [c for c in self.chain(context) if self._contexts[c].loop in around]
        head = self._contexts[common[-1]].head if common else -1
        used = self._contexts[delivery].head if delivery else -1
        if head not in self._training or used not in self._used:
            self._training.add(head)
            self._used.add(used)
            self._renumber()

    def _heads(self) -> set[int]:
        return self._training | (self._fallback - self._used)

    def _renumber(self) -> None:
        self.version += 1
        self._active = self._heads()
        self._last_pass = 0
        # Without any loop around a backward pass the whole script is one iteration.
        self._numbers = [0 if self._active == {-1} else None]
        for context in range(1, len(self._contexts)):
            self._number(context)

    _active: frozenset[int] | set[int] = frozenset()

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
