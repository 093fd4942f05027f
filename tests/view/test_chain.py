"""The chain rule pane: each of its forms, in every size, and nothing in it that the trace does not say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.segment import Segment

from backstep.replay.moment import Moment
from backstep.trace import records as r
from backstep.trace.trace import Trace
from backstep.view import chain
from backstep.view.heatmap import BAD, heatmap
from backstep.view.rows import text_of, width_of
from backstep.view.text import moment_text
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace
from tests.view.traces import nested_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("chain") / "ols.backstep"))


def told(trace: Trace, position: int, width: int = 100, height: int = 12) -> str:
    """The pane's text with single blanks."""
    rows = chain.build(Moment(trace, position), width, height, DARK)
    assert [width_of(row) for row in rows] == [width] * height
    return re.sub(r"[ ]+", " ", text_of(rows)).strip()


def nth(trace: Trace, kind: str, number: int = 0, **fields: Any) -> int:
    return [event.position for event in trace.find(kind=kind, **fields)][number]


SECOND_MUL = {"kind": "backward", "number": 1, "op": "MulBackward0"}


def test_a_forward_op_in_names_and_in_numbers(ols: Trace) -> None:
    text = told(ols, nth(ols, "forward", 1, op="mul", phase="forward"))
    assert "y_hat = w * x" in text
    assert "= 1.02 * 1 = 1.02" in text
    assert "saved for backward dy_hat/dw = x = 1" in text


def test_a_local_derivative_has_the_number_that_the_backward_pass_found(ols: Trace) -> None:
    assert "dloss/dl = 2·l = -1.96" in told(ols, nth(ols, "forward", 1, op="pow"))


def test_an_op_without_a_node_saves_nothing(ols: Trace) -> None:
    text = told(ols, nth(ols, "forward", 0, phase="update"))
    assert "saved" not in text
    assert "= -2 * 0.01 = -0.02" in text or "= (-2) * 0.01 = -0.02" in text or "= 0.01 * (-2) = -0.02" in text


def test_a_backward_step(ols: Trace) -> None:
    text = told(ols, nth(ols, **SECOND_MUL), 80)
    assert "gradient that arrives × local gradient = gradient that leaves" in text
    assert "dloss/dy_hat dy_hat/dw = x dloss/dw" in text
    assert "-1.96 × 1 = -1.96 → AccumulateGrad(w)" in text
    assert "› Nudge w by ε: y_hat moves 1·ε, so loss moves 1 × -1.96 = -1.96·ε." in text
    assert "so far dloss/dw = (-1.96) · 1 · 1 = -1.96" in text
    assert text.endswith("dloss/dx not computed: requires_grad=False")


def test_autograd_own_words_stand_there_when_there_is_room(ols: Trace) -> None:
    text = told(ols, nth(ols, **SECOND_MUL), 140)
    assert "gradient that arrives (grad_output)" in text and "gradient that leaves (grad_input)" in text


def test_in_few_rows_the_numbers_stay(ols: Trace) -> None:
    text = told(ols, nth(ols, **SECOND_MUL), 80, 4)
    assert "gradient that arrives" not in text
    assert "so far dloss/dw" in text


def test_the_root_moves_by_its_own_rate(ols: Trace) -> None:
    assert "› Nudge l by ε: loss moves -1.96·ε." in told(ols, nth(ols, "backward", 1, op="PowBackward0"))


def test_a_fresh_gradient(ols: Trace) -> None:
    text = told(ols, nth(ols, "accumulate", 1))
    assert "0 + -1.96 = -1.96" in text
    assert "✓ fresh: the gradient was empty, so this is exactly dloss/dw" in text


def test_a_gradient_that_was_not_zeroed(tmp_path: Path) -> None:
    trace = Trace(ols_trace(tmp_path / "sum.backstep", zero=False))
    text = told(trace, nth(trace, "accumulate", 2))
    assert "! ACCUMULATED: w.grad was not zeroed. It is now the sum of 3 backward passes." in text
    assert "this pass alone gives" in text


