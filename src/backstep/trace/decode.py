"""A row of the file becomes the event that people see: numbers turn into names, hindsight is filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backstep.trace import event as e
from backstep.trace import records as r
from backstep.trace.batch import KIND_CODE
from backstep.trace.file import TraceError

if TYPE_CHECKING:
    from backstep.trace.trace import Trace


def decode_event(trace: Trace, position: int, row: r.EventRow) -> e.Event:
    """The event at `position`, whose row this is."""
    common = trace.common(position)
    text = trace.strings

    def value(row: r.ValueRow | None) -> Any:
        return None if row is None else decode_value(trace, row)

    def values(rows: Any) -> Any:
        return None if rows is None else tuple(value(row) for row in rows)

    def leaf(number: int) -> dict[str, Any]:
        return {"tensor": trace.leaves.get(number, str(number)), "number": number}

    match row:
        case r.Forward():
            check_forward(position, row)
            arguments = tuple({"name": text[name] or None, "value": given} for name, given in row.arguments)
            return e.ForwardEvent(
                kind="forward",
                **common,
                op=text[row.op],
                aten=text[row.aten] or None,
                inputs=values(row.inputs),
                outputs=values(row.outputs),
                arguments=arguments,
                nodes=tuple(range(row.first_node, row.first_node + row.nodes)),
                parent=row.parent if row.parent >= 0 else None,
                grad_enabled=row.grad_enabled,
                autocast=text[row.autocast] or None,
                inplace=row.inplace,
            )
        case r.BackwardStart():
            return e.BackwardStartEvent(
                kind="backward_start",
                **common,
                pass_=row.number,
                api=row.api,
                roots=values(row.roots),
                seeds=values(row.seeds),
                inputs=values(row.inputs),
                retain_graph=row.retain_graph,
                create_graph=row.create_graph,
            )
        case r.Backward():
            check_backward(trace, position, row)
            return e.BackwardEvent(
                kind="backward",
                **common,
                pass_=row.number,
                node=row.node,
                op=text[row.op],
                forward=row.forward if row.forward >= 0 else None,
                why=text[row.why] or (LET_GO if row.forward < 0 else None),
                upstream=values(row.upstream),
                edges=decode_edges(trace, position, text[row.op], row.edges),
            )
        case r.BackwardEnd():
            return e.BackwardEndEvent(kind="backward_end", **common, pass_=row.number, captured=values(row.captured))
        case r.Accumulate():
            return e.AccumulateEvent(
                kind="accumulate",
                **common,
                **leaf(row.leaf),
                before=value(row.before),
                arrived=value(row.arrived),
                after=value(row.after),
                fresh=row.fresh,
            )
        case r.GradWrite():
            return e.GradWriteEvent(
                kind="grad_write",
                **common,
                **leaf(row.leaf),
                by=text[row.by],
                before=value(row.before),
                after=value(row.after),
            )
        case r.ZeroGrad():
            return e.ZeroGradEvent(
                kind="zero_grad",
                **common,
                **leaf(row.leaf),
                how=row.how,
                before=value(row.before),
                after=value(row.after),
            )
        case r.Update():
            return e.UpdateEvent(
                kind="update",
                **common,
                **leaf(row.leaf),
                by=text[row.by],
                before=value(row.before),
                after=value(row.after),
                grad=value(row.grad),
                lr=row.lr,
                state={text[name]: e.StateChange(value(old), value(new)) for name, old, new in row.state},
                grad_enabled=row.grad_enabled,
            )
        case r.Output():
            return e.OutputEvent(kind="output", **common, stream=row.stream, text=row.text)
        case r.Raised():
            return e.ExceptionEvent(kind="exception", **common, type=row.name, message=row.message, caught=row.caught)
        case r.Note():
            return e.NoteEvent(kind="note", **common, text=row.text)


FORWARD = KIND_CODE["forward"]
MOST_NODES = 1 << 20
DEEPEST = 64
"""How many nodes one op may have made, and how deep an argument may lie in lists."""


def check_forward(position: int, row: r.Forward) -> None:
    """ValueError for what no op does: a part comes before its composite, and the nodes of an op are some."""
    if not 0 <= row.nodes <= MOST_NODES:
        raise ValueError(f"{row.nodes} nodes of one op")
    if 0 <= row.parent <= position:
        raise ValueError(f"it is part of {row.parent}, which is before it")
    for _, given in row.arguments:
        check_depth(given)


def check_backward(trace: Trace, position: int, row: r.Backward) -> None:
    """ValueError unless the forward op is one that came before."""
    if row.forward >= position or (row.forward >= 0 and trace.kind_at(row.forward) != FORWARD):
        raise ValueError(f"{row.forward} is no forward op before it")


def check_depth(given: Any) -> None:
    """ValueError for lists in lists that nothing could print."""
    level = [given]
    for _ in range(DEEPEST):
        level = [item for thing in level if isinstance(thing, list | tuple | dict) for item in thing]
        if not level:
            return
    raise ValueError(f"an argument in more than {DEEPEST} lists")


LET_GO = "the op that made it was let go by the flight recorder"


def decode_value(trace: Trace, row: r.ValueRow) -> e.Value:
    try:
        meta, omitted = trace.metas[row.meta], trace.strings[row.omitted] or None
        name = trace.name(row.tensor, row.name)
    except IndexError:
        raise TraceError(f"{trace.path}: a value of tensor {row.tensor} is damaged") from None
    return e.Value(
        row.tensor,
        row.version,
        name,
        meta.shape,
        meta.dtype,
        meta.layout,
        meta.device,
        meta.requires_grad,
        meta.leaf,
        omitted,
        trace,
        row.scalar,
        row.payload,
    )


def decode_edges(trace: Trace, position: int, node: str, edges: tuple[r.EdgeRow, ...]) -> tuple[e.Edge, ...]:
    return tuple(
        decode_edge(trace, position, index, edge, formula)
        for index, (edge, formula) in enumerate(zip(edges, trace.formulas(node, len(edges)), strict=True))
    )


def missing(name: str | None, local: r.LocalRow | None, formula: str | None) -> str | None:
    """Why something of an edge is null, where nothing else says so."""
    if local is None:
        return "local gradient not kept"
    if name is None:
        return "what this input is called is not known: its op was not seen"
    return "PyTorch has no formula for this input" if formula is None else None


def decode_edge(trace: Trace, position: int, index: int, edge: r.EdgeRow, formula: str | None) -> e.Edge:
    to: dict[str, Any] | None = None
    if edge.leaf >= 0:
        to = {"leaf": trace.leaves.get(edge.leaf, str(edge.leaf)), "number": edge.leaf}
    elif edge.node >= 0:
        to = {"node": edge.node, "output": edge.output}
    local = edge.local
    name, formula = trace.strings[edge.input] or None, trace.strings[edge.formula] or formula
    return e.Edge(
        input=name,
        to=to,
        needed=to is not None,
        local=None
        if local is None
        else e.Local(local.form, local.shape, trace.strings[local.omitted] or None, trace, local.scalar, local.payload),
        downstream=None if edge.downstream is None else decode_value(trace, edge.downstream),
        formula=formula,
        why=trace.strings[edge.why] or missing(name, local, formula),
        _trace=trace,
        _position=position,
        _index=index,
    )
