"""Backward passes: every run of the engine goes through here, and every node that runs in it is hooked for it.

The hooks go on when the pass starts and come off when it ends: none outlives it, none is paid for a graph that
is never run. They are registered last, so that what they see is what the user's own hooks left.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from torch.autograd.function import BackwardCFunction

from backstep.recorder.collectives import reduces, tell_reduced
from backstep.recorder.compiling import is_compiling
from backstep.recorder.differentiable import GraphOfPass
from backstep.recorder.frames import Where
from backstep.recorder.grads import is_zero
from backstep.recorder.jacobian import local_gradients
from backstep.recorder.mode import Recording, dispatch_modes, sequence_number
from backstep.recorder.nodes import ACCUMULATE, COPY_SLICES, KEY, NO_GRAD, Twin
from backstep.recorder.scribe import ACCUMULATE as ACCUMULATION
from backstep.recorder.scribe import BACKWARD, BACKWARD_END, BACKWARD_START, IN_BACKWARD
from backstep.recorder.session import Session, ThreadState
from backstep.recorder.snapshot import NAME, Shot, disable_function, unseen
from backstep.recorder.stack import is_active
from backstep.recorder.watch import Watch

UNKNOWN = "the op that made it was not seen (another thread, or before the recording)"
OUTSIDE = "the op that made it lies outside the iterations that are recorded"
OURS = "backstep"
NONE_LEFT = "no gradient came out: None, which counts as zero"

SAME_NUMBERS = frozenset(
    f"{name}Backward0"
    for name in "T Transpose Permute View UnsafeView Reshape ReshapeAlias Alias Unsqueeze Squeeze Expand".split()
) | {"SqueezeBackward1", "TransposeBackward1"}
"""Nodes whose gradients may be one memory with two shapes."""


class Pass:
    """One run of the engine."""

    def __init__(self, session: Session, number: int, where: Where) -> None:
        self.session = session
        self.number = number
        self.where = where
        self.handles: list[Any] = []
        self.beside_own_hooks: list[Any] = []
        """The hooks of leaves and nodes that have some of the user's, and among them one of ours."""
        self.leaves: dict[Any, torch.Tensor] = {}
        """The leaf of each `AccumulateGrad` node."""
        self.left: list[tuple[torch.Tensor, torch.Tensor]] = []
        """Leaves, and the gradient that was left in each: only where other processes may change it."""
        self.graph: GraphOfPass | None = None
        """What a pass that builds a graph runs."""
        self.keeps_locals = session.local_entries > 0
        self.unnamed = session.text("grad")
        self.no_grad = session.text(NO_GRAD)
        self._gradients = session.gradient_names

    def twin_of(self, node: Any) -> Twin:
        """What is known of a node; one whose op was not seen gets a number here."""
        metadata = node.metadata
        twin: Twin | None = metadata.get(KEY)
        if twin is None:
            twin = metadata[KEY] = Twin(next(self.session.nodes), -1, (), (), False, 0)
        return twin

    def gradient_of(self, name: int) -> int:
        """What the gradient of a value of this name is called; both as numbers of texts."""
        number = self._gradients.get(name)
        if number is None:
            text = self.session.scribe.text_of(name)
            number = self._gradients[name] = self.session.text(f"{text}.grad") if text else self.unnamed
        return number

    def hook(self, roots: list[Any]) -> None:
        """Puts hooks on every node that can be reached."""
        stack, seen = list(roots), set(roots)
        handles = self.handles
        while stack:
            node = stack.pop()
            if node.name() == ACCUMULATE:
                variable = self.leaves[node] = node.variable
                leaf = LeafRun(self, node)
                handles.append(node.register_prehook(leaf.before))
                handles.append(node.register_hook(leaf.after))
                own = getattr(variable, "_post_accumulate_grad_hooks", None)
                if own:
                    self._put_first(own, leaf.accumulated)  # the user's may change what was accumulated
                continue
            targets = node.next_functions
            run = NodeRun(self, node, targets)
            handle = node.register_hook(run.after)
            handles.append(handle)
            hooks = handle.hooks_dict_ref()
            if hooks is not None and len(hooks) > 1:
                self._put_first(hooks, run.computed)  # the user's may replace what the node has computed
            if isinstance(node, BackwardCFunction):
                # Its `backward` is the user's, who may write into what arrives.
                handles.append(node.register_prehook(run.before))
            for parent, _ in targets:
                if parent is not None and parent not in seen:
                    seen.add(parent)
                    stack.append(parent)

    def _put_first(self, hooks: Any, hook: Callable[..., None]) -> None:
        """Puts a hook of ours before the user's: C++ goes by the order in which they were put in."""
        others = list(hooks.items())
        hooks.clear()
        hooks[OURS] = hook
        hooks.update(others)
        self.beside_own_hooks.append(hooks)

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()
        self.handles.clear()
        self.leaves.clear()
        for own in self.beside_own_hooks:
            own.pop(OURS, None)


