"""The function mode: sees each call as the user wrote it; composites are seen through at the aten level.

A primitive costs a few shots. A call that runs more than one aten op is run under a dispatch mode, so that
each autograd node it makes has its twin: a node's sequence number tells which op made it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import FrameType, FunctionType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from backstep.recorder.binding import spread
from backstep.recorder.callers import strip
from backstep.recorder.calls import RESULT_IS_ARGUMENT, Function, Sort, signature, sort_out, tensors_in, without_numbers
from backstep.recorder.compiling import is_compiling
from backstep.recorder.frames import Spot, Where
from backstep.recorder.grads import (
    assigned_data,
    base_of,
    derived_from,
    memory_of,
    remember_alias,
    remember_view,
    rewrite_grad,
    written,
)
from backstep.recorder.nodes import Claimed, claim, claim_one, named_now
from backstep.recorder.scribe import FORWARD, IN_BACKWARD, IN_FORWARD, IN_UPDATE
from backstep.recorder.session import Session
from backstep.recorder.snapshot import TENSOR, VERSION, Shot, is_leaf_of_graph, unseen
from backstep.recorder.tensors import BOUND, EXPRESSION, OPERAND

PLAIN = frozenset({torch.Tensor, torch.nn.Parameter, int, float})
NAMELESS: tuple[str | None, ...] = (None,) * 8
LARGEST = 1 << 63

STOPPED = "_StopRecomputationError"
"""By which torch's own checkpointing ends the recomputation of a block; nothing went wrong."""

SYMBOLIC = frozenset({torch.fx.Proxy})
"""What stands for a tensor while a function is traced, and is none."""

LEARNED = 1 << 14
"""How many kinds of call are remembered; then they are learned anew."""

SAME_NUMBERS = frozenset(
    "t transpose permute view _unsafe_view reshape _reshape_alias alias detach unsqueeze squeeze expand".split()
)
"""Aten ops whose result may be their input's memory with another shape."""

sequence_number = torch._C._autograd._get_sequence_nr
is_grad_enabled, is_autocast_enabled = torch.is_grad_enabled, torch.is_autocast_enabled
is_tracing = torch._C._get_tracing_state
function_modes, dispatch_modes = torch._C._len_torch_function_stack, torch._C._len_torch_dispatch_stack


class Learned:
    """What a kind of call was seen to do: one aten op (its name), or several."""

    __slots__ = ("aten", "composite")

    def __init__(self, aten: int, composite: bool) -> None:
        self.aten = aten
        self.composite = composite


WHOLE = Learned(0, False)
"""Of a call that is not seen through."""


class Part:
    """An aten op inside a composite."""

    __slots__ = ("arguments", "aten", "inplace", "inputs", "op", "outputs", "sequence")

    def __init__(self, func: Any, sequence: int, inputs: list[Shot], arguments: tuple[tuple[int, Any], ...]) -> None:
        self.op: str = func._schema.name.split("::")[-1]
        self.aten = str(func)
        self.inplace = bool(func._schema.is_mutable)
        self.sequence = sequence
        self.inputs = inputs
        self.arguments = arguments
        self.outputs: list[Shot] = []


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
        session = self._session
        state = session.thread
        part: Part | None = None
        tensors: list[torch.Tensor] = []
        busy, state.busy = state.busy, True
        try:
            with unseen():
                sequence = sequence_number()
                tensors, arguments = sort_out(args, kwargs, session.text)
                part = Part(func, sequence, [session.camera.snap(t) for t in tensors], arguments)
        except Exception as error:
            session.failed("an aten op", error)
        finally:
            state.busy = busy
        try:
            # Without the frame that calls an op in torch: a warning would be blamed on that.
            plain = func._op if type(func) is torch._ops.OpOverload else func
            result = session.callers.outside(sys._getframe(1))(plain, args, kwargs)
        except BaseException as error:
            error.__traceback__ = strip(error.__traceback__)  # a thread prints it at once
            raise
        if part is not None:
            state.busy = True
            try:
                with unseen():
                    part.outputs = self._outputs(part, tensors, result)
                self.parts.append(part)
            except Exception as error:
                session.failed("an aten op", error)
            finally:
                state.busy = busy
        return result

    def _outputs(self, part: Part, tensors: list[torch.Tensor], result: Any) -> list[Shot]:
        camera = self._session.camera
        results = [result] if type(result) is torch.Tensor else list(tensors_in(result))
        camera.uninitialised(part.op, results)
        if part.op in SAME_NUMBERS and len(results) == 1 and tensors:
            return [camera.same(results[0], tensors[0], part.inputs[0], self._session.text(part.op))]
        written = tensors if part.inplace else []
        return [
            camera.rewritten(t, part.op) if any(t is given for given in written) else camera.snap(t, part.op)
            for t in results
        ]


