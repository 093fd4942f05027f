"""Every scenario, recorded: the export keeps to its schema, verify holds, the numbers are autograd's own."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.processes import ROOT, SCENARIOS, TRACE, backstep, record
from tests.schema import parse_export

DIES = "ols_no_no_grad"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A scenario's trace: where it lies, and its export."""

    folder: Path
    header: dict[str, Any]
    events: list[dict[str, Any]]

    def find(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        return [e for e in self.events if e["kind"] == kind and all(e[name] == fields[name] for name in fields)]

    def passes(self) -> list[list[dict[str, Any]]]:
        """The events of each backward pass, from its start to its end."""
        starts = [event["position"] for event in self.find("backward_start")]
        ends = [event["position"] for event in self.find("backward_end")]
        assert len(starts) == len(ends)
        return [self.events[start : end + 1] for start, end in zip(starts, ends, strict=True)]

    def step(self, op: str, pass_: int = 0) -> dict[str, Any]:
        """The one backward event of this op in a pass."""
        (event,) = [e for e in self.passes()[pass_] if e["kind"] == "backward" and e["op"] == op]
        return event


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`recorded(name)`: that scenario's trace, recorded when it is first asked for."""
    known: dict[str, Recorded] = {}

    def fetch(name: str) -> Recorded:
        if name not in known:
            folder = tmp_path_factory.mktemp(name)
            ran = record(ROOT / "scenarios" / f"{name}.py", cwd=folder)
            assert ran.code == (1 if name == DIES else 0), ran.stderr
            exported = backstep("export", TRACE, "--format", "jsonl", "-o", "trace.jsonl", cwd=folder)
            assert (exported.code, exported.stderr) == (0, "")
            known[name] = Recorded(folder, *parse_export((folder / "trace.jsonl").read_bytes()))
        return known[name]

    return fetch


@dataclass(slots=True)
class Pass:
    """What autograd itself says at one `backward()` call: by name, the value, the gradient and the leaf's `.grad`."""

    values: dict[str, Any] = field(default_factory=dict)
    gradients: dict[str, Any] = field(default_factory=dict)
    left: dict[str, Any] = field(default_factory=dict)
    leaves: set[str] = field(default_factory=set)


def ask_autograd(script: Path, monkeypatch: pytest.MonkeyPatch) -> list[Pass]:
    """Run the script here, bare, and ask `torch.autograd.grad` for all that it has a name for before each pass."""
    passes: list[Pass] = []
    namespace: dict[str, Any] = {"__name__": "__main__"}
    bare_backward = torch.Tensor.backward

    def named_tensors() -> dict[str, torch.Tensor]:
        named = {name: value for name, value in namespace.items() if isinstance(value, torch.Tensor)}
        for module in [value for value in namespace.values() if isinstance(value, torch.nn.Module)]:
            named |= dict(module.named_parameters())
        return {name: tensor for name, tensor in named.items() if tensor.requires_grad}

    def backward(root: torch.Tensor) -> None:
        tensors = named_tensors()
        gradients = torch.autograd.grad(root, list(tensors.values()), retain_graph=True, allow_unused=True)
        told = Pass()
        for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
            told.values[name] = tensor.tolist()
            told.gradients[name] = None if gradient is None else gradient.tolist()
        bare_backward(root)
        for name, tensor in tensors.items():
            if tensor.is_leaf:
                told.leaves.add(name)
                told.left[name] = None if tensor.grad is None else tensor.grad.tolist()
        passes.append(told)

    monkeypatch.setattr(torch.Tensor, "backward", backward)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(script.read_text(), script, "exec"), namespace)
        except TypeError:
            assert script.stem == DIES
    return passes


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_gradients_are_autograds_own(script: Path, recorded: Any, monkeypatch: pytest.MonkeyPatch):
    trace = recorded(script.stem)
    expected = ask_autograd(script, monkeypatch)
    assert len(trace.passes()) == len(expected)
    for events, told in zip(trace.passes(), expected, strict=True):
        accumulated = {event["tensor"]: event for event in events if event["kind"] == "accumulate"}
        upstream = upstream_by_name(trace, events)
        for name, gradient in told.gradients.items():
            if name in told.leaves and gradient is None:
                assert name not in accumulated
            elif name in told.leaves:
                assert accumulated[name]["arrived"]["values"] == gradient
                assert accumulated[name]["after"]["values"] == told.left[name]
            elif gradient is not None:
                assert upstream[name]["values"] == gradient
                assert last_named(trace, name, events[0]["position"])["values"] == told.values[name]


