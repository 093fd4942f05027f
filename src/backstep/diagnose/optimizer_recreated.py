"""An optimizer with a memory (momentum, Adam) is made anew all the time: its state begins again at every step."""

from __future__ import annotations

from collections.abc import Iterator

from backstep.diagnose.finding import Finding, Level, NotLooked, Related, Rule
from backstep.diagnose.script_text import optimizer_made
from backstep.diagnose.story import Leaf, Story, line_of
from backstep.diagnose.wording import listed, told
from backstep.trace.event import UpdateEvent

ENOUGH = 3
"""Updates in a row that each began without a state."""


def look(story: Story) -> Iterator[Finding | NotLooked]:
    by_line: dict[tuple[str, int] | None, list[Leaf]] = {}
    for leaf in story.trained.values():
        stateful = [update for update in leaf.updates if update.state and ".step" in update.by]
        if len(stateful) >= ENOUGH and all(begins_anew(update) for update in stateful):
            by_line.setdefault(line_of(stateful[0]), []).append(leaf)
    for leaves in by_line.values():
        updates = leaves[0].updates
        name = updates[0].by.removesuffix(".step")
        yield Finding(
            Level.ERROR,
            f"Each of {told(len(updates), 'update')} of {listed(leaf.name for leaf in leaves)} starts without the state"
            f" of {name} ({listed(updates[0].state)}): the optimizer is made anew before every step.",
            "Make the optimizer once, before the training loop.",
            optimizer_made(story, updates[0]) or updates[0].source,
            tuple(update.position for update in updates[:ENOUGH]),
            related=(Related(updates[0].source, "the step that finds no state"),),
        )


def begins_anew(update: UpdateEvent) -> bool:
    """Whether nothing that the optimizer remembers was there before the step."""
    return all(change.before is None for change in update.state.values())


RULE = Rule("optimizer-recreated", "an optimizer is made anew for every step", look)
