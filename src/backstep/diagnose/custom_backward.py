"""A custom Function whose backward is not the derivative of its forward, as its own recorded values show.

Of an elementwise function the recorded inputs and outputs, put in order, give slopes; where those on both sides of
a point agree, the factor that backward applied must agree with them. A function that is flat or the identity where
its backward is not means that (straight-through estimators, gradient reversal), so it is not judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story
from backstep.diagnose.wording import figure, told
from backstep.trace.event import Array, BackwardEvent, ForwardEvent

POINTS = 24
"""So many points must lie close enough together."""
SMOOTH = 0.05
"""How far the slopes on the two sides of a point may differ."""
WRONG = 0.2
"""... and how far the factor must be from both."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    runs: defaultdict[str, list[tuple[BackwardEvent, ForwardEvent]]] = defaultdict(list)
    for one in story.passes:
        for node in one.nodes:
            twin = None if node.forward is None else story.event(node.forward)
            if isinstance(twin, ForwardEvent) and node.op == f"{twin.op}Backward":
                runs[twin.op].append((node, twin))
    for name, pairs in runs.items():
        points = points_of(pairs)
        if points is None:
            yield NotLooked(f"{name} is no elementwise function of one tensor whose values were kept")
            continue
        finding = judged(story, name, pairs, *points)
        if finding is not None:
            yield finding


def points_of(pairs: list[tuple[BackwardEvent, ForwardEvent]]) -> tuple[Array, Array, Array] | None:
    """Input, output and the factor between upstream and downstream, sorted by input, each input once."""
    columns: list[Array] = []
    for node, twin in pairs:
        if len(twin.inputs) != 1 or len(twin.outputs) != 1 or len(node.edges) != 1:
            return None
        arrived, left = node.upstream[0], node.edges[0].downstream
        parts = [v.array for v in (twin.inputs[0], twin.outputs[0], arrived, left) if v is not None]
        arrays = [part.astype(np.float64) for part in parts if part is not None]
        if len(arrays) != 4 or len({array.shape for array in arrays}) != 1 or twin.inputs[0].dtype == "bool":
            return None
        columns.append(np.stack([array.ravel() for array in arrays]))
    x, y, up, down = np.concatenate(columns, axis=1)
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(down) & (np.abs(up) > 1e-12)
    x, y, factor = x[known], y[known], down[known] / up[known]
    _, order = np.unique(x, return_index=True)
    return x[order], y[order], factor[order]


def judged(
    story: Story, name: str, pairs: list[tuple[BackwardEvent, ForwardEvent]], x: Array, y: Array, factor: Array
) -> Finding | None:
    if len(x) < 3:
        return None
    step = np.diff(x)
    spacing = np.maximum(1e-3, 1e-4 * np.abs(x).max())
    slope = np.diff(y) / np.maximum(step, spacing * 1e-3)
    left, right = slope[:-1], slope[1:]
    size = np.maximum(np.abs(left), np.abs(right))
    smooth = (np.abs(left - right) <= SMOOTH * size) & (size > 1e-3) & (step[:-1] > spacing * 1e-2)
    smooth &= step[1:] > spacing * 1e-2
    middle = (left + right) / 2
    if smooth.sum() < POINTS or np.abs(middle[smooth] - 1).max() < 1e-3 or (np.abs(slope) < 1e-6).mean() > 0.1:
        return None
    error = np.abs(factor[1:-1] - middle)[smooth] / size[smooth]
    if np.median(error) < WRONG:
        return None
    where = int(np.flatnonzero(smooth)[np.argmax(error)])
    node, twin = pairs[0]
    formula = last_op_of_backward(story, node)
    return Finding(
        Level.ERROR,
        f"The backward of {name} is not the derivative of its forward: at {figure(float(x[where + 1]))} the recorded"
        f" values have the slope {figure(float(middle[where]))}, its backward multiplies by"
        f" {figure(float(factor[where + 1]))}; so at most of {told(int(smooth.sum()), 'point')}.",
        "Derive backward from forward again, and check it with torch.autograd.gradcheck.",
        twin.source if formula is None else formula.source,
        (twin.position, *(() if formula is None else (formula.position,)), node.position),
        f"{figure(float(factor[where + 1]))}, not {figure(float(middle[where]))}",
        (Related(twin.source, "applied here"), Related(node.source, f"runs the backward of {described(twin)}")),
    )


def last_op_of_backward(story: Story, node: BackwardEvent) -> ForwardEvent | None:
    """The op that gave what a custom backward returns: it runs just before its node is told of."""
    before = story.event(node.position - 1) if node.position else None
    return before if isinstance(before, ForwardEvent) and before.phase == "backward" else None


RULE = Rule("custom-backward", "a custom Function's backward is not the derivative of its forward", look)
