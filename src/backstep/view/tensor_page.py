"""One tensor as pictures: its value and its gradient, or before, after and the difference where the event writes it;
under each its histogram, and one number in full precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.trace.event import Array, Summary, Value, summarize
from backstep.view.heatmap import heatmap, marked
from backstep.view.numbers import bars, histogram, number, shape_text
from backstep.view.panels import measures
from backstep.view.rows import Row, fit, safe, shortened, width_of, wrap
from backstep.view.slices import WHOLE, Slice
from backstep.view.tensors import leaf_in_focus, target_of, values_of_iteration
from backstep.view.theme import Theme

GAP = 3
BINS = 32
WIDEST = 72
"""Cells of a picture."""
BELOW = 4
"""Rows under a picture: its figures, its histogram, the ends of that, a blank."""
EXACT = {"float64": np.float64, "float32": np.float32, "float16": np.float16}
"""What a number is rounded to before it is written with as many digits as it takes."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A tensor in one state. `array`: its numbers or None; `drawn`: those, or a thumbnail of them."""

    label: str
    shape: tuple[int, ...]
    dtype: str
    array: Array | None
    drawn: Array | None
    summary: Summary | None
    why: str = ""
    counts: tuple[int, ...] = ()
    """The histogram of what was too large to be kept."""


def subject(moment: Moment) -> int | None:
    """The tensor that the event is about, or takes."""
    target = target_of(moment)
    return leaf_in_focus(moment) if target is None else target


def known_names(moment: Moment) -> dict[str, int]:
    """The tensors that can be asked for by name: leaves, and what this iteration has made by now."""
    names = {value.name: value.tensor for value in values_of_iteration(moment) if value.name}
    names.update({moment.trace.leaves[leaf]: leaf for leaf in moment.leaves})
    return names


def pictures(moment: Moment, tensor: int, part: Slice) -> list[Picture]:
    """The states of a tensor at a moment; of a part of it where the numbers were kept."""
    event = moment.event
    if event.kind in ("update", "accumulate", "grad_write", "zero_grad") and event["number"] == tensor:
        before, after = event["before"], event["after"]
        shown = [_picture("before", before, part)]
        if event.kind == "accumulate":
            shown.append(_picture("arrives", event["arrived"], part))
        shown.append(_picture("after", after, part))
        return [*shown, *_difference(before, after, part)]
    value = moment.value(tensor)
    if value is None:
        value = next((one for one in values_of_iteration(moment) if one.tensor == tensor), None)
    shown = [_picture("value", value, part)]
    if tensor in moment.trace.leaves:
        shown.append(_picture("grad", moment.grad(tensor), part))
    return shown


def _picture(label: str, value: Value | None, part: Slice) -> Picture:
    if value is None:
        return Picture(label, (), "", None, None, None, "None")
    array = value.array
    if array is None:
        sketch = value.sketch
        why = value.omitted or "not kept"
        counts = () if sketch is None else tuple(sketch.histogram)
        return Picture(label, value.shape, value.dtype, None, value.drawn, value.summary, why, counts)
    taken = np.asarray(array[part.index])
    return Picture(label, taken.shape, value.dtype, taken, taken, summarize(taken) if part.index else value.summary)


def _difference(before: Value | None, after: Value | None, part: Slice) -> list[Picture]:
    first, second = (None if value is None else value.array for value in (before, after))
    if after is None or first is None or second is None or first.shape != second.shape:
        return []
    wide = np.complex128 if np.iscomplexobj(second) else np.float64
    change = np.asarray((second.astype(wide) - first.astype(wide))[part.index])
    return [Picture("difference", change.shape, "float64", change, change, summarize(change))]


def places(shown: list[Picture]) -> tuple[int, int]:
    """Rows and columns of the numbers that can be looked at, all dims but the last folded; (0, 0) for none."""
    arrays = [picture.array for picture in shown if picture.array is not None and picture.array.size]
    if not arrays:
        return 0, 0
    shape = arrays[0].shape
    return math.prod(shape[:-1]), (shape[-1] if shape else 1)