def upstream_by_name(trace: Recorded, events: list[dict[str, Any]]) -> dict[str, Any]:
    """For each result that a backward event differentiates by: what arrived there."""
    found = {}
    for event in events:
        if event["kind"] == "backward" and event["forward"] is not None:
            outputs = trace.events[event["forward"]]["outputs"]
            found |= {value["name"]: up for value, up in zip(outputs, event["upstream"], strict=False)}
            parent = trace.events[event["forward"]]["parent"]
            if parent is not None and len(trace.events[parent]["outputs"]) == 1:
                (result,) = trace.events[parent]["outputs"]
                if outputs and result["tensor"] == outputs[0]["tensor"]:
                    found[result["name"]] = event["upstream"][0]
    return found


def last_named(trace: Recorded, name: str, position: int) -> dict[str, Any]:
    """The newest result of that name before a position."""
    made = [v for e in trace.events[:position] if e["kind"] == "forward" for v in e["outputs"] if v["name"] == name]
    return made[-1]


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_chain_rule_holds_and_the_export_repeats(script: Path, recorded: Any):
    trace = recorded(script.stem)
    verified = backstep("verify", TRACE, cwd=trace.folder)
    assert (verified.code, verified.stderr) == (0, "")
    # Not vacuously: every needed edge of a scenario has its local gradient, small as they are.
    edges = [edge for event in trace.find("backward") for edge in event["edges"] if edge["needed"]]
    assert edges and all(edge["local"]["values"] is not None for edge in edges)
    assert str(len(edges)) in verified.stdout
    assert all(event["forward"] is not None for event in trace.find("backward")), "every node has its twin"
    assert not trace.find("note")

    again = backstep("export", TRACE, "--format", "jsonl", cwd=trace.folder)
    assert again.stdout.encode() == (trace.folder / "trace.jsonl").read_bytes()
    shown = backstep("info", TRACE, cwd=trace.folder)
    assert shown.code == 0 and script.name in shown.stdout


@pytest.mark.parametrize("script", SCENARIOS, ids=lambda script: script.stem)
def test_header_and_output(script: Path, recorded: Any):
    header = recorded(script.stem).header
    assert header["complete"] is True
    assert header["torch"] == torch.__version__
    if script.stem != DIES:
        assert header["exit"] == {"status": "ok", "code": 0, "exception": None}
    text = "".join(event["text"] for event in recorded(script.stem).find("output", stream="stdout"))
    assert text.count("\n") >= 1 and text.endswith("\n")


def numbers(value: dict[str, Any]) -> np.ndarray:
    return np.array(value["values"], dtype=np.float64)


def needed_edge(event: dict[str, Any]) -> dict[str, Any]:
    """The one edge of a backward event that carries a gradient on."""
    (edge,) = [edge for edge in event["edges"] if edge["needed"]]
    return edge


