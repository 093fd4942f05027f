"""`export --format svg`: the graph of an iteration with its values as a picture."""

from __future__ import annotations

from typing import BinaryIO
from xml.sax.saxutils import escape

from backstep.export.graph_of import Box, boxes_at
from backstep.trace.trace import Trace
from backstep.view.layers import Layout, Node, lay_out

CELL, LINE, MARGIN = 9, 20, 24
"""Pixels of a cell and of a row, and around the picture."""
TOP = 3
"""Pixels by which the texts of a box stand lower than its rows."""
MOST = 120
"""Boxes that are laid out in columns; of more each has a row."""
ROOM = 100_000
STYLE = """
svg { background: #ffffff; font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
rect { fill: #ffffff; stroke: #1668a8; stroke-width: 1.5; }
.leaf rect { stroke: #2e3440; } .data rect { stroke: #9aa3b0; }
polyline { fill: none; stroke: #1668a8; stroke-width: 1.5; } polyline.back { stroke: #b26a00; }
path { fill: #1668a8; } path.back { fill: #b26a00; }
text { fill: #11151c; } .title { font-weight: bold; } .grad { fill: #b26a00; } .data text { fill: #5b6472; }
@media (prefers-color-scheme: dark) {
svg { background: #11151c; } rect { fill: #11151c; stroke: #4fa8ee; } .leaf rect { stroke: #d8dee9; }
polyline { stroke: #4fa8ee; } polyline.back { stroke: #eba10b; } path { fill: #4fa8ee; }
path.back { fill: #eba10b; } text { fill: #d8dee9; } .grad { fill: #eba10b; }
.data rect { stroke: #7b8494; } .data text { fill: #9aa3b0; }
}
""".strip()


def write(trace: Trace, stream: BinaryIO, *, at: int | None = None) -> None:
    """Boxes from left to right; a wire along which a gradient has come back is orange. Light and dark."""
    moment, boxes = boxes_at(trace, at)
    layout = None
    if len(boxes) <= MOST:
        layout = lay_out([Node(box.inputs) for box in boxes], ROOM, ROOM)
    parts = _laid_out(boxes, layout) if layout is not None else _listed(boxes)
    title = escape(f"{trace.path.name} at #{moment.position}")
    width, height, body = parts
    stream.write(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img">\n<title>{title}</title>\n<style>{STYLE}</style>\n{body}</svg>\n'.encode()
    )


def _laid_out(boxes: list[Box], layout: Layout) -> tuple[int, int, str]:
    """Size in pixels, and what is drawn."""
    drawn = []
    for wire in layout.wires:
        *way, end = [(_x(x), _y(y)) for x, y in wire.points]
        points = " ".join(f"{x},{y}" for x, y in [*way, (end[0] + CELL, end[1])])
        back = boxes[wire.target].back[boxes[wire.target].inputs.index(wire.source)]
        x, y = wire.points[0] if back else wire.points[-1]
        head = f"{_x(x)},{_y(y)} l 9,-4 l 0,8 z" if back else f"{_x(x) + CELL},{_y(y)} l -9,-4 l 0,8 z"
        name = "back" if back else "forth"
        drawn.append(f'<polyline class="{name}" points="{points}"/><path class="{name}" d="M {head}"/>\n')
    for box, place in zip(boxes, layout.boxes, strict=True):
        x, y = MARGIN + place.x * CELL, MARGIN + place.y * LINE
        width, height = place.width * CELL, place.height * LINE
        told = escape("\n".join(text for _, text in _texts(box)))
        drawn.append(f'<g class="{box.kind}"><title>{told}</title>')
        drawn.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>')
        room = place.width - 2
        for row, (name, text) in enumerate(_texts(box)):
            shown = _ending(text, room) if box.kind == "leaf" else _cropped(text, room)
            drawn.append(_text(name, x + CELL, y + LINE * (row + 1) + TOP, shown))
        drawn.append("</g>\n")
    right = max(place.x + place.width for place in layout.boxes) * CELL + 2 * MARGIN
    bottom = max(place.y + place.height for place in layout.boxes) * LINE + 2 * MARGIN
    return right, bottom, "".join(drawn)


def _listed(boxes: list[Box]) -> tuple[int, int, str]:
    """A row for each: what a graph of thousands of ops can be read as."""
    drawn, widest = [], 0
    for row, box in enumerate(boxes):
        text = f"{row:>5}  {box.title}  {box.value}  {f'∇ {box.gradient}' if box.gradient else ''}".rstrip()
        text += f"   ← {', '.join(map(str, box.inputs))}" if box.inputs else ""
        widest = max(widest, len(text))
        drawn.append(f'<g class="{box.kind}">{_text("", MARGIN, MARGIN + LINE * (row + 1), text)}</g>\n')
    return widest * CELL + 2 * MARGIN, LINE * len(boxes) + 2 * MARGIN, "".join(drawn)


def _texts(box: Box) -> list[tuple[str, str]]:
    gradient = [("grad", f"∇ {box.gradient}")] if box.gradient else []
    return [("title", box.title), ("", box.value), *gradient]


def _text(name: str, x: int, y: int, text: str) -> str:
    kind = f' class="{name}"' if name else ""
    return f'<text{kind} x="{x}" y="{y}" xml:space="preserve">{escape(text)}</text>'


def _cropped(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _ending(text: str, room: int) -> str:
    """The end of a path tells parameters apart."""
    return text if len(text) <= room else f"…{text[1 - room :]}"


def _x(x: int) -> int:
    return MARGIN + x * CELL


def _y(y: int) -> int:
    """The middle of a row."""
    return MARGIN + y * LINE + LINE // 2
