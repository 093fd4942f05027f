"""The function mode: sees each call as the user wrote it; composites are seen through at the aten level.

A primitive costs a few snapshots. A call that runs more than one aten op is run under a dispatch mode, so that
each autograd node it makes has its twin: a node's sequence number tells which op made it.
"""

from __future__ import annotations

import sys
from types import CodeType, FrameType, FunctionType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from backstep.recorder.calls import RESULT_IS_ARGUMENT, Function, Sort, arguments_of, signature, tensors_in
from backstep.recorder.frames import Where
from backstep.recorder.grads import Writes, rewrite_grad
from backstep.recorder.nodes import claim
from backstep.recorder.session import Session
from backstep.recorder.snapshot import Snapshot
from backstep.recorder.tensors import BOUND, OPERAND

LEARNED = 1 << 14
"""How many kinds of call are remembered; then they are learned anew."""

sequence_number = torch._C._autograd._get_sequence_nr
Signature = tuple[Any, ...]


UNCOUNTED = ("_foreach_", "_fused_", "_amp_foreach_")
"""In-place ops on lists, which leave the versions as they were."""


class Learned:
    """What a kind of call was seen to do: one aten op (its name), or several."""

    __slots__ = ("aten", "composite")

    def __init__(self, aten: str, composite: bool) -> None:
        self.aten = aten
        self.composite = composite


