"""The stops of a trace, kept from one look at it to the next: by what the script says, so that a recording of the
same script made anew has them too, and one of an edited script, whose lines have moved, has not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from backstep.stops.condition import ConditionError
from backstep.stops.stop import Stop, parse_stop
from backstep.trace.trace import Trace

MOST_BYTES = 1 << 16
"""Of a larger file nothing is read."""


def file_of(folder: Path, trace: Trace) -> Path | None:
    """Where the stops of a trace are kept below the settings' folder; None before it is known what is run."""
    header = trace.header
    script = str(header["script"])
    text = trace.sources.get(script, "")
    if not text and trace.running:
        return None
    told = json.dumps([script, header["argv"], text])
    return folder / "stops" / f"{hashlib.sha256(told.encode()).hexdigest()[:20]}.json"


def read(file: Path) -> list[tuple[Stop, bool]]:
    """The stops in a file, and whether each is on; what is none is left out."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return []
        rows = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("stop"), str):
            try:
                found.append((parse_stop(row["stop"]), row.get("on") is not False))
            except ConditionError:
                continue
    return found


def write(file: Path, stops: Iterable[tuple[Stop, bool]]) -> None:
    """Keeps the stops; OSError where that cannot be done."""
    rows = [{"stop": stop.text, "on": on} for stop, on in stops]
    if not rows:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
