"""What the program binds a result to: the variable, attribute or element, or one name for each part of it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backstep.recorder.syntax import SourceFile


def bound_name(file: SourceFile, node: ast.AST) -> str | None:
    """The variable, attribute or element that the value of this expression is bound to."""
    if isinstance(node, ast.AugAssign):
        return ast.unparse(node.target)
    if not isinstance(node, ast.expr):
        return None
    parent = file.parents.get(node)
    match parent:
        case ast.Assign(targets=targets) if parent.value is node:
            named = [t for t in targets if isinstance(t, ast.Name | ast.Attribute | ast.Subscript)]
            return ast.unparse(named[0]) if named else None
        case ast.AnnAssign(target=target) if parent.value is node:
            return ast.unparse(target)
        case ast.AugAssign(target=target) if parent.value is node and isinstance(node, ast.stmt):
            return ast.unparse(target)
        case ast.NamedExpr(target=name) if parent.value is node:
            return name.id
        case ast.IfExp(body=body, orelse=otherwise) if node in (body, otherwise):
            return bound_name(file, parent)
        case ast.Tuple(elts=values) | ast.List(elts=values):
            outer = file.parents.get(parent)
            if isinstance(outer, ast.Assign) and isinstance(outer.targets[0], ast.Tuple | ast.List):
                targets = outer.targets[0].elts
                if len(targets) == len(values) and not any(isinstance(t, ast.Starred) for t in targets):
                    return ast.unparse(targets[values.index(node)])
        case ast.Call() if is_same_tensor_call(parent, node):
            return bound_name(file, parent)
        case ast.Attribute(attr="requires_grad_"):
            call = file.parents.get(parent)
            return bound_name(file, call) if isinstance(call, ast.Call) else None
    return None


def is_same_tensor_call(call: ast.Call, argument: ast.expr) -> bool:
    """`nn.Parameter(x)` is what its author calls the tensor made inside it."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in ("Parameter", "Variable") and bool(call.args) and call.args[0] is argument


def is_returned(file: SourceFile, node: ast.AST) -> bool:
    parent = file.parents.get(node)
    while isinstance(parent, ast.IfExp):
        parent = file.parents.get(parent)
    return isinstance(parent, ast.Return | ast.Lambda)


def unpacked_names(file: SourceFile, node: ast.AST) -> tuple[str | None, ...]:
    """The names of the parts, where the value is taken apart: `z, (h, c) = f(x)`, or a tensor itself, `a, b = x`.

    In one row, however deep they lie; a starred one keeps its star, `_` is no name.
    """
    if isinstance(node, ast.Tuple | ast.List) and isinstance(node.ctx, ast.Store):
        # A part that is a tensor too is taken apart by an op of its own.
        return tuple(None if isinstance(part, ast.Tuple | ast.List) else names_in(part)[0] for part in node.elts)
    parent = file.parents.get(node)
    while isinstance(parent, ast.IfExp) and node is not parent.test:
        node, parent = parent, file.parents.get(parent)
    if isinstance(parent, ast.Assign) and parent.value is node:
        for target in parent.targets:
            if isinstance(target, ast.Tuple | ast.List):
                return tuple(names_in(target))
    return ()


def names_in(target: ast.expr) -> list[str | None]:
    match target:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [name for part in parts for name in names_in(part)]
        case ast.Name(id="_") | ast.Starred(value=ast.Name(id="_")):
            return [None]
    return [ast.unparse(target)]


def spread(names: Sequence[str | None], count: int) -> Sequence[str | None] | None:
    """A name, or none, for each of `count` parts; None where they are not as many as the names say."""
    starred = [index for index, name in enumerate(names) if name is not None and name.startswith("*")]
    if not starred:
        return names if len(names) == count else None
    star, rest = starred[0], count - len(names) + 1
    if len(starred) > 1 or rest < 0:
        return None
    name = (names[star] or "")[1:]
    return [*names[:star], *(f"{name}[{index}]" for index in range(rest)), *names[star + 1 :]]
