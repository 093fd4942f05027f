"""What the app answers when one wants to see the same moment otherwise: what is folded in the graph, what is hidden in
Events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from backstep.tui.paging import Paging
from backstep.tui.picture import View
from backstep.tui.prompt import Answer
from backstep.view import events, graph


class Looking(Paging):
    """The part of the app that changes the view and never the moment."""

    view: View

    def ask(
        self, label: str, tell: Callable[[str], Answer], accept: Callable[[str], str | None], *, prefilled: str = "",
        examples: str = "",
    ) -> None:  # fmt: skip
        raise NotImplementedError

    def action_fold(self, direction: int) -> None:
        """One level of the graph more is unfolded, or folded."""
        if not len(self.cursor.trace):
            return
        level, levels = graph.levels(self.cursor.moment(), self.view.fold)
        if not levels:
            self._show("nothing folds here: the ops of this iteration are in no module of several and in no loop")
        elif not 0 <= level + direction <= levels:
            self._show("everything is unfolded" if direction > 0 else "everything is folded but the way to now")
        else:
            self.view = replace(self.view, fold=level + direction)
            self._show(f"unfolded {level + direction} of {levels}")

    def action_future(self) -> None:
        """Events tells what is still to come, or leaves it to be predicted."""
        shown = len(self.cursor.trace) >= events.LARGE if self.view.future is None else self.view.future
        self.view = replace(self.view, future=not shown)
        self._show("the future is hidden: predict, then step" if shown else "the future is told")

    def action_filter(self) -> None:
        """Asks which events of the iteration are listed."""
        self.ask("only", lambda text: Answer("all events" if not text else ""), self._filtered,
                 prefilled=self.view.only, examples="relu   w.grad   fc1   nan")  # fmt: skip

    def _filtered(self, text: str) -> None:
        self.view = replace(self.view, only=text.strip())
        self._show(f"only what speaks of {text.strip()} is listed in Events (5); f and no words: all" if text else None)
