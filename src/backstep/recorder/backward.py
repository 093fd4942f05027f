"""Backward passes: every run of the engine goes through here, and every node that runs in it is hooked for it.

The hooks go on when the pass starts and come off when it ends: none outlives it, none is paid for a graph that
is never run. They are registered last, so that what they see is what the user's own hooks left.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch

from backstep.recorder.frames import Where
from backstep.recorder.grads import is_zero
from backstep.recorder.jacobian import local_gradients
from backstep.recorder.mode import Recording, sequence_number, weight
from backstep.recorder.nodes import ACCUMULATE, KEY, Twin
from backstep.recorder.scribe import EdgeFact
from backstep.recorder.session import Session
from backstep.recorder.snapshot import Snapshot

UNKNOWN = "the op that made it was not seen (another thread, or before the recording)"


class Pass:
    """One run of the engine."""

    def __init__(self, session: Session, number: int, where: Where, names: dict[Any, str]) -> None:
        self.session = session
        self.number = number
        self.where = where
        self.names = names
        """What is known of the names of gradients, by (node, output)."""
        self.handles: list[Any] = []
        self.nodes: dict[Any, int] = {}

    def number_of(self, node: Any) -> int:
        number = self.nodes.get(node)
        if number is None:
            twin = node.metadata.get(KEY)
            if twin is None:
                twin = Twin(next(self.session.nodes), -1, [], False, "")
                node.metadata[KEY] = twin
            number = self.nodes[node] = twin.node
        return number

    def hook(self, roots: list[Any]) -> None:
        """Puts hooks on every node that can be reached."""
        stack, seen = list(roots), set(roots)
        while stack:
            node = stack.pop()
            if node.name() == ACCUMULATE:
                self._hook_leaf(node)
            else:
                self._hook_node(node)
            for parent, _ in node.next_functions:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)

    def _hook_node(self, node: Any) -> None:
        run = NodeRun(self, node)
        self.handles.append(node.register_prehook(run.before))
        self.handles.append(node.register_hook(run.after))

    def _hook_leaf(self, node: Any) -> None:
        run = LeafRun(self, node)
        self.handles.append(node.register_prehook(run.before))
        self.handles.append(node.register_hook(run.after))

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()


class NodeRun:
    """A node in a pass: its hooks, and what the first keeps for the second."""

    __slots__ = ("_edges", "_node", "_pass", "_upstream")

    def __init__(self, backward: Pass, node: Any) -> None:
        self._pass = backward
        self._node = node
        self._upstream: list[Snapshot | None] = []
        self._edges: list[EdgeFact] = []

    def before(self, grads: Any) -> None:
        session = self._pass.session
        if not session.enabled:
            return
        with session.guarded("a node"):
            node = self._node
            twin: Twin | None = node.metadata.get(KEY)
            self._pass.number_of(node)
            names = self._pass.names
            self._upstream = [
                None if grad is None else session.camera.gradient(grad, names.get((node, output), "grad"))
                for output, grad in enumerate(grads)
            ]
            targets = enumerate(node.next_functions)
            self._edges = [self._edge(index, twin, target, output) for index, (target, output) in targets]
            if session.options.local_entries:
                packed = twin is not None and twin.packed
                local_gradients(node, grads, self._edges, session.options.local_entries, packed)

    def _edge(self, index: int, twin: Twin | None, target: Any, output: int) -> EdgeFact:
        name, why = ("", "")
        if twin is not None and index < len(twin.inputs):
            name, why = twin.inputs[index]
        edge = EdgeFact(name, "" if target is not None else why or "requires_grad=False")
        if target is None:
            return edge
        if target.name() == ACCUMULATE:
            leaf = self._pass.session.tensors.leaf(target.variable, name)
            edge.input = leaf.name
            edge.leaf = leaf.number
        else:
            edge.node, edge.output = self._pass.number_of(target), output
            self._pass.names.setdefault((target, output), f"{name}.grad" if name else "grad")
        return edge

    def after(self, inputs: Any, outputs: Any) -> None:
        backward = self._pass
        session = backward.session
        if not session.enabled:
            return
        with session.guarded("a node"):
            node = self._node
            size = 0
            for edge, grad in zip(self._edges, inputs, strict=False):
                if grad is None:
                    if edge.node >= 0 or edge.leaf >= 0:
                        edge.why = "no gradient came out: None, which counts as zero"
                    continue
                if edge.node < 0 and edge.leaf < 0:
                    continue
                edge.downstream = session.camera.gradient(grad, f"{edge.input}.grad" if edge.input else "grad")
                size += weight([edge.downstream])
                if edge.local is not None and edge.local.data is not None:
                    size += edge.local.data.nbytes
            twin: Twin = node.metadata[KEY]
            why = "" if twin.position >= 0 else reason(session, node)
            session.emit(
                "backward", backward.where, twin.module, backward.number, twin.node, node.name(), twin.position, why,
                self._upstream, self._edges, size=size + weight([u for u in self._upstream if u is not None]),
            )  # fmt: skip
        self._upstream, self._edges = [], []


class LeafRun:
    """An `AccumulateGrad` node in a pass."""

    __slots__ = ("_arrived", "_before", "_empty", "_node", "_pass")

    def __init__(self, backward: Pass, node: Any) -> None:
        self._pass = backward
        self._node = node
        self._arrived: Snapshot | None = None
        self._before: Snapshot | None = None
        self._empty = True

    def before(self, grads: Any) -> None:
        session = self._pass.session
        if not session.enabled:
            return
        with session.guarded("an accumulation"):
            variable = self._node.variable
            leaf = session.tensors.leaf(variable)
            grad = variable.grad
            self._before = None
            if grad is not None:
                session.tensors.gradient(grad, leaf)
                self._before = session.camera.snap(grad)
            self._empty = grad is None or is_zero(grad)
            # A clone: to keep the tensor that arrives would make the engine copy it instead of taking it over.
            self._arrived = None if grads[0] is None else session.camera.gradient(grads[0], f"{leaf.name}.grad")

    def after(self, inputs: Any, outputs: Any) -> None:
        session = self._pass.session
        if not session.enabled or self._arrived is None:
            return
        with session.guarded("an accumulation"):
            variable = self._node.variable
            leaf = session.tensors.leaf(variable)
            after = None
            if variable.grad is not None:
                session.tensors.gradient(variable.grad, leaf)
                after = session.camera.snap(variable.grad)
            shots = [shot for shot in (self._before, self._arrived, after) if shot is not None]
            session.emit(
                "accumulate", self._pass.where, leaf.number, self._before, self._arrived, after, self._empty,
                size=weight(shots),
            )  # fmt: skip
        self._before = self._arrived = None


def reason(session: Session, node: Any) -> str:
    """Why a node has no twin."""
    if any(first <= node._sequence_nr() < end for first, end in session.thread.differentiable_passes):
        return "made by a backward pass itself (create_graph=True)"
    if node.name() in ("AsStridedBackward0", "CopySlices"):
        return "made anew by autograd after an in-place change of a view or its base"
    return UNKNOWN


class Engine:
    """Stands where torch's Python calls the engine; `original` is what does."""

    def __init__(self, session: Session, mode: Recording, original: Callable[..., Any]) -> None:
        self._session = session
        self._mode = mode
        self._original = original

    def install(self) -> Callable[[], None]:
        """Puts a function in the engine's place; returns what takes it out again."""
        original, run = self._original, self.run

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return original(t_outputs, *args, **kwargs)
            try:
                return run(t_outputs, args, kwargs)
            except BaseException as error:
                error.__traceback__ = without_ours(error.__traceback__)
                raise

        places = [
            module
            for name, module in list(sys.modules.items())
            if name.startswith("torch") and getattr(module, "__dict__", {}).get("_engine_run_backward") is original
        ]
        for module in places:
            module._engine_run_backward = _engine_run_backward  # type: ignore[attr-defined]

        def remove() -> None:
            for module in places:
                module._engine_run_backward = original  # type: ignore[attr-defined]

        return remove

    def run(self, outputs: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        session = self._session
        state = session.thread
        if not session.enabled or state.busy:
            return self._original(outputs, *args, **kwargs)
        outer = state.backward
        first = sequence_number()
        backward: Pass | None = None
        with session.guarded("a backward pass"):
            backward = self._start(outputs, args, kwargs)
        if backward is None:
            return self._original(outputs, *args, **kwargs)
        state.backward = backward
        try:
            with self._reentered():
                captured = self._original(outputs, *args, **kwargs)
        except BaseException as error:
            with session.guarded("an exception"):
                session.raised(error, "backward", backward.where)
            raise
        finally:
            state.backward = outer
            backward.remove()
        with session.guarded("the end of a backward pass"):
            if sequence_number() > first:
                state.differentiable_passes.append((first, sequence_number()))
            self._end(backward, captured, kwargs)
        return captured

    def _reentered(self) -> Any:
        # A function mode is off while it handles `backward`; what user code runs in there is to be seen too.
        from contextlib import nullcontext

        active = any(mode is self._mode for mode in torch.overrides._get_current_function_mode_stack())
        return nullcontext() if active else self._mode

    def _start(self, outputs: Any, args: Any, kwargs: dict[str, Any]) -> Pass:
        session = self._session
        grads, retain, create, inputs = (*args, None, None, None, ())[:4]
        roots = [output if isinstance(output, torch.Tensor) else None for output in outputs]
        where = session.where(4)
        backward = Pass(session, next(session.passes), where, {})
        shots = [session.camera.snap(root) for root in roots if root is not None]
        seeds = [
            None if grad is None else session.camera.gradient(grad, f"{shot.name}.grad")
            for grad, shot in zip(grads, shots, strict=False)
        ]
        asked = [t for t in inputs or () if isinstance(t, torch.Tensor)]
        api = "backward" if kwargs.get("accumulate_grad") else "grad"
        wanted = [session.camera.snap(tensor) for tensor in asked] if inputs else None
        for tensor in asked:
            if tensor.is_leaf and tensor.requires_grad:
                session.tensors.leaf(tensor)
        session.emit(
            "backward_start", where, backward.number, api, shots, seeds, wanted, bool(retain), bool(create),
            size=weight(shots),
        )  # fmt: skip
        nodes = []
        for output, shot in zip(outputs, shots, strict=False):
            node = output.grad_fn if isinstance(output, torch.Tensor) else output.node
            if node is None and isinstance(output, torch.Tensor) and output.requires_grad:
                node = torch.autograd.graph.get_gradient_edge(output).node
            if node is not None:
                nodes.append(node)
                backward.names[(node, output.output_nr)] = f"{shot.name}.grad"
        backward.hook(nodes)
        return backward

    def _end(self, backward: Pass, captured: Any, kwargs: dict[str, Any]) -> None:
        session = self._session
        shots: list[Snapshot | None] = []
        if not kwargs.get("accumulate_grad"):
            shots = [None if grad is None else session.camera.snap(grad, "grad") for grad in captured]
        session.emit("backward_end", backward.where, backward.number, shots)


def without_ours(traceback: Any) -> Any:
    """A traceback without the frames of this file at its top."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


