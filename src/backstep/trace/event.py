"""Events as people see them: the contract's fields as attributes, and as the jsonl object."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from backstep.trace.moments import Moments
from backstep.trace.told import edge_line, event_line, local_line, value_line

if TYPE_CHECKING:
    from backstep.trace.trace import Trace

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Omitted:
    """What stands where a value was not recorded; falsy, and it knows why."""

    reason: str

    def __bool__(self) -> bool:
        return False


class Record:
    """Fields as attributes, as items (`value["shape"]`), and as a jsonl object. Private fields are not shown."""

    __slots__ = ()

    @classmethod
    @functools.cache
    def field_names(cls) -> tuple[str, ...]:
        names = (f.name.rstrip("_") for f in dataclasses.fields(cls) if not f.name.startswith("_"))  # type: ignore[arg-type]
        return (*names, *cls.computed())

    @classmethod
    def computed(cls) -> tuple[str, ...]:
        """Fields that are read when they are asked for."""
        return ()

    def __getitem__(self, name: str) -> Any:
        if name not in self.field_names():
            raise KeyError(name)
        return getattr(self, "pass_" if name == "pass" else name)

    def keys(self) -> tuple[str, ...]:
        return self.field_names()

    def __iter__(self) -> Iterator[str]:
        return iter(self.field_names())

    def as_dict(self) -> dict[str, Any]:
        """The object as it stands in the jsonl export: NaN and Inf as strings, so that it is strict JSON."""
        return {name: plain(getattr(self, attribute)) for name, attribute in self._attributes()}

    @classmethod
    @functools.cache
    def _attributes(cls) -> tuple[tuple[str, str], ...]:
        """Each field with the attribute that holds it: `pass` is a word of Python."""
        return tuple((name, "pass_" if name == "pass" else name) for name in cls.field_names())


class Numbered(Record):
    """A record with an `array` behind its `values`."""

    __slots__ = ()

    @property
    def array(self) -> Array | None:
        """The numbers; None when they were not kept."""
        return None

    @property
    def values(self) -> Any:
        """The numbers as nested lists; None when they were not kept."""
        return None

    def as_dict(self) -> dict[str, Any]:
        array = self.array
        if array is None or array.ndim == 0 or not np.isfinite(array).all():
            return super().as_dict()
        # Asking an array once whether it is finite is far cheaper than looking at each number of a list.
        return {
            name: self.values if name == "values" else plain(getattr(self, attribute))
            for name, attribute in self._attributes()
        }


def plain(thing: Any) -> Any:
    """`thing` as strict JSON has it."""
    if thing is None or type(thing) in (str, int, bool):
        return thing
    if isinstance(thing, float):
        if math.isfinite(thing):
            return thing
        return "NaN" if math.isnan(thing) else "Infinity" if thing > 0 else "-Infinity"
    if isinstance(thing, Record):
        return thing.as_dict()
    if isinstance(thing, list | tuple):
        return [plain(item) for item in thing]
    if isinstance(thing, dict):
        return {key: plain(item) for key, item in thing.items()}
    return thing


@dataclass(frozen=True, slots=True)
class Source(Record):
    """Source as the user wrote it; lines from 1, columns from 0."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str


@dataclass(frozen=True, slots=True)
class Summary(Record):
    """Over the finite elements (`std` divides by n); None where there are none. Counts are over all elements."""

    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    norm: float | None
    zeros: int
    nan: int
    inf: int


@dataclass(frozen=True, slots=True)
class Sketch:
    """A tensor that is too large to be kept, in small; folded to two dimensions, all but the last being one."""

    histogram: tuple[int, ...]
    """How many elements of an even sample lie in each of 16 equal bins from the least to the greatest finite one."""
    thumbnail: Array
    """Single elements, spread evenly, to a 250th of their span; NaN or infinite where any of those around are."""
    corners: Array
    """The first and last two rows and columns."""