class alone:
    """Nothing of the user's, and nothing of ours, sees what a hook does. Half of what `Session.guarded` costs."""

    __slots__ = ("_busy", "_function", "_state")

    def __init__(self, state: ThreadState) -> None:
        self._state = state

    def __enter__(self) -> None:
        state = self._state
        self._busy, state.busy = state.busy, True
        self._function = unseen() if dispatch_modes() else disable_function()
        self._function.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._function.__exit__(*error)
        self._state.busy = self._busy


class NodeRun:
    """A node in a pass. One hook sees both sides: it runs when the node has, before what it saved is let go."""

    __slots__ = ("_arrived", "_computed", "_node", "_pass", "_targets")

    def __init__(self, backward: Pass, node: Any, targets: Any) -> None:
        self._pass = backward
        self._node = node
        self._targets = targets
        self._arrived: tuple[Shot | None, ...] | None = None
        self._computed: list[tuple[torch.Tensor | None, int]] = []
        """Each gradient that the node computed, and its version, where hooks of the user's come next."""

    def before(self, grads: Any) -> None:
        session = self._pass.session
        if session.enabled:
            with session.guarded("a node"):
                self._arrived = self._upstream(self._pass.twin_of(self._node), grads)

    def _upstream(self, twin: Twin, grads: Any) -> tuple[Shot | None, ...]:
        gradient, names, unnamed = self._pass.session.camera.gradient, twin.gradients or {}, self._pass.unnamed
        if len(grads) == 1 and grads[0] is not None:
            return (gradient(grads[0], names.get(0, unnamed)),)
        return tuple(
            None if grad is None else gradient(grad, names.get(output, unnamed)) for output, grad in enumerate(grads)
        )

    def computed(self, left: Any, _: Any) -> None:
        self._computed = [(grad, 0 if grad is None else grad._version) for grad in left]

    def _replaced(self, left: Any) -> list[int]:
        """Which of the gradients are not what the node computed."""
        pairs = enumerate(zip(self._computed, left, strict=False))
        replaced = [
            index
            for index, ((grad, version), now) in pairs
            if now is not grad or (grad is not None and grad._version != version)
        ]
        self._computed.clear()
        return replaced

    def after(self, left: Any, arrived: Any) -> None:
        session = self._pass.session
        if session.enabled:
            try:
                with alone(session.thread):
                    self._record(session, left, arrived)
            except Exception as error:
                session.failed("a node", error)

    def _record(self, session: Session, left: Any, arrived: Any) -> None:
        backward, node, targets = self._pass, self._node, self._targets
        twin = backward.twin_of(node)
        if backward.graph is not None:
            backward.graph.tell((*arrived, *left), twin.module)
        upstream = self._upstream(twin, arrived) if self._arrived is None else self._arrived
        self._arrived = None
        name = node.name()
        locals_: dict[int, Any] = {}
        if backward.keeps_locals:
            locals_ = local_gradients(session, node, name, targets, arrived, left, twin.packed)
        camera, given, leaves = session.camera, len(left), backward.leaves
        inputs = twin.inputs(session, targets)
        whole = upstream[0] if name in SAME_NUMBERS and len(upstream) == 1 else None
        edges: list[tuple[Any, ...]] = []
        for index, (target, output) in enumerate(targets):
            label, why = inputs[index] if index < len(inputs) else (0, 0)
            if target is None:
                edges.append((label, -1, 0, -1, None, None, 0, why or backward.no_grad))
                continue
            to, leaf = -1, -1
            if target in leaves:
                entry = session.tensors.leaf(leaves[target], session.scribe.text_of(label))
                label, leaf, output = entry.name_number, entry.number, 0
                called = backward.gradient_of(label)
            else:
                next_ = backward.twin_of(target)
                to, called = next_.node, backward.gradient_of(label)
                next_.call_gradient(output, called)
            grad = left[index] if index < given else None
            downstream = None
            if grad is None:
                why = session.text(NONE_LEFT)
            elif whole is not None:
                downstream = camera.same(grad, arrived[0], whole, called)
            else:
                downstream = camera.gradient(grad, called)
            edges.append((label, to, output, leaf, locals_.get(index), downstream, 0, why if grad is None else 0))
        if self._computed:
            for index in self._replaced(left):
                edges[index] = (*edges[index], True)
        unseen_ = 0 if twin.position >= 0 else session.text(reason(session, node))
        row = (
            "backward", backward.number, twin.node, session.node_name(name), twin.position, unseen_, upstream,
            tuple(edges),
        )  # fmt: skip
        session.emit(BACKWARD, IN_BACKWARD, backward.where, row, module=twin.module, subject=twin.node)


