"""What the app answers when one wants to see a tensor: the page of pictures, a part of it, one number in full."""

from __future__ import annotations

from collections.abc import Callable

from rich.segment import Segment

from backstep.tui.explaining import Explaining
from backstep.tui.overlay import Overlay
from backstep.tui.picture import View
from backstep.tui.prompt import Answer
from backstep.view import slices, tensor_page
from backstep.view.numbers import shape_text
from backstep.view.slices import WHOLE, BadSlice, Slice

PAGE = "tensor"
WIDEST = 160


class Picturing(Explaining):
    """The part of the app that draws tensors. What is asked for by name stays until the page is closed."""

    view: View
    _tensor: int | None = None
    """The tensor that was asked for; None: the one that the event is about."""
    _part: Slice = WHOLE
    _cell = (0, 0)
    """Row and column of the number that is told in full."""

    def ask(
        self, label: str, tell: Callable[[str], Answer], accept: Callable[[str], str | None], *, prefilled: str = "",
        examples: str = "",
    ) -> None:  # fmt: skip
        raise NotImplementedError

    def action_tensor(self) -> None:
        """Opens the page; where it is open, asks for another tensor or a part of it."""
        if not len(self.trace):
            return
        if self._page == PAGE:
            self.ask("show", self._tell_part, self._accept_part, examples="x   x[0:5]   [..., 0]   [::2, -1]")
            return
        self._tensor, self._part, self._cell = None, WHOLE, (0, 0)
        self.toggle(PAGE)

    def page(self, name: str, width: int, height: int) -> Overlay | None:
        if name != PAGE or not len(self.trace):
            return super().page(name, width, height)
        moment, tensor = self.cursor.moment(), self._shown_tensor()
        if tensor is None:
            return Overlay(PAGE, ([Segment("this event is about no tensor", self.palette.dim)],))
        size = min(WIDEST, width - 6), height - 4
        part = self._part if self._fits_part(tensor) else WHOLE
        rows = tensor_page.build(moment, tensor, part, self._cell, *size, self.palette)
        name = tensor_page.title(moment, tensor, size[0] - 40)
        return Overlay(f"{name}: arrows move, T another or a part", tuple(rows))

    def probing(self, down: int, right: int) -> bool:
        if self._page != PAGE:
            return super().probing(down, right)
        tensor = self._shown_tensor()
        if tensor is None:
            return False
        rows, columns = tensor_page.places(tensor_page.pictures(self.cursor.moment(), tensor, self._part))
        row, column = self._cell
        self._cell = (max(0, min(rows - 1, row + down)), max(0, min(columns - 1, column + right)))
        self._show()
        return True

    def _shown_tensor(self) -> int | None:
        """What was asked for by name, else what is selected, else what the event is about."""
        if self._tensor is None and self.view.selected is not None:
            return self.view.selected.tensor
        return tensor_page.subject(self.cursor.moment()) if self._tensor is None else self._tensor

    def _shape_of(self, tensor: int) -> tuple[int, ...]:
        shown = tensor_page.pictures(self.cursor.moment(), tensor, WHOLE)
        return next((picture.shape for picture in shown if picture.dtype), ())

    def _fits_part(self, tensor: int) -> bool:
        try:
            slices.shape_of(self._shape_of(tensor), self._part)
        except BadSlice:
            return False
        return True

    def _read_part(self, text: str) -> tuple[int | None, Slice, tuple[int, ...]]:
        """The tensor, the part, and its shape."""
        named, part = slices.named(text, tensor_page.known_names(self.cursor.moment()))
        tensor = named if named is not None else self._shown_tensor()
        if tensor is None:
            raise BadSlice("no tensor is shown: give a name")
        return named, part, slices.shape_of(self._shape_of(tensor), part)

    def _tell_part(self, text: str) -> Answer:
        try:
            _, _, shape = self._read_part(text)
        except BadSlice as wrong:
            return Answer(str(wrong), good=False)
        return Answer(shape_text(shape) or "a single number")

    def _accept_part(self, text: str) -> str | None:
        try:
            named, part, _ = self._read_part(text)
        except BadSlice as wrong:
            return str(wrong)
        self._tensor, self._part, self._cell = self._tensor if named is None else named, part, (0, 0)
        self._show()
        return None