def summarize(array: Array) -> Summary:
    """The summary of an array: bool counts as 0 and 1, complex by absolute value."""
    moments = Moments()
    moments.add(array)
    return Summary(*msgspec.structs.astuple(moments.row()))


def summarize_number(number: float) -> Summary:
    """The summary of a tensor of one element."""
    if math.isfinite(number):
        return Summary(number, number, number, 0.0, abs(number), int(number == 0), 0, 0)
    return Summary(None, None, None, None, None, 0, int(math.isnan(number)), int(math.isinf(number)))


@dataclass(frozen=True, slots=True, repr=False)
class Value(Numbered):
    """One tensor at one moment (VALUE). `array` is its numbers, or None; `omitted` says why there are none."""

    tensor: int
    version: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str
    device: str
    requires_grad: bool
    leaf: bool
    omitted: str | None
    _trace: Trace = field(repr=False, compare=False)
    _scalar: bool | int | float | None = field(default=None, repr=False)
    _payload: int = field(default=-1, repr=False)

    @classmethod
    def computed(cls) -> tuple[str, ...]:
        return ("values", "summary")

    def __repr__(self) -> str:
        return value_line(self)

    @property
    def array(self) -> Array | None:
        """The numbers, read-only, in `shape`; half precision as float32; None when they were not kept."""
        if self._scalar is not None:
            return np.array(self._scalar)
        if self._payload < 0:
            return None
        return self._trace.payload(self._payload).array(self.shape)

    @property
    def scalar(self) -> float | None:
        """The number of a tensor with one element, real; else None."""
        if self._scalar is not None:
            return self._scalar
        array = self.array
        return None if array is None or array.size != 1 or np.iscomplexobj(array) else array.reshape(()).item()

    @property
    def values(self) -> Any:
        """What `tolist()` gives, complex numbers as `[re, im]`; None when they were not kept."""
        if self._scalar is not None:
            return self._scalar
        array = self.array
        if array is None:
            return None
        if np.iscomplexobj(array):
            array = np.stack([array.real, array.imag], -1)
        return (array.astype(np.float64) if array.dtype.kind == "f" else array).tolist()

    @property
    def sketch(self) -> Sketch | None:
        """What is known of the numbers, beside the summary, when they were too many to be kept."""
        return None if self._payload < 0 else self._trace.payload(self._payload).sketch(self.shape)

    @property
    def drawn(self) -> Array | None:
        """What can be drawn: the numbers, or the thumbnail of those that were too many to be kept."""
        array = self.array
        if array is not None:
            return array
        sketch = self.sketch
        return None if sketch is None else sketch.thumbnail

    @property
    def summary(self) -> Summary | None:
        if self._scalar is not None:
            return summarize_number(float(self._scalar))
        if self._payload < 0:
            return None
        return self._trace.payload(self._payload).summary(self.shape)


@dataclass(frozen=True, slots=True, repr=False)
class Local(Numbered):
    """A local gradient (LOCAL): `elementwise` in the output's shape, or a `jacobian` `[*output, *input]`."""

    form: str
    shape: tuple[int, ...]
    omitted: str | None
    _trace: Trace = field(repr=False, compare=False)
    _scalar: float | None = field(default=None, repr=False)
    _payload: int = field(default=-1, repr=False)

    @classmethod
    def computed(cls) -> tuple[str, ...]:
        return ("values",)

    def __repr__(self) -> str:
        return local_line(self)

    @property
    def array(self) -> Array | None:
        if self._scalar is not None:
            return np.array(self._scalar)
        return None if self._payload < 0 else self._trace.payload(self._payload).array(self.shape)

    @property
    def scalar(self) -> float | None:
        array = self.array
        return None if array is None or array.size != 1 else float(array.reshape(()))

    @property
    def values(self) -> Any:
        array = self.array
        return None if array is None else array.astype(np.float64).tolist()


