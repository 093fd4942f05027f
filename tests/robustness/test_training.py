"""Training as people write it: mixed precision, closures, two optimizers, schedulers, clipping."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tests.robustness.twice import assert_gradients, equals, gradients_of, needed, run_twice


def test_autocast() -> None:
    """Under autocast a linear layer casts what it is given; each cast is a node, and it has its twin."""

    def program() -> Any:
        model = nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 2))
        x, targets = torch.randn(5, 4), torch.tensor([0, 1, 1, 0, 1])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            scores = model(x)
            scores.retain_grad()
        loss = nn.functional.cross_entropy(scores.float(), targets)
        loss.backward()
        return gradients_of(model), scores, scores.grad

    twice = run_twice(program)
    (gradients, scores, at_scores), _ = twice.bare
    assert_gradients(twice, gradients)
    linear = twice.forward("linear")[-1]
    assert linear.autocast == linear.outputs[0].dtype == "bfloat16" and equals(linear.outputs[0], scores)
    assert twice.forward("cross_entropy")[0].autocast is None
    addmm = twice.nodes("AddmmBackward0")[0]
    assert addmm.upstream[0].dtype == "bfloat16" and equals(addmm.upstream[0], at_scores)
    casts = [event for event in twice.events("backward") if event.op.startswith("ToCopyBackward")]
    assert len(casts) == 5, "two weights, two biases, and the scores"
    assert {twice.twin(event).op for event in casts} == {"_to_copy", "float"}
    assert {edge.downstream.dtype for cast in casts for edge in needed(cast)} == {"float32", "bfloat16"}


@pytest.mark.parametrize("overflows", [False, True])
def test_grad_scaler(overflows: bool) -> None:
    """The scaled gradients are divided by a write of their own; with Inf in them there is no update."""

    def program() -> Any:
        model = nn.Linear(3, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
        x = torch.randn(4, 3) * (float("inf") if overflows else 1.0)
        loss = model(x).square().mean() if not overflows else model(x).sum()
        scaler.scale(loss).backward()
        scaled = model.weight.grad.clone()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1e9)
        scaler.step(optimizer)
        scaler.update()
        return scaled, model.weight.grad, model.weight, scaler.get_scale()

    twice = run_twice(program)
    (scaled, gradient, weight, scale), _ = twice.bare
    (arrived,) = twice.events("accumulate", tensor="weight")
    assert equals(arrived.after, scaled)
    unscaled, clipped = twice.events("grad_write", tensor="weight")
    assert (unscaled.by, clipped.by) == ("unscale_", "clip_grad_norm_")
    assert equals(unscaled.before, scaled) and equals(clipped.after, gradient)
    updates = twice.events("update", tensor="weight", by="SGD.step")
    assert scale == (4.0 if overflows else 8.0)
    assert len(updates) == (0 if overflows else 1)
    assert all(equals(update.after, weight) for update in updates)


def test_lbfgs() -> None:
    """A step calls its closure many times: many passes, one update of each parameter, one iteration a step."""

    def program() -> Any:
        model = nn.Linear(2, 1)
        x, targets = torch.randn(6, 2), torch.randn(6, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=3, line_search_fn="strong_wolfe")
        losses = []

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), targets)
            loss.backward()
            losses.append(loss.item())
            return loss

        weights = []
        for _step in range(3):
            optimizer.step(closure)
            weights.append(model.weight.detach().clone())
        return weights, losses, gradients_of(model)

    twice = run_twice(program)
    (weights, losses, gradients), _ = twice.bare
    assert_gradients(twice, gradients)
    passes = twice.events("backward_start")
    assert [event.roots[0].values for event in passes] == losses and len(losses) > 3
    updates = twice.events("update", tensor="weight", by="LBFGS.step")
    assert [event.iteration for event in updates] == [0, 1, 2]
    assert all(equals(event.after, weight) for event, weight in zip(updates, weights, strict=True))
    numbers = [event.iteration for event in passes]
    assert numbers == sorted(numbers) and set(numbers) == {0, 1, 2}
    assert {event.phase for event in twice.forward("mse_loss")} == {"forward"}


def test_two_optimizers() -> None:
    """A GAN: two models, two updates, one iteration a batch; the detached half leaves the generator alone."""

    def program() -> Any:
        generator = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
        critic = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
        g_optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
        d_optimizer = torch.optim.SGD(critic.parameters(), lr=0.1)
        judge = nn.functional.binary_cross_entropy_with_logits
        seen = []
        for real in torch.randn(3, 5, 2):
            fake = generator(torch.randn(5, 2))
            d_optimizer.zero_grad()
            d_loss = judge(critic(real), torch.ones(5, 1)) + judge(critic(fake.detach()), torch.zeros(5, 1))
            d_loss.backward()
            d_optimizer.step()
            untouched = generator[0].weight.grad is None
            g_optimizer.zero_grad()
            g_loss = judge(critic(fake), torch.ones(5, 1))
            g_loss.backward()
            g_optimizer.step()
            seen.append((untouched, generator[0].weight.grad.clone(), critic[0].weight.grad.clone()))
        return generator.state_dict(), critic.state_dict(), seen

    twice = run_twice(program)
    (generator, critic, seen), _ = twice.bare
    steps = [event for event in twice.events("update") if event.by.endswith(".step")]
    assert [event.iteration for event in steps] == [i for i in range(3) for _ in range(8)]
    last = {event.tensor: event.after for event in steps}
    expected = {f"generator.{n}": t for n, t in generator.items()} | {f"critic.{n}": t for n, t in critic.items()}
    assert last.keys() == expected.keys() and all(equals(last[n], t) for n, t in expected.items())
    starts = twice.events("backward_start")
    assert [event.iteration for event in starts] == [0, 0, 1, 1, 2, 2]
    for iteration, (_, at_generator, at_critic) in enumerate(seen):
        for name, gradient in (("generator.0.weight", at_generator), ("critic.0.weight", at_critic)):
            arrived = [e for e in twice.events("accumulate", tensor=name) if e.iteration == iteration]
            assert equals(arrived[-1].after, gradient)
    detached = twice.forward("detach")[:3]
    assert [event.iteration for event in detached] == [0, 1, 2] and not any(event.nodes for event in detached)


def test_scheduler_clipping_and_decay() -> None:
    """The learning rate of each step, the clipped gradient it used, and the averaged copy beside it."""

    def program() -> Any:
        model = nn.Linear(3, 2)
        optimizer = torch.optim.AdamW(
            [{"params": [model.weight]}, {"params": [model.bias], "lr": 0.5, "weight_decay": 0.0}], lr=0.1
        )
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        averaged = torch.optim.swa_utils.AveragedModel(model)
        used = []
        for x in torch.randn(3, 4, 3):
            optimizer.zero_grad()
            model(x).pow(2).sum().backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
            used.append((norm, model.weight.grad.clone()))
            optimizer.step()
            scheduler.step()
            averaged.update_parameters(model)
        return used, model.state_dict(), averaged.state_dict(), scheduler.get_last_lr()

    twice = run_twice(program)
    (used, state, _, _), _ = twice.bare
    updates = twice.events("update", by="AdamW.step")
    assert [(e.tensor, e.lr) for e in updates] == [
        (name, rate / 2**step) for step in range(3) for name, rate in (("weight", 0.1), ("bias", 0.5))
    ]  # fmt: skip
    for event, (_, gradient) in zip(updates[::2], used, strict=True):
        assert equals(event.grad, gradient)
    assert equals(updates[-1].after, state["bias"])
    assert {event.by for event in twice.events("grad_write")} == {"clip_grad_norm_"}


@pytest.mark.parametrize(
    "make",
    [
        lambda ps: torch.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True),
        lambda ps: torch.optim.Adam(ps, lr=0.1, foreach=True, amsgrad=True),
        lambda ps: torch.optim.Adam(ps, lr=0.1, fused=True),
        lambda ps: torch.optim.RMSprop(ps, lr=0.1, centered=True),
        lambda ps: torch.optim.Adafactor(ps, lr=0.1),
        lambda ps: torch.optim.Rprop(ps, lr=0.1),
        lambda ps: torch.optim.Muon(ps, lr=0.1),
    ],
    ids=["sgd", "foreach", "fused", "rmsprop", "adafactor", "rprop", "muon"],
)
def test_optimizers(make: Any) -> None:
    """Whichever way an optimizer writes, in a loop, on lists or fused: each update's before and after are the truth."""

    def program() -> Any:
        model = nn.Linear(3, 2, bias=False)
        optimizer = make(model.parameters())
        weights = [model.weight.detach().clone()]
        for x in torch.randn(3, 4, 3):
            optimizer.zero_grad()
            model(x).pow(2).mean().backward()
            optimizer.step()
            weights.append(model.weight.detach().clone())
        return weights, optimizer.state_dict()["state"]

    twice = run_twice(program)
    (weights, state), _ = twice.bare
    updates = [event for event in twice.events("update") if event.by.endswith(".step")]
    for event, before, after in zip(updates, weights[:-1], weights[1:], strict=True):
        assert equals(event.before, before) and equals(event.after, after)
    for name, value in state[0].items():
        if isinstance(value, torch.Tensor):
            assert equals(updates[-1].state[name].after, value), name
