"""What the app answers when one wants to see the same moment otherwise: what is folded in the graph."""

from __future__ import annotations

from dataclasses import replace

from backstep.tui.paging import Paging
from backstep.tui.picture import View
from backstep.view import graph


class Looking(Paging):
    """The part of the app that changes the view and never the moment."""

    view: View

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
