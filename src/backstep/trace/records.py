"""The rows of a trace as they lie on disk: compact, numbered, frozen. Nothing here knows torch or a screen.

Every text is an index into the table of strings, every shape and dtype one into the table of metas, every
payload one into the payloads; `trace.event` turns a row into the event that people see.
"""

from __future__ import annotations

from typing import Any

import msgspec

NONE = -1
"""The number that stands for "no such thing" in every numbered field."""
UNWRITTEN = "uninitialised memory"
"""Why there are no numbers of what `empty` has made."""


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A row of the file: encoded as an array, decoded against its types."""


class ExitRow(msgspec.Struct, frozen=True):
    """How the script ended; `status` is `running` until it has."""

    status: str
    code: int | None = None
    exception: Any = None


class HeaderRow(msgspec.Struct, frozen=True):
    """What the header must look like, key by key, if the key is there."""

    exit: ExitRow | None = None
    complete: bool = False
    stopped: str | None = None
    """Why the recording ended before the script."""
    rank: int | None = None
    world_size: int | None = None
    child: str | None = None
    """What the process is called, if the script started it."""
    """Which of how many processes was recorded, if there were several."""
    process: int | None = None
    """The number of the process that was recorded, as long as it runs; of no use elsewhere, and told nowhere."""
    script: str | None = None
    argv: list[str] = msgspec.field(default_factory=list)
    torch: str | None = None
    python: str | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    dropped: list[tuple[int, int]] = msgspec.field(default_factory=list)
    """Positions that a flight recorder let go: from, to before, ascending."""


class Meta(Row, frozen=True):
    """What a tensor is beside its numbers. `shape` in elements, `dtype` as torch prints it without `torch.`."""

    shape: tuple[int, ...]
    dtype: str
    layout: str
    device: str
    requires_grad: bool
    leaf: bool


class ValueRow(Row, frozen=True):
    """One tensor at one moment. A scalar lies in the row itself, everything else in a payload."""

    tensor: int
    version: int
    name: int
    meta: int
    scalar: bool | int | float | None = None
    payload: int = NONE
    omitted: int = 0


class LocalRow(Row, frozen=True):
    """A local gradient: `form` is `elementwise` or `jacobian`; `omitted` a reason when there are no values."""

    form: str
    shape: tuple[int, ...]
    scalar: float | None = None
    payload: int = NONE
    omitted: int = 0
    dtype: str = "float64"


class EdgeRow(Row, frozen=True):
    """One entry of a node's `next_functions`: where the gradient goes, by what factor, and what left."""

    input: int
    node: int
    output: int
    leaf: int
    local: LocalRow | None
    downstream: ValueRow | None
    formula: int
    why: int
    hooked: bool = False
    """A hook on the node replaced what it had computed; of hooks on tensors the sums tell."""


class SummaryRow(Row, frozen=True):
    """Over the finite elements: null where there are none; the counts are over all elements."""

    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    norm: float | None
    zeros: int
    nan: int
    inf: int


class SketchRow(Row, frozen=True):
    """A large tensor in small, as `trace.sketch` makes it."""

    histogram: tuple[int, ...]
    rows: int
    thumbnail: bytes
    corners: bytes


class PayloadRow(Row, frozen=True):
    """The numbers of a tensor, little-endian and contiguous, or only their summary."""

    dtype: str
    values: bytes | None
    summary: SummaryRow | None
    same: int = NONE
    """An earlier payload that holds the same; nothing is stored a second time."""
    sketch: SketchRow | None = None


class SiteRow(Row, frozen=True):
    """A piece of source as the user wrote it; lines from 1, columns from 0 in characters."""

    file: int
    line: int
    column: int
    end_line: int
    end_column: int
    code: int


class PlaceRow(Row, frozen=True):
    """Where an event happened: the script's own site, then the sites from there inwards."""

    site: int
    stack: tuple[int, ...]


class ContextRow(Row, frozen=True):
    """One pass of one loop. `loop` tells activations of the same `for` apart, `head` is the loop in the source."""

    parent: int
    loop: int
    head: int
    index: int
    name: int
    value: int | None
    pending: bool = False
    """Its iterator is still being asked: it counts when its body begins, which `context_values` then tells."""


