"""The pytest plugin: the fixture `backprop`, which records blocks of a test and asserts on what they did.

Every pytest run of whoever has the package loads this module, so it imports neither torch nor anything of backstep
until a test records.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from backstep.diagnose.finding import Finding
    from backstep.recorder.recording import Recording
    from backstep.trace.trace import Trace

LONGEST_NAME = 80
"""Characters of a test's name in the name of its trace."""

MADE_BY_SQLITE = ("", "-wal", "-shm", "-journal")
"""The suffixes of a trace's file and of those that may lie beside it."""


class Backprop:
    """What the fixture `backprop` is: it records blocks and makes assertions on them.

    An assertion is about the recording that began last, or the one given as `of`; it can be made inside the block,
    too, about what has happened so far. It raises AssertionError, or KeyError for a leaf that the recording has not.
    """

    def __init__(self, test: pytest.Item, folder: Path) -> None:
        """The traces lie in `folder`, named after the test."""
        self._test = test
        self._folder = folder
        self._paths: list[Path] = []
        self._recordings: list[Recording] = []
        self.failed = False
        """Whether a phase of the test has failed, so that its traces are kept."""

    def __call__(self, **options: Any) -> Recording:
        """Records a block: `with backprop() as recording: ...`. The options are those of `backstep.record`.

        Inside another recording it records into that one, and `recording.trace` is its part of it.
        """
        from backstep.recorder import record

        # The user enters the recording itself: a frame of ours in between would pass for the script's.
        self._folder.mkdir(exist_ok=True)
        self._paths.append(self._free_path())
        self._recordings.append(record(self._paths[-1], **options))
        return self._recordings[-1]

    def _free_path(self) -> Path:
        stem = re.sub(r"[^\w.=-]+", "_", self._test.name).strip("_")[:LONGEST_NAME]
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        paths = (self._folder / f"{name}.backstep" for name in names)
        return next(path for path in paths if path not in self._paths and not path.exists())

    # assertions

    def assert_fresh(self, *leaves: str, of: Recording | None = None) -> None:
        """In every iteration the gradients of these leaves (of all, if none is named) began from nothing.

        The first accumulation of an iteration found no gradient, or zeros. An iteration with a backward pass that
        brought the leaf nothing fails as well.
        """
        __tracebackhide__ = True
        from backstep import assertions

        with self._trace(of) as trace:
            assertions.assert_fresh(trace, *leaves)

    def assert_received(self, *leaves: str, of: Recording | None = None) -> None:
        """Each of these leaves (every parameter and other leaf, if none is named) received a gradient."""
        __tracebackhide__ = True
        from backstep import assertions

        with self._trace(of) as trace:
            assertions.assert_received(trace, *leaves)

    def assert_no_nan(self, *, of: Recording | None = None) -> None:
        """No value or gradient that was recorded has a NaN in it. Memory that nobody has written yet does not count."""
        __tracebackhide__ = True
        from backstep import assertions

        with self._trace(of) as trace:
            assertions.assert_no_nan(trace)

    def assert_golden(
        self,
        golden: str | os.PathLike[str],
        *,
        rtol: float = 1e-4,
        atol: float = 1e-8,
        of: Recording | None = None,
    ) -> None:
        """The recording is the one in this jsonl file, whose path is relative to the test's own file.

        Every event and every field is compared, but not the header, nor line and column: code may move. Two floats
        are equal that differ by at most `atol`, or by `rtol` of the largest magnitude in their tensor. With
        `--backstep-update` the file is written instead.
        """
        __tracebackhide__ = True
        from backstep import assertions
        from backstep.golden import Closeness, write

        path = self._test.path.parent / golden
        with self._trace(of) as trace:
            if self._test.config.getoption("backstep_update"):
                write(trace, path)
            else:
                assertions.assert_golden(trace, path, Closeness(rtol, atol))

    def check(
        self, *, select: tuple[str, ...] = (), ignore: tuple[str, ...] = (), of: Recording | None = None
    ) -> list[Finding]:
        """`backstep check` finds nothing above a note; returns the notes.

        Rules are selected and ignored by name, here and in `pyproject.toml`, as for the command; SelectionError for a
        name that no rule has.
        """
        __tracebackhide__ = True
        from backstep import assertions

        folders = [self._test.path.parent, self._test.config.rootpath]
        with self._trace(of) as trace:
            return assertions.assert_no_findings(trace, select, ignore, folders)

    def _trace(self, recording: Recording | None) -> Trace:
        __tracebackhide__ = True
        if recording is None and not self._recordings:
            raise RuntimeError("nothing has been recorded yet: `with backprop(): ...`")
        trace = (recording or self._recordings[-1]).trace
        if not len(trace):
            raise AssertionError("nothing can be said of an empty recording: torch did nothing in its block")
        return trace

    # what becomes of the traces

    def kept(self) -> list[Path]:
        """The files in which the recordings are."""
        return [path for path in dict.fromkeys(each.path for each in self._recordings) if path.exists()]

    def discard(self) -> None:
        """Removes the traces, but for that of a recording around the test, which is not ours."""
        for path, suffix in itertools.product(self._paths, MADE_BY_SQLITE):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # another test's trace lies in it, or it was never made
            self._folder.rmdir()


BACKPROP = pytest.StashKey[Backprop]()


@pytest.fixture
def backprop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backprop:
    """Records blocks of the test: `with backprop() as recording: ...`, and asserts on them: `backprop.assert_no_nan()`.

    When the test fails its traces are kept, in `backstep/` in pytest's base temporary folder, and named in the report.
    """
    made = Backprop(request.node, tmp_path_factory.getbasetemp() / "backstep")
    request.node.stash[BACKPROP] = made
    return made


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("backstep")
    group.addoption(
        "--backstep-update", action="store_true", help="write the golden files of backprop.assert_golden anew"
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost: sees what a strict xfail has made of the outcome
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Names the traces in each report of a failure. Whether they are kept is known once the teardown has run."""
    report = yield
    backprop = item.stash.get(BACKPROP, None)
    if backprop is None:
        return report
    if report.failed:
        backprop.failed = True
        report.sections += [("backstep", f"backstep open {path}") for path in backprop.kept()]
    if report.when == "teardown":
        del item.stash[BACKPROP]  # an item lives as long as the session
        if not backprop.failed:
            backprop.discard()
    return report
