"""`backstep info`: what is in a trace, a screenful, and what could not be captured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from rich.segment import Segment
from rich.style import Style

from backstep.trace.batch import GRAD, KIND_CODE, VALUE
from backstep.trace.reasons import grouped
from backstep.trace.records import KINDS, Backward, Forward
from backstep.trace.trace import Trace
from backstep.view.rows import Row, fit, safe
from backstep.view.theme import Theme

LABEL = 17
LEAVES, OPS, NOTES, REASONS = 12, 8, 8, 6
"""How many of each are shown; the rest is counted."""
KINDS_A_LINE = 4
SURVEYED = 20_000
"""How many events of a kind are read to tell ops and local gradients, so that a long trace answers at once."""


def info_rows(trace: Trace, width: int, theme: Theme) -> list[Row]:
    """The rows; text from the trace is made harmless and cropped to the width."""
    rows: list[Row] = []
    for label, text, style in _lines(trace, theme):
        name = Segment(f"{label:<{LABEL}}"[:LABEL], theme.dim)
        rows.append(fit([name, Segment(safe(text), style)], width))
    return rows


def _lines(trace: Trace, theme: Theme) -> Iterator[tuple[str, str, Style]]:
    """Label, text and style of each line; a line without a label continues the one above."""
    header = trace.header
    yield "script", _command(header), theme.text
    yield "torch, python", f"{header['torch'] or 'not imported'}, {header['python'] or 'unknown'}", theme.text
    good = header["exit"]["status"] == "ok" and trace.stopped is None
    yield "status", _status(header, trace.stopped), theme.good if good else theme.error
    yield from _block("events", _kinds(trace), theme.text)
    yield from _block("training", _training(trace), theme.text)
    yield from _block("ops", _ops(trace), theme.text)
    yield from _block("leaves", _leaves(trace), theme.text)
    yield from _block("local gradients", _locals(trace), theme.text)
    yield from _block("not captured", _notes(trace) or ["nothing that backstep knows of"], theme.text)


def _block(label: str, lines: Sequence[str], style: Style) -> Iterator[tuple[str, str, Style]]:
    for index, line in enumerate(lines):
        yield "" if index else label, line, style


def _command(header: dict[str, Any]) -> str:
    return " ".join([str(header["script"] or "(none: recorded in process)"), *map(str, header["argv"])])


def _status(header: dict[str, Any], stopped: str | None) -> str:
    """How the recording ended, in words, and what was lost."""
    exit_ = header["exit"]
    code = f" (exit code {exit_['code']})" if exit_["code"] else ""
    words = {
        "ok": f"complete{code}",
        "exception": f"complete: crashed of {exit_['exception'] or 'an exception'}{code}",
        "interrupted": f"complete: interrupted{code}",
        "killed": "killed: what was recorded before is good, its last moment is not recorded",
        "running": "still running",
    }.get(exit_["status"], str(exit_["status"]))
    if exit_["status"] in ("ok", "exception", "interrupted") and not header["complete"]:
        words = words.replace("complete", "not all recorded", 1)
    return f"{words}; recording stopped before the script: {stopped}" if stopped else words


def _kinds(trace: Trace) -> list[str]:
    counts = np.bincount(trace.columns["kind"], minlength=len(KINDS))
    parts = [f"{kind} {count:,}" for kind, count in zip(KINDS, counts.tolist(), strict=True) if count]
    lines = [", ".join(parts[start : start + KINDS_A_LINE]) for start in range(0, len(parts), KINDS_A_LINE)]
    return [f"{len(trace):,}", *lines]


def _training(trace: Trace) -> list[str]:
    lines = []
    numbers = [number for number in _iterations(trace) if number is not None]
    if numbers:
        loops = ", ".join(_loops(trace))
        lines.append(f"{_many(max(numbers) + 1, 'iteration')}{f' ({loops})' if loops else ''}")
    passes = int((trace.columns["kind"] == KIND_CODE["backward_start"]).sum())
    lines.append(_many(passes, "backward pass", "backward passes"))
    if trace.losses:
        first, last = trace.losses[0][1], trace.losses[-1][1]
        lines.append(f"loss {first:.6g}" if len(trace.losses) == 1 else f"loss {first:.6g} -> {last:.6g}")
    return lines


def _iterations(trace: Trace) -> list[int | None]:
    """The iteration of each context; where the recording was told to stop, of those up to there."""
    end = int(trace.columns["context"].max()) + 1 if trace.stopped and len(trace) else None
    return list(trace.contexts.numbers[:end])


def _loops(trace: Trace) -> list[str]:
    """The loops around the iterations, outermost first: how far each one's variable went."""
    ranges: dict[str, tuple[int, int]] = {}
    iterations = trace.contexts
    for context, number in enumerate(_iterations(trace)):
        if number is None or context == 0:
            continue
        if iterations.number(iterations.row(context).parent) is not None:
            continue  # a loop inside the iteration
        seen: Counter[str] = Counter()
        for around in iterations.chain(context):
            row = iterations.row(around)
            value = row.index if row.value is None else row.value
            name = trace.strings[row.name]
            seen[name] += 1
            name = name if seen[name] == 1 else f"{name}#{seen[name]}"
            low, high = ranges.get(name, (value, value))
            ranges[name] = (min(low, value), max(high, value))
    return [f"{name or 'loop'} {low} to {high}" for name, (low, high) in ranges.items()]