class Part:
    """An aten op inside a composite."""

    __slots__ = ("arguments", "aten", "inplace", "inputs", "op", "outputs", "sequence")

    def __init__(self, func: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.op = func._schema.name.split("::")[-1]
        self.aten = str(func)
        self.arguments = arguments_of(args, kwargs)
        self.inplace = bool(func._schema.is_mutable)
        self.sequence = sequence_number()
        self.inputs: list[Snapshot] = []
        self.outputs: list[Snapshot] = []


class Parts(TorchDispatchMode):
    """Collects the aten ops of one call."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # The wrapper that torch would put around our handler imports all of Dynamo, a second, at the first op.
        return False

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._session = session
        self.parts: list[Part] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        part: Part | None = None
        with self._session.guarded("an aten op"):
            part = Part(func, args, kwargs)
            part.inputs = [self._session.camera.snap(t) for t in tensors_in((args, kwargs))]
        result = func(*args, **kwargs)
        if part is not None:
            with self._session.guarded("an aten op"):
                self._session.camera.uninitialised(part.op, list(tensors_in(result)))
                part.outputs = [self._session.camera.snap(t, part.op) for t in tensors_in(result)]
                self.parts.append(part)
        return result


class Call:
    """One call under way: what was there before it ran."""

    __slots__ = (
        "args", "autocast", "function", "grad_enabled", "inputs", "kwargs", "learned", "parts", "sequence", "signature",
        "tensors", "versions", "writes",
    )  # fmt: skip

    def __init__(
        self, session: Session, function: Function, args: Any, kwargs: dict[str, Any], key: Signature,
        learned: Learned | None,
    ) -> None:  # fmt: skip
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.tensors = list(tensors_in((args, kwargs) if kwargs else args))
        self.inputs = [session.camera.snap(t) for t in self.tensors]
        self.versions = [shot.version for shot in self.inputs]
        self.grad_enabled = torch.is_grad_enabled()
        self.autocast = autocast()
        self.writes = Writes(session, function, self.tensors)
        if function.sort is Sort.SET_GRAD:
            self.writes.keep_grad(args[0])
        self.signature = key
        self.learned = learned
        self.parts = Parts(session) if learned is None or learned.composite else None
        self.sequence = sequence_number()

    def changed(self) -> list[int]:
        """Which of its tensors the call has changed, by their versions."""
        if self.function.op.startswith(UNCOUNTED) and self.function.op.endswith("_"):
            return list(range(sum(1 for _ in tensors_in(self.args[0]))))
        pairs = enumerate(zip(self.tensors, self.versions, strict=True))
        return [index for index, (tensor, version) in pairs if version_of(tensor) != version]


class Recording(TorchFunctionMode):
    """The mode that is active in the user's threads while they are recorded."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._functions: dict[Any, Function] = {}
        self._learned: dict[tuple[Any, ...], Learned] = {}
        self._callers: dict[tuple[CodeType, int], FunctionType] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.compiler.is_compiling():
            return func(*args, **(kwargs or {}))
        kwargs = kwargs or {}
        function = self._functions.get(func)
        if function is None:
            function = self._functions[func] = Function(func)
        session = self._session
        state = session.thread
        if function.sort is Sort.BARE or not session.enabled or state.busy or quiet(state):
            try:
                return self._caller(sys._getframe(1))(func, args, kwargs)
            except BaseException as error:
                error.__traceback__ = strip(error.__traceback__)
                raise
        call = self._before(func, function, args, kwargs)
        try:
            run = self._caller(sys._getframe(1))
            if call is not None and call.parts is not None:
                with call.parts:
                    result = run(func, args, kwargs)
            else:
                result = run(func, args, kwargs)
        except BaseException as error:
            error.__traceback__ = strip(error.__traceback__)
            with session.guarded("an exception"):
                session.raised(error, phase_now(session), session.where())
            raise
        if call is not None:
            with session.guarded(function.op):
                self._after(call, result)
        return result

    def _caller(self, frame: FrameType) -> FunctionType:
        """A frame that stands for the user's: a warning raised in torch is blamed on the line that calls it."""
        while frame.f_code.co_name == "handle_torch_function" and frame.f_back is not None and frame.f_back.f_back:
            frame = frame.f_back.f_back
        key = (frame.f_code, frame.f_lasti)
        caller = self._callers.get(key)
        if caller is None or caller.__globals__ is not frame.f_globals:
            code = STAND_IN.replace(
                co_filename=frame.f_code.co_filename, co_firstlineno=frame.f_lineno, co_name=frame.f_code.co_name
            )
            caller = self._callers[key] = FunctionType(code, frame.f_globals)
            self._session.frames.hide(code)
        return caller

    # before

    def _before(self, func: Any, function: Function, args: Any, kwargs: dict[str, Any]) -> Call | None:
        with self._session.guarded(function.op):
            key = signature(func, args, kwargs)
            return Call(self._session, function, args, kwargs, key, self._learned.get(key))
        return None

    # after

    def _after(self, call: Call, result: Any) -> None:
        session = self._session
        function = call.function
        outputs = list(tensors_in(result))
        changed = call.changed()
        self._learn(call)
        if not outputs and not changed and not function.takes_out and function.sort is Sort.OP:
            return
        where = session.where(3)
        if function.sort is Sort.SET_GRAD:
            rewrite_grad(session, call.args[0], call.inputs, call.writes, where)
            return
        if function.sort is Sort.SET_DATA:
            call.writes.data_assigned(call.args[0], call.inputs[0], where)
            return
        self._name_operands(call, where)
        same = [t for t in outputs if any(t is known for known in call.tensors)]
        if function.op in RESULT_IS_ARGUMENT or (outputs and len(same) == len(outputs) and not changed):
            self._bind(outputs, where)
            return
        if changed and call.writes.take(call.inputs, changed, where, call):
            return
        self._emit(call, outputs, changed, where)

    def _learn(self, call: Call) -> None:
        if call.parts is not None and call.learned is None:
            parts = used(call.parts.parts)
            if len(self._learned) >= LEARNED:
                self._learned.clear()
            made = sequence_number() - call.sequence
            composite = len(parts) > 1 or made > 1
            self._learned[call.signature] = Learned(parts[0].aten if len(parts) == 1 else "", composite)

    def _emit(self, call: Call, outputs: list[torch.Tensor], changed: list[int], where: Where) -> None:
        session = self._session
        function = call.function
        made = sequence_number() - call.sequence
        phase = phase_now(session)
        derived = None if call.grad_enabled else call.writes.derived(function, call.args)
        if derived is not None and phase == "forward":
            phase = "update"
        parts = used(call.parts.parts) if call.parts is not None else []
        if len(parts) == 1 and made <= 1:
            aten, parts = parts[0].aten, []
        else:
            aten = call.learned.aten if call.learned is not None and not parts else ""
            if call.parts is None and made > 1:
                self._learned[call.signature] = Learned("", True)
        results = [t for t in outputs if not function.takes_out]
        results += [call.tensors[i] for i in changed if not any(call.tensors[i] is t for t in results)]
        for tensor in results:
            session.tensors.describe(tensor, where.expression)
        session.camera.uninitialised(function.op, results)
        shots = [session.camera.snap(t) for t in results]
        self._bind(results, where, shots)
        for tensor in results:
            if tensor.requires_grad and tensor.is_leaf:
                session.tensors.leaf(tensor)
        for tensor in outputs:
            call.writes.remember_alias(function, tensor, derived)
        nodes = claim(session, call, parts, results, made)
        base = session.scribe.position
        position = base + len(parts)
        for offset, part in enumerate(parts):
            first, count = nodes.place(offset, base + offset)
            session.emit(
                "forward", phase, where, session.module, part.op, part.aten, part.inputs, part.outputs, part.arguments,
                first, count, position, call.grad_enabled, part.inplace, call.autocast,
                size=weight(part.inputs) + weight(part.outputs),
            )  # fmt: skip
        first, count = nodes.place(-1, position)
        session.emit(
            "forward", phase, where, session.module, function.op, aten, call.inputs, shots,
            arguments_of(call.args, call.kwargs), first, count, -1, call.grad_enabled, bool(changed), call.autocast,
            size=weight(call.inputs) + weight(shots),
        )  # fmt: skip

    def _bind(self, results: list[torch.Tensor], where: Where, shots: list[Snapshot] | None = None) -> None:
        """The results get the name that the source gives them."""
        if where.bound is None or not results:
            return
        names = [where.bound] if len(results) == 1 else unpacked(where.bound, len(results))
        for index, (tensor, name) in enumerate(zip(results, names, strict=True)):
            entry = self._session.tensors.entry(tensor)
            self._session.tensors.rename(entry, name, BOUND)
            if shots is not None and not entry.leaf:
                shots[index].name = entry.name

    def _name_operands(self, call: Call, where: Where) -> None:
        if where.torch_function is not None and where.torch_function != call.function.op:
            return
        args = list(call.args)
        if len(where.operands) == len(args) + 1:
            operands = where.operands[1:]  # torch.mul(a, b): the receiver is the module
        else:
            operands = where.operands
        for argument, name in zip(args, operands, strict=False):
            if name is not None and isinstance(argument, torch.Tensor):
                entry = self._session.tensors.entry(argument)
                self._session.tensors.rename(entry, name, OPERAND)


def used(parts: list[Part]) -> list[Part]:
    """Without the `detach` by which autograd saves an op's own output: nothing takes it further."""
    kept: list[Part] = []
    later: set[int] = set()
    for part in reversed(parts):
        made = {shot.tensor for shot in part.outputs}
        last = part is parts[-1] and len(parts) == 1
        if part.op != "detach" or last or made & later:
            kept.append(part)
            later |= {shot.tensor for shot in part.inputs}
    return kept[::-1]


def unpacked(bound: str, count: int) -> list[str]:
    """Names for the elements of a result bound as one: `h, c = lstm(x)` or `hs = torch.split(x, 2)`."""
    names = [name.strip() for name in bound.split(",")]
    return names if len(names) == count else [f"{bound}[{index}]" for index in range(count)]


def quiet(state: Any) -> bool:
    """Inside an optimizer's step, which is one update a parameter."""
    step = state.step
    return step is not None and step.running()


def phase_now(session: Session) -> str:
    return "backward" if session.thread.backward is not None else "forward"


def version_of(tensor: torch.Tensor) -> int:
    try:
        return tensor._version
    except RuntimeError:
        return 0


def autocast() -> str:
    """The dtype that autocast computes in, or nothing."""
    if not torch.is_autocast_enabled("cpu"):
        return ""
    return str(torch.get_autocast_dtype("cpu")).removeprefix("torch.")


def weight(shots: list[Snapshot]) -> int:
    """Bytes that these hold until they are written."""
    return sum(shot.data.nbytes for shot in shots if shot.data is not None)


def strip(traceback: Any) -> Any:
    """A traceback without our handler and the frame that stands for the user's."""
    traceback = traceback.tb_next
    if traceback is not None and traceback.tb_frame.f_code.co_code == STAND_IN.co_code:
        traceback = traceback.tb_next
    return traceback


STAND_IN = (lambda func, args, kwargs: func(*args, **kwargs)).__code__
