"""Optimizer steps: one update for each parameter, with its gradient, learning rate and state before and after."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from backstep.recorder.frames import Where, token_of
from backstep.recorder.mode import Recording
from backstep.recorder.scribe import IN_UPDATE, UPDATE
from backstep.recorder.session import Session
from backstep.recorder.snapshot import Shot
from backstep.recorder.stack import is_active, put_under_stack, take_from_stack


class Step:
    """An optimizer step under way. It ends with its frame, so that one that raised is not taken for running.

    What it does inside is one update a parameter, so the mode is away meanwhile: an Adam step is a hundred calls. With
    all detail it stays, and its ops are events like others, of the phase `update`.
    """

    def __init__(self, optimizer: Any, frame: FrameType, where: Where, outer: Step | None, mode: Recording) -> None:
        self.optimizer = optimizer
        self.where = where
        self.outer = outer
        self.changes: list[Change] = []
        self.over = False
        self.closure = 0
        """How many of the user's closures it is inside."""
        self.by = f"{type(optimizer).__name__}.step"
        self._mode = mode
        self._away = False
        self._thread = threading.get_ident()
        token = token_of(frame)
        self._ended: Any = None
        if not isinstance(token, int):
            # A step that raises calls no hook. Its frame goes, and with it the token.
            end = weakref.WeakMethod(self.end)
            self._ended = weakref.ref(token, lambda _: None if (method := end()) is None else method())

    def end(self) -> None:
        """The step is over, however it ended."""
        self.over = True
        self.resume()

    def pause(self) -> None:
        """The mode sees nothing of what the optimizer does."""
        if is_active(self._mode):
            take_from_stack(self._mode)
            self._away = True

    def resume(self) -> bool:
        """The mode is there again, for a closure of the user's or for good; whether it was away."""
        if not self._away or threading.get_ident() != self._thread:
            return False
        self._away = False
        put_under_stack(self._mode)
        return True


class Change:
    """A parameter before the step."""

    __slots__ = ("before", "grad", "group", "parameter", "state")

    def __init__(self, session: Session, optimizer: Any, group: Any, parameter: torch.Tensor) -> None:
        self.parameter = parameter
        self.group = group
        leaf = session.tensors.leaf(parameter)
        self.before = session.camera.snap(parameter)
        self.grad: Shot | None = None
        if parameter.grad is not None:
            session.tensors.gradient(parameter.grad, leaf)
            self.grad = session.camera.snap(parameter.grad, counted=not distributed())
        self.state = state_of(session, optimizer, parameter)