class LeafRun:
    """An `AccumulateGrad` node in a pass."""

    __slots__ = ("_arrived", "_before", "_called", "_empty", "_node", "_pass")

    def __init__(self, backward: Pass, node: Any) -> None:
        self._pass = backward
        self._node = node
        self._arrived: Shot | None = None
        self._before: Shot | None = None
        self._empty = True
        self._called = 0

    def before(self, grads: Any) -> None:
        session = self._pass.session
        if session.enabled:
            try:
                with alone(session.thread):
                    self._arrive(session, grads)
            except Exception as error:
                session.failed("an accumulation", error)

    def _arrive(self, session: Session, grads: Any) -> None:
        variable = self._node.variable
        leaf = session.tensors.leaf(variable)
        grad = variable.grad
        self._before, self._empty = None, True
        if grad is not None:
            session.tensors.gradient(grad, leaf)
            self._before = session.camera.snap(grad)
            self._empty = is_zero(grad, self._before)
        # A clone: to keep the tensor that arrives would make the engine copy it instead of taking it over.
        self._called = self._pass.gradient_of(leaf.name_number)
        self._arrived = None if grads[0] is None else session.camera.gradient(grads[0], self._called)

    def accumulated(self, _: torch.Tensor) -> None:
        """`.grad` has been written, and hooks of the user's on the leaf come next."""
        self.after(None, (None,))

    def after(self, _: Any, arrived: Any) -> None:
        session = self._pass.session
        if session.enabled and self._arrived is not None:
            try:
                with alone(session.thread):
                    self._record(session, self._arrived, arrived[0])
            except Exception as error:
                session.failed("an accumulation", error)
        self._before = self._arrived = None

    def _record(self, session: Session, shot: Shot, arrived: torch.Tensor | None) -> None:
        variable = self._node.variable
        leaf = session.tensors.leaf(variable)
        after = None
        grad = variable.grad
        if self._pass.graph is not None:
            self._pass.graph.tell((arrived, grad), 0)
        if grad is not None:
            session.tensors.gradient(grad, leaf)
            if arrived is None:
                after = session.camera.snap(grad)
            else:
                after = session.camera.same(grad, arrived, shot, self._called)
        row = ("accumulate", leaf.number, self._before, shot, after, self._empty)
        session.emit(ACCUMULATION, IN_BACKWARD, self._pass.where, row, subject=leaf.number)
        if grad is not None and reduces():
            self._pass.left.append((variable, grad.detach().clone()))


def reason(session: Session, node: Any) -> str:
    """Why a node has no twin."""
    if session.window is not None and KEY in node.metadata and node.metadata[KEY].shots:
        return OUTSIDE
    number = node._sequence_nr()
    if any(first <= number < end for first, end in session.thread.transformed):
        return "made inside torch.func, of a tangent or at another level than the op that was seen"
    if any(first <= number < end for first, end in session.thread.differentiable_passes):
        return "made by a backward pass itself (create_graph=True)"
    if node.name() in ("AsStridedBackward0", COPY_SLICES):
        return "made anew by autograd after an in-place change of a view or its base"
    return UNKNOWN


