"""What the source says about an instruction: its text, the name its result is bound to, the loops around it.

One file is parsed once, one instruction resolved once. Positions come from `code.co_positions()`.
"""

from __future__ import annotations

import ast
import contextlib
import dis
import itertools
import sys
import tokenize
from dataclasses import dataclass, field
from types import CodeType

from backstep.recorder import cells
from backstep.recorder.binding import bound_name, is_returned, unpacked_names

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
OWN_FRAME = COMPREHENSIONS if sys.version_info < (3, 12) else (ast.GeneratorExp,)
"""Comprehensions that run in a frame of their own."""

_loops = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A `for` or `while` in the source."""

    head: int
    name: str
    variables: tuple[str, ...]
    """Names whose change tells a new pass; of a `for` its targets, of a `while` what its test reads."""
    numbered: tuple[str, ...]
    """Targets that may hold the pass's own number."""
    is_for: bool


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One instruction of a file: `code` as written; `bound` the name that its result gets, if it gets one."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    order: tuple[int, int, int]
    bound: str | None = None
    unpacked: tuple[str | None, ...] = ()
    """The names that the elements of its result get, where it is taken apart: `h, c = ...`."""
    returns: bool = False
    operands: tuple[str | None, ...] = ()
    receives: bool = False
    """The first operand is what an attribute was called of: a tensor's own method, or a function of a module."""
    loops: tuple[Loop, ...] = ()
    fetch: bool = False
    """This is the `for` itself, asking its iterator: the pass that it begins has not bound its variable yet."""
    test: bool = False
    """This is the test of the innermost `while`: it ends a pass."""
    inlined: bool = False
    """Inside a comprehension of the same frame, where going back is no new pass of a loop."""


@dataclass(slots=True, eq=False)
class SourceFile:
    """The text of a file and its syntax tree, indexed by position."""

    path: str
    shown: str
    lines: list[str]
    nodes: dict[tuple[int, int, int, int], ast.AST] = field(default_factory=dict)
    parents: dict[ast.AST, ast.AST] = field(default_factory=dict)
    statements: list[ast.stmt] = field(default_factory=list)
    loops: dict[ast.AST, Loop] = field(default_factory=dict)
    nests: dict[tuple[Loop, ...], tuple[Loop, ...]] = field(default_factory=dict)
    """The loops around some site, one tuple for all sites of one body."""

    @classmethod
    def read(cls, path: str, shown: str, text: str | None = None) -> SourceFile:
        """Reads and parses; a file without source, or that does not parse, has positions but no texts."""
        if text is None:
            try:
                with tokenize.open(path) as stream:
                    text = stream.read()
            except (OSError, SyntaxError, UnicodeDecodeError):
                text = cells.text_of(path)
        if text is None:
            return cls(path, shown, [])
        file = cls(path, shown, text.splitlines())
        with contextlib.suppress(SyntaxError, ValueError, RecursionError, SystemError):
            file._index(ast.parse(text))
        return file

    @property
    def text(self) -> str:
        return "\n".join(self.lines) + "\n"

    def _index(self, tree: ast.AST) -> None:
        stack: list[ast.AST] = [tree]
        while stack:
            node = stack.pop()
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                stack.append(child)
            if isinstance(node, ast.expr | ast.stmt) and node.end_lineno is not None:
                key = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset or 0)
                # An expression statement has its expression's position: the expression is wanted.
                if isinstance(node, ast.expr) or key not in self.nodes:
                    self.nodes[key] = node
            if isinstance(node, ast.stmt):
                self.statements.append(node)

    def column(self, line: int, offset: int) -> int:
        """The column in characters of a byte offset, as the parser and the compiler give it."""
        if not 0 < line <= len(self.lines):
            return offset
        return len(self.lines[line - 1].encode()[:offset].decode(errors="ignore"))

    def extract(self, line: int, column: int, end_line: int, end_column: int) -> str:
        if not self.lines or not 0 < line <= end_line <= len(self.lines):
            return ""
        if line == end_line:
            return self.lines[line - 1][column:end_column]
        inner = self.lines[line : end_line - 1]
        return "\n".join([self.lines[line - 1][column:], *inner, self.lines[end_line - 1][:end_column]])

    def loop(self, node: ast.For | ast.AsyncFor | ast.While) -> Loop:
        loop = self.loops.get(node)
        if loop is None:
            loop = self.loops[node] = make_loop(node)
        return loop


