"""How values are called in formulas: `dloss/dw`, an expression in parentheses, a name cut where there is no room."""

from __future__ import annotations

import re

LONGEST = 72
"""Cells of a name where there is room; expressions can be of any length."""
BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
SIMPLE = re.compile(r"[\w.#]*")
"""What is left of a name, an item, a call or a chain of calls without its brackets."""


def short(name: str, longest: int = LONGEST) -> str:
    """A name on one line, cut to `longest` cells: a path keeps its end, an expression its beginning."""
    name = " ".join(name.split())
    if len(name) <= longest:
        return name
    if re.fullmatch(r"[\w.]+", name):
        return "…" + name[len(name) - longest + 1 :]
    return name[: longest - 1] + "…"


def is_simple(name: str) -> bool:
    """Whether a name holds together: there is no operator outside of its brackets."""
    return SIMPLE.fullmatch(bare(name)) is not None


def bare(name: str) -> str:
    """A name without what stands in brackets."""
    while BRACKETED.search(name):
        name = BRACKETED.sub("", name)
    return name


def factor(name: str) -> str:
    """A name as a factor of a product: in parentheses when it is an expression."""
    return name if is_simple(name) else f"({name})"


def whole(name: str) -> str:
    """A name after a `d`: a call stands in parentheses, too."""
    return name if is_simple(name) and ("(" not in name or is_bracketed(name)) else f"({name})"


def is_bracketed(name: str) -> bool:
    """Whether the parenthesis that a name begins with is closed at its end."""
    return name[:1] == "(" and name[-1:] == ")" and not {"(", ")"} & set(bare(name[1:-1]))


def transpose(name: str) -> str:
    """`wᵀ`; of `wᵀ` and of `w.T` it is `w` again."""
    for end in ("ᵀ", ".T"):
        if name.endswith(end) and is_simple(name):
            return name.removesuffix(end)
    return f"{factor(name)}ᵀ"


def derivative(above: str, below: str) -> str:
    """`dloss/dw`; an expression stands in parentheses."""
    return f"d{whole(above)}/d{whole(below)}"
