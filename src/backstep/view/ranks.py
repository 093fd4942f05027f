"""Several ranks side by side: what each wrote at one event, what is in each trace, where they first part."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from backstep.trace.event import Event, Value
from backstep.trace.ranks import Divergence, counterpart, equal, first_divergence, name_of, shared_leaves
from backstep.trace.trace import Trace
from backstep.view.info import LABEL, info_rows
from backstep.view.numbers import number
from backstep.view.rows import Row, fit, safe, text_of
from backstep.view.theme import DARK, Theme

FEW = 6
"""So many elements of a tensor are written out; of a larger one its norm is."""


def ranks_rows(ranks: Sequence[Trace], position: int, theme: Theme) -> list[Row]:
    """For each rank the event that is the first rank's at `position`: where, and its value before and after."""
    rows: list[Row] = []
    first: Value | None = None
    width = max(len(name_of(rank)) for rank in ranks)
    for index, rank in enumerate(ranks):
        at = position if index == 0 else counterpart(ranks[0], position, rank)
        name = Segment(f"{safe(name_of(rank)):<{width}}  ", theme.dim)
        if at is None:
            rows.append([name, Segment("has no such event", theme.warning)])
            continue
        event = rank.event(at)
        before, after = around(event)
        first = after if index == 0 else first
        style = theme.text if index == 0 or equal(first, after) else theme.error
        subject = f" {safe(str(event['tensor']))}" if "tensor" in event else ""
        told = "" if after is None else f"  {brief(before)} → {brief(after)}"
        rows.append([name, Segment(f"#{at} {event.kind}{subject}", theme.strong), Segment(told, style)])
    return rows


def around(event: Event) -> tuple[Value | None, Value | None]:
    """What an event changed, before and after; of an op, what it was given and what it made."""
    if event.kind == "forward":
        inputs, outputs = event["inputs"], event["outputs"]
        return (inputs[0] if inputs else None), (outputs[0] if outputs else None)
    if "after" in event:
        return event["before"], event["after"]
    return None, None


def brief(value: Value | None) -> str:
    """A few numbers, or the norm."""
    if value is None:
        return "none"
    array = value.array
    if array is not None and array.size <= FEW and array.dtype.kind != "c":
        numbers = [number(item) for item in array.ravel().tolist()]
        return numbers[0] if array.ndim == 0 else f"[{' '.join(numbers)}]"
    summary = value.summary
    return "not recorded" if summary is None or summary.norm is None else f"norm {number(summary.norm)}"


def ranks_text(ranks: Sequence[Trace], position: int) -> str:
    """The ranks side by side as plain text."""
    return text_of([[Segment("ranks", DARK.strong)], *ranks_rows(ranks, position, DARK)])


def info_of_ranks(ranks: Sequence[Trace], width: int, theme: Theme) -> list[Row]:
    """What is in each trace; of several, then what they have in common, and where they part."""
    if len(ranks) == 1:
        return info_rows(ranks[0], width, theme)
    rows: list[Row] = []
    for rank in ranks:
        title = f"{name_of(rank)}  {rank.path.name}"
        rows += [fit([Segment(safe(title), theme.strong)], width), *info_rows(rank, width, theme), []]
    label = Segment(f"{'between ranks':<{LABEL}}", theme.dim)
    found = first_divergence(ranks)
    style = theme.good if found is None else theme.error
    rows.append(fit([label, Segment(safe(told(ranks, found)), style)], width))
    return rows


def told(ranks: Sequence[Trace], found: Divergence | None) -> str:
    """Whether the ranks agree on what they share."""
    if found is not None:
        what = f"{found.leaf}.grad" if found.kind == "grad_write" else found.leaf
        one, other = (name_of(ranks[rank]) for rank in found.ranks)
        here, there = found.positions
        return f"they part at {what} in iteration {found.iteration}: #{here} of {one}, #{there} of {other}"
    shared = len(shared_leaves(ranks[0]))
    if not shared:
        return "nothing was reduced between them: there is nothing to compare"
    return f"{shared} {'leaf' if shared == 1 else 'leaves'} reduced, the same on every rank to the last bit"