class Call:
    """One call under way: what was there before it ran."""

    __slots__ = (
        "args", "arguments", "autocast", "base", "function", "grad_before", "grad_enabled", "inputs", "key", "kwargs",
        "learned", "memory", "parts", "sequence", "tensors",
    )  # fmt: skip

    function: Function
    args: Any
    kwargs: dict[str, Any]
    tensors: list[torch.Tensor]
    arguments: tuple[tuple[int, Any], ...]
    inputs: list[Shot]
    base: tuple[torch.Tensor, Shot] | None
    """The leaf or its gradient, whole and before the call, of which a view is written to."""
    grad_enabled: bool
    autocast: int
    grad_before: Shot | None
    memory: int | None
    """Where the numbers lay whose memory is about to be replaced."""
    key: tuple[Any, ...]
    learned: Learned | None
    parts: Parts | None
    sequence: int


class Recording(TorchFunctionMode):
    """The mode that is active in the user's threads while they are recorded."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._functions: dict[Any, Function] = {}
        self._learned: dict[tuple[Any, ...], Learned] = {}
        self._caller = session.callers.of

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if is_compiling():
            return func(*args, **(kwargs or {}))
        function = self._functions.get(func)
        if function is not None and function.quiet:
            return func(*args, **(kwargs or {}))
        if is_tracing() is not None:
            return func(*args, **(kwargs or {}))  # torch.jit.trace would trace our looks at the tensors too
        if types and not SYMBOLIC.isdisjoint(types):
            return func(*args, **(kwargs or {}))
        kwargs = kwargs or {}
        if function is None:
            function = self._functions[func] = Function(func, self._session.text)
        session = self._session
        state = session.thread
        frame = sys._getframe(1)
        run = self._caller(frame)
        if function.sort is Sort.BARE or not session.enabled or state.busy:
            try:
                result = run(func, args, kwargs)
            except BaseException as error:
                error.__traceback__ = strip(error.__traceback__)
                raise
            if function.changes:
                session.camera.look_again(args[0])
            if function.observed and session.enabled and not state.busy and not self._knows(result):
                with session.guarded(function.op):
                    self._observe(function, args, result)
            return result
        plain = not types and not function_modes() and not dispatch_modes()
        if plain and function.primitive and not kwargs and is_grad_enabled() and PLAIN.issuperset(map(type, args)):
            learned = self._learned.get((func, True, *map(type, args)))
            if learned is not None and not learned.composite and not is_autocast_enabled("cpu"):
                return self._primitive(function, func, args, frame, run, learned.aten)
        call: Call | None = None
        try:
            if plain:
                call = self._before(func, function, args, kwargs)
            else:
                with unseen():
                    call = self._before(func, function, args, kwargs)
        except torch.fx.proxy.TraceError:
            pass  # stand-ins inside a list: while a function is traced symbolically, nothing is computed
        except Exception as error:
            session.failed(function.op, error)
        try:
            if call is not None and call.parts is not None:
                with call.parts:
                    result = run(func, args, kwargs)
            else:
                result = run(func, args, kwargs)
        except BaseException as error:
            error.__traceback__ = strip(error.__traceback__)
            if type(error).__name__ != STOPPED:
                with session.guarded("an exception"):
                    session.raised(error, phase_now(session), session.where_from(frame))
            raise
        if function.changes:
            session.camera.look_again(args[0])
        if call is not None:
            try:
                if plain:
                    self._after(call, result, frame)
                else:
                    with unseen():
                        self._after(call, result, frame)
            except Exception as error:
                session.failed(function.op, error)
        return result

    def _knows(self, result: Any) -> bool:
        """Whether this is known to be a leaf's gradient, or is none."""
        entry = self._session.tensors.entries.get(id(result))
        return result is None or (entry is not None and entry.grad_of is not None)

    def _observe(self, function: Function, args: Any, result: Any) -> None:
        """A call that is no event tells something all the same."""
        owner = args[0] if args else None
        if not isinstance(owner, torch.Tensor):
            return
        if function.op == "grad":
            if isinstance(result, torch.Tensor) and owner.is_leaf and owner.requires_grad:
                self._session.tensors.gradient(result, self._session.tensors.leaf(owner))
        else:
            self._session.camera.share(owner)

    def _primitive(
        self, function: Function, func: Any, args: Any, frame: FrameType, run: FunctionType, aten: int
    ) -> Any:
        """What most calls are, in one piece: one aten op on plain tensors and numbers, in grad mode, not in place."""
        session = self._session
        tensors, camera = session.tensors, session.camera
        entries = tensors.entries
        shots: list[Shot] = []
        arguments: list[tuple[int, Any]] = []
        where: Where | None = None
        try:
            where = session.where_from(frame)
            spot = where.spot
            operands = spot.operands
            if spot.receives and not function.method:
                operands = operands[1:]
            if len(operands) != len(args) or (spot.torch_function or function.op) != function.op:
                operands = NAMELESS
            for arg, name in zip(args, operands, strict=False):
                kind = type(arg)
                if kind is int or kind is float:
                    arguments.append((0, arg if kind is float or -LARGEST < arg < LARGEST else str(arg)))
                    continue
                entry = entries.get(id(arg))
                if entry is None:
                    entry = tensors.new(arg, "")
                if not entry.leaf and arg.requires_grad and arg.is_leaf:
                    tensors.leaf(arg)
                if name is not None and entry.rank < OPERAND:
                    tensors.rename(entry, name, OPERAND)
                shots.append(camera.shoot(arg, entry, entry.name_number))
            sequence = sequence_number()
        except Exception as error:
            where = None
            session.failed(function.op, error)
        try:
            result = run(func, args, {})
        except BaseException as error:
            error.__traceback__ = strip(error.__traceback__)
            if where is not None:
                with session.guarded("an exception"):
                    session.raised(error, phase_now(session), where)
            raise
        if where is None:
            return result
        try:
            entry = tensors.new(result, spot.bound or spot.expression)
            entry.rank = BOUND if spot.bound is not None else EXPRESSION
            if camera.watches_memory:
                camera.uninitialised(function.op, [result])
            module = session.module
            twin = claim_one(session, result, sequence, tuple(shots), tuple(arguments), module)
            first, count = (-1, 0) if twin is None else (twin.node, 1)
            row = (
                "forward", function.number, aten, tuple(shots), (camera.shoot(result, entry, entry.name_number),),
                tuple(arguments), first, count, -1, True, False, 0,
            )  # fmt: skip
            phase = phase_now(session)
            position = session.emit(FORWARD, phase, where, row, module=module, subject=first, extent=count)
            if twin is not None:
                twin.position = position
        except Exception as error:
            session.failed(function.op, error)
        return result

    # before

    def _before(self, func: Any, function: Function, args: Any, kwargs: dict[str, Any]) -> Call:
        session = self._session
        camera, tensors = session.camera, session.tensors
        entries = tensors.entries
        call = Call()
        call.function, call.args, call.kwargs = function, args, kwargs
        call.tensors, call.arguments = sort_out(args, kwargs, session.text)
        if session.options.values == "summary":
            call.arguments = without_numbers(call.arguments)
        shots = []
        for tensor in call.tensors:
            entry = entries.get(id(tensor))
            if entry is None:
                entry = tensors.new(tensor, "")
            if not entry.leaf and is_leaf_of_graph(tensor):
                tensors.leaf(tensor)
            shots.append(camera.shoot(tensor, entry, entry.name_number))
        call.inputs = shots
        call.base = base_of(session, call) if function.in_place and call.tensors else None
        call.grad_enabled = enabled = is_grad_enabled()
        call.autocast = session.text(autocast())
        call.grad_before = None
        if function.sort is Sort.SET_GRAD:
            grad = args[0].grad if isinstance(args[0], torch.Tensor) and args[0].is_leaf else None
            call.grad_before = None if grad is None else camera.snap(grad, "grad")
        call.memory = memory_of(args[0]) if function.sort is Sort.SET_DATA else None
        if function.primitive and not kwargs and not call.autocast:
            call.key = (func, enabled, *map(type, args))
        else:
            call.key = signature(func, args, kwargs)
        call.learned = learned = WHOLE if function.whole else self._learned.get(call.key)
        call.parts = Parts(session) if learned is None or learned.composite else None
        call.sequence = sequence_number()
        return call

    # after

    def _after(self, call: Call, result: Any, frame: FrameType) -> None:
        session = self._session
        function = call.function
        made = sequence_number() - call.sequence
        outputs = [result] if type(result) is torch.Tensor else list(tensors_in(result))
        changed = changed_by(call)
        if call.learned is None:
            self._learn(call, made)
        if not outputs and not changed and not function.takes_out and function.sort is Sort.OP:
            return
        where = session.where_from(frame)
        if function.sort is Sort.SET_GRAD:
            rewrite_grad(session, call.args[0], call.grad_before, where)
            return
        if function.sort is Sort.SET_DATA:
            assigned_data(session, call, where)
            return
        self._name_operands(call, where.spot)
        if function.op in RESULT_IS_ARGUMENT or (outputs and not changed and all_given(outputs, call.tensors)):
            name_results(session, outputs, where.spot)
            for tensor in outputs:
                if is_leaf_of_graph(tensor):
                    session.tensors.leaf(tensor)
            return
        if changed and not stepping(session) and written(session, call, changed, where):
            return
        self._emit(call, outputs, changed, where, made)

    def _learn(self, call: Call, made: int) -> None:
        assert call.parts is not None
        parts = used(call.parts.parts)
        if len(self._learned) >= LEARNED:
            self._learned.clear()
        aten = self._session.text(parts[0].aten) if len(parts) == 1 else 0
        call.learned = self._learned[call.key] = Learned(aten, len(parts) > 1 or made > 1)

    def _emit(self, call: Call, outputs: list[torch.Tensor], changed: list[int], where: Where, made: int) -> None:
        session = self._session
        camera = session.camera
        function = call.function
        spot = where.spot
        phase = phase_now(session)
        if not call.grad_enabled:
            derived = derived_from(session, call)
            if derived is not None and phase == IN_FORWARD:
                phase = IN_UPDATE
        else:
            derived = None
        results = [] if function.takes_out else outputs
        for index in changed:
            if not any(call.tensors[index] is known for known in results):
                results = [*results, call.tensors[index]]
        if function.empty or camera.watches_memory:
            camera.uninitialised(function.op, results)
        if function.shares:
            for tensor in (*call.tensors, *results):
                camera.share(tensor)
        shots = name_and_shoot(session, results, spot)
        if derived is not None or function.aliases:
            for tensor in outputs:
                remember_alias(session, call, tensor, derived)
        if function.views:
            for tensor in outputs:
                remember_view(session, call, tensor)
        parts = used(call.parts.parts) if call.parts is not None else []
        assert call.learned is not None
        aten = call.learned.aten
        if len(parts) == 1 and made <= 1:
            aten, parts = session.text(parts[0].aten), []
        if not parts and made == 1 and len(results) == 1:
            given = named_now(session, call)
            twin = claim_one(session, results[0], call.sequence, given, call.arguments, session.module)
            place = (-1, 0) if twin is None else (twin.node, 1)
            position = self._emit_call(call, phase, where, aten, shots, changed, place)
            if twin is not None:
                twin.position = position
            return
        nodes = claim(session, call, parts, results) if made > 0 else Claimed()
        if call.parts is None and made > 1 and not function.whole:
            call.learned.composite = True
        with session.scribe.lock:  # the parts stand before their call, and no other thread's events between them
            base = session.scribe.position
            for offset, part in enumerate(parts):
                first, count = place = nodes.place(offset, base + offset)
                row = part_row(session, part, call, place, base + len(parts))
                session.emit(FORWARD, phase, where, row, module=session.module, subject=first, extent=count)
            place = nodes.place(-1, base + len(parts))
            self._emit_call(call, phase, where, 0 if parts else aten, shots, changed, place)

    def _emit_call(
        self, call: Call, phase: int, where: Where, aten: int, shots: tuple[Shot, ...], changed: list[int],
        nodes: tuple[int, int],
    ) -> int:  # fmt: skip
        """The event of a call as the user wrote it; returns its position."""
        session = self._session
        row = (
            "forward", call.function.number, aten, tuple(call.inputs), shots, call.arguments, *nodes, -1,
            call.grad_enabled, bool(changed), call.autocast,
        )  # fmt: skip
        return session.emit(FORWARD, phase, where, row, module=session.module, subject=nodes[0], extent=nodes[1])

    def _name_operands(self, call: Call, spot: Spot) -> None:
        operands = spot.operands
        if not operands or (spot.torch_function is not None and spot.torch_function != call.function.op):
            return
        if spot.receives and not call.function.method:
            operands = operands[1:]  # torch.mul(a, b): the receiver is the module
        tensors = self._session.tensors
        for argument, name in zip(call.args, operands, strict=False):
            if name is not None:
                entry = tensors.entries.get(id(argument))
                if entry is not None and entry.rank < OPERAND:
                    tensors.rename(entry, name, OPERAND)


