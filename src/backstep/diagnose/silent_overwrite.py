"""A tensor that the backward pass needs is overwritten through `.data`: no error, and a wrong gradient."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.lineage import described
from backstep.diagnose.story import Story, line_of
from backstep.diagnose.wording import at
from backstep.trace.event import ForwardEvent, Value

ALIASES = frozenset({"data", "detach"})
SAVES_RESULT = frozenset("exp sigmoid tanh relu softmax log_softmax sqrt rsqrt reciprocal exp_ relu_".split())
SAVES_INPUTS = frozenset("mul matmul mm bmm pow div linear conv2d sin cos log square norm mse_loss".split())


def look(story: Story) -> Iterator[Finding | NotLooked]:
    ran = {node.forward: node.position for one in story.passes for node in one.nodes if node.forward is not None}
    seen: set[tuple[str, int] | None] = set()
    for event in story.forwards:
        if not event.inplace or event.parent is not None or not event.inputs or line_of(event) in seen:
            continue
        alias = story.maker(event.inputs[0].tensor, event.position)
        if alias is None or alias.op not in ALIASES or not alias.inputs or alias.inputs[0].leaf:
            continue
        saver = saved_by(story, alias.inputs[0], event.position, ran)
        if saver is not None:
            seen.add(line_of(event))
            yield found(event, alias.inputs[0], saver, ran)


def saved_by(story: Story, value: Value, position: int, ran: dict[int, int]) -> ForwardEvent | None:
    """The op that saved the tensor before it was overwritten, and whose node ran after that."""
    made = story.maker(value.tensor, position)
    candidates = [made] if made is not None and made.op in SAVES_RESULT else []
    for reader in story.readers[value.tensor]:
        event = story.event(reader)
        needs_it = isinstance(event, ForwardEvent) and event.op in SAVES_INPUTS and others_need(event, value)
        if isinstance(event, ForwardEvent) and needs_it and reader < position:
            candidates.append(event)
    return next((event for event in candidates if ran.get(event.position, -1) > position), None)


def others_need(event: ForwardEvent, value: Value) -> bool:
    """Whether the tensor is a factor in another one's gradient, or in its own where the op is no product."""
    others = [one for one in event.inputs if one.tensor != value.tensor]
    return any(one.requires_grad for one in others) or event.op in ("pow", "square", "sin", "cos", "log", "norm")


def found(event: ForwardEvent, value: Value, saver: ForwardEvent, ran: dict[int, int]) -> Finding:
    return Finding(
        Level.ERROR,
        f"{value.name} is overwritten here behind autograd's back, after {described(saver)} on {at(saver.source)} saved"
        " it for the backward pass, which then computes with the new numbers: a wrong gradient, and no error.",
        "Make a new tensor instead of writing through .data; under torch.no_grad() autograd would at least notice.",
        event.source,
        (saver.position, event.position, ran[saver.position]),
        related=(Related(saver.source, "saved here"),),
    )


RULE = Rule("silent-overwrite", "a saved tensor is overwritten unseen", look)
