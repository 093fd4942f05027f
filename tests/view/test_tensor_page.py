"""Parts of tensors as numpy takes them; pictures of what was, what came and what is; digits that lose nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backstep.replay.moment import Moment
from backstep.trace import records as r
from backstep.trace.trace import Trace
from backstep.view import slices, tensor_page
from backstep.view.heatmap import heatmap, marked
from backstep.view.rows import text_of, width_of
from backstep.view.slices import WHOLE, BadSlice
from backstep.view.theme import DARK, Theme, without_colours
from tests.handmade import HandmadeTrace

VALUES = np.array([[0.1, -2.5, 3.0], [4.0, 0.0, -1e-7]], "float32")
STEP = np.array([[0.5, 0.0, 0.0], [0.0, 0.0, 0.25]], "float32")


@st.composite
def written(draw: st.DrawFn) -> tuple[tuple[int, ...], str]:
    """A shape, and an index that may or may not fit it."""
    shape = draw(st.lists(st.integers(0, 4), max_size=3).map(tuple))
    number = st.integers(-5, 5)
    ends = st.none() | number
    part = number.map(str) | st.tuples(ends, ends).map(lambda e: ":".join("" if n is None else str(n) for n in e))
    part |= st.tuples(ends, ends, ends.filter(bool)).map(lambda e: ":".join("" if n is None else str(n) for n in e))
    return shape, ", ".join(draw(st.lists(part | st.just("..."), min_size=1, max_size=4)))


@given(written())
def test_a_part_is_what_numpy_takes(case: tuple[tuple[int, ...], str]) -> None:
    shape, text = case
    try:
        expected = eval(f"np.empty({shape})[{text},]", {"np": np}).shape
    except IndexError:
        expected = None
    try:
        part = slices.read(text)
        found = slices.shape_of(shape, part)
        assert np.empty(shape)[part.index].shape == found
    except BadSlice:
        found = None
    assert found == expected


@pytest.mark.parametrize("text", ["a", "1:2:3:4", "1.5", "0:x", "__import__('os')", "1:2:0", "]["])
def test_what_is_no_index_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadSlice):
        slices.read(text)


@pytest.mark.parametrize(
    ("text", "tensor", "part"),
    [
        ("x", 1, ""), ("x[0:5]", 1, "0:5"), ("[..., 0]", None, "..., 0"), ("0:5", None, "0:5"), ("xs[t]", 2, ""),
        ("xs[t][0]", 2, "0"), ("fc.weight [ ::2 ]", 3, "::2"), ("", None, ""), ("-1", None, "-1"),
    ],
)  # fmt: skip
def test_a_tensor_is_named_with_its_part(text: str, tensor: int | None, part: str) -> None:
    found, taken = slices.named(text, {"x": 1, "xs[t]": 2, "fc.weight": 3})
    assert (found, taken.text) == (tensor, part)


@pytest.mark.parametrize("text", ["y", "x[", "x[0]]", "y[0:2]"])
def test_an_unknown_tensor_is_refused(text: str) -> None:
    with pytest.raises(BadSlice):
        slices.named(text, {"x": 1})


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """`w` is made (0), changed by an update (1), and receives a gradient (2)."""
    path = tmp_path_factory.mktemp("tensor") / "t.backstep"
    t = HandmadeTrace(path, "t.py", "w = torch.randn(2, 3)\n")
    w = t.tensor()
    t.leaf(w, "w")
    before = t.value(w, VALUES, "w", requires_grad=True, leaf=True)
    t.forward("randn", (), (before,), 1)
    after = t.value(w, VALUES + STEP, "w", requires_grad=True, leaf=True, version=1)
    t.add(r.Update(w, t.batch.strings.number("SGD.step"), before, after, None, 0.1, (), False), "update", 1, subject=w)
    grad = t.value(t.tensor(), VALUES, "w.grad")
    t.add(r.Accumulate(w, None, grad, grad, True), "backward", 1, subject=w)
    big = t.value(t.tensor(), None, "big", shape=(64, 64), omitted="4096 elements, more than 1024")
    t.forward("zeros", (), (big,), 1)
    t.close()
    return Trace(path)


def shown(trace: Trace, position: int, text: str = "", place: tuple[int, int] = (0, 0), width: int = 110) -> str:
    moment = Moment(trace, position)
    tensor = tensor_page.subject(moment)
    assert tensor is not None
    rows = tensor_page.build(moment, tensor, slices.read(text), place, width, 20, DARK)
    assert len(rows) <= 20 and max(width_of(row) for row in rows) <= width
    return text_of(rows)


def test_before_after_and_the_difference_of_an_update(trace: Trace) -> None:
    pictures = tensor_page.pictures(Moment(trace, 1), 0, WHOLE)
    assert [picture.label for picture in pictures] == ["before", "after", "difference"]
    assert pictures[2].array is not None
    np.testing.assert_array_equal(pictures[2].array, (VALUES + STEP).astype("float64") - VALUES)
    drawn = shown(trace, 1, place=(1, 2))
    assert "[1,2]" in drawn and "before -1e-07" in drawn and "after 0.2499999" in drawn
    assert "[2,3] float32" in drawn


def test_a_number_is_told_with_the_digits_of_its_own_type(trace: Trace) -> None:
    assert shown(trace, 0).endswith("value 0.1")


def test_an_accumulation_shows_what_arrives(trace: Trace) -> None:
    drawn = shown(trace, 2)
    assert "before" in drawn and "None" in drawn and "arrives" in drawn and "after" in drawn
    assert tensor_page.title(Moment(trace, 2), 0, 40) == "w.grad"


def test_a_part_is_drawn_with_its_own_figures(trace: Trace) -> None:
    drawn = shown(trace, 0, "1, :2")
    assert "[1, :2]: [2] float32" in drawn and "max 4" in drawn and "‖4‖" in drawn
    assert "value 4.0" in shown(trace, 0, "1, 0")


def test_what_was_not_kept_says_so(trace: Trace) -> None:
    drawn = shown(trace, 3, "0:2")
    assert "4096 elements, more than 1024" in drawn and "no part of it was kept" in drawn
    assert "record again with --values all" in drawn
    assert tensor_page.places(tensor_page.pictures(Moment(trace, 3), 2, WHOLE)) == (0, 0)


def test_its_tensors_can_be_named(trace: Trace, tmp_path: Path) -> None:
    assert tensor_page.known_names(Moment(trace, 3)) == {"w": 0, "big": 2}


@pytest.mark.parametrize("theme", [DARK, without_colours(DARK)], ids=["dark", "digits"])
@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (7, 3), (40, 200), (301, 2)])
def test_the_mark_is_on_the_block_with_the_number(shape: tuple[int, int], theme: Theme) -> None:
    """A picture that is zero but for one number differs there alone, and there is the mark."""
    for at in ((0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 3)):
        alone = np.zeros(shape)
        alone[at] = 1.0
        plain = heatmap(np.zeros(shape), 30, 6, theme)
        shown, marks = heatmap(alone, 30, 6, theme), marked(heatmap(np.zeros(shape), 30, 6, theme), shape, at, theme)
        differing = [[a != b for a, b in zip(*rows, strict=True)] for rows in zip(plain, shown, strict=True)]
        moved = [[a != b for a, b in zip(*rows, strict=True)] for rows in zip(plain, marks, strict=True)]
        assert differing == moved and sum(map(sum, moved)) == 1
