"""What is taken along is what was recorded: a literal reads back, code runs, LaTeX is balanced."""

from __future__ import annotations

import ast
import shlex
from pathlib import Path

import numpy as np
import pytest

import backstep
from backstep.replay.moment import Moment
from backstep.replay.selection import Selection
from backstep.trace.batch import GRAD
from backstep.trace.trace import Trace
from backstep.view import taking
from tests.handmade import HandmadeTrace, ols_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("a folder") / "ols.backstep"))


def at(trace: Trace, **fields: object) -> Moment:
    return Moment(trace, next(event.position for event in trace.find(**fields)))


def test_the_value_reads_back_exactly(ols: Trace) -> None:
    moment = at(ols, kind="update")
    assert ast.literal_eval(taking.value(moment)) == float(np.float32(1) - np.float32(0.01) * np.float32(-2))
    assert ast.literal_eval(taking.value(at(ols, kind="accumulate"))) == -2.0


def test_the_code_gives_the_value(ols: Trace) -> None:
    for kind in ("update", "accumulate"):
        moment = at(ols, kind=kind)
        names: dict[str, object] = {}
        exec(taking.python(moment), names)
        found = names["value"] if kind == "update" else names["grad"].values  # type: ignore[attr-defined]
        assert found == ast.literal_eval(taking.value(moment))
        names["trace"].close()  # type: ignore[attr-defined]


def test_what_was_chosen_is_taken_in_place_of_what_the_event_is_about(ols: Trace) -> None:
    moment = at(ols, kind="forward", op="pow", iteration=1)
    assert taking.value(moment, Selection(2, "w")) == "1.0199999809265137"
    assert taking.value(moment, Selection(2, "w", GRAD)) == "0.0"
    names: dict[str, object] = {}
    exec(taking.python(moment, Selection(2, "w", GRAD)), names)
    assert names["grad"].values == 0.0  # type: ignore[attr-defined]
    names["trace"].close()  # type: ignore[attr-defined]


def test_what_has_no_end_reads_back_too(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t", "t.py", "x = y\n")
    t.forward("log", (), (t.value(t.tensor(), [1.0, np.nan, -np.inf, 1e-45], "x"),), 1)
    t.forward("log", (), (t.value(t.tensor(), np.zeros(2000), "big"),), 1)
    t.close()
    trace = Trace(tmp_path / "t")
    read = eval(taking.value(Moment(trace, 0)))
    np.testing.assert_array_equal(np.array(read, "float32"), np.array([1.0, np.nan, -np.inf, 1e-45], "float32"))
    assert taking.value(Moment(trace, 1)).startswith("# [2000] float32\nimport backstep")


def test_formulas_by_kind(ols: Trace) -> None:
    assert taking.formula(at(ols, kind="backward", op="MulBackward0")) == "dloss/dw = dloss/dy_hat · x"
    assert taking.formula(at(ols, kind="update")) == "w ← w - lr · w.grad"
    assert taking.formula(at(ols, kind="forward", op="mul")) == "y_hat = w * x"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dloss/dw = dloss/dy_hat · x", r"\frac{\partial \mathrm{loss}}{\partial w} = "
         r"\frac{\partial \mathrm{loss}}{\partial \mathrm{y\_hat}} \cdot x"),
        ("dloss/dh = g @ tᵀ, summed over the rows",
         r"\frac{\partial \mathrm{loss}}{\partial h} = g \, t^{\top},\ \text{summed over the rows}"),
        ("dl/d(f(x)) = 2·l**2", r"\frac{\partial l}{\partial \mathrm{f}(x)} = 2 \cdot l^2".replace(r"\mathrm{f}", "f")),
        ("(1 where x > 0, else 0)", r"(1 \text{ where } x > 0, \text{ else } 0)"),
        ("w - lr · m̂ / (√v̂ + e)", r"w - \mathrm{lr} \cdot \hat{m} / (\sqrt{\hat{v}} + e)"),
        ("a_b{", r"\mathrm{a\_b}\{"),
    ],
)  # fmt: skip
def test_latex(text: str, expected: str) -> None:
    said = taking.in_latex(text)
    assert said == expected
    bare = said.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")


def test_the_link_opens_this_moment(ols: Trace) -> None:
    words = shlex.split(taking.link(at(ols, kind="update")))
    assert words[:2] == ["backstep", "open"] and words[3] == "--at"
    with backstep.load(words[2]) as trace:
        assert trace.event(int(words[4])).kind == "update"


def test_markdown_tells_the_step_and_its_line(ols: Trace) -> None:
    told = taking.markdown(at(ols, kind="backward", op="MulBackward0"))
    assert told.startswith("### #9 MulBackward0 runs backward\n") and told.endswith("```\n")
    assert "`ols.py:14`  `loss.backward()`" in told and "dloss/dw" in told
    assert taking.location(at(ols, kind="update")) == "ols.py:18"