class TestOls:
    """The lecture, number by number: everything in float32, exactly."""

    def epochs(self) -> list[dict[str, float]]:
        w, told = np.float32(1), []
        for _ in range(20):
            residual = w - np.float32(2)
            grad = 2 * residual
            new = w - np.float32(0.01) * grad
            step = {"w": w, "y_hat": w, "l": residual, "loss": residual**2, "grad": grad, "new": new}
            # As doubles: numpy would round the export's doubles to float32 before comparing.
            told.append({name: float(number) for name, number in step.items()})
            w = new
        return told

    def test_forward(self, recorded: Any):
        trace = recorded("ols")
        made = [e for e in trace.find("forward") if e["op"] in {"mul", "sub", "pow"} and e["grad_enabled"]]
        named = [(e["op"], e["outputs"][0]["name"]) for e in made]
        assert named == [("mul", "y_hat"), ("sub", "l"), ("pow", "loss")] * 20
        assert [e["outputs"][0]["values"] for e in made[:3]] == [1.0, -1.0, 1.0]
        for epoch, told in enumerate(self.epochs()):
            of_epoch = made[3 * epoch : 3 * epoch + 3]
            assert [e["outputs"][0]["values"] for e in of_epoch] == [told["y_hat"], told["l"], told["loss"]]
            assert all((e["iteration"], e["loops"]) == (epoch, {"epoch": epoch}) for e in of_epoch)
            assert all(e["phase"] == "forward" for e in of_epoch)
        mul, sub, power = made[:3]
        assert [value["name"] for value in mul["inputs"]] == ["w", "x"]
        assert [value["values"] for value in mul["inputs"]] == [1.0, 1.0]
        assert [value["name"] for value in sub["inputs"]] == ["y_hat", "y"]
        assert [value["name"] for value in power["inputs"]] == ["l"]
        assert [argument["value"] for argument in power["arguments"]] == [2]
        assert [e["source"]["code"] for e in (mul, sub, power)] == ["w * x", "y_hat - y", "l ** 2"]

    def test_source_spans(self, recorded: Any):
        lines = (ROOT / "scenarios" / "ols.py").read_text().splitlines()
        with_source = [e["source"] for e in recorded("ols").events if e["source"]]
        assert len(with_source) > 200
        for source in with_source:
            assert source["file"] == "ols.py"
            assert source["line"] == source["end_line"]
            assert lines[source["line"] - 1][source["column"] : source["end_column"]] == source["code"]

    def test_backward(self, recorded: Any):
        trace = recorded("ols")
        for epoch, told in enumerate(self.epochs()):
            grad = told["grad"]
            start, power, sub, mul, accumulate, end = trace.passes()[epoch]
            assert (start["kind"], start["api"], end["kind"]) == ("backward_start", "backward", "backward_end")
            assert [value["name"] for value in start["roots"]] == ["loss"]
            assert [value["values"] for value in start["seeds"]] == [1.0]

            for event, op, twin, up, edge in (
                (power, "PowBackward0", "pow", (1.0, "loss.grad"), ("l", grad, grad, "l.grad")),
                (sub, "SubBackward0", "sub", (grad, "l.grad"), ("y_hat", 1.0, grad, "y_hat.grad")),
                (mul, "MulBackward0", "mul", (grad, "y_hat.grad"), ("w", 1.0, grad, "w.grad")),
            ):
                assert event["op"] == op
                assert trace.events[event["forward"]]["op"] == twin
                assert trace.events[event["forward"]]["iteration"] == epoch == event["iteration"]
                assert [(value["values"], value["name"]) for value in event["upstream"]] == [up]
                first = event["edges"][0]
                assert first["local"]["form"] == "elementwise"
                assert first["local"]["shape"] == []
                left = (first["input"], first["local"]["values"], first["downstream"]["values"])
                assert (*left, first["downstream"]["name"]) == edge
            needed = [[edge["needed"] for edge in event["edges"]] for event in (power, sub, mul)]
            assert needed == [[True], [True, False], [True, False]]
            assert [event["edges"][1]["input"] for event in (sub, mul)] == ["y", "x"]
            assert power["edges"][0]["to"] == {"node": sub["node"], "output": 0}
            assert sub["edges"][0]["to"] == {"node": mul["node"], "output": 0}
            assert mul["edges"][0]["to"] == {"leaf": "w", "number": accumulate["number"]}

            assert (accumulate["tensor"], accumulate["fresh"]) == ("w", True)
            assert accumulate["arrived"]["values"] == accumulate["after"]["values"] == grad
            assert (accumulate["before"] is None) is (epoch == 0)
        assert trace.find("accumulate")[0]["after"]["values"] == -2.0

    def test_update_and_zeroing(self, recorded: Any):
        trace = recorded("ols")
        updates, zeroings, passes = trace.find("update"), trace.find("zero_grad"), trace.passes()
        assert len(updates) == len(zeroings) == 20
        for epoch, told in enumerate(self.epochs()):
            update, zeroing = updates[epoch], zeroings[epoch]
            assert passes[epoch][-1]["position"] < update["position"] < zeroing["position"]
            assert (update["tensor"], update["by"], update["phase"]) == ("w", "sub_", "update")
            assert (update["before"]["values"], update["after"]["values"]) == (told["w"], told["new"])
            assert update["grad"]["values"] == told["grad"]
            assert update["grad_enabled"] is False and update["state"] == {}
            assert update["source"]["code"] == "w -= 0.01 * w.grad"
            assert (zeroing["tensor"], zeroing["how"], zeroing["phase"]) == ("w", "zero_", "zero_grad")
            assert (zeroing["before"]["values"], zeroing["after"]["values"]) == (told["grad"], 0.0)
            assert zeroing["number"] == update["number"]
            assert update["iteration"] == zeroing["iteration"] == epoch
        assert f"{updates[0]['after']['values']:.4f}" == "1.0200"
        assert not trace.find("grad_write")

    def test_what_it_printed(self, recorded: Any):
        text = "".join(event["text"] for event in recorded("ols").find("output"))
        expected = [f"epoch {epoch}: w = {told['new']:.3f}" for epoch, told in enumerate(self.epochs())]
        assert text.splitlines() == expected


