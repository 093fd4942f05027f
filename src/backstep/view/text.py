"""One moment as plain text: for pipes, for issues, for screen readers. The same rows as on the screen, in a column."""

from __future__ import annotations

import functools

from backstep.replay.moment import Moment
from backstep.view import chain, header, source, tensors
from backstep.view.rows import Row, text_of
from backstep.view.theme import DARK

TENSORS = 20
CHAIN = 40


def moment_text(moment: Moment, width: int = 100) -> str:
    """Where it is, the line, the chain rule in numbers, the tensors after it."""
    rows: list[Row] = [*header.build(moment, width, 1, DARK), []]
    parts = (
        (source.title, source.build, 9),
        (chain.title, functools.partial(chain.build, drawn=False), CHAIN),
        (tensors.title, tensors.build, TENSORS),
    )
    for title, build, height in parts:
        rows += [title(moment, width, DARK), *build(moment, width, height, DARK), []]
    lines = text_of(rows).split("\n")
    kept = [line for index, line in enumerate(lines) if line or (index and lines[index - 1])]
    return "\n".join(kept).rstrip() + "\n"