def build(
    moment: Moment, tensor: int, part: Slice, place: tuple[int, int], width: int, height: int, theme: Theme
) -> list[Row]:
    """At most `height` rows of at most `width` cells; `place` is the number that is told in full."""
    shown = pictures(moment, tensor, part)
    each = min(WIDEST, (width - GAP * (len(shown) - 1)) // len(shown))
    exact = _exact(shown, place, width, theme) or _advice(moment, shown, width, theme)
    room = max(1, height - BELOW - len(exact) - 2)
    columns = [_column(picture, place, each, room, theme) for picture in shown]
    tallest = max(map(len, columns))
    rows: list[Row] = [[Segment(_headline(shown, part, width), theme.dim)]]
    for y in range(tallest):
        row: Row = []
        for index, column in enumerate(columns):
            row += fit(column[y] if y < len(column) else [], each)
            row.append(Segment(" " * GAP if index + 1 < len(columns) else ""))
        rows.append(row)
    return [*rows, [], *exact][:height]


def _headline(shown: list[Picture], part: Slice, width: int) -> str:
    """What is drawn: shape and type, and how more dims than two are laid out."""
    known = next((picture for picture in shown if picture.dtype), None)
    if known is None:
        return "no tensor"
    told = f"{shape_text(known.shape) or 'a single number'} {known.dtype}"
    if part is not WHOLE and part.text:
        told = f"[{part.text}]: {told}" if known.array is not None else f"{told}; no part of it was kept"
    if len(known.shape) > 2:
        rows = math.prod(known.shape[:-1])
        told += f", drawn as {rows} rows: {' × '.join(map(str, known.shape[:-1]))}"
    return safe(told)[:width]


def _column(picture: Picture, place: tuple[int, int], width: int, room: int, theme: Theme) -> list[Row]:
    """A picture under its label and over its figures, marked at the number that is told in full."""
    rows: list[Row] = [[Segment(picture.label, theme.strong)]]
    drawn = picture.drawn
    if drawn is None or not drawn.size:
        return [*rows, [Segment(safe(picture.why or "empty"), theme.dim)]]
    if drawn.size == 1:
        return [*rows, [Segment(f" {_number(drawn.reshape(()), picture.dtype)} ", theme.chip("plain"))]]
    real = np.abs(drawn) if np.iscomplexobj(drawn) else drawn
    painted = heatmap(real, width, room, theme)
    if picture.array is not None and painted:
        shape = (math.prod(real.shape[:-1]), real.shape[-1])
        at = min(place[0], shape[0] - 1), min(place[1], shape[1] - 1)
        painted = marked(painted, shape, at, theme)
    rows += painted
    if picture.array is None:
        rows[0].append(Segment("  in small", theme.dim))
    if picture.summary is not None:
        bad = picture.summary.nan or picture.summary.inf
        told = measures(picture.summary, picture.shape, width)
        rows.append([Segment(told, theme.error if bad else theme.text)])
    return [*rows, *_histogram(picture, real, width, theme)]


def _histogram(picture: Picture, real: Array, width: int, theme: Theme) -> list[Row]:
    """How the numbers are spread, and the least and the greatest under the ends."""
    summary = picture.summary
    if summary is None or summary.min is None or summary.max is None:
        return []
    bins = min(BINS, width)
    drawn = bars(picture.counts, min(bins, len(picture.counts))) if picture.counts else histogram(real, bins)
    low, high = number(summary.min), number(summary.max)
    blank = max(1, width_of([Segment(drawn)]) - len(low) - len(high))
    return [[Segment(drawn, theme.forward)], [Segment(f"{low}{' ' * blank}{high}", theme.dim)]]


def _exact(shown: list[Picture], place: tuple[int, int], width: int, theme: Theme) -> list[Row]:
    """The number at a place in every state, with all its digits."""
    rows, columns = places(shown)
    if not rows or not columns:
        return []
    shape = next(p.array.shape for p in shown if p.array is not None and p.array.size)
    flat = min(place[0], rows - 1) * columns + min(place[1], columns - 1)
    at = ",".join(str(int(index)) for index in np.unravel_index(flat, shape)) if shape else ""
    row: Row = [Segment(f"[{at}] " if at else "", theme.key)]
    for picture in shown:
        if picture.array is not None and picture.array.shape == shape:
            told = _number(picture.array.reshape(-1)[flat], picture.dtype)
            row += [Segment(f" {picture.label} ", theme.dim), Segment(told, theme.strong)]
    return [fit(row, width)]


def _advice(moment: Moment, shown: list[Picture], width: int, theme: Theme) -> list[Row]:
    """How to have the numbers that were not kept."""
    iteration = moment.trace.iteration_at(moment.position)
    why = next((picture.why for picture in shown if picture.dtype and picture.array is None), None)
    if why is None:
        return []
    only = "" if iteration is None else f" --iterations {iteration}:{iteration + 1}"
    told = f"{why}; to have the numbers, record again with --values all{only}"
    return wrap([Segment(safe(told), theme.dim)], width)


def _number(value: Array, dtype: str) -> str:
    """As many digits as tell it from its neighbours in its own type."""
    one = np.asarray(value).reshape(())
    if np.iscomplexobj(one):
        return str(complex(one))
    if one.dtype.kind != "f":
        return str(one.item())
    return str(EXACT.get(dtype, np.float32 if dtype == "bfloat16" else np.float64)(one.item()))


def title(moment: Moment, tensor: int, width: int) -> str:
    """The tensor's name, or that of its gradient where that is what the event writes."""
    value, event = moment.value(tensor), moment.event
    name = moment.trace.leaves.get(tensor) or (value.name if value is not None else "") or f"tensor {tensor}"
    of_grad = event.kind in ("accumulate", "grad_write", "zero_grad") and event["number"] == tensor
    return shortened(safe(f"{name}.grad" if of_grad else name), width)
