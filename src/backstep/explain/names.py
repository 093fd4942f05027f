"""How values are called in formulas: `dloss/dw`, an expression in parentheses, a name cut where there is no room."""

from __future__ import annotations

import re

LONGEST = 72
"""Cells of a name where there is room; expressions can be of any length."""
SIMPLE = re.compile(r"[\w.]+(#\d+)?(\[[^\[\]()]*\])*(\([^()]*\))?|\([^()]*\)")
"""A name, an item, a call, or what is in parentheses already."""


def short(name: str, longest: int = LONGEST) -> str:
    """A name on one line, cut to `longest` cells: a path keeps its end, an expression its beginning."""
    name = " ".join(name.split())
    if len(name) <= longest:
        return name
    if re.fullmatch(r"[\w.]+", name):
        return "…" + name[len(name) - longest + 1 :]
    return name[: longest - 1] + "…"


def factor(name: str) -> str:
    """A name as a factor of a product: in parentheses when it is an expression."""
    return name if SIMPLE.fullmatch(name) else f"({name})"


def whole(name: str) -> str:
    """A name after a `d`: a call stands in parentheses, too."""
    return name if SIMPLE.fullmatch(name) and ("(" not in name or name[0] == "(") else f"({name})"


def derivative(above: str, below: str) -> str:
    """`dloss/dw`; an expression stands in parentheses."""
    return f"d{whole(above)}/d{whole(below)}"
