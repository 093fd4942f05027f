"""What is said unasked: the hints of the first session, the keys that matter now, how a run ended, what is missing."""

from __future__ import annotations

from pathlib import Path

from backstep.replay.moment import Moment
from backstep.trace.batch import KIND_CODE
from backstep.trace.event import Value
from backstep.trace.memo import per_trace
from backstep.trace.trace import Trace
from backstep.tui.keys import Section, hints
from backstep.tui.look import Look
from backstep.tui.paging import Paging

AHEAD = {
    "nan": ("anomaly", "write", "tensor"),
    "accumulate": ("write", "tensor", "grads"),
    "grad_write": ("write", "tensor"),
    "update": ("write", "tensor"),
    "backward": ("twin", "probe", "term"),
    "forward": ("twin", "use", "tensor"),
    "exception": ("findings", "view.output"),
}
"""The keys that come first at an event, by the beginnings of their ids."""
WORDS = {
    "anomaly": "anomaly", "write": "writer", "tensor": "picture", "grads": ".grads", "term": "input", "use": "use",
    "findings": "what is wrong", "view.output": "output",
}  # fmt: skip
"""What is said of keys that are a hint only there."""
LARGEST = 1 << 22
"""Bytes of a file that is compared with what was recorded."""


def context(moment: Moment) -> str:
    """What the keys are chosen by: the kind of event, or that it gives a NaN or an infinity."""
    event = moment.event
    made: Value | None = None
    if event.kind == "forward" and event["outputs"]:
        made = event["outputs"][0]
    elif event.kind in ("accumulate", "update", "grad_write"):
        made = event["after"]
    elif event.kind == "backward":
        made = next((edge.downstream for edge in event["edges"] if edge.downstream is not None), None)
    summary = None if made is None else made.summary
    return "nan" if summary is not None and (summary.nan or summary.inf) else event.kind


def hints_at(moment: Moment, sections: tuple[Section, ...]) -> tuple[tuple[str, str], ...]:
    """The keys of the last row: stepping, then what matters at this moment, then the others."""
    usual = hints(sections)
    groups = [group for section in sections for group in section.groups]
    ahead = []
    for begin in AHEAD.get(context(moment), ()):
        for group in groups:
            keys = [key for key in group.keys if f"{key.id}.".startswith(f"{begin}.")]
            if keys:
                shown, word = (group.hint, group.word) if len(keys) == len(group.keys) else (keys[0].shown, "")
                ahead.append((shown, word or WORDS.get(begin, begin)))
    first, others = usual[:1], usual[1:]
    return (*first, *ahead, *(hint for hint in others if hint not in ahead))


def first_of(trace: Trace, kind: str) -> int | None:
    """The first event of a kind that is recorded by now."""
    return _first_of(trace, kind, len(trace) if trace.running else -1)


def shown_keys(sections: tuple[Section, ...]) -> dict[str, str]:
    """What people call the key of each action, by its id."""
    return {key.id: key.shown for section in sections for group in section.groups for key in group.keys}


@per_trace(8)
def _first_of(trace: Trace, kind: str, _: int) -> int | None:
    """Looked for once, in a trace that grows once for each length."""
    same = trace.columns["kind"][: len(trace)] == KIND_CODE[kind]
    return int(same.argmax()) if same.any() else None


class Hinting(Paging):
    """The part of the app that gives hints and announces what one should know of a trace."""

    look: Look

    def hint(self) -> tuple[str, str] | None:
        """The name and the words of the hint for this moment, if one is still to be given."""
        moment = self.cursor.moment()
        for kind in ("backward", "accumulate"):
            if kind in self.look.hints and first_of(self.trace, kind) == moment.position:
                return kind, self._words(kind)
        return ("first", self._words("first")) if "first" in self.look.hints else None

    def _words(self, hint: str) -> str:
        key = shown_keys(self.sections)
        return {
            "first": f"{key['step.fwd']} runs the next operation, {key['step.back']} undoes it, "
            f"{key['phase.fwd']}: next phase, {key['help']}: all keys",
            "backward": f"{key['twin']} shows the forward op of this node; {key['probe']}: one number and its terms",
            "accumulate": f"{key['grads']}: what is in each .grad and since when",
        }[hint]

    def close_hint(self) -> bool:
        """Whether a hint was shown, which now is never shown again."""
        shown = self.hint() if len(self.trace) else None
        if shown is None:
            return False
        self.look = self.look.without_hint(shown[0])
        return True


def announcement(trace: Trace, look: Look, sections: tuple[Section, ...]) -> tuple[str, bool]:
    """What is to be known of a trace before anything else, and whether it is grave."""
    key = shown_keys(sections)
    exit_, last = trace.header["exit"], len(trace) - 1
    if exit_["status"] == "exception":
        told = f"✗ the script stopped after event #{last}: {exit_['exception']}{_line_of_death(trace)}"
        return f"{told}   {key['findings']}: what is wrong, {key['view.output']}: traceback", True
    if exit_["status"] in ("killed", "interrupted"):
        return f"! {exit_['status']}: the trace ends at event #{last}; everything before is good", False
    if look.settings.complaint:
        return f"! {look.settings.complaint}", False
    if exit_["status"] != "running" and last >= 0 and first_of(trace, "backward_start") is None:
        return "! no backward pass was recorded: call .backward() on the loss to see gradients", False
    changed = changed_sources(trace)
    if changed:
        return f"! what is on disk differs from what was recorded: {', '.join(changed)}", False
    return "", False


def _line_of_death(trace: Trace) -> str:
    deaths = list(trace.find(kind="exception", caught=False))
    source = deaths[-1].source if deaths else None
    return "" if source is None else f" ({source.file}:{source.line})"


def changed_sources(trace: Trace) -> list[str]:
    """The files of the script that lie beside the trace, or here, and are others by now."""
    changed = []
    for name, text in trace.sources.items():
        here = next((file for folder in (trace.path.parent, Path()) if (file := _file(folder, name))), None)
        if here is not None and here.stat().st_size < LARGEST and here.read_bytes() != text.encode():
            changed.append(name)
    return changed


def _file(folder: Path, name: str) -> Path | None:
    """A file in a folder; a name that leads out of it is none."""
    try:
        path = (folder / name).resolve()
        return path if path.is_file() and path.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError):
        return None