def test_ols_no_zero_piles_up(recorded: Any):
    trace = recorded("ols_no_zero")
    accumulations = trace.find("accumulate")
    assert [event["fresh"] for event in accumulations] == [True] + [False] * 49
    assert accumulations[0]["before"] is None
    for event in accumulations[1:]:
        total = np.float32(event["before"]["values"]) + np.float32(event["arrived"]["values"])
        assert event["after"]["values"] == float(total)
    before = [event["before"]["values"] for event in accumulations[1:]]
    assert before == [event["after"]["values"] for event in accumulations[:-1]]
    assert not trace.find("zero_grad")


def test_ols_no_no_grad_makes_a_new_w(recorded: Any):
    trace = recorded("ols_no_no_grad")
    assert trace.header["exit"]["status"] == "exception" and trace.header["exit"]["code"] == 1
    assert not trace.find("update")
    first, second = trace.find("accumulate")
    assert (first["after"]["values"], second["before"]["values"], second["fresh"]) == (-2.0, -2.0, False)
    assert first["number"] == second["number"]
    (made,) = [e for e in trace.find("forward", op="sub") if e["outputs"][0]["name"] == "w"]
    assert made["outputs"][0]["requires_grad"] and not made["outputs"][0]["leaf"]
    assert made["outputs"][0]["tensor"] != first["number"]
    (died,) = trace.find("exception")
    assert (died["type"], died["caught"]) == ("TypeError", False)
    assert died["source"]["code"] in {"w = w - 0.01 * w.grad", "0.01 * w.grad"}


def test_chain_multiplies_two_local_gradients(recorded: Any):
    trace = recorded("chain")
    sin, mul = (needed_edge(trace.step(op)) for op in ("SinBackward0", "MulBackward0"))
    assert sin["local"]["values"] == pytest.approx(np.cos(1.5), rel=1e-6)
    assert mul["local"]["values"] == 3.0
    assert mul["downstream"]["values"] == pytest.approx(3 * np.cos(1.5), rel=1e-6)


def test_square_is_twelve(recorded: Any):
    trace = recorded("square")
    assert [event["op"] for event in trace.find("backward")] == ["AddBackward0", "MulBackward0", "PowBackward0"]
    edges = [needed_edge(event) for event in trace.find("backward")]
    assert [edge["local"]["values"] for edge in edges] == [1.0, 2.0, 6.0]
    assert [edge["downstream"]["values"] for edge in edges] == [1.0, 2.0, 12.0]


def test_mean_hands_out_thirds(recorded: Any):
    trace = recorded("mean")
    mean = needed_edge(trace.step("MeanBackward0"))
    assert (mean["local"]["form"], mean["local"]["shape"]) == ("jacobian", [3])
    assert mean["local"]["values"] == pytest.approx([1 / 3] * 3)
    doubled = needed_edge(trace.step("MulBackward0"))
    assert (doubled["local"]["form"], doubled["local"]["values"]) == ("elementwise", [2.0] * 3)
    assert trace.find("accumulate")[0]["after"]["values"] == pytest.approx([2 / 3] * 3)


