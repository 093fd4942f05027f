"""The rules in a process of their own, so that a screen which shows what they found need not share its time with them.

`python -m backstep.diagnose.apart TRACE [OTHER RANKS ...]` writes a report as JSON; what is wrong goes to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backstep.diagnose.check import Report, check
from backstep.diagnose.finding import Finding, Level, Related
from backstep.diagnose.rules import RULES
from backstep.diagnose.selection import selection_of
from backstep.trace.event import Source
from backstep.trace.file import DAMAGE, TraceError, one_line
from backstep.trace.trace import load


def command(paths: Sequence[Path]) -> list[str]:
    """What starts such a process: the trace, then those of the other ranks."""
    return [sys.executable, "-P", "-m", "backstep.diagnose.apart", *map(str, paths)]


def written(report: Report) -> str:
    return json.dumps(asdict(report), default=lambda level: level.value)


def read(text: bytes) -> Report:
    """What `written` wrote."""
    given = json.loads(text)
    not_looked = tuple((rule, why) for rule, why in given["not_looked"])
    return Report(tuple(map(_finding, given["findings"])), given["looked"], not_looked)


def _finding(given: dict[str, Any]) -> Finding:
    related = tuple(Related(_source(one["source"]), one["message"]) for one in given["related"])
    return Finding(
        Level(given["level"]), given["message"], given["fix"], _source(given["source"]), tuple(given["evidence"]),
        given["numbers"], related, given["rule"],
    )  # fmt: skip


def _source(given: dict[str, Any] | None) -> Source | None:
    return None if given is None else Source(**given)


def main(paths: Sequence[str]) -> int:
    try:
        selection = selection_of((), (), [Path.cwd()], [rule.name for rule in RULES])
        first, *others = [load(path) for path in paths]
        print(written(check(first, selection, others)))
    except (ValueError, TraceError, *DAMAGE) as error:
        print(one_line(str(error)), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
