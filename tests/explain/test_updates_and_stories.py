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
SGD, ADAMW = torch.optim.SGD, torch.optim.AdamW
RULES: dict[str, tuple[Make, str]] = {
    "sgd": (lambda p: SGD(p, lr=0.1), PLAIN),
    "momentum": (lambda p: SGD(p, lr=0.1, momentum=0.8), MOMENTUM),
    "momentum, decay": (lambda p: SGD(p, lr=0.1, momentum=0.8, dampening=0.3, weight_decay=0.02), MOMENTUM),
    "nesterov": (lambda p: SGD(p, lr=0.1, momentum=0.83, nesterov=True), "w - lr · (w.grad + 0.83 · v)"),
    "nesterov, decay": (
        lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05), "(w.grad + 0.05 · w + 0.9 · v)",
    ),
    "decay": (lambda p: SGD(p, lr=0.1, weight_decay=0.03), "w - lr · (w.grad + 0.03 · w)"),
    "uphill": (lambda p: SGD(p, lr=0.1, maximize=True), "w + lr · w.grad"),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), ADAM),
    "adam, fused": (lambda p: torch.optim.Adam(p, lr=0.01, fused=True), ADAM),
    "adam, one by one": (lambda p: torch.optim.Adam(p, lr=0.01, foreach=False), ADAM),
    "adam, other betas": (lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.3, 0.77)), "m̂ = exp_avg / (1 - 0.3^"),
    "adam, other epsilon": (lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-3), "(√v̂ + 0.001)"),
    "adam, decay": (lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.1), ADAM),
    "amsgrad": (lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True), "v̂ = max_exp_avg_sq"),
    "adamw": (lambda p: ADAMW(p, lr=0.01), "(1 - lr · 0.01) · w - lr · m̂"),
    "adamw, other decay": (lambda p: ADAMW(p, lr=0.01, weight_decay=0.37), "(1 - lr · 0.37) · w - lr · m̂"),
    "rmsprop": (lambda p: torch.optim.RMSprop(p, lr=0.01), "w - lr · w.grad / (√square_avg + 1e-08)"),
    "rmsprop, centred": (lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True), "√(square_avg - grad_avg²)"),
    "adagrad": (lambda p: torch.optim.Adagrad(p, lr=0.1), "w - lr · w.grad / (√sum + 1e-10)"),
    "adadelta": (lambda p: torch.optim.Adadelta(p, lr=0.5), "√(acc_delta before + 1e-06) / √(square_avg + 1e-06)"),
    "adamax": (lambda p: torch.optim.Adamax(p, lr=0.1), "m̂ / exp_inf, with m̂ = exp_avg / (1 - 0.9^"),
}  # fmt: skip
FIRST = {
    "momentum": PLAIN,
    "momentum, decay": "w - lr · (w.grad + 0.02 · w)",
}
"""What the first step cannot be told from: the momentum has nothing in it yet."""


@pytest.mark.parametrize("shape", [(), (3,), (4, 2)])
@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_the_optimizers(name: str, shape: tuple[int, ...]) -> None:
    make, formula = RULES[name]
    for step, event in enumerate(trained(make, shape)):
        rule = rule_of(event)
        assert rule is not None, (step, event)
        assert formula in rule.formula or (step == 0 and FIRST.get(name, "?") in rule.formula), rule.formula
        assert rule.plain == (PLAIN in rule.formula and "/" not in rule.formula and "√" not in rule.formula)
        assert rule.numbers is None or shape == ()


class Signs(torch.optim.Optimizer):
    """An optimizer of the script's own, with a rule of its own."""

    def __init__(self, params: list[torch.Tensor]) -> None:
        super().__init__(params, {"lr": 0.1})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad.sign()


class Descent(Signs):
    """One of the script's own that does what SGD does."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.grad


UNKNOWN: dict[str, Make] = {
    "NAdam": lambda p: torch.optim.NAdam(p, lr=0.1),
    "RAdam": lambda p: torch.optim.RAdam(p, lr=0.1),
    "ASGD": lambda p: torch.optim.ASGD(p, lr=0.1),
    "Rprop": lambda p: torch.optim.Rprop(p, lr=0.1),
    "Adam of a large epsilon": lambda p: torch.optim.Adam(p, lr=0.01, eps=0.1),
    "one of the script's own": Signs,
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_no_rule_is_said_that_does_not_give_the_result(name: str) -> None:
    assert all(rule_of(event) is None for event in trained(UNKNOWN[name], (5,)))


def test_an_optimizer_of_the_scripts_own_may_do_what_a_known_one_does() -> None:
    rules = [rule_of(event) for event in trained(Descent, (5,))]
    assert rules and all(rule is not None and rule.plain for rule in rules)


def test_a_decay_too_small_to_be_seen_is_not_made_up() -> None:
    """1e-7 of each number is lost in its rounding: whatever is said must not name a decay."""
    for event in trained(lambda p: ADAMW(p, lr=1e-5, weight_decay=0.01), (4,)):
        rule = rule_of(event)
        assert rule is None or "(1 - lr" not in rule.formula


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
    assert f"the pass from b * 2 at #{at(trace, 'backward_start', 3)} did not come by: no op used it since" in (
        story(trace, other)
    )
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


def test_a_missing_gradient_has_its_own_reason() -> None:
    with backstep.record() as recording:
        cut, frozen = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        quiet, apart = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        given, unused = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
        frozen.requires_grad_(False)
        with torch.no_grad():
            scale = quiet.sum()
        beside = (apart * 2).sum()
        loss = (given * cut.detach() * frozen * scale).sum()
        loss.backward()
        torch.autograd.grad((given * 3).sum(), given)
    trace, last = recording.trace, len(recording.trace) - 1
    start = at(trace, "backward_start")
    begun = f"the pass from loss at #{start} did not come by: "
    line = trace.event(at(trace, "forward", op="detach"))["source"].line
    wanted = {
        "cut": f"it was used only through detach (line {line}), which cuts it off.",
        "frozen": f"requires_grad was False when it was used (line {line}).",
        "quiet": f"it was used with grad mode off only (line {line - 2}).",
        "apart": "no path of the graph leads from there to it.",
        "unused": "no op used it before.",
    }
    leaves = {"cut": cut, "frozen": frozen, "quiet": quiet, "apart": apart, "unused": unused}
    for name, why in wanted.items():
        assert leaves[name].grad is None and story(trace, last, name).endswith(begun + why)
    assert given.grad is not None and beside.requires_grad
    assert "1 backward pass added to it: pass 0" in story(trace, last, "given")