class Engine:
    """Stands where torch's Python calls the engine; `original` is what does."""

    def __init__(self, session: Session, mode: Recording, original: Callable[..., Any], watch: Watch) -> None:
        self._session = session
        self._mode = mode
        self._original = original
        self._watch = watch

    def install(self) -> Callable[[], None]:
        """Puts a function in the engine's place; returns what takes it out again."""
        original, run = self._original, self.run

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if is_compiling():
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
        if session.closed and not state.busy:
            return self._pass_by(outputs, args, kwargs)
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
            with ExitStack() as modes:
                if not is_active(self._mode):
                    # It is off while it handles `backward`; what user code runs in there is to be seen too.
                    modes.enter_context(self._mode)
                if backward.graph is not None:
                    modes.enter_context(backward.graph)
                captured = self._original(outputs, *args, **kwargs)
        except BaseException as error:
            with session.guarded("an exception"):
                session.raised(error, IN_BACKWARD, backward.where)
            raise
        finally:
            state.backward = outer
            backward.remove()
        with session.guarded("the end of a backward pass"):
            if sequence_number() > first:
                state.differentiable_passes.append((first, sequence_number()))
            self._end(backward, captured, kwargs)
            if backward.left:
                tell_reduced(session, backward)
            if session.window is not None and session.window.closes():
                self._watch.close_later()
        return captured

    def _pass_by(self, outputs: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Between two windows: counts the iterations, and opens the next window in time."""
        session = self._session
        window = session.window
        assert window is not None
        if window.is_over:
            session.closed = False  # nobody need count any more
        else:
            with session.guarded("a backward pass"):
                session.where(4)
                window.backward(session.loop_passes)
        captured = self._original(outputs, *args, **kwargs)
        if window.opens() and session.closed:
            self._watch.reopen()
        return captured

    def _start(self, outputs: Any, args: Any, kwargs: dict[str, Any]) -> Pass:
        session = self._session
        camera = session.camera
        grads, retain, create, inputs = (*args, None, None, None, ())[:4]
        roots = [output for output in outputs if isinstance(output, torch.Tensor)]
        where = session.where(4)
        camera.flow += 1
        backward = Pass(session, next(session.passes), where)
        shots = tuple(camera.snap(root) for root in roots)
        seeds = tuple(
            None if grad is None else camera.gradient(grad, backward.gradient_of(shot[NAME]))
            for grad, shot in zip(grads, shots, strict=False)
        )
        asked = [t for t in inputs or () if isinstance(t, torch.Tensor)]
        for tensor in asked:
            if tensor.is_leaf and tensor.requires_grad:
                session.tensors.leaf(tensor)
        wanted = tuple(camera.snap(tensor) for tensor in asked) if inputs else None
        api = "backward" if kwargs.get("accumulate_grad") else "grad"
        row = ("backward_start", backward.number, api, shots, seeds, wanted, bool(retain), bool(create))
        session.emit(BACKWARD_START, IN_BACKWARD, where, row, subject=backward.number)
        nodes = []
        for output, shot in zip(outputs, shots, strict=False):
            node = output.grad_fn if isinstance(output, torch.Tensor) else output.node
            if node is None and isinstance(output, torch.Tensor) and output.requires_grad:
                node = torch.autograd.graph.get_gradient_edge(output).node
            if node is not None:
                nodes.append(node)
                if node.name() != ACCUMULATE:
                    backward.twin_of(node).call_gradient(output.output_nr, backward.gradient_of(shot[NAME]))
        if create:
            backward.graph = GraphOfPass(session, where, self._original)
        backward.hook(nodes)
        session.adopt(list(backward.leaves.values()))
        return backward

    def _end(self, backward: Pass, captured: Any, kwargs: dict[str, Any]) -> None:
        session = self._session
        shots: tuple[Shot | None, ...] = ()
        if backward.graph is not None:
            backward.graph.tell(captured or (), 0)
        if not kwargs.get("accumulate_grad"):
            shots = tuple(None if grad is None else session.camera.snap(grad, "grad") for grad in captured)
        row = ("backward_end", backward.number, shots)
        session.emit(BACKWARD_END, IN_BACKWARD, backward.where, row, subject=backward.number)


def without_ours(traceback: Any) -> Any:
    """A traceback without the frames of this file at its top."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    return traceback


