"""Where a NaN or an Inf is born: the first op whose inputs are finite and whose result, or gradient, is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backstep.diagnose.divergence import diverges
from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.magnitude import has_nan, is_zero, not_finite
from backstep.diagnose.story import Leaf, Pass, Story, uses_gradient
from backstep.diagnose.wording import at, quoted, size, told
from backstep.trace.event import AccumulateEvent, BackwardEvent, ForwardEvent, UpdateEvent, Value, ZeroGradEvent

MEANT = frozenset({"masked_fill", "masked_fill_", "full", "full_like", "fill_", "tensor", "where", "new_full"})
"""Ops that are given an Inf to put there."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    """One finding: what comes after a birth is only its consequence."""
    if diverges(story) is not None:
        return  # an overflow at the end of a divergence is told as that
    for one in story.passes:
        bad_root = any(not_finite(root) for root in one.start.roots)
        if not bad_root and not any(not_finite(act.arrived) for act in one.contributions):
            continue
        harm = harmed(story, one)
        if bad_root and harm is not None:
            yield born_forward(story, one)
            return
        birth = next((node for node in one.nodes if born_in(node)), None)
        if harm is not None and birth is not None:
            yield born_backward(story, birth, harm)
            return
    update = next((u for step in story.steps for u in step if not_finite(u.after) and uses_gradient(u)), None)
    if update is not None and not not_finite(update.before):
        yield Finding(
            Level.ERROR,
            f"The update makes {update.tensor} NaN or Inf from a finite value and gradient.",
            "Look at the step size and the optimizer's state (eps, moments) here.",
            update.source,
            (update.position,),
            f"{size(update.before)} → {size(update.after)}",
        )


def harmed(story: Story, one: Pass) -> UpdateEvent | Pass | None:
    """What shows that the bad gradient did harm: an update that used it. A step that was skipped is none."""
    bad_root = any(map(not_finite, one.start.roots)) and not scaled(story, one)
    for contribution in one.contributions:
        update = used_by(story.leaves[contribution.number], contribution)
        if update is not None and (bad_root or not_finite(update.grad) or not_finite(update.after)):
            return update
    return one if story.crash is not None or (one is story.passes[-1] and not story.trained) else None


def used_by(leaf: Leaf, contribution: AccumulateEvent) -> UpdateEvent | None:
    """The update that used a contribution; None where it was cleared before."""
    for act in leaf.acts:
        if act.position > contribution.position:
            if isinstance(act, ZeroGradEvent):
                return None
            if isinstance(act, UpdateEvent) and uses_gradient(act):
                return act
    return None


def scaled(story: Story, one: Pass) -> bool:
    """Whether the root is a loss times a factor: its overflow is the scaler's affair while the gradients are finite."""
    made = story.maker(one.start.roots[0].tensor, one.start.position)
    return made is not None and made.op == "mul" and not any(map(not_finite, made.inputs))


def born_in(node: BackwardEvent) -> bool:
    """Whether finite gradients arrived at a node and others left it."""
    arrived_well = not any(not_finite(value) for value in node.upstream)
    return arrived_well and any(not_finite(edge.downstream) for edge in node.edges)


def born_forward(story: Story, one: Pass) -> Finding:
    """The farthest ancestor of the root with finite inputs and a result that is not."""
    root = one.start.roots[0]
    births = [event for event in story.ancestors(root, one.start.position) if born_here(event)]
    if not births:
        return came_in(story, one, root)
    event = min(births, key=lambda birth: birth.position)
    bad = next(value for value in event.outputs if not_finite(value))
    return Finding(
        Level.ERROR,
        f"{described(event)} gives {kind_of(bad)} from finite inputs{at_what(event.op, event.inputs)}; the loss"
        f" {root.name} on {at(one.source)} is not finite any more.",
        fix_of(event.op),
        event.source,
        (event.position, one.start.position),
        numbers_of(event.inputs, bad),
        (Related(one.source, f"{root.name} = {size(root)}"),),
    )


def came_in(story: Story, one: Pass, root: Value) -> Finding:
    """No op made it: it came in with the data."""
    bad = [event for event in story.ancestors(root, one.start.position) if any(map(not_finite, event.outputs))]
    given = min(bad, key=lambda event: event.position, default=None)
    value = next((v for v in (*given.inputs, *given.outputs) if not_finite(v)), root) if given is not None else root
    if value.tensor in story.trained:
        return Finding(
            Level.ERROR,
            f"{value.name} holds {kind_of(value)} already where this part of the recording begins: where it was born is"
            " not in it.",
            "Check a shorter run, or record the iterations before (backstep run --iterations).",
            one.source if given is None else given.source,
            (one.start.position,),
            numbers_of((), value),
        )
    return Finding(
        Level.ERROR,
        f"{kind_of(value)} comes in with {value.name}: no op has made it of finite numbers; the loss {root.name} on"
        f" {at(one.source)} is not finite any more.",
        "Clean the data before the training (drop or fill what is missing), and check it with torch.isfinite.",
        one.source if given is None else given.source,
        (*((given.position,) if given is not None else ()), one.start.position),
        numbers_of((), value),
        (Related(one.source, f"{root.name} = {size(root)}"),),
    )


