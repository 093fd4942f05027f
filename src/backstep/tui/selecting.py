"""A tensor that one chose to follow: chosen in Tensors, kept until Esc, followed by the keys for writes and uses."""

from __future__ import annotations

from dataclasses import replace

from backstep.replay.moment import Moment
from backstep.replay.selection import Selection, target
from backstep.trace.batch import GRAD
from backstep.tui.moving import Moving
from backstep.view import tensors


class Selecting(Moving):
    """The part of the app that knows what is selected. Nothing selected: it is what the event is about."""

    def followed(self) -> Selection | None:
        """What the keys for writes and uses follow."""
        return self.view.selected or target(self.cursor.moment())

    def action_probe(self) -> None:
        """Enter in Tensors selects the value, then its gradient."""
        if self._page is not None or self.view.focus != "tensors" or not len(self.trace):
            super().action_probe()
        elif self.view.selected is not None:
            self._select(self.view.selected.other_field())
        else:
            self._select_row(self.cursor.moment(), 0)

    def action_rows(self, count: int) -> None:
        """The arrows in Tensors select the row below or above."""
        if self._page is None and self.view.focus == "tensors" and len(self.trace):
            self._select_row(self.cursor.moment(), count)
        else:
            super().action_rows(count)

    def _select_row(self, moment: Moment, count: int) -> None:
        """Selects what is so many rows below what is selected, or below what the event is about."""
        listed = tensors.listed(moment)
        if not listed:
            self._show("no tensor has been seen by now")
            return
        now = self.followed()
        names = [name for _, name in listed]
        at = names.index(now.name) + count if now is not None and now.name in names else 0
        tensor, name = listed[max(0, min(len(listed) - 1, at))]
        field = self.view.selected.field if self.view.selected is not None else 0
        self._select(Selection(tensor, name, field))

    def select_tensor(self, tensor: int) -> None:
        """Selects what was pointed at, or its gradient when it is selected already."""
        name = next((name for number, name in tensors.listed(self.cursor.moment()) if number == tensor), None)
        if name is None:
            self._show("nothing is known of that tensor by now")
        elif self.view.selected is not None and self.view.selected.tensor == tensor:
            self._select(self.view.selected.other_field())
        else:
            self._select(Selection(tensor, name))

    def _select(self, chosen: Selection) -> None:
        self.view = replace(self.view, selected=chosen)
        what = "the gradient of " if chosen.field == GRAD else ""
        self._show(f"{what}{chosen.name} is selected: w W next and last write, u U use, Enter value or gradient, Esc")

    def deselect(self) -> None:
        """Nothing is selected any more."""
        self.view = replace(self.view, selected=None)

    def action_input(self) -> None:
        """The next input of the op in the Chain rule."""
        self.view = replace(self.view, term=self.view.term + 1)
        self._show()
