"""A name that several values bear is told with its maker's position, the same wherever the value is spoken of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from backstep.explain.chain_rule import EdgeStory, stories
from backstep.explain.names import derivative, factor, transpose
from backstep.explain.sentence_backward import backward_sentence
from backstep.explain.step import Step
from backstep.trace.event import BackwardEvent, ForwardEvent
from backstep.trace.trace import Trace
from tests.explain.recorded import recorded


def told(trace: Trace) -> dict[int, tuple[BackwardEvent, list[EdgeStory]]]:
    """The stories of the live edges of each node, by node."""
    events = [event for event in trace.find(kind="backward") if isinstance(event, BackwardEvent)]
    return {event.node: (event, [s for s in stories(trace, event) if s.edge.needed]) for event in events}


def test_what_leaves_one_node_arrives_at_the_next_under_the_same_name() -> None:
    x, fc = torch.randn(4, 3), torch.nn.Linear(3, 3)

    def compute() -> torch.Tensor:
        x_ = fc(x)
        x_ = F.relu(x_)
        x_ = x_ * x_.sum()
        a, b = x_.split([1, 2], dim=1)
        return torch.tanh(b).sum() * a.sum()

    nodes = told(recorded(compute))
    seen = 0
    for event, edges in nodes.values():
        for edge in edges:
            assert edge.name != edge.result, event
            to = edge.edge.to or {}
            if "node" in to and sum(v is not None for v in nodes[to["node"]][0].upstream) == 1:
                assert {story.result for story in nodes[to["node"]][1]} == {edge.name}
                assert {story.arrives for story in nodes[to["node"]][1]} == {edge.leaves}
                seen += 1
    assert seen >= 6


def test_the_number_is_the_position_of_the_op_that_was_written() -> None:
    weight, x = torch.randn(3, 3, requires_grad=True), torch.randn(2, 3)

    def compute() -> torch.Tensor:
        h = F.linear(x, weight, weight[0])
        h = h.tanh()
        return h.sum()

    trace = recorded(compute)
    (edge,) = next(e for event, e in told(trace).values() if event.op.startswith("Tanh"))
    assert edge.result.startswith("h#") and edge.name.startswith("h#")
    made, given = (trace.event(int(name.partition("#")[2])) for name in (edge.result, edge.name))
    assert isinstance(made, ForwardEvent) and isinstance(given, ForwardEvent)
    assert (made.op, given.op) == ("tanh", "linear") and made.inputs[0].tensor == given.outputs[0].tensor


@pytest.mark.parametrize(
    ("name", "as_factor", "below_a_d"),
    [
        ("w", "w", "dw"), ("x#12", "x#12", "dx#12"), ("h[1].T", "h[1].T", "dh[1].T"), ("a + b", "(a + b)", "d(a + b)"),
        ("f(x)", "f(x)", "d(f(x))"), ("x.exp().log()", "x.exp().log()", "d(x.exp().log())"),
        ("(a + b)", "(a + b)", "d(a + b)"), ("(a + b).sum()", "(a + b).sum()", "d((a + b).sum())"),
        ("(a) + (b)", "((a) + (b))", "d((a) + (b))"), ("f(g(x), [1, 2])", "f(g(x), [1, 2])", "d(f(g(x), [1, 2]))"),
    ],
)  # fmt: skip
def test_parentheses_stand_where_they_are_needed(name: str, as_factor: str, below_a_d: str) -> None:
    assert factor(name) == as_factor and derivative("y", name) == f"dy/{below_a_d}"


def test_an_earlier_value_of_the_roots_name_is_not_the_root() -> None:
    """`loss = w * 2; loss = loss * 3`: a nudge of w moves the loss by 6, not by 2."""
    w = torch.tensor(1.5, requires_grad=True)

    def compute() -> torch.Tensor:
        loss = w * 2
        loss = loss * 3
        return loss

    trace = recorded(compute)
    for event, (edge,) in told(trace).values():
        said = backward_sentence(Step(trace, event, edge))
        assert edge.edge.downstream is not None
        root = edge.arrives.split("/")[0][1:]
        assert f"{root} moves" in said and said.rstrip(".").endswith(f"{edge.edge.downstream.scalar:g}·ε")


def test_a_linear_layer_is_told_with_its_weight() -> None:
    fc, x = torch.nn.Linear(3, 2), torch.randn(4, 3, requires_grad=True)
    trace = recorded(lambda: fc(x))
    by_name = {edge.name: edge for _, edges in told(trace).values() for edge in edges}
    assert by_name["x"].equation.endswith("@ weight") and " = xᵀ @ d" in by_name["weightᵀ"].equation
    assert "weightᵀ, transposed back" in by_name["weight"].equation
    g = torch.arange(1.0, 9).reshape(4, 2)
    assert x.grad is not None and torch.allclose(x.grad, g @ fc.weight)


def test_a_transpose_is_undone_only_where_it_is_of_the_whole() -> None:
    told = {"w": "wᵀ", "wᵀ": "w", "w.T": "w", "a @ b.T": "(a @ b.T)ᵀ", "(a + b).T": "(a + b)", "x#3": "x#3ᵀ"}
    assert {name: transpose(name) for name in told} == told
