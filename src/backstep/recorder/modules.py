"""Modules: which one is running, what its parameters are called, and the fast paths that must stay fast.

Global hooks only; nothing is written on a module. Names are given when a root module is first called.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_module_registration_hook,
)

from backstep.recorder.calls import tensors_in
from backstep.recorder.compiling import is_compiling
from backstep.recorder.frames import Spot
from backstep.recorder.mode import Parts, Recording, is_tracing, names_of
from backstep.recorder.owners import Owners, variable_of
from backstep.recorder.scribe import FORWARD, IN_FORWARD
from backstep.recorder.session import Session
from backstep.recorder.stack import is_active, put_under_stack, take_from_stack
from backstep.recorder.tensors import BOUND, EXPRESSION, OPERAND, PARAMETER

FUSED = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)
"""Modules that in eval leave their fused path when a function mode is active, and compute other numbers."""


COMPILED = "_orig_mod"
"""Under which name torch.compile holds what it has compiled."""
DEEPEST = 100
"""Modules in modules that are gone through to find the root."""


class Root:
    """A module that the program calls itself: by which name, with how many parameters, how often."""

    __slots__ = ("calls", "named", "parameters", "variable")

    def __init__(self, variable: str, parameters: int) -> None:
        self.variable = variable
        self.parameters = parameters
        self.calls = 1
        self.named = False
        """Whether any of its parameters was a leaf then; in `functional_call` others stand in their place."""


class Modules:
    """The hooks around every module's forward."""

    def __init__(self, session: Session, mode: Recording) -> None:
        self._session = session
        self._mode = mode
        self._paths: weakref.WeakKeyDictionary[nn.Module, str] = weakref.WeakKeyDictionary()
        self._parents: weakref.WeakKeyDictionary[nn.Module, weakref.ref[nn.Module]] = weakref.WeakKeyDictionary()
        self._roots: weakref.WeakKeyDictionary[nn.Module, Root] = weakref.WeakKeyDictionary()
        self._namers: dict[int, weakref.ref[nn.Module]] = {}
        """By the number of a parameter, the root whose path it bears."""
        self._parameters: dict[str, weakref.ref[nn.Module]] = {}
        self._prefixed: weakref.WeakSet[nn.Module] = weakref.WeakSet()
        self._fused: list[tuple[nn.Module, Any]] = []
        self._owners = Owners(session.tensors)
        session.adopt = self.adopt

    def install(self) -> Callable[[], None]:
        handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, always_call=True),
            register_module_module_registration_hook(self._registered),
        ]

        has_any = modules._has_any_global_hook
        ours = {handle.id for handle in handles}
        hooks = (
            modules._global_backward_pre_hooks, modules._global_backward_hooks, modules._global_forward_hooks,
            modules._global_forward_pre_hooks,
        )  # fmt: skip

        def has_any_of_the_users() -> bool:
            # torch.compile warns of global hooks on modules; of ours there is nothing to warn.
            return any(not ours.issuperset(some) for some in hooks)

        modules._has_any_global_hook = has_any_of_the_users

        def remove() -> None:
            with self._session.guarded("the names of parameters"):
                self._name_the_rest()
            modules._has_any_global_hook = has_any
            for handle in handles:
                handle.remove()

        return remove

    def _registered(self, parent: nn.Module, name: str, child: nn.Module | None) -> None:
        if child is not None and name != COMPILED and not is_compiling():
            with self._session.guarded("a module"):
                self._parents[child] = weakref.ref(parent)

    def _root_of(self, module: nn.Module) -> nn.Module:
        """The outermost module that holds this one."""
        for _ in range(DEEPEST):
            parent = self._parents.get(module)
            outer = None if parent is None else parent()
            if outer is None or not any(child is module for child in outer._modules.values()):
                break
            module = outer
        return module

    def _before(self, module: nn.Module, args: Any) -> None:
        if is_compiling() or is_tracing() is not None:
            return
        session = self._session
        if not session.enabled:
            return
        state = session.thread
        with session.guarded("a module"):
            module = getattr(module, COMPILED, module)  # what torch.compile has wrapped
            if not state.modules:
                where = session.where_from(sys._getframe(1))
                self._name_root(module, where.spot)
                self._name_arguments(args, where.spot)
            path = self._paths.get(module)
            state.modules.append(session.text(path) if path is not None else session.module)
            if isinstance(module, FUSED) and not module.training and not self._fused:
                self._leave_mode(module)

    def _after(self, module: nn.Module, args: Any, output: Any) -> None:
        if is_compiling() or is_tracing() is not None:
            return
        session = self._session
        state = session.thread
        if self._fused and self._fused[-1][0] is module:
            self._return_to_mode()
        if not session.enabled or not state.modules:
            return
        with session.guarded("a module"):
            state.modules.pop()
            known = [session.tensors.known(tensor) for tensor in tensors_in(output)]
            if any(entry is not None and entry.rank < BOUND for entry in known):
                spot = session.where_from(sys._getframe(1)).spot
                if spot.bound is None or is_row(output):
                    for entry, name in zip(known, names_of(spot, len(known)), strict=True):
                        if entry is not None and name is not None:
                            session.tensors.rename(entry, name, BOUND)

    # names

    def _name_root(self, called: nn.Module, spot: Spot) -> None:
        module = self._root_of(called)
        known = self._roots.get(module)
        if known is not None:
            known.calls += 1
            if known.calls & (known.calls - 1):
                return  # parameters that come later (lazy modules) are looked for at call 2, 4, 8, ...
        count = sum(1 for _ in module.parameters())
        if known is not None and known.parameters == count and known.named:
            return
        if module is called:
            variable = receiver(spot.expression)
        else:
            variable = variable_of(module, sys._getframe(1), self._session.frames.kind)
        self._name_parameters(module, variable, count)

    def adopt(self, parameters: Iterable[torch.Tensor], *, at_last: bool = False) -> None:
        """Names parameters whose modules nobody was seen to call: compiled, or with a `__call__` of their own."""
        for root in self._owners.roots_of(parameters, at_last=at_last):
            variable = variable_of(root, sys._getframe(1), self._session.frames.kind)
            self._name_parameters(root, variable, sum(1 for _ in root.parameters()))

    def _name_the_rest(self) -> None:
        """Those of modules that no pass and no optimizer has met, such as a moving average of another one."""
        leaves = [entry() for entry in list(self._session.tensors.entries.values()) if entry.leaf]
        self.adopt([leaf for leaf in leaves if leaf is not None], at_last=True)

    def _name_parameters(self, module: nn.Module, variable: str, count: int) -> None:
        root = self._roots[module] = Root(variable, count)
        tensors = self._session.tensors
        self._take_over(module)
        clash = False
        for name, parameter in module.named_parameters():
            other = self._parameters.setdefault(name, weakref.ref(module))()
            entry = tensors.entry(parameter)
            if other is not None and other is not module and other in self._roots and entry.rank < PARAMETER:
                clash = True
        if clash:
            self._prefix_clashing(module)
        for name, parameter in module.named_parameters():
            is_leaf = parameter.requires_grad and parameter.is_leaf
            if is_leaf or type(parameter) is nn.Parameter:
                root.named = root.named or is_leaf
                entry = tensors.leaf(parameter) if is_leaf else tensors.entry(parameter)
                if entry.rank < PARAMETER:
                    self._namers[entry.number] = weakref.ref(module)
                tensors.rename(entry, f"{variable}.{name}" if clash else name, PARAMETER)
        for name, buffer in module.named_buffers():
            tensors.rename(tensors.buffer(buffer), f"{variable}.{name}" if clash else name, PARAMETER)

    def _take_over(self, module: nn.Module) -> None:
        """Modules in this one that were called alone, before they were in it, are no roots any more."""
        inside = dict(zip(module.modules(), (path for path, _ in module.named_modules()), strict=True))
        inner = [root for root in list(self._roots) if root is not module and root in inside]
        for root in inner:
            del self._roots[root]
            for child in root.modules():
                self._paths.pop(child, None)
        for child, path in inside.items():
            self._paths.setdefault(child, path)
        if inner:
            for parameter in module.parameters():
                entry = self._session.tensors.entry(parameter)
                namer = self._namers.get(entry.number, weakref.ref(module))()
                if namer is not module and namer in inside:
                    entry.rank = EXPRESSION

    def _prefix_clashing(self, module: nn.Module) -> None:
        mine = {name for name, _ in module.named_parameters()}
        for root, known in list(self._roots.items()):
            names = dict((*root.named_parameters(), *root.named_buffers()))
            if root is module or root in self._prefixed or not mine & names.keys():
                continue
            self._prefixed.add(root)
            for name, parameter in names.items():
                entry = self._session.tensors.known(parameter)
                if entry is not None and entry.name == name:
                    entry.rank = EXPRESSION
                    self._session.tensors.rename(entry, f"{known.variable}.{name}", PARAMETER)
        self._prefixed.add(module)

    def _name_arguments(self, args: Any, spot: Spot) -> None:
        for argument, name in zip(args, spot.operands[-len(args) :] if args else (), strict=False):
            if name is not None and isinstance(argument, torch.Tensor):
                entry = self._session.tensors.entry(argument)
                self._session.tensors.rename(entry, name, OPERAND)

    # the fused paths of attention in eval

    def _leave_mode(self, module: nn.Module) -> None:
        if not is_active(self._mode):
            return
        parts = AtenOps(self._session)
        take_from_stack(self._mode)
        parts.__enter__()  # type: ignore[no-untyped-call]
        self._fused.append((module, parts))

    def _return_to_mode(self) -> None:
        _, parts = self._fused.pop()
        parts.__exit__(None, None, None)
        put_under_stack(self._mode)


class AtenOps(Parts):
    """Records each aten op as an event of its own: where no call of the user's can be seen around it."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_dispatch__(func, types, args, kwargs)
        session = self._session
        with session.guarded("an aten op"):
            while self.parts:
                part = self.parts.pop(0)
                row = (
                    "forward", session.text(part.op), session.text(part.aten), tuple(part.inputs), tuple(part.outputs),
                    part.arguments, -1, 0, -1, torch.is_grad_enabled(), part.inplace, 0,
                )  # fmt: skip
                session.emit(FORWARD, IN_FORWARD, session.where(3), row, module=session.module)
        return result


def is_row(output: Any) -> bool:
    """Whether a tensor, or a plain row of them, whose place in it is its index."""
    return isinstance(output, torch.Tensor) or (
        isinstance(output, list | tuple) and all(isinstance(part, torch.Tensor) for part in output)
    )


def receiver(expression: str) -> str:
    """What was called: `model` of `model(x)`."""
    return expression.split("(", 1)[0].strip() or "model"
