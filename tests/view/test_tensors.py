"""The tensors pane: what is there after an event, and in which of the five states each gradient is."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstep.replay.moment import Moment
from backstep.trace.trace import Trace
from backstep.view import tensors
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("tensors") / "ols.backstep"))


def lines(trace: Trace, position: int, width: int = 100, height: int = 9) -> list[str]:
    rows = tensors.build(Moment(trace, position), width, height, DARK)
    assert [width_of(row) for row in rows] == [width] * height
    return [" ".join(line.split()) for line in text_of(rows).split("\n")]


def nth(trace: Trace, kind: str, number: int = 0) -> int:
    return [event.position for event in trace.find(kind=kind)][number]


def test_the_columns_have_names(ols: Trace) -> None:
    assert lines(ols, 0)[0] == "name value change grad state last write moved"
    assert lines(ols, 0, 140)[0].endswith("moved mean std min max")


def test_a_gradient_that_just_arrived_is_marked(ols: Trace) -> None:
    at = nth(ols, "accumulate", 1)
    assert lines(ols, at)[1] == f"▸ w 1.02 +0.02 * -1.96 ✓ fresh #{at} 2%"


def test_a_weight_that_just_moved_is_marked(ols: Trace) -> None:
    at = nth(ols, "update", 1)
    assert lines(ols, at)[1] == f"▸ w 1.04 * +0.0196 -1.96 ✓ fresh #{at} 1.9%"


def test_a_zeroed_gradient_and_one_that_never_was(ols: Trace) -> None:
    assert "∅ zeroed" in lines(ols, nth(ols, "zero_grad"))[1]
    assert "None ∅ none" in lines(ols, 3)[1]


def test_a_sum_and_a_stale_gradient(tmp_path: Path) -> None:
    trace = Trace(ols_trace(tmp_path / "sum.backstep", zero=False))
    assert "! sum of 2" in lines(trace, nth(trace, "accumulate", 1))[1]
    second = next(p for p in range(3, len(trace)) if trace.iteration_at(p) == 1)
    assert "~ stale (i0)" in lines(trace, second)[1]


def test_leaves_come_first_then_what_this_iteration_made(ols: Trace) -> None:
    found = lines(ols, nth(ols, "backward_start", 1))
    assert [line.removeprefix("▸ ").split()[0] for line in found[1:] if line] == ["w", "x", "y_hat", "y", "l", "loss"]
    assert "no grad" in found[2] and "not kept" in found[3]


def test_the_current_leaf_is_among_those_shown(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "many.backstep")
    for index in range(30):
        number = t.tensor()
        t.leaf(number, f"p{index}")
        t.forward("tensor", (), (t.value(number, 1.0, f"p{index}", requires_grad=True, leaf=True),), 5)
    t.close()
    trace = Trace(tmp_path / "many.backstep")
    for position in (0, 15, 29):
        assert any(line.startswith(f"▸ p{position} ") for line in lines(trace, position, height=6))


@pytest.mark.parametrize("size", [(80, 3), (60, 1), (140, 25)])
def test_every_event_fits_every_size(ols: Trace, size: tuple[int, int]) -> None:
    for position in range(len(ols)):
        lines(ols, position, *size)
        assert width_of(tensors.title(Moment(ols, position), size[0], DARK)) == size[0]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """Leaves with long names and matrices in them; the op takes the last of them."""
    path = tmp_path_factory.mktemp("tensors") / "deep.backstep"
    t = HandmadeTrace(path)
    numbers = [[0.5, -1.25, 3.0], [2.0, 4.0, 8.0]]
    values = []
    for index in range(12):
        tensor, name = t.tensor(), f"blocks.{index}.attn.out_proj.weight"
        t.leaf(tensor, name)
        values.append(t.value(tensor, numbers, name, requires_grad=True, leaf=True))
        t.forward("tensor", (), (values[-1],), 5)
    t.forward("relu", (values[-1],), (t.value(t.tensor(), numbers, "out", requires_grad=True),), 6)
    t.close()
    return Trace(path)


@pytest.mark.parametrize("width", [74, 80, 102])
def test_nothing_is_cut_where_there_is_room(ols: Trace, width: int) -> None:
    for position in range(len(ols)):
        assert not any("…" in line for line in lines(ols, position, width))
    assert lines(ols, 0, width)[0].endswith("last write" if width < 90 else "last write moved")


def test_the_current_row_is_lit_to_its_end(ols: Trace) -> None:
    row = tensors.build(Moment(ols, nth(ols, "accumulate", 1)), 74, 9, DARK)[1]
    assert all(style is not None and style.bgcolor == DARK.selected.bgcolor for _, style, _ in row)


def test_whole_columns_go_before_numbers_are_cut(deep: Trace) -> None:
    last = len(deep) - 1
    assert lines(deep, last, 120)[0] == "name value change grad state last write moved"
    assert lines(deep, last, 84)[0] == "name value grad state last write"
    assert lines(deep, last, 74)[0] == "name value grad state"
    for width in (74, 84, 120):
        assert any("blocks.11.attn.out_proj.weight [2,3]" in line for line in lines(deep, last, width))


def test_of_a_name_that_is_too_long_the_end_is_told(deep: Trace) -> None:
    shown = lines(deep, len(deep) - 1, 60)
    assert any("….out_proj.weight [2,3]" in line for line in shown)


def test_histograms_stand_in_one_column(deep: Trace) -> None:
    rows = text_of(tensors.build(Moment(deep, len(deep) - 1), 120, 9, DARK)).split("\n")[1:]
    assert len({next(at for at, cell in enumerate(row) if cell in "▁▂▃▄▅▆▇") for row in rows}) == 1


def test_the_leaf_that_an_op_takes_and_what_it_makes_are_both_shown(deep: Trace) -> None:
    shown = lines(deep, len(deep) - 1, 120, 6)
    assert any(line.startswith("blocks.11.") for line in shown)
    assert any(line.startswith("▸ out ") for line in shown)