def test_fan_out_adds_up(recorded: Any):
    trace = recorded("fan_out")
    twins = {e["outputs"][0]["name"]: e for e in trace.find("forward") if len(e["outputs"]) == 1}
    (node,) = twins["h"]["nodes"]
    edges = [edge for event in trace.find("backward") for edge in event["edges"] if edge["needed"]]
    assert sorted(edge["downstream"]["values"] for edge in edges if edge["to"].get("node") == node) == [5.0, 12.0]
    (at_h,) = trace.find("backward", node=node)
    assert at_h["upstream"][0]["values"] == 17.0
    assert trace.find("accumulate")[0]["after"]["values"] == 51.0


def test_dataset_has_an_iteration_a_batch(recorded: Any):
    trace = recorded("dataset")
    starts = trace.find("backward_start")
    assert [event["iteration"] for event in starts] == list(range(20))
    assert [event["loops"]["epoch"] for event in starts] == [i // 4 for i in range(20)]
    # The inner loop has no number of its own and counts from 0 in every epoch.
    assert [[v for k, v in event["loops"].items() if k != "epoch"] for event in starts] == [[i % 4] for i in range(20)]
    updates = trace.find("update", by="SGD.step")
    assert [event["tensor"] for event in updates] == ["weight", "bias"] * 20
    for event in updates:
        assert (event["lr"], event["grad_enabled"]) == (0.1, False)
        expected = numbers(event["before"]) - 0.1 * numbers(event["grad"])
        np.testing.assert_allclose(numbers(event["after"]), expected, rtol=1e-6, atol=1e-7)
    zeroings = trace.find("zero_grad")
    assert [event["iteration"] for event in zeroings] == [i for i in range(1, 20) for _ in range(2)]
    assert all(event["how"] == "set_to_none" and event["after"] is None for event in zeroings)
    assert all(event["fresh"] for event in trace.find("accumulate"))


def test_mlp_follows_adams_rule(recorded: Any):
    trace = recorded("mlp")
    names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    updates = trace.find("update", by="Adam.step")
    assert sorted({event["tensor"] for event in updates}) == sorted(names)
    for name in names:
        own = [event for event in updates if event["tensor"] == name]
        assert [event["iteration"] for event in own] == list(range(15))
        for step, event in enumerate(own, start=1):
            grad, state = numbers(event["grad"]), event["state"]
            mean = numbers(state["exp_avg"]["after"])
            square = numbers(state["exp_avg_sq"]["after"])
            before = 0 if step == 1 else numbers(state["exp_avg"]["before"])
            np.testing.assert_allclose(mean, 0.9 * before + 0.1 * grad, rtol=1e-4, atol=1e-7)
            moved = 0.02 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
            np.testing.assert_allclose(numbers(event["before"]) - numbers(event["after"]), moved, rtol=1e-2, atol=1e-6)
            assert event["lr"] == 0.02
    assert {event["module"] for event in trace.find("forward", op="linear")} == {"fc1", "fc2"}


def test_mlp_relu_lets_nothing_through_below_zero(recorded: Any):
    trace = recorded("mlp")
    event = trace.step("ReluBackward0", pass_=3)
    entered = numbers(trace.events[event["forward"]]["inputs"][0])
    left = numbers(event["edges"][0]["downstream"])
    assert (entered < 0).any() and (left != 0).any()
    assert (left[entered < 0] == 0).all()
    assert (left == numbers(event["upstream"][0]) * (entered > 0)).all()


def test_frozen_says_why_there_is_no_gradient(recorded: Any):
    trace = recorded("frozen")
    assert {event["tensor"] for event in trace.find("accumulate")} == {"w"}
    idle = {edge["input"]: edge for event in trace.find("backward") for edge in event["edges"] if not edge["needed"]}
    assert {"frozen", "x", "target"} <= set(idle)
    assert all(edge["why"] for edge in idle.values())
    (cut,) = trace.find("forward", op="detach")
    assert cut["outputs"][0]["name"] == "target" and not cut["outputs"][0]["requires_grad"]
