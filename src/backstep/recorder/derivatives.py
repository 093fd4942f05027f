"""PyTorch's own derivative formulas: `derivatives.yaml` of the torch that runs, by the names of the nodes.

torch brings the file but no reader of YAML, and the part of YAML that it is written in is small: entries, keys,
and texts that may go over several lines.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch

from backstep.trace.signature import parameters

FILE = Path(torch.__file__).parents[1] / "torchgen" / "packaged" / "autograd" / "derivatives.yaml"
KEY = re.compile(r"( +)([A-Za-z_][\w, ]*):(?: +(.*))?$")
NOT_INPUTS = "non_differentiable"

Derivative = tuple[str, tuple[tuple[str, str], ...]]
"""The schema of an op, and each argument that has a derivative, with its formula."""


@cache
def derivatives() -> dict[str, Derivative]:
    """The derivative of every kind of node that autograd generates; nothing where torch came without the file."""
    try:
        text = FILE.read_text(encoding="utf-8")
    except OSError:
        return {}
    found: dict[str, Derivative] = {}
    numbers: Counter[str] = Counter()
    for schema, dispatch, formulas in entries(text):
        told = in_order(schema, formulas)
        if told:
            prefix = node_prefix(schema) + ("" if dispatch == "Default" else dispatch)
            found[f"{prefix}{numbers[prefix]}"] = (schema, told)
            numbers[prefix] += 1
    return found


def derivative(node: str) -> Derivative | None:
    """The derivative of a kind of node; the copying variant of a view has the view's."""
    return derivatives().get(node.removesuffix("_copy"))


def node_prefix(schema: str) -> str:
    """`mul.Tensor(...)` makes `MulBackward`, to be numbered."""
    base = re.split(r"[.(]", schema)[0]
    camel = "".join(part.title() for part in base.split("_"))
    return f"{camel}Backward".replace("ForwardBackward", "Backward")


def in_order(schema: str, formulas: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """The formulas as a node has its edges: in the order of the op's arguments."""
    of_name = {name.strip(): formula for names, formula in formulas.items() for name in names.split(",")}
    return tuple(
        (parameter.name, of_name[parameter.name])
        for parameter in parameters(schema)
        if of_name.get(parameter.name, NOT_INPUTS).strip().lower() != NOT_INPUTS
    )


def entries(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each op's schema, dispatch key and formulas, in the order of the file, which numbers the nodes."""
    for entry in re.split(r"^- name: ", text, flags=re.M)[1:]:
        schema, _, body = entry.partition("\n")
        dispatch, keys = "Default", dict[str, str]()
        last = ""
        for line in body.split("\n"):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = KEY.match(line)
            if match is None:
                if last:
                    keys[last] = f"{keys[last]} {line.strip()}"
            elif match[3] is None:
                if keys:
                    yield schema.strip(), dispatch, unquoted(keys)
                    keys = {}
                dispatch, last = ("Default" if match[2] == "dispatch" else match[2]), ""
            else:
                last = match[2]
                keys[last] = match[3]
        yield schema.strip(), dispatch, unquoted(keys)


def unquoted(keys: dict[str, str]) -> dict[str, str]:
    """Without the quotes around a text or the comment after it, and without what is no formula of an input."""
    return {
        name: re.sub(r"\s+#.*", "", text).strip().strip("\"'")
        for name, text in keys.items()
        if name != "output_differentiability"
    }
