"""A trace in a notebook: the page of the html export, small, in a frame of its own that can do nothing but step."""

from __future__ import annotations

from html import escape

from backstep.export.html import page
from backstep.trace.file import DAMAGE, TraceError
from backstep.trace.trace import Trace

MOST = 400
"""Events in a cell's output: the notebook keeps them."""
HEIGHT = 820


def shown(trace: Trace) -> str:
    """What a notebook shows of a trace; its repr where there is nothing to step through."""
    try:
        told = page(trace, most=MOST)
    except (ValueError, TraceError, *DAMAGE):
        return f"<code>{escape(repr(trace))}</code>"
    # Sandboxed: what is in it can reach neither the notebook nor the network.
    return (
        f'<iframe sandbox="allow-scripts" title="backstep" width="100%" height="{HEIGHT}" '
        f'style="border: 1px solid #8888; border-radius: 4px" srcdoc="{escape(told)}"></iframe>'
    )


def install() -> None:
    """From now on notebooks show traces so."""
    Trace._repr_html_ = shown  # type: ignore[attr-defined]
