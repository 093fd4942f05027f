"""The screen with everything that it can be given: how the terminal wants it, and the formats that it can write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from backstep.trace.trace import Trace
    from backstep.tui import App


def screen(trace: Trace, look: dict[str, Any], **given: Any) -> App:
    """The app on a trace. `look`: what is asked for in place of the settings; `given`: see `App`."""
    from backstep.tui import App
    from backstep.tui.look import look_of_terminal
    from backstep.tui.taking_along import Writer

    app = App(trace, look=look_of_terminal(**look), **given)
    app.writers = (
        Writer("g", "the graph of this iteration (.svg)", "graph.svg", _writing("svg")),
        Writer("d", "the graph for Markdown (.mmd)", "mmd", _writing("mermaid")),
        Writer("h", "this iteration as a page that steps (.html)", "html", _writing("html")),
        Writer("z", "leaves and gradients as they are now (.npz)", "npz", _writing("npz")),
        Writer("c", "all events, a row each (.csv)", "csv", _writing("csv")),
    )
    return app


def _writing(name: str) -> Any:
    """Writes a trace in a format, as far as that knows a place: around a position."""

    def write(trace: Trace, stream: BinaryIO, position: int) -> None:
        from backstep.export.formats import FORMATS, Wanted

        iteration = trace.iteration_at(position)
        around = None if iteration is None else (iteration, iteration + 1)
        FORMATS[name].write(trace, stream, Wanted(at=position, iterations=around))

    return write
