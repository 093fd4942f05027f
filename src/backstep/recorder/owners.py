"""Which modules own a parameter, where none of them was seen to be called: looked for among all that are alive."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any

import torch
from torch import nn

from backstep.recorder.frames import TORCH, read_variables
from backstep.recorder.tensors import PARAMETER, Tensors

REMEMBERED = 4096
"""How many parameters are remembered to have no owner."""


class Owners:
    """Looks a parameter's owners up once; and, where new parameters come all the time, less and less often."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self._sought: set[int] = set()
        self._searches = 0

    def roots_of(self, parameters: Iterable[torch.Tensor], *, at_last: bool = False) -> list[nn.Module]:
        """The outermost modules that hold those of the parameters that have no name from a module yet."""
        entries, sought = self._tensors.entries, self._sought
        unnamed: list[torch.Tensor] = []
        for parameter in parameters:
            if issubclass(type(parameter), nn.Parameter):
                entry = entries.get(id(parameter))
                if entry is None or (entry.rank < PARAMETER and (at_last or entry.number not in sought)):
                    unnamed.append(parameter)
        if not unnamed:
            return []
        if len(sought) > REMEMBERED:
            sought.clear()
        numbers = [self._tensors.entry(parameter).number for parameter in unnamed]
        self._searches += 1
        if self._searches & (self._searches - 1) and not at_last:
            sought.update(numbers)
            return []
        frame = sys._getframe(1)
        found = roots_of(unnamed)
        made = [root for root in found if not is_being_made(root, frame)]
        sought.update(numbers if len(made) == len(found) else ())
        return made


def roots_of(parameters: Iterable[torch.Tensor]) -> list[nn.Module]:
    """The modules that hold these parameters and are in no other module, in the order of their making."""
    wanted = set(map(id, parameters))
    modules = [thing for thing in gc.get_objects() if issubclass(type(thing), nn.Module)]
    parents: dict[int, list[nn.Module]] = {}
    for module in modules:
        for name, child in held(module, "_modules").items():
            if child is not None and name != "_orig_mod":  # what torch.compile puts around a root is none
                parents.setdefault(id(child), []).append(module)
    climbing = [module for module in modules if any(id(own) in wanted for own in held(module, "_parameters").values())]
    above: set[int] = set()
    while climbing:
        module = climbing.pop()
        if id(module) not in above:
            above.add(id(module))
            climbing += parents.get(id(module), [])
    return [module for module in modules if id(module) in above and id(module) not in parents]


def held(module: nn.Module, kind: str) -> dict[str, Any]:
    """The parameters or children of a module, without asking it; none of one that is not made yet."""
    things = module.__dict__.get(kind)
    return dict(things) if isinstance(things, dict) else {}


def is_being_made(module: nn.Module, frame: FrameType | None) -> bool:
    """Whether its `__init__` runs further out: what it will be bound to, and be a part of, is not known yet."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__init__" and code.co_argcount:
            own = code.co_varnames[0]
            if read_variables(frame, (own,)).get(own) is module:
                return True
        frame = frame.f_back
    return False


def variable_of(module: nn.Module, frame: FrameType | None, kind: Callable[[CodeType], int]) -> str:
    """The variable that a module is bound to where the program is, in this frame or further out; else its class.

    A program that has ended is in no frame; its variables are there still.
    """
    while frame is not None:
        code = frame.f_code
        if kind(code) < TORCH:
            variables = read_variables(frame, (*code.co_varnames, *code.co_cellvars, *code.co_freevars))
            for name, value in (*variables.items(), *frame.f_globals.items()):
                if value is module:
                    return name
        frame = frame.f_back
    ended = vars(sys.modules["__main__"]) if "__main__" in sys.modules else {}
    found = (name for name, value in list(ended.items()) if value is module)
    return next(found, type(module).__name__.lower())
