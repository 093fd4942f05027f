"""Heat maps side by side: labels and figures give way whole instead of being cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backstep.trace.event import ForwardEvent, Value, summarize
from backstep.trace.trace import Trace
from backstep.view.panels import Panel, measures, panels
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.view.traces import GraphTrace


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trace, Value]:
    path: Path = tmp_path_factory.mktemp("panels") / "t"
    t = GraphTrace(path, "panels.py", "\n")
    t.op("relu", "h", t.input("x", [[0.5, -1.25, 3.0], [2.0, 0.0, 8.0]]))
    t.close()
    trace = Trace(path)
    event = trace.event(0)
    assert isinstance(event, ForwardEvent)
    return trace, event.inputs[0]


def test_a_label_is_said_in_full_where_there_is_room_else_in_brief(matrix: tuple[Trace, Value]) -> None:
    trace, value = matrix
    row = [Panel(f"{role} dloss/dlogits [2,3]", value, f"{role} [2,3]") for role in ("arrives", "local", "leaves")]
    for width, said in ((145, "arrives dloss/dlogits [2,3]"), (73, "arrives [2,3]")):
        drawn = panels(trace, row, ["×", "="], width, 6, DARK)
        assert {width_of(line) <= width for line in drawn} == {True}
        assert said in text_of(drawn).split("\n")[0]
        assert "…" not in text_of(drawn)


def test_narrow_panels_stand_together_in_a_wide_pane(matrix: tuple[Trace, Value]) -> None:
    trace, value = matrix
    drawn = panels(trace, [Panel("arrives", value), Panel("leaves", value)], ["→"], 145, 6, DARK)
    assert text_of(drawn).split("\n")[0].index("leaves") < 60


@pytest.mark.parametrize(
    ("width", "said"),
    [(40, "‖8.878‖ max 8 17% zero"), (20, "‖8.878‖ max 8"), (10, "‖8.878‖")],
)
def test_figures_give_way_whole(width: int, said: str) -> None:
    numbers = np.array([[0.5, -1.25, 3.0], [2.0, 0.0, 8.0]])
    assert measures(summarize(numbers), numbers.shape, width) == said


def test_what_is_not_finite_is_told_last_of_all() -> None:
    assert measures(summarize(np.array([1.0, np.nan, np.inf, 0.0])), (4,), 12) == "1 NaN 1 Inf"
