"""How values and events read in one line, for a REPL: bounded, and without anything that acts on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backstep.trace.event import Edge, Event, Local, Value

LONGEST = 72
COMMA = ", "
FEW = 4
"""So many numbers are told one by one."""


def number_text(number: float) -> str:
    return f"{number:.4g}"


def clean(text: str, most: int = LONGEST) -> str:
    """The text on one line, cut, with what cannot be printed made visible."""
    text = " ".join(text.split())
    text = "".join(one if one.isprintable() else "�" for one in text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shortly(value: Value | None) -> str:
    """`-1.96`, `[3] [1, 2, 3]`, `[64,10] norm 3.2`, or why its numbers were not kept."""
    if value is None:
        return "None"
    shape = f"[{','.join(map(str, value.shape))}] " if value.shape else ""
    array, summary = value.array, value.summary
    if array is not None and array.size == 1 and not value.shape:
        return clean(str(array)) if value.scalar is None else number_text(value.scalar)
    if array is not None and 0 < array.size <= FEW and array.dtype.kind != "c":
        return f"{shape}[{', '.join(number_text(float(one)) for one in array.ravel())}]"
    if summary is None:
        return f"{shape}{clean(value.omitted or 'not kept')}"
    odd = "".join(f", {count} {word}" for count, word in ((summary.nan, "NaN"), (summary.inf, "Inf")) if count)
    return f"{shape}norm {number_text(summary.norm)}{odd}" if summary.norm is not None else f"{shape.strip()}{odd}"


def value_line(value: Value) -> str:
    """`<w: 1.02, float32, requires_grad>`"""
    name = f"{clean(value.name)}: " if value.name else ""
    return f"<{name}{shortly(value)}, {value.dtype}{', requires_grad' if value.requires_grad else ''}>"


def local_line(local: Local) -> str:
    """`<local elementwise 1>`"""
    scalar = local.scalar
    told = number_text(scalar) if scalar is not None else clean(local.omitted or f"[{','.join(map(str, local.shape))}]")
    return f"<local {local.form} {told}>"


def edge_line(edge: Edge) -> str:
    """`<edge to w: x 1 = -1.96>`"""
    if not edge.needed:
        return f"<edge to {clean(edge.input or 'an input')}: not needed>"
    scalar = edge.local.scalar if edge.local is not None else None
    by = f" x {number_text(scalar)}" if scalar is not None else ""
    return f"<edge to {clean(edge.input or 'an input')}:{by} = {shortly(edge.downstream)}>"


def event_line(event: Event) -> str:
    """`<#22 backward MulBackward0: -1.96 -> w -1.96, iteration 1, ols.py:21>`"""
    parts = [f"#{event.position} {event.kind} {_what(event)}".rstrip()]
    if event.iteration is not None:
        parts.append(f"iteration {event.iteration}")
    if event.source is not None:
        parts.append(f"{clean(event.source.file)}:{event.source.line}")
    return f"<{', '.join(parts)}>"


def _what(event: Any) -> str:
    match event.kind:
        case "forward":
            made = ", ".join(f"{clean(value.name)} {shortly(value)}" for value in event.outputs[:2])
            return f"{clean(event.op)}{f' -> {made}' if made else ''}"
        case "backward_start":
            return f"{event.api}() from {', '.join(clean(root.name) for root in event.roots[:2])}"
        case "backward":
            arrived = next((value for value in event.upstream if value is not None), None)
            left = [f"{clean(e.input or '')} {shortly(e.downstream)}" for e in event.edges if e.needed][:2]
            return f"{clean(event.op)}: {shortly(arrived)}{f' -> {COMMA.join(left)}' if left else ''}"
        case "accumulate":
            before, arrived, after = map(shortly, (event.before, event.arrived, event.after))
            return f"{clean(event.tensor)}.grad: {before} + {arrived} = {after}"
        case "grad_write" | "zero_grad":
            how = event.by if event.kind == "grad_write" else event.how
            return f"{clean(event.tensor)}.grad: {shortly(event.before)} -> {shortly(event.after)} by {clean(how)}"
        case "update":
            return f"{clean(event.tensor)}: {shortly(event.before)} -> {shortly(event.after)} by {clean(event.by)}"
        case "exception":
            return clean(f"{event.type}: {event.message}")
        case "output" | "note":
            return repr(clean(event.text))
    return ""