def part_row(session: Session, part: Part, call: Call, nodes: tuple[int, int], parent: int) -> tuple[Any, ...]:
    """The row of an aten op inside a composite."""
    return (
        "forward", session.text(part.op), session.text(part.aten), tuple(part.inputs), tuple(part.outputs),
        part.arguments, *nodes, parent, call.grad_enabled, part.inplace, call.autocast,
    )  # fmt: skip


def changed_by(call: Call) -> list[int]:
    """Which of its tensors a call has changed, by their versions."""
    if call.function.uncounted:
        return list(range(len(list(tensors_in(call.args[0])))))
    if call.function.in_place and call.tensors and call.tensors[0].is_inference():
        return [0]  # these keep no count of their versions
    changed = []
    for index, tensor in enumerate(call.tensors):
        if version_of(tensor) != call.inputs[index][VERSION]:
            changed.append(index)
    return changed


def all_given(outputs: list[torch.Tensor], given: list[torch.Tensor]) -> bool:
    """Whether a call gave back nothing but what it was given."""
    return all(any(output is tensor for tensor in given) for output in outputs)


def name_results(session: Session, results: list[torch.Tensor], spot: Spot) -> None:
    """The results get the names that the source gives them, else the expression that made them."""
    tensors = session.tensors
    for tensor, name in zip(results, names_of(spot, len(results)), strict=True):
        if name is None:
            tensors.describe(tensors.entry(tensor, spot.expression), spot.expression)
            continue
        entry = tensors.entries.get(id(tensor))
        if entry is None:
            entry = tensors.new(tensor, name)
            entry.rank = BOUND
        else:
            tensors.rename(entry, name, BOUND)


