"""`export --format mermaid`: the graph of an iteration with its values, for Markdown that draws Mermaid."""

from __future__ import annotations

from typing import BinaryIO

from backstep.export.graph_of import Box, boxes_at
from backstep.trace.trace import Trace

SHAPES = {"leaf": ("([", "])"), "data": ("[/", "/]"), "op": ("[", "]")}
CLASSES = (
    "classDef leaf fill:#eceff4,stroke:#2e3440,color:#11151c",
    "classDef data fill:#f7f7f7,stroke:#7b8494,color:#11151c",
    "classDef op fill:#e5f1fc,stroke:#1668a8,color:#11151c",
)
BACK = "stroke:#b26a00,stroke-width:2px"


def write(trace: Trace, stream: BinaryIO, *, at: int | None = None) -> None:
    """A flowchart from left to right; wires along which a gradient has come back are orange and say which."""
    moment, boxes = boxes_at(trace, at)
    lines = [f"%% {quoted(trace.path.name)} at #{moment.position}", "flowchart LR"]
    orange: list[int] = []
    count = 0
    for index, box in enumerate(boxes):
        opened, closed = SHAPES[box.kind]
        lines.append(f'  n{index}{opened}"{label(box)}"{closed}:::{box.kind}')
        for source, back in zip(box.inputs, box.back, strict=True):
            lines.append(f"  n{source} --> n{index}")
            orange += [count] if back else []
            count += 1
    if orange:
        lines.append(f"  linkStyle {','.join(map(str, orange))} {BACK}")
    stream.write("\n".join([*lines, *(f"  {line}" for line in CLASSES), ""]).encode())


def label(box: Box) -> str:
    """`w<br/>1.02<br/>∇ -1.96`"""
    parts = [box.title, box.value, f"∇ {box.gradient}" if box.gradient else ""]
    return "<br/>".join(quoted(part) for part in parts if part)


def quoted(text: str) -> str:
    """A text that is no markup of Mermaid's and none of HTML's: anything but plain characters by its number."""
    return "".join(one if one.isalnum() or one in " .,_-+=/*()[]→∇‖·" else f"#{ord(one)};" for one in text)