def test_an_update_that_is_the_formula(ols: Trace) -> None:
    text = told(ols, nth(ols, "update", 1))
    assert "w ← w - lr · w.grad" in text
    assert "= 1.02 - 0.01 × -1.96 = 1.04" in text
    assert "moved +0.0196: against the gradient (grad -1.96 < 0, so w grows)" in text


def test_an_update_that_is_not_the_formula_shows_none(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "adam.backstep")
    w, g, m = t.tensor(), t.tensor(), t.tensor()
    t.leaf(w, "w")
    old, new = t.value(w, 1.0, "w"), t.value(w, 0.9, "w", version=1)
    state = ((t.batch.strings.number("exp_avg"), None, t.value(m, 0.5, "exp_avg")),)
    change = r.Update(w, t.batch.strings.number("Adam.step"), old, new, t.value(g, 5.0, "w.grad"), 0.1, state, False)
    t.add(change, "update", 18, subject=w)
    t.close()
    text = told(Trace(tmp_path / "adam.backstep"), 0)
    assert "lr · w.grad" not in text
    assert "Adam.step" in text and "1 → 0.9" in text and "exp_avg None → 0.5" in text


def test_zeroing_says_why(ols: Trace) -> None:
    text = told(ols, nth(ols, "zero_grad", 1))
    assert "w.grad -1.96 → 0" in text
    assert "the next gradient would be added on top" in text


def test_a_pass_starts_at_its_root_and_ends_at_the_leaves(ols: Trace) -> None:
    start = told(ols, nth(ols, "backward_start", 1))
    assert "loss = 0.9604" in start and "dloss/dloss = 1" in start
    assert "w received -1.96" in told(ols, nth(ols, "backward_end", 1))


def test_output_is_text_and_its_escapes_do_nothing(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "o.backstep")
    t.add(r.Output("stdout", "one\x1b[2J\ntwo\n"), "other", 22)
    t.close()
    text = told(Trace(tmp_path / "o.backstep"), 0)
    assert "\x1b" not in text
    assert text.splitlines()[1].strip() == "two"


def matrix_trace(path: Path, *, nan: bool = False, kept: bool = True) -> Trace:
    """`z = x @ w`, and the gradient of `w`."""
    t = HandmadeTrace(path)
    rng = np.random.default_rng(0)
    x, w, g = rng.normal(size=(8, 4)), rng.normal(size=(4, 3)), rng.normal(size=(8, 3))
    if nan:
        g[5, 1] = np.nan
    w_number = t.tensor()
    t.leaf(w_number, "w")

    def value(numbers: Any, name: str, tensor: int | None = None, **more: Any) -> r.ValueRow:
        more |= {} if kept else {"shape": numbers.shape, "omitted": "over --max-elements"}
        return t.value(t.tensor() if tensor is None else tensor, numbers if kept else None, name, **more)

    operands = (value(x, "x"), value(w, "w", w_number, requires_grad=True, leaf=True))
    node = t.node()
    out = value(x @ w, "z", requires_grad=True)
    made = t.forward("mm", operands, (out,), 9, aten="aten.mm.default", nodes=1, first_node=node)
    total = t.value(t.tensor(), 1.0, "loss", requires_grad=True)
    t.add(r.BackwardStart(0, "backward", (total,), (None,), None, False, False), "backward", 14, subject=0)
    local = t.local(None, "jacobian", "over --local elements")
    edges = (
        t.edge("x", why="requires_grad=False"),
        t.edge("w", leaf=w_number, local=local, downstream=value(x.T @ g, "w.grad")),
    )
    row = r.Backward(0, node, t.batch.strings.number("MmBackward0"), made, 0, (value(g, "z.grad"),), edges)
    t.add(row, "backward", 14, subject=node)
    t.close()
    return Trace(path)