@dataclass(frozen=True, slots=True, repr=False)
class Edge(Record):
    """Where a gradient goes from a node: `to` is `{"node", "output"}`, `{"leaf", "number"}` or None."""

    input: str | None
    to: dict[str, Any] | None
    needed: bool
    local: Local | None
    downstream: Value | None
    formula: str | None
    why: str | None
    _trace: Trace = field(repr=False, compare=False)
    _position: int = field(repr=False, compare=False)
    _index: int = field(repr=False, compare=False)

    @classmethod
    def computed(cls) -> tuple[str, ...]:
        return ("hooked",)

    def __repr__(self) -> str:
        return edge_line(self)

    @property
    def hooked(self) -> bool:
        """Whether a user's hook replaced the gradient on its way."""
        return self.to is not None and (self._position, self._index) in self._trace.hooked_edges(self._position)


@dataclass(frozen=True, slots=True)
class StateChange(Record):
    """A state tensor of an optimizer around its step."""

    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Event(Record):
    """One fact of the recording. `position` counts from 0; `phase` is one of `records.PHASES`."""

    position: int
    kind: str
    source: Source | None
    stack: tuple[Source, ...]
    module: str | None
    iteration: int | None
    loops: dict[str, int]
    phase: str

    def __repr__(self) -> str:
        return event_line(self)

    def __getattr__(self, name: str) -> Any:
        if name == "pass":
            return self["pass"]
        raise AttributeError(f"{type(self).__name__} has no field {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ForwardEvent(Event):
    op: str
    aten: str | None
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    arguments: tuple[dict[str, Any], ...]
    nodes: tuple[int, ...]
    parent: int | None
    grad_enabled: bool
    autocast: str | None
    inplace: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BackwardStartEvent(Event):
    pass_: int
    api: str
    roots: tuple[Value, ...]
    seeds: tuple[Value | None, ...]
    inputs: tuple[Value, ...] | None
    retain_graph: bool
    create_graph: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BackwardEvent(Event):
    pass_: int
    node: int
    op: str
    forward: int | None
    why: str | None
    upstream: tuple[Value | None, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BackwardEndEvent(Event):
    pass_: int
    captured: tuple[Value | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AccumulateEvent(Event):
    tensor: str
    number: int
    before: Value | None
    arrived: Value
    after: Value | None
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class GradWriteEvent(Event):
    tensor: str
    number: int
    by: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ZeroGradEvent(Event):
    tensor: str
    number: int
    how: str
    before: Value | None
    after: Value | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UpdateEvent(Event):
    tensor: str
    number: int
    by: str
    before: Value
    after: Value
    grad: Value | None
    lr: float | None
    state: dict[str, StateChange]
    grad_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OutputEvent(Event):
    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ExceptionEvent(Event):
    type: str
    message: str
    caught: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class NoteEvent(Event):
    text: str


def values_of(event: Event) -> Iterator[Value]:
    """Every VALUE that the event carries, results first, so that the first one of a tensor is its newest."""
    match event:
        case ForwardEvent():
            yield from (*event.outputs, *event.inputs)
        case BackwardStartEvent():
            yield from (v for v in (*event.roots, *event.seeds, *(event.inputs or ())) if v is not None)
        case BackwardEvent():
            yield from (e.downstream for e in event.edges if e.downstream is not None)
            yield from (v for v in event.upstream if v is not None)
        case BackwardEndEvent():
            yield from (v for v in event.captured if v is not None)
        case AccumulateEvent():
            yield from (v for v in (event.after, event.arrived, event.before) if v is not None)
        case GradWriteEvent() | ZeroGradEvent():
            yield from (v for v in (event.after, event.before) if v is not None)
        case UpdateEvent():
            yield from (v for v in (event.after, event.before, event.grad) if v is not None)
            for change in event.state.values():
                yield from (v for v in (change.after, change.before) if v is not None)