def _ops(trace: Trace) -> list[str]:
    """What the script itself called most: what those calls are made of is not counted."""
    positions = np.flatnonzero(trace.columns["kind"] == KIND_CODE["forward"])
    counts: Counter[str] = Counter()
    for position in positions[:SURVEYED].tolist():
        row = trace.row(position)
        if isinstance(row, Forward) and row.parent < 0:
            counts[trace.strings[row.op]] += 1
    if not counts:
        return ["none"]
    shown = ", ".join(f"{op} {count:,}" for op, count in counts.most_common(OPS))
    more = f", and {len(counts) - OPS} others" if len(counts) > OPS else ""
    return [f"{shown}{more}{_survey(len(positions))}"]


def _leaves(trace: Trace) -> list[str]:
    counts = {kind: _by_leaf(trace, kind) for kind in ("accumulate", "update", "zero_grad")}
    lines = []
    for leaf, name in islice(trace.leaves.items(), LEAVES):
        received, updated, zeroed = (counts[kind].get(leaf, 0) for kind in counts)
        got = f"gradient {_times(received)}" if received else "never received a gradient"
        lines.append(f"{name} {_shape(trace, leaf)}: {got}, updated {_times(updated)}, zeroed {_times(zeroed)}")
    if len(trace.leaves) > LEAVES:
        rest = list(trace.leaves)[LEAVES:]
        without = [trace.leaves[leaf] for leaf in rest if leaf not in counts["accumulate"]]
        words = f"and {len(rest):,} more"
        if without:
            named = ", ".join(without[:4]) + (", ..." if len(without) > 4 else "")
            words += f"; of these {len(without):,} never received a gradient: {named}"
        lines.append(words)
    return lines or ["none"]


def _by_leaf(trace: Trace, kind: str) -> dict[int, int]:
    rows = trace.columns
    leaves, counts = np.unique(rows["subject"][rows["kind"] == KIND_CODE[kind]], return_counts=True)
    return dict(zip(leaves.tolist(), counts.tolist(), strict=True))


def _shape(trace: Trace, leaf: int) -> str:
    """The leaf's shape, from the first event that carries it or its gradient."""
    for field in (VALUE, GRAD):
        position = trace.next_fact(leaf, field, -1)
        if position is not None and position < len(trace):
            value = trace.value_at(leaf, position) if field == VALUE else trace.grad_at(leaf, position)
            if value is not None:
                return str(list(value.shape))
    return "(shape not seen)"


def _locals(trace: Trace) -> list[str]:
    """How many local gradients of needed inputs are kept, and why the others are not."""
    positions = np.flatnonzero(trace.columns["kind"] == KIND_CODE["backward"])
    kept, reasons = 0, Counter[str]()
    for position in positions[:SURVEYED].tolist():
        row = trace.row(position)
        if not isinstance(row, Backward):
            continue
        for edge in row.edges:
            if edge.node < 0 and edge.leaf < 0:
                continue
            if edge.local is not None and not edge.local.omitted:
                kept += 1
            else:
                reason = trace.strings[edge.local.omitted if edge.local else edge.why]
                reasons[reason or "no reason given"] += 1
    lines = [f"{kept:,} of {kept + reasons.total():,} kept{_survey(len(positions))}"]
    lines += [f"{count:,} not kept: {reason}" for reason, count in grouped(reasons)[:REASONS]]
    return lines if kept or reasons else ["none"]


def _notes(trace: Trace) -> list[str]:
    texts = Counter(event["text"] for event in islice(trace.find(kind="note"), SURVEYED))
    lines = [f"{text}{f' ({count:,} times)' if count > 1 else ''}" for text, count in texts.most_common(NOTES)]
    return lines + ([f"and {len(texts) - NOTES:,} other notes"] if len(texts) > NOTES else [])


def _survey(count: int) -> str:
    return f" (of the first {SURVEYED:,})" if count > SURVEYED else ""


def _many(count: int, one: str, several: str = "") -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")