def test_a_matrix_product_is_an_equation_over_pictures(tmp_path: Path) -> None:
    text = told(matrix_trace(tmp_path / "m.backstep"), 2, 120, 14)
    assert "dloss/dw = xᵀ @ dloss/dz" in text and "→ AccumulateGrad(w)" in text
    assert "arrives dloss/dz [8,3] local x [8,4] leaves dloss/dw [4,3]" in text
    assert "▀" in text and text.count("‖") == 6


def test_in_few_rows_a_matrix_product_is_figures(tmp_path: Path) -> None:
    text = told(matrix_trace(tmp_path / "m.backstep"), 2, 120, 5)
    assert "▀" not in text
    assert "[8,3] ‖" in text and "[4,3] ‖" in text


def test_a_nan_survives_and_is_counted(tmp_path: Path) -> None:
    text = told(matrix_trace(tmp_path / "nan.backstep", nan=True), 2, 120, 14)
    assert "x" in text and "1 NaN" in text


def test_what_was_not_recorded_says_why(tmp_path: Path) -> None:
    text = told(matrix_trace(tmp_path / "gone.backstep", kept=False), 2, 140, 14)
    assert "over --max-elements" in text and "over --local elements" in text
    assert "▀" not in text


def test_plain_text_has_no_pictures(tmp_path: Path) -> None:
    text = moment_text(Moment(matrix_trace(tmp_path / "m.backstep"), 2), 100)
    assert "▀" not in text and "dloss/dw = xᵀ @ dloss/dz" in text


def test_one_nan_marks_its_block() -> None:
    array = np.zeros((100, 100))
    array[57, 31] = np.inf
    rows = heatmap(array, 20, 5, DARK)
    assert [len(row) for row in rows] == [20] * 5
    assert [s.text for row in rows for s in row].count("x") == 1
    assert sum(s.style is BAD for row in rows for s in row) == 1


@pytest.mark.parametrize("shape", [(0,), (0, 3), (1,), (7,), (3, 1), (2, 3, 4), (5, 9)])
@pytest.mark.parametrize("room", [(1, 1), (6, 2), (40, 12)])
def test_a_heat_map_never_leaves_its_room(shape: tuple[int, ...], room: tuple[int, int]) -> None:
    rows = heatmap(np.ones(shape), *room, DARK)
    assert len(rows) <= room[1]
    assert all(width_of(row) <= room[0] for row in rows)


@pytest.mark.parametrize("size", [(80, 5), (40, 1), (140, 25), (20, 3)])
def test_every_event_fits_every_size(size: tuple[int, int], ols: Trace, tmp_path: Path) -> None:
    for trace in (ols, Trace(nested_trace(tmp_path / "n.backstep")), matrix_trace(tmp_path / "m.backstep")):
        for position in range(len(trace)):
            told(trace, position, *size)
            assert width_of(chain.title(Moment(trace, position), size[0], DARK)) == size[0]


def fan_out(path: Path) -> Trace:
    """`y = a * a` of one leaf: two edges lead to it."""
    t = HandmadeTrace(path)
    a, node = t.tensor(), t.node()
    t.leaf(a, "a")
    leaf = t.value(a, 3.0, "a", requires_grad=True, leaf=True)
    out = t.value(t.tensor(), 9.0, "y", requires_grad=True)
    made = t.forward("mul", (leaf, leaf), (out,), 9, aten="aten.mul.Tensor", nodes=1, first_node=node)
    seed = t.value(t.tensor(), 2.0, "y.grad")
    t.add(r.BackwardStart(0, "backward", (out,), (seed,), None, False, False), "backward", 14, subject=0)
    down = t.value(t.tensor(), 6.0, "a.grad")
    edges = tuple(t.edge("a", leaf=a, local=t.local(3.0), downstream=down) for _ in range(2))
    row = r.Backward(0, node, t.batch.strings.number("MulBackward0"), made, 0, (seed,), edges)
    t.add(row, "backward", 14, subject=node)
    t.add(r.BackwardEnd(0, ()), "backward", 14, subject=0)
    t.close()
    return Trace(path)


