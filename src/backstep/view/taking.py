"""A moment as texts to take along: a value, a formula, Markdown, a link, Python that loads a tensor."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from backstep.explain.chain_rule import stories
from backstep.explain.figures import shape_text
from backstep.replay.moment import Moment
from backstep.replay.selection import Selection
from backstep.trace.batch import GRAD
from backstep.trace.event import AccumulateEvent, BackwardEvent, GradWriteEvent, Value, ZeroGradEvent
from backstep.view import chain, tensors
from backstep.view.rows import text_of
from backstep.view.tensor_page import subject
from backstep.view.theme import DARK

MOST = 1000
"""Elements of a value that is given as a literal."""
WIDTH, HEIGHT, ONE_LINE = 100, 60, 1000
"""Cells and rows of what is taken from the Chain rule; cells in which a formula is not broken."""
LATEX = {
    "ᵀ": r"^{\top}", "ᴴ": r"^{H}", "·": r" \cdot ", "×": r" \times ", "@": r" \, ", "**": "^", "²": "^{2}", "³": "^{3}",
    "Σ": r"\sum ", "√": r"\sqrt{}", "≤": r" \le ", "≥": r" \ge ", "<=": r" \le ", ">=": r" \ge ", "!=": r" \ne ",
    "→": r" \to ", "←": r" \leftarrow ", "∞": r"\infty", "ε": r"\varepsilon ", "%": r"\%", "#": r"\#", "&": r"\&",
    "$": r"\$", "{": r"\{", "}": r"\}", "_": r"\_", "½": r"\tfrac{1}{2}", "∂": r"\partial ",
}  # fmt: skip
OPERAND = r"(?:[A-Za-z_0-9.\[\]]+|\((?:[^()]|\([^()]*\))+\))"
TOKEN = re.compile(
    rf"(?P<fraction>\bd{OPERAND}/d{OPERAND})|(?P<number>\d[\d.]*(?:e[+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9.]*)|(?P<sign>\*\*|<=|>=|!=|.)"
)
WORDS = frozenset("where else with in at each row target class before arriving now if of the and over summed".split())
"""What is no name in a formula."""


def target(moment: Moment, chosen: Selection | None = None) -> Value | None:
    """The value or gradient that was chosen, or that the event is about: the gradient where it writes one."""
    event = moment.event
    if chosen is not None and chosen.field == GRAD:
        return moment.grad(chosen.tensor)
    if chosen is None and isinstance(event, AccumulateEvent | GradWriteEvent | ZeroGradEvent):
        return event.after
    tensor = subject(moment) if chosen is None else chosen.tensor
    if tensor is None:
        return None
    made = (one for one in tensors.values_of_iteration(moment) if one.tensor == tensor)
    return moment.value(tensor) or next(made, None)


def value(moment: Moment, chosen: Selection | None = None) -> str:
    """A Python literal; of what has too many elements how to load it."""
    found = target(moment, chosen)
    if found is None:
        return "None"
    array = found.array
    if array is None or array.size > MOST:
        return f"# {shape_text(found.shape)} {found.dtype}\n{python(moment, chosen)}"
    literal = repr(array.tolist() if array.dtype.kind == "c" else found.values)
    return re.sub(r"(?<![\w'.])-?(?:nan|inf)\b", lambda m: f"float('{m[0]}')", literal)


def formula(moment: Moment) -> str:
    """What the event computes: of a backward node a line for each gradient that leaves it."""
    event = moment.event
    if isinstance(event, BackwardEvent):
        lines = [story.equation for story in stories(moment.trace, event) if story.edge.needed]
        return "\n".join(lines) or event.op
    told = text_of(chain.build(moment, ONE_LINE, HEIGHT, DARK, drawn=False)).strip().split("\n")
    return re.sub(r"\s+", " ", told[0]).strip()


def latex(moment: Moment) -> str:
    """The formula for a paper."""
    return " \\\\\n".join(map(in_latex, formula(moment).split("\n")))


def in_latex(text: str) -> str:
    r"""`dloss/dw = x` as `\frac{\partial \mathrm{loss}}{\partial w} = x`; words behind a comma as text."""
    mathematics, words = _parted(text)
    said = "".join(map(_token, TOKEN.finditer(mathematics)))
    said = re.sub("(.)\N{COMBINING CIRCUMFLEX ACCENT}", r"\\hat{\1}", re.sub(r" {2,}", " ", said).strip())
    said = re.sub(r"\\sqrt\{\}(\\hat\{.\}|\([^()]*\)|.)", r"\\sqrt{\1}", said)
    return f"{said},\\ \\text{{{_escaped(words)}}}" if words else said


def _parted(text: str) -> tuple[str, str]:
    """What stands before the first comma outside of brackets, and what behind it."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if depth == 0 and text.startswith(", ", at):
            return text[:at], text[at + 2 :]
    return text, ""