class Forward(Row, frozen=True, tag="forward"):
    op: int
    aten: int
    inputs: tuple[ValueRow, ...]
    outputs: tuple[ValueRow, ...]
    arguments: tuple[tuple[int, Any], ...]
    first_node: int
    nodes: int
    parent: int
    grad_enabled: bool
    inplace: bool
    autocast: int


class BackwardStart(Row, frozen=True, tag="backward_start"):
    number: int
    api: str
    roots: tuple[ValueRow, ...]
    seeds: tuple[ValueRow | None, ...]
    inputs: tuple[ValueRow, ...] | None
    retain_graph: bool
    create_graph: bool


class Backward(Row, frozen=True, tag="backward"):
    number: int
    node: int
    op: int
    forward: int
    why: int
    upstream: tuple[ValueRow | None, ...]
    edges: tuple[EdgeRow, ...]


class BackwardEnd(Row, frozen=True, tag="backward_end"):
    number: int
    captured: tuple[ValueRow | None, ...]


class Accumulate(Row, frozen=True, tag="accumulate"):
    leaf: int
    before: ValueRow | None
    arrived: ValueRow
    after: ValueRow | None
    fresh: bool


class GradWrite(Row, frozen=True, tag="grad_write"):
    leaf: int
    by: int
    before: ValueRow | None
    after: ValueRow | None


class ZeroGrad(Row, frozen=True, tag="zero_grad"):
    leaf: int
    how: str
    before: ValueRow | None
    after: ValueRow | None


class Update(Row, frozen=True, tag="update"):
    leaf: int
    by: int
    before: ValueRow
    after: ValueRow
    grad: ValueRow | None
    lr: float | None
    state: tuple[tuple[int, ValueRow | None, ValueRow | None], ...]
    grad_enabled: bool


class Output(Row, frozen=True, tag="output"):
    stream: str
    text: str


class Raised(Row, frozen=True, tag="exception"):
    name: str
    message: str
    caught: bool


class Note(Row, frozen=True, tag="note"):
    text: str


EventRow = (
    Forward
    | BackwardStart
    | Backward
    | BackwardEnd
    | Accumulate
    | GradWrite
    | ZeroGrad
    | Update
    | Output
    | Raised
    | Note
)

KINDS = (
    "forward",
    "backward_start",
    "backward",
    "backward_end",
    "accumulate",
    "grad_write",
    "zero_grad",
    "update",
    "output",
    "exception",
    "note",
)
PHASES = ("forward", "backward", "update", "zero_grad", "other")


class Tables(Row, frozen=True):
    """What a batch adds to the tables of the trace. Index 0 of strings, places and contexts means "none"."""

    strings: tuple[str, ...] = ()
    metas: tuple[Meta, ...] = ()
    sites: tuple[SiteRow, ...] = ()
    places: tuple[PlaceRow, ...] = ()
    contexts: tuple[ContextRow, ...] = ()
    context_values: tuple[tuple[int, int, int | None], ...] = ()
    """(context, name, value) of a loop variable that was bound after its pass had begun."""
    leaves: tuple[tuple[int, int], ...] = ()
    """(tensor, name); the last one counts: a leaf has one name all through a trace."""
    names: tuple[tuple[int, int], ...] = ()
    """(tensor, name) of another value that was bound after its op had run."""
    grads: tuple[tuple[int, int], ...] = ()
    """(tensor, leaf): this tensor is or was the `.grad` of that one."""
    losses: tuple[tuple[int, float], ...] = ()
    """(position, value) of each backward pass from a scalar root."""
    optimizers: tuple[tuple[int, int, int, tuple[int, ...]], ...] = ()
    """(number, class name, place, leaves) of an optimizer when it steps with these for the first time."""
    steps: tuple[tuple[int, int, int], ...] = ()
    """(position of the event after it, optimizer, place) of each step, also of one that updated nothing."""
    derivatives: tuple[tuple[int, int, tuple[tuple[int, int], ...]], ...] = ()
    """(node's name, schema, (argument, formula) ...) of each kind of node that ran: PyTorch's own formula for each
    argument that has one."""
    updates: tuple[tuple[int, float | None, float], ...] = ()
    """(position of the first, its learning rate, norm of all their gradients) of updates that follow one another."""
