"""The tree of events: what is open, what is folded, and that now is always in view."""

from __future__ import annotations

from pathlib import Path

import pytest

from backstep.replay.moment import Moment
from backstep.replay.runs import runs_of
from backstep.trace import records as r
from backstep.trace.trace import Trace
from backstep.view import events
from backstep.view.rows import text_of, width_of
from backstep.view.theme import DARK
from tests.handmade import HandmadeTrace, ols_trace
from tests.view.traces import composite_trace, nested_trace


@pytest.fixture(scope="module")
def ols(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return Trace(ols_trace(tmp_path_factory.mktemp("events") / "ols.backstep"))


def lines(trace: Trace, position: int, width: int = 46, height: int = 60) -> list[str]:
    rows = events.build(Moment(trace, position), width, height, DARK)
    assert len(rows) == height and {width_of(row) for row in rows} == {width}
    return [" ".join(line.split()) for line in text_of(rows).split("\n")]


def test_only_the_way_to_now_is_open(ols: Trace) -> None:
    assert [line for line in lines(ols, 22) if line] == [
        "▸ before the loop 3 ops",
        "▸ epoch 0 loss 1",
        "▾ epoch 1 loss 0.9604",
        "▾ forward 3 ops",
        "▶ mul → y_hat 1.02",
        "▶ sub → l -0.98",
        "▶ pow → loss 0.9604",
        "▾ backward 6 ops",
        "▷ backward() from loss 1",
        "◀ PowBackward0 ∇ l -1.96",
        "◀ SubBackward0 ∇ y_hat -1.96",
        "➤ ◀ MulBackward0 ∇ w -1.96",
        "⊕ Accumulate w.grad ·",
        "▷ backward end ·",
        "▾ update 2 ops",
        "▶ mul → 0.01 * w.grad ·",
        "Δ sub_ w ·",
        "▾ zero grad 2 ops",
        "∅ zero_ w.grad ·",
        "› epoch 1: w = 1.0396 ·",
        "▸ epoch 2 loss 0.9224",
    ]


def test_the_future_of_the_open_iteration_is_not_told(ols: Trace) -> None:
    assert "▾ epoch 1 ·" in lines(ols, 16)
    assert "▾ epoch 1 loss 0.9604" in lines(ols, 19)


def test_a_loop_in_a_loop_has_a_level_of_its_own(tmp_path: Path) -> None:
    trace = Trace(nested_trace(tmp_path / "t"))
    shown = [line for line in lines(trace, 7) if line]
    assert shown[:5] == ["▾ epoch 0 loss 9", "▸ batch 0 loss 10", "▾ batch 1 loss 9", "▾ forward 1 op", "▶ mul → out 3"]
    assert shown[-3:] == ["▸ batch 2 loss 8", "▸ between 1 op", "▸ epoch 1 loss 5"]


def test_parts_of_an_op_are_told_from_ops(tmp_path: Path) -> None:
    shown = lines(Trace(composite_trace(tmp_path / "t")), 3)
    assert "▶ ╷ addmm → addmm 1" in shown and "▶ linear → z 5" in shown


def test_now_is_in_view_at_every_position_and_height(ols: Trace) -> None:
    for height in (1, 2, 3, 7, 16):
        for position in range(len(ols)):
            marked = [line for line in lines(ols, position, height=height) if line.startswith("➤")]
            assert len(marked) == 1, (height, position)


def test_a_long_iteration_opens_its_current_phase_only(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    for _ in range(60):
        t.forward("relu", (), (), 9)
    t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", 14, subject=0)
    t.add(r.BackwardEnd(0, ()), "backward", 14, subject=0)
    t.close()
    trace = Trace(tmp_path / "t")
    assert "▸ backward 2 ops" in lines(trace, 0, height=80)
    assert [line for line in lines(trace, 60) if line][:2] == ["▾ the script 62 ops", "▸ forward 60 ops"]


def test_a_step_reads_no_more_than_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(ols_trace(tmp_path / "t", epochs=2000))
    lines(trace, 0)
    asked: list[int] = []
    read = Trace.event
    monkeypatch.setattr(Trace, "event", lambda self, position: (asked.append(position), read(self, position))[1])
    lines(trace, 20_000, height=20)
    assert 0 < len(set(asked)) <= 20


def test_the_stretches_of_a_growing_trace_are_those_of_the_finished_one(tmp_path: Path) -> None:
    whole = Trace(nested_trace(tmp_path / "whole", epochs=3))
    growing = HandmadeTrace(tmp_path / "growing")
    trace: Trace | None = None
    for epoch in range(3):
        with growing.loop_pass("epoch", epoch, loop=1):
            for batch in range(3):
                with growing.loop_pass("batch", batch, loop=2):
                    growing.forward("mul", (), (), 3)
                    growing.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", 4)
                    growing.batch.flush(None)
                    trace = trace or Trace(tmp_path / "growing")
                    trace.refresh()
                    runs_of(trace)
                    for _ in range(3):
                        growing.forward("mul", (), (), 3)
            growing.forward("print", (), (), 6)
    growing.close()
    assert trace is not None
    trace.refresh()
    assert runs_of(trace).outer.tolist() == runs_of(whole).outer.tolist() == [0, 16, 32]
    assert runs_of(trace).inner.tolist() == runs_of(whole).inner.tolist()


def test_text_of_the_trace_cannot_move_the_cursor(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t")
    t.add(r.Output("stdout", "\x1b[2J\x07boo\n"), "other", 22)
    t.add(r.Raised("Value\x1bError", "\r\nbad", False), "other", 22)
    t.close()
    shown = "\n".join(lines(Trace(tmp_path / "t"), 1))
    assert "boo" in shown and "bad" in shown and not set("\x1b\x07\r") & set(shown)


def listed(trace: Trace, position: int, **how: object) -> list[str]:
    rows = events.build(Moment(trace, position), 60, 60, DARK, **how)  # type: ignore[arg-type]
    return [" ".join(line.split()) for line in text_of(rows).split("\n") if line]


def test_a_filter_leaves_what_speaks_of_it_and_counts_the_rest(ols: Trace) -> None:
    shown = listed(ols, 22, only="w.grad")
    assert "⊕ Accumulate w.grad ·" in shown and "∅ zero_ w.grad ·" in shown and "▶ mul → 0.01 * w.grad ·" in shown
    assert "➤ ◀ MulBackward0 ∇ w -1.96" in shown, "now is always listed"
    assert "◀ PowBackward0 ∇ l -1.96" not in shown
    hidden = sum(int(line.split()[1]) for line in shown if line.startswith("…"))
    rows = [line for line in shown if line[0] in "▶◀▷⊕Δ∅›➤"]
    first, last = Moment(ols, 22).iteration_span
    assert hidden + len(rows) == last - first + 1, "each event of the iteration is listed or counted"
    assert "filter: w.grad" in text_of([events.title(Moment(ols, 22), 60, DARK, only="w.grad")])


def test_a_filter_for_nan_asks_for_numbers(tmp_path: Path) -> None:
    t = HandmadeTrace(tmp_path / "t", "t.py", "x = y\nz = y\n")
    t.forward("log", (), (t.value(t.tensor(), float("nan"), "x"),), 1)
    t.forward("nanmean", (), (t.value(t.tensor(), 1.0, "z"),), 2)
    t.forward("exp", (), (t.value(t.tensor(), 1.0, "z"),), 2)
    t.close()
    assert events.speaking_of(Trace(tmp_path / "t"), 0, 2, "nan") == (0, 1)


def test_the_future_is_told_when_it_is_asked_for(ols: Trace) -> None:
    assert "▶ sub → l ·" in listed(ols, 16) and "▶ sub → l -0.98" in listed(ols, 16, future=True)
    assert "▾ epoch 1 loss 0.9604" in listed(ols, 16, future=True)
