"""The rule of an update, found by trying: the optimizers' formulas with the recorded state, in double precision.

An optimizer's settings are not recorded, so a rule is said only where it gives, number by number, what the
parameter became.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backstep.explain.optimizers import BY_STATE, RULES, UNLIKE
from backstep.explain.sgd import plain
from backstep.explain.update import Known, Rule, gives, wide
from backstep.trace.event import UpdateEvent


def rule_of(event: UpdateEvent) -> Rule | None:
    """The rule that gives the recorded result, the plainest first; None where none of those known does."""
    before, after, grad = wide(event.before), wide(event.after), wide(event.grad)
    if before is None or after is None or grad is None or event.lr is None:
        return None
    known = Known(event, before, after, grad, event.lr)
    return next((rule for rules in families(event) for rule in rules(known) if gives(rule, known)), None)


def families(event: UpdateEvent) -> Iterator[Callable[[Known], Iterator[Rule]]]:
    """The rules of the optimizer by its name; of one with a name of its own those that keep the same state."""
    name = event.by.partition(".")[0]
    if name in RULES:
        yield RULES[name]
    elif not event.by.endswith(".step"):
        yield plain
    elif name not in UNLIKE and (state := frozenset(event.state)) in BY_STATE:
        yield RULES[BY_STATE[state]]
