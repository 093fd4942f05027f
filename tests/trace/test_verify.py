"""`verify` on traces by hand: the products and sums here can be worked out on paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backstep.trace import records as r
from backstep.trace.trace import load
from backstep.trace.verify import Verification, report, verify
from tests.handmade import HandmadeTrace, ols_trace

Build = Callable[[HandmadeTrace], None]


def verified(path: Path, build: Build) -> Verification:
    file = path / "made.backstep"
    file.unlink(missing_ok=True)
    made = HandmadeTrace(file)
    build(made)
    made.close()
    with load(file) as trace:
        return verify(trace)


def one_edge(upstream: Any, local: Any, downstream: Any, *, form: str = "elementwise", dtype: str = "float32") -> Build:
    """A pass of one node with one edge, which leads to a node that never ran."""

    def build(t: HandmadeTrace) -> None:
        run_node(t, t.value(t.tensor(), upstream, "out.grad", dtype=dtype), t.local(local, form), downstream, dtype)

    return build


def run_node(
    t: HandmadeTrace,
    upstream: r.ValueRow,
    local: r.LocalRow | None,
    downstream: Any,
    dtype: str = "float32",
    why: str = "",
) -> None:
    sent = None if downstream is None else t.value(t.tensor(), downstream, "in.grad", dtype=dtype)
    edge = t.edge("in", node=7, local=local, downstream=sent, why=why)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", subject=0)
    t.add(r.Backward(0, 3, t.batch.strings.number("OpBackward0"), -1, 0, (upstream,), (edge,)), "backward", subject=3)
    t.add(r.BackwardEnd(0, ()), "backward", subject=0)


def test_the_lecture_holds_exactly(tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "ols.backstep", epochs=3)) as trace:
        found = verify(trace)
    assert (found.edges.held, found.sums.held, found.leaves.held) == (9, 9, 3)
    assert not found.failures and not found.edges.unchecked
    assert next(report(found)) == "9 of 9 edges hold (upstream x local = downstream); all exactly"


def test_gradients_that_pile_up_are_checked_as_sums(tmp_path: Path) -> None:
    with load(ols_trace(tmp_path / "ols.backstep", epochs=4, zero=False)) as trace:
        found = verify(trace)
    assert (found.leaves.held, found.failures) == (4, [])


@pytest.mark.parametrize(
    ("upstream", "local", "downstream", "form"),
    [
        pytest.param([1.0, 2.0], [3.0, 4.0], [3.0, 8.0], "elementwise", id="elementwise"),
        # a bias of 2 was broadcast over 3 rows: 1+3+5 and 2+4+6
        pytest.param([[1, 2], [3, 4], [5, 6]], [[1, 1]] * 3, [9, 12], "elementwise", id="broadcast rows"),
        pytest.param([[1, 2], [3, 4]], [[1, 1], [2, 2]], [[3], [14]], "elementwise", id="broadcast columns"),
        pytest.param([[1, 2], [3, 4]], [[1, 1], [1, 1]], 10.0, "elementwise", id="broadcast scalar"),
        # y = A x with A = [[1, 2], [3, 4]]: A^T (1, 10)
        pytest.param([1, 10], [[1, 2], [3, 4]], [31, 42], "jacobian", id="matmul"),
        # the mean of three: one number goes out to three
        pytest.param(3.0, [1 / 3] * 3, [1, 1, 1], "jacobian", id="mean"),
        pytest.param([], [], [], "elementwise", id="no elements"),
    ],
)  # fmt: skip
def test_products_that_hold(tmp_path: Path, upstream: Any, local: Any, downstream: Any, form: str) -> None:
    found = verified(tmp_path, one_edge(upstream, local, downstream, form=form))
    assert (found.edges.held, found.failures) == (1, [])


def test_several_outputs_lie_one_after_the_other_without_those_that_got_none(tmp_path: Path) -> None:
    def build(t: HandmadeTrace) -> None:
        first, third = t.value(t.tensor(), [1.0, 2.0]), t.value(t.tensor(), 10.0)
        local = t.local([[1, 0], [0, 1], [5, 7]], "jacobian")
        edge = t.edge("in", node=9, local=local, downstream=t.value(t.tensor(), [51, 72]))
        name = t.batch.strings.number("SplitBackward0")
        t.add(r.BackwardStart(0, "grad", (), (), None, False, False), "backward", subject=0)
        t.add(r.Backward(0, 3, name, -1, 0, (first, None, third), (edge,)), "backward", subject=3)

    found = verified(tmp_path, build)
    assert (found.edges.held, found.failures) == (1, [])


def test_complex_numbers_count_as_pairs(tmp_path: Path) -> None:
    # y = conj(x): the imaginary part changes its sign, which no complex factor does.
    conj = np.array([[1, 0], [0, -1]]).reshape(1, 2, 1, 2)
    found = verified(tmp_path, one_edge([1 + 2j], conj, [1 - 2j], form="jacobian", dtype="complex64"))
    assert (found.edges.held, found.failures) == (1, [])
    found = verified(tmp_path, one_edge([1 + 2j], conj, [1 + 2j], form="jacobian", dtype="complex64"))
    assert len(found.failures) == 1


def test_a_wrong_product_fails_with_position_and_numbers(tmp_path: Path) -> None:
    found = verified(tmp_path, one_edge([1.0, 2.0, 3.0], [1.0, 1.0, 5.0], [1.0, 2.0, 14.0]))
    (failure,) = found.failures
    assert (failure.position, failure.subject) == (1, "OpBackward0 -> in")
    assert (failure.expected[0], failure.recorded[0]) == (15.0, 14.0)
    assert failure.error == pytest.approx(1 / 15)
    text = "\n".join(report(found))
    assert "0 of 1 edges hold" in text
    assert "FAILS at #1: OpBackward0 -> in: worked out 15" in text


@pytest.mark.parametrize(
    ("dtype", "off", "holds"),
    [
        ("float64", 0.9e-6, True),
        ("float64", 1.2e-6, False),
        ("float32", 0.9e-4, True),
        ("float32", 1.2e-4, False),
        ("float16", 1.9e-2, True),
        ("float16", 2.2e-2, False),
    ],
)
def test_the_tolerance_is_that_of_the_dtype(tmp_path: Path, dtype: str, off: float, holds: bool) -> None:
    found = verified(tmp_path, one_edge([1.0, 0.5], [1.0, 1.0], [1.0, 0.5 - off], dtype=dtype))
    assert (found.edges.held == 1) is holds


@pytest.mark.parametrize(
    ("upstream", "local", "reason"),
    [
        (float("nan"), 1.0, "NaN or Inf in upstream or local"),
        (0.0, float("inf"), "NaN or Inf in upstream or local"),
    ],
)
def test_what_is_no_number_is_counted_apart(tmp_path: Path, upstream: float, local: float, reason: str) -> None:
    found = verified(tmp_path, one_edge(upstream, local, float("nan")))
    assert (found.checked, found.failures) == (0, [])
    assert found.edges.unchecked == {reason: 1}


def test_nan_out_of_numbers_fails(tmp_path: Path) -> None:
    found = verified(tmp_path, one_edge(1.0, 2.0, float("nan")))
    assert found.failures[0].error == float("inf")


def test_what_the_dtype_cannot_hold_is_no_difference(tmp_path: Path) -> None:
    overflow = one_edge([1e30], [1e30], [float("inf")])
    assert verified(tmp_path, overflow).edges.held == 1
    underflow = one_edge([1e-30], [1e-30], [0.0])
    assert verified(tmp_path, underflow).edges.held == 1
    assert verified(tmp_path, one_edge([1e-30], [1.0], [0.0])).failures


def test_terms_that_cancel_are_right_to_their_rounding(tmp_path: Path) -> None:
    # The bias before a normalization: its gradient is the sum of numbers that cancel, and only rounding is left.
    terms, ones = [1.0, 2.0, -3.0], [1.0, 1.0, 1.0]
    found = verified(tmp_path, one_edge(terms, ones, 1e-6))
    assert (found.edges.held, found.edges.cancelled, found.failures) == (1, 1, [])
    assert any("their terms cancel" in line for line in report(found))
    found = verified(tmp_path, one_edge(terms, [[1.0], [1.0], [1.0]], [1e-6], form="jacobian"))
    assert (found.edges.held, found.edges.cancelled) == (1, 1)
    assert verified(tmp_path, one_edge(terms, ones, 1e-4)).failures
    assert verified(tmp_path, one_edge(terms, ones, 1e-6, dtype="float64")).failures


def test_every_reason_for_not_checking_is_told(tmp_path: Path) -> None:
    def build(t: HandmadeTrace) -> None:
        up = t.value(t.tensor(), 1.0)
        large = t.value(t.tensor(), None, omitted="large", shape=(9, 9))
        run_node(t, up, None, 1.0, why="user code")
        run_node(t, up, t.local(None, "jacobian", "too many entries"), 1.0)
        run_node(t, large, t.local(1.0), 1.0)
        run_node(t, up, t.local(1.0), None, why="autograd passed None")

    found = verified(tmp_path, build)
    assert found.edges.unchecked == {
        "user code": 1,
        "local gradient not kept: too many entries": 1,
        "upstream not kept: large": 1,
        "autograd passed None": 1,
    }
    lines = list(report(found))
    assert lines[0] == "nothing to check: no backward step whose numbers are kept"
    assert "not checked: 1 edge: user code" in lines


def test_an_edge_whose_gradient_a_hook_replaced_is_counted_apart(tmp_path: Path) -> None:
    def build(t: HandmadeTrace) -> None:
        grad, w = t.tensor(), t.tensor()
        t.leaf(w, "w")
        up, sent = t.value(t.tensor(), 1.0), t.value(t.tensor(), 2.0)
        doubled = t.value(grad, 4.0, "w.grad")
        t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", subject=0)
        edge = t.edge("w", leaf=w, local=t.local(2.0), downstream=sent)
        t.add(r.Backward(0, 0, 0, -1, 0, (up,), (edge,)), "backward", subject=0)
        t.add(r.Accumulate(w, None, doubled, doubled, True), "backward", subject=w)
        t.add(r.BackwardEnd(0, ()), "backward", subject=0)

    found = verified(tmp_path, build)
    assert found.edges.unchecked == found.sums.unchecked == {"a user's hook replaced the gradient": 1}
    assert (found.edges.checked, found.leaves.held) == (0, 1)


def test_an_accumulation_that_does_not_add_up_fails(tmp_path: Path) -> None:
    def build(t: HandmadeTrace) -> None:
        w, grad = t.tensor(), t.tensor()
        t.leaf(w, "w")
        values = [t.value(grad, number, "w.grad") for number in (-2.0, -1.96, -3.0)]
        t.add(r.Accumulate(w, *values, False), "backward", subject=w)

    (failure,) = verified(tmp_path, build).failures
    assert (failure.subject, failure.recorded) == ("w.grad", (-3.0,))
    assert failure.expected[0] == pytest.approx(-3.96)


def test_a_trace_without_a_backward_pass_says_that_there_is_nothing_to_check(tmp_path: Path) -> None:
    found = verified(tmp_path, lambda t: None)
    assert list(report(found)) == ["nothing to check: no backward step whose numbers are kept"]
