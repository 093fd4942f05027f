"""Writes, uses, texts, anomalies and what `g` takes: each against a scan of all events that is written another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstep.replay.anomalies import anomalies, anomaly_at
from backstep.replay.cursor import Cursor
from backstep.replay.finding import wanted_text
from backstep.replay.goto import parse_goto
from backstep.replay.position import PositionError
from backstep.replay.search import search
from backstep.replay.selection import Selection, uses, writes
from backstep.trace import records as r
from backstep.trace.batch import GRAD, VALUE
from backstep.trace.event import Event
from backstep.trace.trace import Trace
from tests.handmade import HandmadeTrace, ols_trace
from tests.replay.test_tree_laws import LAWS, SEEDS, made

Found = Iterator[int | None]


def nearest(positions: list[int], start: int, direction: int) -> int | None:
    """By brute force."""
    beyond = [p for p in positions if (p - start) * direction > 0]
    return None if not beyond else min(beyond) if direction > 0 else max(beyond)


def found(search_: Found) -> int | None:
    return ([p for p in search_ if p is not None] or [None])[0]


def all_of(trace: Trace, holds: Callable[[Event], bool]) -> list[int]:
    return [position for position, event in enumerate(trace.events) if holds(event)]


def written(event: Event, chosen: Selection) -> bool:
    told = event.as_dict()
    if chosen.field == GRAD:
        return event.kind in ("accumulate", "zero_grad", "grad_write") and told["tensor"] == chosen.name
    if event.kind == "update":
        return bool(told["tensor"] == chosen.name)
    return event.kind == "forward" and any(value["name"] == chosen.name for value in told["outputs"])


def used(event: Event, chosen: Selection) -> bool:
    told = event.as_dict()
    name = str(chosen)
    if chosen.field == GRAD and event.kind == "update":
        return told["tensor"] == chosen.name and told["grad"] is not None
    return event.kind == "forward" and any(value["name"] == name for value in told["inputs"])


CHOSEN = [("w", VALUE), ("w", GRAD), ("y", VALUE)]


@LAWS
@given(st.sampled_from(SEEDS), st.sampled_from(CHOSEN), st.sampled_from([1, -1]), st.data())
def test_writes_and_uses_are_those_of_a_scan(
    seed: int, what: tuple[str, int], direction: int, data: st.DataObject
) -> None:
    trace = made(seed)
    start = data.draw(st.integers(0, len(trace) - 1))
    number = next(iter(trace.leaves)) if what[0] == "w" else -1
    chosen = Selection(number, *what)
    for find, holds in ((writes, written), (uses, used)):
        expected = nearest([p for p, event in enumerate(trace.events) if holds(event, chosen)], start, direction)
        assert found(find(trace, chosen, start, direction)) == expected


@LAWS
@given(st.sampled_from(SEEDS), st.data())
def test_the_next_write_after_the_last_is_the_first_after(seed: int, data: st.DataObject) -> None:
    trace = made(seed)
    start = data.draw(st.integers(0, len(trace) - 1))
    chosen = Selection(next(iter(trace.leaves)), "w", data.draw(st.sampled_from([VALUE, GRAD])))
    last = found(writes(trace, chosen, start, -1))
    if last is not None:
        again = found(writes(trace, chosen, last, 1))
        assert again == nearest(all_of(trace, lambda event: written(event, chosen)), last, 1)


@LAWS
@given(
    st.sampled_from(SEEDS),
    st.sampled_from(["net.1", "PART", "w", "model", "sgd", "nobody"]),
    st.sampled_from([1, -1]),
    st.data(),
)
def test_a_text_is_found_where_a_scan_finds_it(seed: int, text: str, direction: int, data: st.DataObject) -> None:
    trace = made(seed)
    start = data.draw(st.integers(0, len(trace) - 1))

    def has(event: Event) -> bool:
        told = event.as_dict()
        texts = [told["module"], told.get("op"), told.get("by"), told.get("tensor")]
        texts += [value["name"] for value in (*(told.get("inputs") or ()), *told.get("outputs", ()))]
        texts += [None if told["source"] is None else told["source"]["code"]]
        return any(text.lower() in one.lower() for one in texts if one)

    expected = nearest(all_of(trace, has), start, direction)
    assert found(search(wanted_text(trace, text), start, direction, len(trace))) == expected


@LAWS
@given(st.lists(st.integers(0, 4000), max_size=6), st.integers(0, 4000), st.sampled_from([1, -1]))
def test_a_search_finds_the_nearest(hits: list[int], start: int, direction: int) -> None:
    def wanted(first: int, end: int) -> list[int]:
        return sorted(hit for hit in hits if first <= hit < end)

    assert found(search(wanted, start, direction, 4001)) == nearest(hits, start, direction)


@LAWS
@given(st.sampled_from(SEEDS), st.data())
def test_one_fact_is_that_of_all_facts(seed: int, data: st.DataObject) -> None:
    trace = made(seed)
    start = data.draw(st.integers(0, len(trace) - 1))
    leaf = next(iter(trace.leaves))
    for field in (VALUE, GRAD):
        positions = trace.facts.positions(leaf, field).tolist()
        assert trace.next_fact(leaf, field, start) == nearest(positions, start, 1)
        assert trace.last_fact(leaf, field, start) == nearest(positions, start + 1, -1)


# anomalies


def trace_with(path: Path, arrived: list[float], values: list[tuple[float, float]] = ()) -> Trace:  # type: ignore[assignment]
    """Ops from one number to another, then a pass for each gradient that arrives at `w`."""
    t = HandmadeTrace(path)
    w, grad = t.tensor(), t.tensor()
    t.leaf(w, "w")
    for before, after in values:
        t.forward("op", (t.value(t.tensor(), before, "before"),), (t.value(t.tensor(), after, "after"),))
    for number in arrived:
        row = r.Accumulate(w, None, t.value(grad, number, "w.grad"), t.value(grad, number, "w.grad"), True)
        t.add(row, "backward", subject=w)
    t.close()
    return Trace(path)


@pytest.mark.parametrize(
    ("arrived", "expected", "word"),
    [
        ([1.0, 2.0, 500.0, 600.0], [2], "explodes: 250 times"),
        ([1.0, 0.0, 0.0], [1], "zero throughout"),
        ([0.0, 1.0], [0], "zero throughout"),
        ([1.0, 50.0, 2000.0], [], ""),
    ],
)
def test_a_gradient_out_of_line_is_told_once(
    tmp_path: Path, arrived: list[float], expected: list[int], word: str
) -> None:
    with trace_with(tmp_path / "t.backstep", arrived) as trace:
        assert [p for p in range(len(trace)) if anomaly_at(trace, p)] == expected
        assert found(anomalies(trace, -1, 1)) == (expected[0] if expected else None)
        assert found(anomalies(trace, len(trace), -1)) == (expected[-1] if expected else None)
        assert not expected or word in str(anomaly_at(trace, expected[0]))


def test_nan_is_told_where_it_comes_into_being(tmp_path: Path) -> None:
    nan, inf = float("nan"), float("inf")
    values = [(1.0, 2.0), (2.0, inf), (inf, inf), (inf, nan), (1.0, nan), (nan, 1.0)]
    with trace_with(tmp_path / "t.backstep", [], values) as trace:
        assert [p for p in range(len(trace)) if anomaly_at(trace, p)] == [1, 4]
        assert anomaly_at(trace, 1) == "Inf comes into being in after"
        assert anomaly_at(trace, 4) == "NaN comes into being in after"


def test_an_infinity_that_the_script_wrote_is_none(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    inf = float("inf")
    t.forward("masked_fill", (), (t.value(t.tensor(), -inf, "mask"),), arguments=((0, -inf),))
    t.forward("exp", (), (t.value(t.tensor(), inf, "y"),), arguments=((0, 2.0),))
    t.close()
    with Trace(tmp_path / "t.backstep") as trace:
        assert [p for p in range(len(trace)) if anomaly_at(trace, p)] == [1]


def test_a_step_without_a_gradient_is_told_once(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t.backstep")
    w, grad = t.tensor(), t.tensor()
    t.leaf(w, "w")
    t.batch.optimizers.append((0, t.batch.strings.number("SGD"), t.place(9), (w,)))

    def step() -> None:
        t.batch.steps.append((t.batch.position, 0, t.place(9)))
        t.forward("op", (), (t.value(t.tensor(), 1.0, "y"),))

    row = r.Accumulate(w, None, t.value(grad, 1.0, "w.grad"), t.value(grad, 1.0, "w.grad"), True)
    t.add(row, "backward", subject=w)
    step()
    t.add(r.ZeroGrad(w, "set_to_none", t.value(grad, 1.0, "w.grad"), None), "zero_grad", subject=w)
    step()
    step()
    t.close()
    with Trace(tmp_path / "t.backstep") as trace:
        assert [p for p in range(len(trace)) if anomaly_at(trace, p)] == [3]
        assert anomaly_at(trace, 3) == "the optimizer stepped without a gradient of w"


# the g prompt


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("goto") / "ols.backstep"))


@pytest.mark.parametrize(
    ("text", "here", "expected"),
    [
        ("7", 0, 7), ("#7", 0, 7), ("+5", 4, 9), ("-3", 9, 6), ("last", 0, 41), ("e1", 0, 16), ("e2i0", 0, 29),
        ("L14", 0, 6), ("L14", 6, 7), ("w", 3, 13), ("w.grad", 3, 10), ("w.grad", 10, 14), ("y_hat", 3, 16),
        ("bwd Mul", 0, 9), ("bwd w", 9, 22), ("'here", 0, 5), ("w", 39, None),
    ],
)  # fmt: skip
def test_where_a_text_leads(ols: Trace, text: str, here: int, expected: int | None) -> None:
    leads = parse_goto(ols, text, here, {"here": 5})
    assert leads is not None
    assert found(leads) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+99", "there are 0 to 41"), ("'there", "there are here"), ("L99", "nothing was recorded at line 99"),
        ("bwd nobody", "no module, op or tensor is called 'nobody'"), ("bwd y_hut", "nearest: y_hat"), ("i99", "i99"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_text_is_said(ols: Trace, text: str, words: str) -> None:
    with pytest.raises(PositionError) as error:
        parse_goto(ols, text, 0, {"here": 5})
    assert words in str(error.value) or text == "i99"


def test_other_forms_are_left_to_others(ols: Trace) -> None:
    assert parse_goto(ols, "loss<0.1", 0, {}) is None


def test_a_jump_along_a_tensor_is_remembered(ols: Trace) -> None:
    cursor = Cursor(ols, 3)
    target = found(writes(ols, Selection(next(iter(ols.leaves)), "w"), 3, 1))
    assert target is not None and cursor.goto(target) is None
    assert cursor.back() is None and cursor.position == 3
    assert cursor.again() is None and cursor.position == target
    assert cursor.again() == "no jump was taken back"
