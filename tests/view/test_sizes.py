"""Every pane fills its box exactly, whatever the box and the position; the same moment is the same picture."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import events, graph, header, source, timeline
from backstep.view.rows import width_of
from backstep.view.theme import DARK
from tests.handmade import ols_trace
from tests.view.traces import chain_trace, composite_trace, fan_out_trace, nested_trace

PANES = (header, timeline, source, graph, events)
WIDTHS = (1, 2, 3, 5, 8, 13, 21, 34, 41, 55, 57, 73, 86, 144)


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> list[Trace]:
    folder: Path = tmp_path_factory.mktemp("sizes")
    paths = [make(folder / make.__name__) for make in (ols_trace, nested_trace, fan_out_trace, composite_trace)]
    return [Trace(path) for path in (*paths, chain_trace(folder / "chain", 50))]


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.__name__.rpartition(".")[2])
def test_a_pane_fills_its_box(traces: list[Trace], pane: ModuleType) -> None:
    for trace in traces:
        for position in range(0, len(trace), 7):
            moment = Moment(trace, position)
            for width in WIDTHS:
                for height in (0, 1, 2, 3, 9, 30):
                    rows = pane.build(moment, width, height, DARK)
                    assert len(rows) == (min(1, height) if pane is header else height)
                    assert {width_of(row) for row in rows} <= {width}, (position, width, height)


@pytest.mark.parametrize("pane", (source, graph, events), ids=lambda pane: pane.__name__.rpartition(".")[2])
def test_a_title_fills_its_row(traces: list[Trace], pane: ModuleType) -> None:
    for width in WIDTHS:
        assert width_of(pane.title(Moment(traces[0], 22), width, DARK)) == width


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: pane.__name__.rpartition(".")[2])
def test_the_picture_does_not_depend_on_the_way_there(traces: list[Trace], tmp_path: Path, pane: ModuleType) -> None:
    walked = traces[0]
    forth = [pane.build(Moment(walked, position), 60, 12, DARK) for position in range(len(walked))]
    back = [pane.build(Moment(walked, position), 60, 12, DARK) for position in reversed(range(len(walked)))]
    assert forth == back[::-1]
    fresh = Trace(ols_trace(tmp_path / "again"))
    assert pane.build(Moment(fresh, 22), 60, 12, DARK) == forth[22]