def names_of(spot: Spot, count: int) -> Sequence[str | None]:
    """What so many results of one call are bound to."""
    if spot.bound is None:
        # One tensor is taken apart by an op of its own.
        return (count > 1 and spread(spot.unpacked, count)) or (None,) * count
    return [spot.bound] if count == 1 else [f"{spot.bound}[{index}]" for index in range(count)]


def name_and_shoot(session: Session, results: list[torch.Tensor], spot: Spot) -> tuple[Shot, ...]:
    """The results of an op, named, as they are now."""
    name_results(session, results, spot)
    tensors, camera = session.tensors, session.camera
    shots = []
    for tensor in results:
        entry = tensors.entries[id(tensor)]
        if not entry.leaf and is_leaf_of_graph(tensor):
            tensors.leaf(tensor)
        shots.append(camera.shoot(tensor, entry, entry.name_number))
    return tuple(shots)


def used(parts: list[Part]) -> list[Part]:
    """Without the `detach` by which autograd saves an op's own output: nothing takes it further."""
    if not any(part.op == "detach" for part in parts):
        return parts
    kept: list[Part] = []
    later: set[int] = set()
    for part in reversed(parts):
        made = {shot[TENSOR] for shot in part.outputs}
        last = part is parts[-1] and len(parts) == 1
        if part.op != "detach" or last or made & later:
            kept.append(part)
            later |= {shot[TENSOR] for shot in part.inputs}
    return kept[::-1]


def phase_now(session: Session) -> int:
    """What runs now, as far as the place tells."""
    if session.thread.backward is not None:
        return IN_BACKWARD
    return IN_UPDATE if stepping(session) else IN_FORWARD


def stepping(session: Session) -> bool:
    """Inside an optimizer's step, whose updates are told when it is over."""
    step = session.thread.step
    return step is not None and not step.over and not step.closure


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