def test_what_leaves_on_one_of_several_paths_is_not_said_to_be_all(tmp_path: Path) -> None:
    text = told(fan_out(tmp_path / "fan.backstep"), 2)
    assert "by this path alone." in text
    assert "2 · 3 = 6 one of 2 contributions" in text


def test_a_seed_that_is_not_one_is_not_called_a_derivative(tmp_path: Path) -> None:
    text = told(fan_out(tmp_path / "fan.backstep"), 1)
    assert "the gradient given for y: 2" in text and "dy/dy" not in text


def test_a_product_that_does_not_agree_is_not_shown(tmp_path: Path) -> None:
    """A hook may replace a gradient on its way: then the factors do not multiply to what left."""
    t = HandmadeTrace(tmp_path / "hook.backstep")
    x, out = t.value(t.tensor(), 1.0, "x"), t.value(t.tensor(), 3.0, "y")
    node = t.node()
    made = t.forward("exp", (x,), (out,), 9, nodes=1, first_node=node)
    t.add(r.BackwardStart(0, "backward", (out,), (None,), None, False, False), "backward", 14, subject=0)
    edge = t.edge("x", leaf=0, local=t.local(3.0), downstream=t.value(t.tensor(), 100.0, "x.grad"))
    up = t.value(t.tensor(), 1.0, "y.grad")
    t.add(r.Backward(0, node, t.batch.strings.number("ExpBackward0"), made, 0, (up,), (edge,)), "backward", 14)
    t.leaf(0, "x")
    t.close()
    assert "so far" not in told(Trace(tmp_path / "hook.backstep"), 2)


def test_a_sentence_goes_on_below_while_rows_are_free(ols: Trace) -> None:
    at = nth(ols, "accumulate", 1)
    words = "✓ fresh: the gradient was empty, so this is exactly dloss/dw of this pass"
    for width in (50, 60, 74):
        assert words in " ".join(told(ols, at, width).split())


def test_where_a_gradient_goes_is_not_cut_at_the_edge(ols: Trace) -> None:
    for width in (60, 73, 74, 79, 80, 145):
        text = told(ols, nth(ols, **SECOND_MUL), width)
        assert "→ AccumulateGrad(w)" in text and "…" not in text


def test_blank_rows_go_before_words_do(ols: Trace) -> None:
    text = told(ols, nth(ols, "accumulate", 1), 100, 3)
    assert text.endswith("of this pass")


def test_a_row_too_long_is_cut_where_no_row_is_free() -> None:
    row = [Segment("one two three four five six")]
    assert text_of(chain.unfolded([row, [Segment("last")]], 12, 2)).split("\n") == [row[0].text, "last"]
    assert text_of(chain.unfolded([row, [Segment("last")]], 12, 3)).split("\n") == ["one two", "  three four …", "last"]
    assert text_of(chain.unfolded([row], 12, 5)).split("\n") == ["one two", "  three four", "  five six"]


def test_numbers_stand_in_tall_boxes_where_rows_are_free(ols: Trace) -> None:
    position = nth(ols, "backward", 2)
    for height, tall in ((8, 1), (11, 3), (24, 3)):
        rows = chain.build(Moment(ols, position), 90, height, DARK)
        boxed = [row for row in rows if any(style == DARK.chip("backward") for _, style, _ in row)]
        assert len(boxed) == tall and len(rows) == height
        assert sum("Nudge w" in text_of([row]) for row in rows) == 1
    plain = chain.build(Moment(ols, position), 90, 24, DARK, drawn=False)
    assert sum(any(style == DARK.chip("backward") for _, style, _ in row) for row in plain) == 1
