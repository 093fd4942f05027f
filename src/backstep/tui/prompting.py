"""Typing in the last row: while a question is open every key is its own, in the order in which they were pressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual.app import App as TextualApp
from textual.events import Event, Key, Paste

from backstep.tui.picture import View
from backstep.tui.prompt import Answer, Line, Prompt


class Prompting(TextualApp[str]):
    """The part of the app that asks for a text."""

    view: View

    def _show(self, message: str | None = None, *, alarm: bool = False) -> None:
        raise NotImplementedError

    def ask(
        self, label: str, tell: Callable[[str], Answer], accept: Callable[[str], str | None], *, prefilled: str = "",
        examples: str = "",
    ) -> None:  # fmt: skip
        """Opens a question; see `Prompt`."""
        line = Line(prefilled, len(prefilled))
        answer = tell(prefilled) if prefilled else Answer()
        self.view = replace(self.view, prompt=Prompt(label, tell, accept, line, answer, examples))
        self._show()

    def tell(self, text: str, answer: Answer) -> None:
        """What a text would do, found out after it was typed; of no interest if it is another one by now."""
        prompt = self.view.prompt
        if prompt is not None and prompt.line.text == text:
            self.view = replace(self.view, prompt=replace(prompt, answer=answer))
            self._show()

    async def on_event(self, event: Event) -> None:
        prompt = self.view.prompt
        if prompt is not None and isinstance(event, Key):
            self._type(prompt, event)
        elif prompt is not None and isinstance(event, Paste):
            typed = "".join(c for c in event.text if c.isprintable())
            self._edit(prompt, prompt.line.put(typed))
        else:
            await super().on_event(event)

    def _type(self, prompt: Prompt, event: Key) -> None:
        if event.key in ("escape", "ctrl+c", "ctrl+q"):
            self._close()
        elif event.key == "enter":
            self._accept(prompt)
        elif (line := prompt.line.edited(event.key)) is not None:
            self._edit(prompt, line)
        elif event.is_printable and event.character is not None:
            self._edit(prompt, prompt.line.put(event.character))

    def _edit(self, prompt: Prompt, line: Line) -> None:
        self.view = replace(self.view, prompt=prompt.with_line(line))
        self._show()

    def _accept(self, prompt: Prompt) -> None:
        """Does what was asked for. The question is closed meanwhile, so that another may be opened by it."""
        self._close()
        wrong = prompt.accept(prompt.line.text)
        if wrong is not None:
            self.view = replace(self.view, prompt=replace(prompt, answer=Answer(wrong, good=False)))
            self._show()

    def _close(self) -> None:
        self.view = replace(self.view, prompt=None)
        self._show()