def _token(found: re.Match[str]) -> str:
    if found["fraction"]:
        above, _, below = found[0].partition("/d")
        above = above[1:]
        return rf"\frac{{\partial {_operand(above)}}}{{\partial {_operand(below)}}}"
    if found["name"]:
        return _name(found[0])
    return found[0] if found["number"] else LATEX.get(found[0], found[0])


def _operand(text: str) -> str:
    inner = text[1:-1] if text.startswith("(") else text
    return "".join(map(_token, TOKEN.finditer(inner)))


def _name(name: str) -> str:
    if name in WORDS:
        return rf"\text{{ {name} }}"
    return name if len(name) == 1 else rf"\mathrm{{{_escaped(name)}}}"


def _escaped(text: str) -> str:
    return re.sub(r"[%#&$_{}]", lambda m: f"\\{m[0]}", text)


def markdown(moment: Moment) -> str:
    """The Chain rule under a heading, with the line that ran."""
    event = moment.event
    where = "" if event.source is None else f"\n`{event.source.file}:{event.source.line}`  `{event.source.code}`\n"
    told = text_of(chain.build(moment, WIDTH, HEIGHT, DARK, drawn=False)).strip("\n")
    fence = "````" if "```" in told else "```"
    return f"### #{moment.position} {chain.heading(event)}\n{where}\n{fence}text\n{told.rstrip()}\n{fence}\n"


def link(moment: Moment) -> str:
    """The command that opens this moment."""
    return f"backstep open {shlex.quote(str(moment.trace.path))} --at {moment.position}"


def python(moment: Moment, chosen: Selection | None = None) -> str:
    """Code that loads the tensor as it is now."""
    lines = ["import backstep", f"trace = backstep.load({str(Path(moment.trace.path).absolute())!r})"]
    event, tensor = moment.event, subject(moment) if chosen is None else chosen.tensor
    if chosen is not None and chosen.field == GRAD:
        written = moment.writer(chosen.tensor, GRAD)
        return "\n".join([*lines, f"grad = trace.event({written}).after" if written is not None else "grad = None"])
    if chosen is None and isinstance(event, AccumulateEvent | GradWriteEvent | ZeroGradEvent):
        return "\n".join([*lines, f"grad = trace.event({moment.position}).after"])
    if tensor is None:
        return "\n".join([*lines, f"event = trace.event({moment.position})"])
    name = moment.trace.leaves.get(tensor, tensor)
    return "\n".join([*lines, f"value = trace.tensor({name!r}).at({moment.position})"])


def iteration(moment: Moment) -> str:
    """The events of the iteration around now, a JSON object a line."""
    first, last = moment.iteration_span
    events = (moment.trace.event(at).as_dict() for at in range(first, last + 1))
    return "".join(f"{json.dumps(event, ensure_ascii=False)}\n" for event in events)


def location(moment: Moment) -> str:
    """`train.py:14`"""
    source = moment.event.source
    return "" if source is None else f"{source.file}:{source.line}"
