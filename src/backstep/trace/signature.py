"""The signature of an aten op, `mul.Tensor(Tensor self, Tensor other) -> Tensor`: who of a call's inputs is who."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OUTSIDE = re.compile(r",\s*(?![^()\[\]]*[)\]])")
"""A comma that is not inside brackets."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of an op: `Tensor? bias=None`."""

    type: str
    name: str
    default: str | None = None
    keyword: bool = False

    @property
    def is_list(self) -> bool:
        """A list of tensors."""
        return self.is_tensor and "]" in self.type

    @property
    def is_tensor(self) -> bool:
        return self.type.startswith("Tensor")

    @property
    def is_optional(self) -> bool:
        return self.type.endswith("?")


def parameters(schema: str) -> tuple[Parameter, ...]:
    """The arguments of an op, in order; nothing for what is no schema."""
    match = re.match(r"[\w:.]+\((.*)\)\s*->", schema, re.S)
    found: list[Parameter] = []
    keyword = False
    for text in OUTSIDE.split(match[1]) if match and match[1].strip() else ():
        if text.strip() == "*":
            keyword = True
            continue
        declared, _, default = text.partition("=")
        type_, _, name = declared.strip().rpartition(" ")
        found.append(Parameter(re.sub(r"\([^)]*\)", "", type_), name, default.strip() or None, keyword))
    return tuple(found)


def bind(schema: str, tensors: Sequence[Any], arguments: Sequence[tuple[str | None, Any]]) -> dict[str, Any] | None:
    """The tensors and the other arguments of a call by the names that the op has for them; None if they do not fit.

    A trace keeps the tensors of a call apart from its other arguments, each in order. The tensors of a list are
    told from those after it by their number.
    """
    declared = parameters(schema)
    named = {name: value for name, value in arguments if name}
    plain = [value for name, value in arguments if not name]
    bound: dict[str, Any] = dict(named)
    left = list(tensors)
    for index, parameter in enumerate(declared):
        if parameter.name in named:
            continue
        if not parameter.is_tensor:
            if plain and not parameter.keyword:
                bound[parameter.name] = plain.pop(0)
        elif parameter.is_list:
            later = sum(p.is_tensor and not p.is_optional and not p.is_list for p in declared[index + 1 :])
            count = max(0, len(left) - later)
            bound[parameter.name], left = left[:count], left[count:]
        elif parameter.is_optional and plain and plain[0] is None:
            bound[parameter.name] = plain.pop(0)
        elif left:
            bound[parameter.name] = left.pop(0)
        elif plain and isinstance(plain[0], int | float):
            bound[parameter.name] = plain.pop(0)  # a number where a tensor may stand: `x * 2`
        elif not parameter.is_optional and parameter.default is None:
            return None
    return None if left or plain else bound


@dataclass(frozen=True, slots=True)
class Derivative:
    """PyTorch's own derivative of a kind of node: the op's schema, and for each of its arguments that has one its
    name and the formula."""

    schema: str
    formulas: tuple[tuple[str, str], ...]

    def of_edge(self, edge: int, edges: int) -> tuple[str, str, int] | None:
        """The argument and the formula of one of a node's edges, and which tensor of a list it is, else 0.

        The tensors of a list have an edge each and one formula in common.
        """
        lists = {parameter.name for parameter in parameters(self.schema) if parameter.is_list}
        others = len(self.formulas) - 1
        per_edge: list[tuple[str, str, int]] = []
        for argument, formula in self.formulas:
            count = max(0, edges - others) if argument in lists else 1
            per_edge += [(argument, formula, index) for index in range(count)]
        return per_edge[edge] if len(per_edge) == edges else None
