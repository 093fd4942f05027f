"""Several processes: each rank records its own trace, the folder opens as one run, and where ranks part is found."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backstep
from backstep.trace.ranks import first_divergence, opened
from backstep.trace.trace import Trace
from backstep.tui import App
from tests.commands import command
from tests.processes import Outcome, run

SCRIPTS = Path(__file__).parent / "scripts"


def torchrun(count: int, script: str, folder: Path, *, recorded: bool = True, **environment: str) -> Outcome:
    """The script in so many processes; recorded into `folder / "run"`."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
    under = ["-m", "backstep", "run", "-o", "run"] if recorded else []
    return run(*launch, *under, SCRIPTS / f"{script}.py", cwd=folder, **environment)


def printed(outcome: Outcome) -> list[str]:
    """What the ranks said, in order of rank; two may write at once, and then a line end comes late."""
    text = outcome.stdout.replace("rank ", "\nrank ")
    return sorted(line for line in text.splitlines() if line)


def events(trace: Trace, kind: str, leaf: str) -> list[Any]:
    return list(trace.find(kind=kind, tensor=leaf))


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("by_hand")
    ran = torchrun(2, "by_hand", folder)
    assert ran.code == 0, ran.stderr
    assert "recording stopped" not in ran.stderr, ran.stderr
    assert printed(ran) == printed(torchrun(2, "by_hand", folder, recorded=False))
    return folder / "run"


def test_each_rank_has_its_trace(by_hand: Path):
    assert sorted(file.name for file in by_hand.iterdir()) == ["rank-0.backstep", "rank-1.backstep"]
    with opened(by_hand) as ranks:
        assert [(trace.header["rank"], trace.header["world_size"]) for trace in ranks] == [(0, 2), (1, 2)]
        assert all(trace.header["complete"] for trace in ranks), [(trace.header, trace.stopped) for trace in ranks]


def test_all_reduce_is_a_gradient_write(by_hand: Path):
    """Rank r has x = r + step, which is its gradient; the sum over two ranks is 2 * step + 1."""
    with opened(by_hand) as ranks:
        for rank, trace in enumerate(ranks):
            writes = [event for event in events(trace, "grad_write", "w") if event.by == "all_reduce"]
            assert [event.before.values[0] for event in writes] == [rank + step for step in range(3)]
            assert [event.after.values[0] for event in writes] == [2 * step + 1 for step in range(3)]
            assert {event.source.code for event in writes} == {
                "dist.all_reduce(w.grad)", "dist.all_reduce(w.grad, async_op=True)",
            }  # fmt: skip


def test_other_collectives_are_ops(by_hand: Path):
    with opened(by_hand) as ranks:
        for rank, trace in enumerate(ranks):
            (broadcast,) = trace.find(kind="forward", op="broadcast")
            assert (broadcast.inputs[0].values, broadcast.outputs[0].values) == (float(rank), 1.0)
            assert broadcast.inplace


@pytest.mark.parametrize("count", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_data_parallel(count: int, tmp_path: Path):
    """What is told to be all-reduced is the mean of what the ranks had accumulated."""
    ran = torchrun(count, "ddp", tmp_path)
    assert ran.code == 0, ran.stderr
    assert printed(ran) == printed(torchrun(count, "ddp", tmp_path, recorded=False))
    with opened(tmp_path / "run") as ranks:
        assert len(ranks) == count
        for leaf in ranks[0].leaves.values():
            per_rank = [events(trace, "grad_write", leaf) for trace in ranks]
            local = [events(trace, "accumulate", leaf) for trace in ranks]
            for step in range(3):
                written = [rank[step] for rank in per_rank]
                assert {write.by for write in written} == {"all_reduce"}
                assert all(w.before.values == a[step].after.values for w, a in zip(written, local, strict=True))
                mean = np.mean([a[step].after.array for a in local], axis=0)
                for write in written:
                    np.testing.assert_allclose(write.after.array, mean, rtol=1e-5, atol=1e-7)
        assert first_divergence(ranks) is None
    assert command("verify", tmp_path / "run").code == 0
    assert "same on every rank to the last bit" in command("info", tmp_path / "run").stdout
    assert command("check", tmp_path / "run", "--select", "ranks-diverge").code == 0


def test_where_ranks_part_is_found(tmp_path: Path):
    assert torchrun(2, "by_hand", tmp_path, DRIFT="1").code == 0
    found = command("check", tmp_path / "run", "--format", "json")
    assert found.code == 1
    (finding,) = [one for one in json.loads(found.stdout)["findings"] if one["rule"] == "ranks-diverge"]
    assert "`w` is the same on every rank until iteration 1" in finding["message"]
    assert finding["related"][0]["source"]["code"] == "w += 1e-3"
    assert "they part at w in iteration 1" in command("info", tmp_path / "run").stdout


def test_a_folder_opens_as_one_run(by_hand: Path):
    told = command("info", by_hand)
    assert told.code == 0
    assert told.stdout.index("rank 0 of 2") < told.stdout.index("rank 1 of 2") < told.stdout.index("between ranks")
    with opened(by_hand) as ranks:
        position = next(event.position for event in ranks[0].find(kind="grad_write"))
    shown = command("show", by_hand, "--at", str(position))
    assert shown.code == 0
    assert shown.stdout.endswith(
        f"ranks\nrank 0 of 2  #{position} grad_write w  [0 0 0] → [1 1 1]\n"
        f"rank 1 of 2  #{position} grad_write w  [1 1 1] → [1 1 1]\n"
    )
    verified = command("verify", by_hand)
    assert verified.code == 0 and verified.stdout.count("accumulations hold") == 2
    assert command("check", by_hand).code in (0, 1)


def test_the_screen_shows_ranks_side_by_side(by_hand: Path):
    async def look() -> None:
        with opened(by_hand) as ranks:
            position = next(event.position for event in ranks[0].find(kind="grad_write"))
            app = App(ranks[0], position, others=ranks[1:])
            async with app.run_test(size=(120, 40)) as pilot:
                await pilot.press("R")
                await pilot.pause()
                text = "\n".join("".join(s.text for s in strip) for strip in app.canvas.strips)
                assert "rank 0 of 2  #" in text and "rank 1 of 2  #" in text
                await pilot.press("R")
                await pilot.pause()
                assert app.trace is ranks[1] and app.cursor.position == position

    asyncio.run(look())


def test_without_a_folder_asked_for_the_ranks_agree_on_one(tmp_path: Path):
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    ran = run(*launch, "-m", "backstep", "run", SCRIPTS / "by_hand.py", cwd=tmp_path)
    assert ran.code == 0, ran.stderr
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.backstep")) == [
        "by_hand.ranks/rank-0.backstep", "by_hand.ranks/rank-1.backstep",
    ]  # fmt: skip
    backstep.load(tmp_path / "by_hand.ranks" / "rank-0.backstep").close()