class Optimizers:
    """The hooks around every optimizer's step."""

    def __init__(self, session: Session, mode: Recording) -> None:
        self._session = session
        self._mode = mode
        self._known: weakref.WeakKeyDictionary[Any, tuple[int, tuple[int, ...]]] = weakref.WeakKeyDictionary()
        """The number of each optimizer, and the leaves that it was told to have."""
        self._beside_own_hooks: weakref.WeakSet[Any] = weakref.WeakSet()
        """The optimizers that have hooks of their own, and among them one of ours while they step."""

    def install(self) -> Callable[[], None]:
        handles = [register_optimizer_step_pre_hook(self._before), register_optimizer_step_post_hook(self._after)]

        def remove() -> None:
            for handle in handles:
                handle.remove()
            for optimizer in self._beside_own_hooks:
                leave_hooks(optimizer)

        return remove

    def _before(self, optimizer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if not self._session.enabled:
            return None
        if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
            # Its own hooks run nearer to the step than ours for all optimizers, and may change gradients and values.
            leave_hooks(optimizer)
            self._beside_own_hooks.add(optimizer)
            optimizer._optimizer_step_post_hooks[OURS] = self._after
            optimizer._optimizer_step_post_hooks.move_to_end(OURS, last=False)
            optimizer._optimizer_step_pre_hooks[OURS] = self._begin
            return None
        return self._start(optimizer, args, kwargs, sys._getframe(1))

    def _begin(self, optimizer: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        return self._start(optimizer, args, kwargs, sys._getframe(1))

    def _start(self, optimizer: Any, args: Any, kwargs: dict[str, Any], frame: FrameType) -> Any:
        """A step begins, in this frame of torch's."""
        session = self._session
        if not session.enabled:
            return None
        with session.guarded("an optimizer step"):
            outer = session.thread.step
            if outer is not None and outer.optimizer is optimizer:
                outer.end()  # it raised, and under a tracer nothing told so
                outer = outer.outer
            step = Step(optimizer, frame, session.where_from(frame), outer, self._mode)
            if optimizer not in self._known:
                session.adopt([parameter for group in optimizer.param_groups for parameter in group["params"]])
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None or any(callable(a) for a in (*args, *kwargs.values())):
                        step.changes.append(Change(session, optimizer, group, parameter))
            session.thread.step = step
            changed = self._with_closure(step, args, kwargs)
            if session.options.detail == "normal":
                step.pause()
            return changed
        return None

    def _tell(self, step: Step) -> None:
        """That a step was made, and once what the optimizer holds: a step without gradients leaves no event."""
        session, optimizer = self._session, step.optimizer
        leaves = tuple(
            session.tensors.leaf(parameter).number
            for group in optimizer.param_groups
            for parameter in group["params"]
            if parameter.requires_grad and parameter.is_leaf
        )
        number, held = self._known.get(optimizer, (len(self._known), None))
        place = step.where.spot.place
        if held != leaves:
            self._known[optimizer] = (number, leaves)
            session.scribe.tell("optimizer", number, session.text(type(optimizer).__name__), place, leaves)
        session.scribe.tell("step", number, place)

    def _with_closure(self, step: Step, args: Any, kwargs: dict[str, Any]) -> Any:
        """What the user's closure does inside the step is recorded."""

        def seen(closure: Callable[[], Any]) -> Callable[[], Any]:
            def run() -> Any:
                away = step.resume()
                step.closure += 1
                try:
                    return closure()
                finally:
                    step.closure -= 1
                    if away:
                        step.pause()

            return run

        if not any(callable(a) for a in (*args[1:], *kwargs.values())):
            return None
        new = (args[0], *(seen(a) if callable(a) else a for a in args[1:])) if args else args
        return new, {name: seen(a) if callable(a) else a for name, a in kwargs.items()}

    def _after(self, optimizer: Any, args: Any, kwargs: dict[str, Any]) -> None:
        session = self._session
        step = session.thread.step
        if step is None or step.optimizer is not optimizer:
            return
        step.end()
        session.thread.step = step.outer
        optimizer._optimizer_step_pre_hooks.pop(OURS, None)
        if not session.enabled:
            return
        with session.guarded("an optimizer step"):
            # What a step writes, fused or on lists, need not be counted in versions.
            session.camera.epoch += 1
            self._tell(step)
            for change in step.changes:
                self._emit(step, change)

    def _emit(self, step: Step, change: Change) -> None:
        session = self._session
        parameter = change.parameter
        leaf = session.tensors.leaf(parameter)
        after = session.camera.snap(parameter)
        grad = change.grad
        if parameter.grad is not None and (grad is None or has_closure(step)):
            session.tensors.gradient(parameter.grad, leaf)
            grad = session.camera.snap(parameter.grad)
        old, new = change.state, state_of(session, step.optimizer, parameter)
        text = session.text
        state = tuple((text(name), old.get(name), new.get(name)) for name in {**old, **new})
        rate = learning_rate(change.group)
        row = ("update", leaf.number, text(step.by), change.before, after, grad, rate, state, False)
        session.emit(UPDATE, IN_UPDATE, step.where, row, subject=leaf.number)


OURS = "backstep"


def leave_hooks(optimizer: Any) -> None:
    """Nothing of ours stays among an optimizer's own hooks."""
    optimizer._optimizer_step_pre_hooks.pop(OURS, None)
    optimizer._optimizer_step_post_hooks.pop(OURS, None)


def distributed() -> bool:
    """Whether gradients may be reduced between processes, which no version counts."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def has_closure(step: Step) -> bool:
    """LBFGS and its like compute the gradients inside the step."""
    return any(change.grad is None for change in step.changes) or step.by.startswith("LBFGS")


def learning_rate(group: Any) -> float | None:
    rate = group.get("lr")
    if isinstance(rate, torch.Tensor):
        return float(rate.item()) if rate.numel() == 1 and rate.device.type == "cpu" else None
    return float(rate) if isinstance(rate, int | float) else None


def state_of(session: Session, optimizer: Any, parameter: torch.Tensor) -> dict[str, Shot]:
    """The optimizer's tensors for a parameter."""
    state = optimizer.state.get(parameter) or {}
    return {
        str(name): session.camera.snap(value, str(name), counted=True)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