def make_loop(node: ast.For | ast.AsyncFor | ast.While) -> Loop:
    if isinstance(node, ast.While):
        read = tuple(dict.fromkeys(n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)))
        return Loop(next(_loops), "while", read, (), False)
    names = tuple(n.id for n in ast.walk(node.target) if isinstance(n, ast.Name))
    elements = node.target.elts if isinstance(node.target, ast.Tuple | ast.List) else [node.target]
    numbered = tuple(n.id for n in elements if isinstance(n, ast.Name))
    return Loop(next(_loops), ast.unparse(node.target).strip("()"), names, numbered, True)


def opname(code: CodeType, lasti: int) -> str:
    """The instruction that a frame is at."""
    return dis.opname[code.co_code[lasti]] if 0 <= lasti < len(code.co_code) else ""


def returns_at(code: CodeType, lasti: int) -> bool:
    """Whether the next instruction hands the result to the caller."""
    after = lasti + 2
    while after < len(code.co_code) and dis.opname[code.co_code[after]] == "CACHE":
        after += 2
    return opname(code, after) == "RETURN_VALUE"


def find_site(file: SourceFile, code: CodeType, lasti: int) -> Site:
    """What the source says about the instruction at `lasti` (bytes) of `code`."""
    positions = next(itertools.islice(code.co_positions(), lasti // 2, None), (None,) * 4)
    line, end_line, offset, end_offset = positions
    if line is None or offset is None or end_line is None or end_offset is None:
        line = line or code.co_firstlineno
        text = file.lines[line - 1].strip() if 0 < line <= len(file.lines) else ""
        return Site(file.shown, line, 0, line, len(text), text, (line, 0, lasti))
    node = file.nodes.get((line, offset, end_line, end_offset))
    operation = opname(code, lasti)
    if node is None:
        node = innermost(file, line, offset)
    elif operation.startswith(("STORE_", "DELETE_")):
        node = statement_of(file, node)
    if operation.startswith(("STORE_", "DELETE_")) and isinstance(node, ast.stmt) and not hasattr(node, "body"):
        line, offset = node.lineno, node.col_offset
        end_line, end_offset = node.end_lineno or line, node.end_col_offset or offset
    head = header_of(node)
    if head is not None:
        line, offset, end_line, end_offset = head
    column, end_column = file.column(line, offset), file.column(end_line, end_offset)
    text = file.extract(line, column, end_line, end_column)
    if node is None:
        return Site(file.shown, line, column, end_line, end_column, text, (line, offset, lasti))
    statement = statement_of(file, node)
    in_comprehension = code.co_name in ("<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>")
    loops, fetch, test, inlined = loops_around(file, node, operation, in_comprehension)
    return Site(
        file.shown,
        line,
        column,
        end_line,
        end_column,
        text,
        order_of(node, statement, lasti),
        bound_name(file, node),
        unpacked_names(file, node),
        is_returned(file, node),
        operand_names(node),
        calls_attribute(node),
        loops,
        fetch,
        test,
        inlined,
    )


def header_of(node: ast.AST | None) -> tuple[int, int, int, int] | None:
    """The part of a compound statement that runs at its head: what a `for` iterates, what a `with` enters."""
    match node:
        case ast.For(iter=part) | ast.AsyncFor(iter=part) | ast.If(test=part) | ast.While(test=part):
            pass
        case ast.With(items=items) | ast.AsyncWith(items=items):
            part = items[-1].context_expr
        case ast.stmt() if getattr(node, "body", None):
            return node.lineno, node.col_offset, node.lineno, node.col_offset + len(type(node).__name__)
        case _:
            return None
    return part.lineno, part.col_offset, part.end_lineno or part.lineno, part.end_col_offset or part.col_offset


def order_of(node: ast.AST, statement: ast.stmt | None, lasti: int) -> tuple[int, int, int]:
    """Grows as a body is run through: statements by line, instructions within one."""
    if isinstance(node, ast.With | ast.AsyncWith):
        # Only leaving a `with` has the whole statement's position.
        return (node.end_lineno or node.lineno, node.end_col_offset or 0, lasti)
    if statement is None:
        return (getattr(node, "lineno", 0), 0, lasti)
    return (statement.lineno, statement.col_offset, lasti)


def innermost(file: SourceFile, line: int, offset: int) -> ast.AST | None:
    """The smallest statement around a position that no expression has exactly."""
    best: ast.stmt | None = None
    for statement in file.statements:
        start = (statement.lineno, statement.col_offset)
        end = (statement.end_lineno or 0, statement.end_col_offset or 0)
        if start <= (line, offset) <= end and (best is None or start >= (best.lineno, best.col_offset)):
            best = statement
    return best


def statement_of(file: SourceFile, node: ast.AST) -> ast.stmt | None:
    current: ast.AST | None = node
    while current is not None and not isinstance(current, ast.stmt):
        current = file.parents.get(current)
    return current


def operand_names(node: ast.AST) -> tuple[str | None, ...]:
    """The tensor arguments of an op as written, where they are plain names: `self.w` in `x * self.w`."""
    match node:
        case ast.BinOp(left=left, right=right):
            operands: list[ast.expr] = [left, right]
        case ast.AugAssign(target=target, value=value):
            operands = [target, value]
        case ast.Call(func=function, args=args):
            receiver = [function.value] if isinstance(function, ast.Attribute) else []
            operands = [*receiver, *args]
        case ast.Compare(left=left, comparators=[right]):
            operands = [left, right]
        case ast.UnaryOp(operand=operand):
            operands = [operand]
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            operands = [value]
        case _:
            return ()
    return tuple(ast.unparse(o) if isinstance(o, ast.Name | ast.Attribute) else None for o in operands)


def calls_attribute(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def loops_around(
    file: SourceFile, node: ast.AST, operation: str, in_comprehension: bool
) -> tuple[tuple[Loop, ...], bool, bool, bool]:
    """The loops around a node within its frame, outermost first; whether it is a fetch, a test, in a comprehension."""
    loops: list[Loop] = []
    fetch = test = inlined = False
    below, child, parent = None, node, file.parents.get(node)
    if isinstance(node, ast.For | ast.AsyncFor) and operation == "FOR_ITER":
        loops.append(file.loop(node))
        fetch = True
    while parent is not None and not isinstance(child, FUNCTIONS):
        # What a comprehension iterates first runs in the frame around it, once.
        first = isinstance(parent, COMPREHENSIONS) and child is parent.generators[0] and below is child.iter
        if isinstance(parent, OWN_FRAME) and (in_comprehension or not first):
            break
        if isinstance(parent, ast.For | ast.AsyncFor):
            if child in parent.body:
                loops.append(file.loop(parent))
            elif operation == "FOR_ITER" and child is parent.iter and child is node:
                loops.append(file.loop(parent))
                fetch = True
        elif isinstance(parent, ast.While):
            if child in parent.body:
                loops.append(file.loop(parent))
            elif child is parent.test:
                test = test or not loops
                loops.append(file.loop(parent))
        elif isinstance(parent, COMPREHENSIONS) and not first:
            inlined = True
        below, child, parent = child, parent, file.parents.get(parent)
    nest = tuple(loops[::-1])
    return file.nests.setdefault(nest, nest), fetch, test, inlined
