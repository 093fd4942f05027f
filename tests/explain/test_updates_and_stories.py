"""The rule of an update, held to torch's optimizers; and where what is in a `.grad` came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import backstep
from backstep.explain.grad_story import grad_story
from backstep.explain.rule import rule_of
from backstep.trace.event import UpdateEvent
from backstep.trace.trace import Trace

Make = Callable[[list[torch.Tensor]], torch.optim.Optimizer]


def trained(make: Make, shape: tuple[int, ...], steps: int = 4) -> list[UpdateEvent]:
    torch.manual_seed(1)
    w = torch.randn(shape, requires_grad=True)
    optimizer = make([w])
    with backstep.record() as recording:
        for _ in range(steps):
            optimizer.zero_grad()
            (w.sin() * w).sum().backward()
            optimizer.step()
    return [event for event in recording.trace.find(kind="update") if isinstance(event, UpdateEvent)]


PLAIN, MOMENTUM, ADAM = "w - lr · w.grad", "w - lr · v", "w - lr · m̂ / (√v̂ + 1e-08)"
RULES: dict[str, tuple[Make, str]] = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.1), PLAIN),
    "momentum": (lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.8), MOMENTUM),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), ADAM),
    "adam, other betas": (lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.5, 0.999)), ADAM),
    "adamw": (lambda p: torch.optim.AdamW(p, lr=0.01), "(1 - lr · 0.01) · w - lr · m̂"),
}


@pytest.mark.parametrize("shape", [(), (3,), (4, 2)])
@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_the_optimizers(name: str, shape: tuple[int, ...]) -> None:
    make, formula = RULES[name]
    for step, event in enumerate(trained(make, shape)):
        rule = rule_of(event)
        assert rule is not None
        assert formula in rule.formula or (name == "momentum" and step == 0 and PLAIN in rule.formula)
        assert (rule.numbers is not None) == (shape == ())


UNKNOWN: list[Make] = [
    lambda p: torch.optim.RMSprop(p, lr=0.1),
    lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.3),
    lambda p: torch.optim.Adam(p, lr=0.01, eps=0.1),
    lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True, betas=(0.3, 0.77)),
]


@pytest.mark.parametrize("make", UNKNOWN)
def test_no_rule_is_said_that_does_not_give_the_result(make: Make) -> None:
    assert all(rule_of(event) is None for event in trained(make, (5,))[1:])


def story(trace: Trace, position: int, leaf: str = "w") -> str:
    return grad_story(trace, trace.number(leaf), position).text


def at(trace: Trace, kind: str, number: int = 0, **fields: Any) -> int:
    return [event.position for event in trace.find(kind=kind, **fields)][number]


def test_the_story_of_a_gradient_that_is_added_to() -> None:
    w, b = torch.tensor(1.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    with backstep.record() as recording:
        (w * 3).backward()
        (w * 5).backward()
        w.grad.zero_()  # type: ignore[union-attr]
        (w * 7).backward()
        w.grad = None
        (b * 2).backward()
        (w * w).backward()
    trace = recording.trace
    first, second, third, _, last = (event.position for event in trace.find(kind="accumulate"))
    zeroed, removed = (event.position for event in trace.find(kind="zero_grad"))
    assert story(trace, first - 1).endswith("the pass from w * 3 that runs now has not reached it.")
    assert "So far 1 backward pass added to it: pass 0 at #" in story(trace, first)
    assert "was never zeroed. So far 2 backward passes added to it" in story(trace, second)
    assert f"#{first} " in story(trace, second) and f"#{second} " in story(trace, second)
    assert f"w.grad was zeroed last at #{zeroed}" in story(trace, zeroed)
    assert "no backward pass has run since" in story(trace, zeroed)
    assert f"zeroed last at #{zeroed}" in story(trace, third) and "Since then 1 backward pass" in story(trace, third)
    other = at(trace, "backward_end", 3)
    assert f"set to None last at #{removed}" in story(trace, other)
    assert "did not come by: no path of the graph leads from there to it" in story(trace, other)
    assert "pass 4 at" in story(trace, last)


def test_what_else_wrote_is_told_and_many_passes_are_counted() -> None:
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    with backstep.record() as recording:
        for _ in range(6):
            w.square().sum().backward()
        torch.nn.utils.clip_grad_norm_([w], 1.0)
        torch.autograd.grad(w.sum(), w)
    trace = recording.trace
    text = story(trace, len(trace) - 1)
    assert "6 backward passes added to it" in text and "… 3 more …" in text
    assert "it was written by clip_grad_norm_ at #" in text
