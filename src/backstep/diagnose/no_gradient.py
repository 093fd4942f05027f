"""A backward pass starts from a loss that no parameter's gradient can come from: the way is cut before it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.leaf_replaced import replacements
from backstep.diagnose.lineage import TAKES_OUT, cuts, described, taken_out_before
from backstep.diagnose.script_text import switched_to_frozen
from backstep.diagnose.story import Pass, Story
from backstep.diagnose.wording import at, listed, quoted
from backstep.trace.event import AccumulateEvent, ForwardEvent, Value

MESSAGE = "does not require grad and does not have a grad_fn"
MAKERS = frozenset({"tensor", "as_tensor", "from_numpy", "scalar_tensor", "full", "FloatTensor", "Tensor"})


def look(story: Story) -> Iterator[Finding | NotLooked]:
    for one in story.passes:
        root = one.start.roots[0] if one.start.roots else None
        refused = one.end is None and story.crash is not None and MESSAGE in story.crash.message
        if root is None or (refused and next(replacements(story), None) is not None):
            continue
        if refused and one is story.passes[-1]:
            yield why_no_gradient(story, one, root)
        elif remaking_of(story, one) is not None:
            # Now and then a loss without terms is a new zero on purpose; as a rule it is not.
            if 2 * sum(remaking_of(story, other) is not None for other in story.finished) > len(story.finished):
                yield remade(story, one)
            return


def why_no_gradient(story: Story, one: Pass, root: Value) -> Finding:
    """The cut nearest to the loss is the cause; without any, nothing in the loss ever needed a gradient."""
    evidence = (one.start.position,)
    here = (Related(one.source, "the backward pass that it is missing in"),)
    lost = " so the loss has no graph and the backward pass raises"
    for event in story.ancestors(root, one.start.position):
        if not event.grad_enabled and any(value.requires_grad for value in event.inputs):
            return Finding(
                Level.ERROR,
                f"{described(event)} runs without grad mode (torch.no_grad() or the like),{lost}.",
                "Compute the loss with grad mode on; keep torch.no_grad() for evaluation and updates.",
                event.source,
                (event.position, *evidence),
                related=here,
            )
    frozen = frozen_since(story, one, root)
    if frozen:
        return switched_off(story, one, frozen)
    cut = next(cuts(story, root, one.start.position), None)
    if cut is None:
        made = next((e for e in story.ancestors(root, one.start.position) if enters_here(story, e)), None)
        cut = None if made is None else remaking(story, made)
    if cut is not None:
        return Finding(
            Level.ERROR,
            f"{described(cut)} gives a result without a graph: no gradient comes back through `{cut.op}`,{lost}.",
            fix_of(cut),
            cut.source,
            (cut.position, *evidence),
            related=here,
        )
    meant = meant_as_parameter(story, root, one)
    return Finding(
        Level.ERROR,
        f"Nothing that {root.name} was computed from requires grad,{lost}.",
        "Make the parameters with requires_grad=True (or unfreeze them), then compute the loss from them.",
        one.source if meant is None else meant.source,
        (*((meant.position,) if meant is not None else ()), *evidence),
        related=() if meant is None else here,
    )


def enters_here(story: Story, event: ForwardEvent) -> bool:
    """Whether numbers become a tensor in an op, or before it unseen: `from_numpy` computes nothing."""
    unseen = (v for v in event.inputs if not v.requires_grad and story.maker(v.tensor, event.position) is None)
    return event.op in MAKERS or any(story.readers[value.tensor][:1] == [event.position] for value in unseen)


def frozen_since(story: Story, one: Pass, root: Value) -> list[Value]:
    """The leaves behind the root that need no gradient any more, though an earlier pass of this line brought one."""
    before = {act.number for other in story.finished if other.source == one.source for act in other.contributions}
    behind = [value for event in story.ancestors(root, one.start.position) for value in event.inputs]
    return [value for value in behind if value.tensor in before and not value.requires_grad]


def switched_off(story: Story, one: Pass, frozen: list[Value]) -> Finding:
    last = max(act.position for value in frozen for act in story.leaves[value.tensor].contributions)
    names = listed(story.leaves[value.tensor].name for value in frozen)
    return Finding(
        Level.ERROR,
        f"{names} needed a gradient in the pass before and do not any more: requires_grad is off, so the loss on"
        f" {at(one.source)} has no graph and the backward pass raises.",
        "Switch requires_grad on again before the part that trains them.",
        switched_to_frozen(story, one.start) or one.source,
        (last, one.start.position),
        related=(Related(one.source, "the backward pass that it is missing in"),),
    )


def meant_as_parameter(story: Story, root: Value, one: Pass) -> ForwardEvent | None:
    """The factory behind the loss whose result the script asks for a `.grad`, or gives to an optimizer."""
    text = "\n".join(story.trace.sources.values())
    for event in story.ancestors(root, one.start.position):
        name = re.escape(event.outputs[0].name.split(".")[-1]) if event.outputs and not event.inputs else ""
        if name and re.search(rf"\b{name}\.grad\b|(?:SGD|Adam\w*|RMSprop|optim\.\w+)\(\[[^\]]*\b{name}\b", text):
            return event
    return None


def remaking(story: Story, made: ForwardEvent) -> ForwardEvent | None:
    """What makes a new tensor of a number that was taken out of a graph, at the line where it is made."""
    out = taken_out_before(story, made)
    if out is None:
        return None
    computed = any(value.requires_grad or story.maker(value.tensor, out.position) for value in out.inputs)
    if computed and out.op in ("numpy", "__array__"):
        return out  # what is computed in numpy has no graph, wherever it comes back from there
    return made if computed else None


def why_of(cut: ForwardEvent) -> str:
    """Why no gradient comes back through it."""
    return f"`{cut.op}` has no gradient" if cut.grad_enabled else "it runs without grad mode"


def fix_of(cut: ForwardEvent) -> str:
    """What to write instead."""
    if not cut.grad_enabled:
        return "Compute it with grad mode on (of a distribution, take rsample() and not sample())."
    if cut.op in MAKERS or cut.op in TAKES_OUT:
        return "Use the tensor itself; take numbers out of it (`.item()`, numpy) only for logging."
    if cut.op in ("detach", "data", "detach_"):
        return f"Leave out the {cut.op} on the way to the loss."
    return "Use a differentiable op in its place (a soft version of it), or a loss that takes the raw outputs."


def remaking_of(story: Story, one: Pass) -> ForwardEvent | None:
    """What made the only leaf that a pass delivers to, of numbers, while a graph was there to take them from."""
    targets = {act.number for act in one.contributions}
    if one.end is None or len(targets) != 1 or len(one.start.roots) != 1:
        return None
    leaf = one.contributions[0].number
    made = story.maker(leaf, one.start.position)
    if made is None or any(act for act in story.leaves[leaf].acts if not isinstance(act, AccumulateEvent)):
        return None
    if leaf == one.start.roots[0].tensor:
        return made if any(event.nodes for event in story.forwards if event.position < made.position) else None
    return made if made.op in MAKERS and remaking(story, made) is not None else None


def remade(story: Story, one: Pass) -> Finding:
    made = remaking_of(story, one)
    leaf = one.contributions[0].tensor
    return Finding(
        Level.ERROR,
        f"{quoted(leaf)} is made anew here, as a leaf without a graph: the pass on {at(one.source)} delivers a gradient"
        " to it alone and to no parameter.",
        "Run the backward pass from the tensor that the loss was computed as.",
        made.source if made is not None else one.source,
        (*((made.position,) if made is not None else ()), one.start.position),
        related=(Related(one.source, "the backward pass that ends at once"),),
    )


RULE = Rule("no-gradient", "the loss has no graph, or one that leads to no parameter", look)