def born_here(event: ForwardEvent) -> bool:
    if event.op in MEANT or event.parent is not None:
        return False
    worse = any(has_nan(value) for value in event.outputs) and not any(has_nan(value) for value in event.inputs)
    new = any(not_finite(value) for value in event.outputs) and not any(not_finite(value) for value in event.inputs)
    return worse or new


def born_backward(story: Story, node: BackwardEvent, harm: UpdateEvent | Pass) -> Finding:
    twin = None if node.forward is None else story.event(node.forward)
    edge = next(edge for edge in node.edges if not_finite(edge.downstream))
    op = twin.op if isinstance(twin, ForwardEvent) else node.op
    inputs = twin.inputs if isinstance(twin, ForwardEvent) else ()
    source = twin.source if twin is not None else node.source
    where = quoted(source.code) if source is not None else node.op
    zero = all(value is None or is_zero(value) for value in node.upstream)
    unused = " although the gradient that arrives is zero, as on the unused side of a `where`: 0 x Inf" if zero else ""
    effect = f"{harm.tensor} is updated with it" if isinstance(harm, UpdateEvent) else "the run does not survive it"
    return Finding(
        Level.ERROR,
        f"Going back through {where} the gradient becomes {kind_of(edge.downstream)}{at_what(op, inputs)}{unused};"
        f" {effect}.",
        fix_of(op),
        source,
        (*((node.forward,) if node.forward is not None else ()), node.position,
         harm.position if isinstance(harm, UpdateEvent) else harm.start.position),
        numbers_of(inputs, edge.downstream),
    )  # fmt: skip


def kind_of(value: Value | None) -> str:
    summary = None if value is None else value.summary
    if summary is None:
        return "NaN or Inf"
    both = [word for word, count in (("NaN", summary.nan), ("Inf", summary.inf)) if count]
    return " and ".join(both) or "NaN or Inf"


def at_what(op: str, inputs: Sequence[Value]) -> str:
    """The input at which the op has no finite value or slope, where that can be told."""
    for value in inputs[-1:] if op in ("div", "reciprocal") else inputs[:1]:
        summary = value.summary
        if summary is None or summary.min is None or summary.max is None:
            continue
        if summary.min < 0 and op in ("log", "sqrt", "log2", "log10", "pow", "rsqrt"):
            return f" ({value.name} has negative elements)"
        if summary.zeros:
            return f" ({value.name} has {told(summary.zeros, 'element')} equal to 0)"
        if summary.max > 80 and op in ("exp", "softplus", "cosh", "sinh"):
            return f" ({value.name} reaches {summary.max:.4g})"
    return ""


def fix_of(op: str) -> str:
    """How such an op is kept finite."""
    if op in ("log", "log2", "log10"):
        return "Keep the argument above zero (clamp(min=eps), or a log_softmax / logsigmoid in its place)."
    if op in ("sqrt", "norm", "rsqrt", "pow", "std", "vector_norm", "linalg_vector_norm", "cdist"):
        return "Keep the argument away from zero before the op: add a small eps inside it, or clamp it."
    if op in ("div", "reciprocal", "true_divide"):
        return "Keep the divisor away from zero: add a small eps, or clamp it (before a `where`, not after)."
    if op in ("exp", "cosh", "sinh", "expm1"):
        return "Bound the argument (clamp it, or subtract its maximum), or stay in logarithms (logsumexp)."
    return "Keep the inputs of this op where its value and its slope are finite."


def numbers_of(inputs: Sequence[Value], bad: Value | None) -> str:
    parts = []
    for value in inputs[:2]:
        summary = value.summary
        if summary is not None and summary.min is not None:
            parts.append(f"{value.name} in [{summary.min:.4g}, {summary.max:.4g}]")
    if bad is not None and bad.summary is not None:
        counts = [told(n, word, word) for word, n in (("NaN", bad.summary.nan), ("Inf", bad.summary.inf)) if n]
        parts.append(f"→ {', '.join(counts)}")
    return " ".join(parts)


RULE = Rule("non-finite", "a NaN or an Inf is born", look)
