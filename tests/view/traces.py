"""Handmade traces for the panes: loops in loops, a graph that branches, an op made of parts, odd text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backstep.trace import records as r
from tests.handmade import HandmadeTrace

NESTED = """\
for epoch in range(2):
    for batch in range(3):
        out = p * xb
        out.backward()
        optimizer.step()
    print(f"epoch {epoch}")
"""


def nested_trace(path: Path, epochs: int = 2, batches: int = 3, losses: tuple[float, ...] = ()) -> Path:
    """Epochs of batches: `p * xb`, a backward pass and an update each; 5 events a batch, a print an epoch."""
    t = HandmadeTrace(path, "nested.py", NESTED)
    p = t.tensor()
    t.leaf(p, "p")
    for epoch in range(epochs):
        with t.loop_pass("epoch", epoch, loop=1):
            for batch in range(batches):
                number = epoch * batches + batch
                with t.loop_pass("batch", batch, loop=2):
                    _batch(t, p, number, losses[number] if losses else 10.0 - number)
            t.add(r.Output("stdout", f"epoch {epoch}\n"), "other", 6)
    t.close()
    return path


def _batch(t: HandmadeTrace, p: int, number: int, loss: float) -> None:
    string = t.batch.strings.number
    weight = t.value(p, 1.0 - number / 100, "p", requires_grad=True, leaf=True, version=number)
    made = t.value(t.tensor(), 3.0, "out", requires_grad=True)
    node = t.node()
    inputs = (weight, t.value(t.tensor(), 3.0, "xb"))
    at = t.forward("mul", inputs, (made,), 3, "p * xb", nodes=1, first_node=node)
    t.batch.losses.append((t.batch.position, loss))
    seed = t.value(t.tensor(), 1.0, "out.grad")
    t.add(r.BackwardStart(number, "backward", (made,), (seed,), None, False, False), "backward", 4)
    down = t.value(t.tensor(), 3.0, "p.grad")
    edge = t.edge("p", leaf=p, local=t.local(3.0), downstream=down)
    ran = r.Backward(number, node, string("MulBackward0"), at, 0, (seed,), (edge,))
    t.add(ran, "backward", 4, subject=node)
    held = t.value(t.tensor(), 3.0, "p.grad")
    t.add(r.Accumulate(p, None, down, held, True), "backward", 4, subject=p)
    after = t.value(p, 0.99 - number / 100, "p", requires_grad=True, leaf=True, version=number + 1)
    t.add(r.Update(p, string("SGD.step"), weight, after, held, 0.01, (), False), "update", 5, subject=p)


class GraphTrace(HandmadeTrace):
    """Ops by name: a new tensor and node for each, nothing but the graph."""

    def input(self, name: str, numbers: Any = 1.0, *, leaf: bool = False) -> r.ValueRow:
        tensor = self.tensor()
        if leaf:
            self.leaf(tensor, name)
        return self.value(tensor, numbers, name, requires_grad=leaf, leaf=leaf)

    def op(
        self, op: str, name: str, *inputs: r.ValueRow, parent: int = -1, nodes: int = 1, module: str = ""
    ) -> r.ValueRow:  # fmt: skip
        made = self.value(self.tensor(), 1.0, name, requires_grad=True)
        first = self.node() if nodes else -1
        self.forward(op, inputs, (made,), None, nodes=nodes, first_node=first, parent=parent, module=module)
        return made


def fan_out_trace(path: Path) -> Path:
    """One value used twice: `h` goes into `a` and into `b`."""
    t = GraphTrace(path, "fan_out.py", "\n")
    x = t.input("x", leaf=True)
    h = t.op("mul", "h", x)
    a, b = t.op("mul", "a", h), t.op("pow", "b", h)
    t.op("add", "y", a, b)
    t.close()
    return path


def composite_trace(path: Path) -> Path:
    """`linear`, made of `t` and `addmm`, then `relu`: events 0, 1, 2 and 3."""
    t = GraphTrace(path, "linear.py", "\n")
    xb, bias = t.input("xb", [1.0, 2.0]), t.input("bias", leaf=True)
    weight = t.input("weight", [1.0] * 9 + [2.0], leaf=True)
    turned = t.op("t", "t", weight, parent=2)
    inner = t.op("addmm", "addmm", bias, xb, turned, parent=2)
    z = t.value(inner.tensor, 5.0, "z", requires_grad=True)
    t.forward("linear", (xb, weight, bias), (z,), None)
    t.op("relu", "h", z)
    t.close()
    return path


def chain_trace(path: Path, ops: int) -> Path:
    """A long graph, each op with a parameter of its own."""
    t = GraphTrace(path, "chain.py", "\n")
    value = t.input("x")
    for index in range(ops):
        value = t.op("mul", f"h{index}", value, t.input(f"w{index}", leaf=True))
    t.close()
    return path


def source_trace(path: Path, source: str, *, line: int, code: str | None = None, name: str = "y") -> Path:
    """One op at a line of any source."""
    t = HandmadeTrace(path, "odd.py", source)
    made = t.value(t.tensor(), 1.5, name)
    t.forward("relu", (), (made,), line, code)
    t.close()
    return path


def carried_trace(path: Path) -> Path:
    """`w` is made in one iteration and used in the next, whose backward pass runs on into the first: event 2."""
    t = GraphTrace(path, "carried.py", "w = w - 1\ny = w * 2\ny.backward()\n")
    old = t.input("old", leaf=True)
    with t.loop_pass("epoch", 0):
        w = t.op("sub", "w", old)
    with t.loop_pass("epoch", 1):
        t.op("mul", "y", w)
        arrived = t.value(t.tensor(), 7.0, "w.grad")
        ran = r.Backward(0, 0, t.batch.strings.number("SubBackward0"), 0, 0, (arrived,), ())
        t.add(ran, "backward", 3, subject=0)
        t.batch.losses.append((t.batch.position, 1.0))
        t.add(r.BackwardStart(0, "backward", (), (), None, False, False), "backward", 3, subject=0)
    t.close()
    return path
