"""A question in the last row: the text being typed, and what it would do, told before Enter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from rich.segment import Segment
from rich.style import Style

from backstep.view.rows import Row, fit, safe, width_of
from backstep.view.theme import Theme

KEYS = "Enter go  Esc cancel "


@dataclass(frozen=True, slots=True)
class Answer:
    """What a text would do, or, if it is not `good`, what is wrong with it."""

    text: str = ""
    good: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A text with the place of the caret in it, in characters."""

    text: str = ""
    caret: int = 0

    def put(self, typed: str) -> Line:
        return Line(self.text[: self.caret] + typed + self.text[self.caret :], self.caret + len(typed))

    def at(self, caret: int) -> Line:
        return replace(self, caret=max(0, min(len(self.text), caret)))

    def edited(self, key: str) -> Line | None:
        """The line after a key that edits or moves, named as Textual names it; None for any other key."""
        match key:
            case "left":
                return self.at(self.caret - 1)
            case "right":
                return self.at(self.caret + 1)
            case "home" | "ctrl+a":
                return self.at(0)
            case "end" | "ctrl+e":
                return self.at(len(self.text))
            case "backspace" | "ctrl+h":
                before = max(0, self.caret - 1)
                return Line(self.text[:before] + self.text[self.caret :], before)
            case "delete":
                return Line(self.text[: self.caret] + self.text[self.caret + 1 :], self.caret)
            case "ctrl+u":
                return Line(self.text[self.caret :], 0)
        return None


@dataclass(frozen=True, slots=True)
class Prompt:
    """An open question. `tell` says what a text would do while it is typed; `accept` does it and returns None, or
    says why it cannot, and the question stays open with its text."""

    label: str
    tell: Callable[[str], Answer]
    accept: Callable[[str], str | None]
    line: Line = Line()
    answer: Answer = Answer()
    examples: str = ""

    def with_line(self, line: Line) -> Prompt:
        answer = self.tell(line.text) if line.text != self.line.text else self.answer
        return replace(self, line=line, answer=answer)


def prompt_row(prompt: Prompt, width: int, theme: Theme) -> Row:
    """The last row while a question is open: what is typed is never cropped for what is said about it."""
    before, after = prompt.line.text[: prompt.line.caret], prompt.line.text[prompt.line.caret :]
    caret = theme.bar + Style(reverse=True)
    row: Row = [Segment(f" {prompt.label} ", theme.bar + theme.key), Segment(safe(before), theme.bar + theme.strong)]
    row += [Segment(safe(after[:1]) or " ", caret), Segment(safe(after[1:]), theme.bar + theme.strong)]
    too_long = width_of(row) - width
    if too_long > 0:
        row = [Segment("…", theme.bar + theme.dim), *_end_of(row, width - 1)]
    style = theme.text if prompt.answer.good else theme.warning
    arrow = "→ " if prompt.answer.text and prompt.answer.good else ""
    row.append(Segment(f"  {arrow}{safe(prompt.answer.text)}", theme.bar + style))
    keys = [Segment(KEYS, theme.bar + theme.dim)]
    if not prompt.line.text:
        row.append(Segment(prompt.examples, theme.bar + theme.dim))
    if width_of(row) + width_of(keys) < width:
        row = [*fit(row, width - width_of(keys), theme.bar), *keys]
    return fit(row, width, theme.bar)


def _end_of(row: Row, width: int) -> Row:
    """The last cells of a row."""
    _, end = Segment.divide(row, [width_of(row) - width, width_of(row)])
    return list(end)
