"""What the app gives away: a moment's texts to the clipboard, its pictures and numbers to files here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from backstep.replay.moment import Moment
from backstep.trace.file import TraceError, one_line
from backstep.trace.trace import Trace
from backstep.tui.menu import Choice, Choosing
from backstep.tui.picture import View
from backstep.view import taking
from backstep.view.tensor_page import subject


@dataclass(frozen=True, slots=True)
class Writer:
    """A format that a trace can be written in, around a position: the letter that chooses it, and the file's suffix."""

    letter: str
    text: str
    suffix: str
    write: Callable[[Trace, BinaryIO, int], None]


FONT = re.compile(r"@font-face \{[^}]*\}\s*")
"""What a picture would fetch from elsewhere when it is opened."""
TOLD = 60
"""Characters of what was copied that are told."""


class TakingAlong(Choosing):
    """The part of the app that copies (`y`) and exports (`Y`)."""

    view: View
    writers: Sequence[Writer] = ()
    """The formats that whoever opened the screen can write."""

    def action_copy(self) -> None:
        """The clipboard is the terminal's (OSC 52); where it refuses, the files of `Y` are the way."""
        texts: tuple[tuple[str, str, Callable[[Moment], str]], ...] = (
            ("v", "value, in full precision", lambda moment: taking.value(moment, self.view.selected)),
            ("f", "formula", taking.formula),
            ("l", "formula as LaTeX", taking.latex),
            ("m", "this step as Markdown", taking.markdown),
            ("p", "command that opens this moment", taking.link),
            ("c", "Python that loads this tensor", lambda moment: taking.python(moment, self.view.selected)),
            ("s", "place in the source", taking.location),
        )
        if len(self.trace):
            self.choose("copy", *(Choice(key, text, self._copier(make)) for key, text, make in texts))

    def _copier(self, make: Callable[[Moment], str]) -> Callable[[], None]:
        def copy() -> None:
            text = make(self.cursor.moment())
            if not text:
                self._show("there is nothing of that kind here")
                return
            self.copy_to_clipboard(text)
            shown = text if len(text) <= TOLD else f"{text[:TOLD]}…"
            self._show(f"copied {len(text):,} characters: {shown}")

        return copy

    def action_export(self) -> None:
        """Files in the working directory, under the next free name."""
        if not len(self.trace):
            return
        self.choose(
            "write to a file here",
            Choice("s", "this screen as a picture (.svg)", self._without_menu(self._writer("svg", self._svg))),
            Choice("t", "this screen as text (.txt)", self._without_menu(self._writer("txt", self._text))),
            Choice("m", "this step as Markdown (.md)", self._writer("md", self._markdown)),
            Choice("j", "this iteration, an event a line (.jsonl)", self._writer("jsonl", self._iteration)),
            Choice("n", "the tensor of this event (.npy)", self._write_array),
            *(Choice(writer.letter, writer.text, partial(self._export, writer)) for writer in self.writers),
        )

    def _export(self, writer: Writer) -> None:
        self._show("writing …")
        self.run_worker(self._exported(writer, self.trace, self.cursor.position), group="export")

    async def _exported(self, writer: Writer, trace: Trace, position: int) -> None:
        """Writes in a thread of its own: the screen does not wait."""
        path = free_path(trace.path.stem, position, writer.suffix)
        try:
            with open(path, "xb") as stream:
                await asyncio.to_thread(writer.write, trace, stream, position)
        except (OSError, ValueError, TraceError) as error:
            self._show(f"✗ {one_line(str(error))}", alarm=True)
        else:
            self._show(f"written: {path}")

    def _writer(self, suffix: str, make: Callable[[], str]) -> Callable[[], None]:
        return lambda: self._write(suffix, lambda path: path.write_text(make(), encoding="utf-8"))

    def _without_menu(self, do: Callable[[], None]) -> Callable[[], object]:
        """The same, once what lies under the menu is on the screen."""
        return partial(self.call_after_refresh, do)

    def _write(self, suffix: str, write: Callable[[Path], object]) -> None:
        path = free_path(self.trace.path.stem, self.cursor.position, suffix)
        try:
            write(path)
        except OSError as error:
            self._show(f"✗ {one_line(str(error))}", alarm=True)
        else:
            self._show(f"written: {path}")

    def _svg(self) -> str:
        return FONT.sub("", self.export_screenshot(title="backstep"))

    def _text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines_drawn()) + "\n"

    def lines_drawn(self) -> list[str]:
        """The screen as text."""
        raise NotImplementedError

    def _markdown(self) -> str:
        return taking.markdown(self.cursor.moment())

    def _iteration(self) -> str:
        return taking.iteration(self.cursor.moment())

    def _write_array(self) -> None:
        found = taking.target(self.cursor.moment(), self.view.selected)
        array = None if found is None else found.array
        if array is None:
            tensor = subject(self.cursor.moment())
            why = found.omitted if found is not None else "its value is None" if tensor is not None else "there is none"
            self._show(f"no numbers to write: {why}")
        else:
            self._write("npy", lambda path: np.save(path, array, allow_pickle=False))


def free_path(stem: str, position: int, suffix: str) -> Path:
    """`run-14.svg`, or the next name that no file has."""
    base = f"{stem}-{position}"
    path, number = Path(f"{base}.{suffix}"), 2
    while path.exists():
        path, number = Path(f"{base}-{number}.{suffix}"), number + 1
    return path
