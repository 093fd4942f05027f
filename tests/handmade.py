"""Traces built by hand, in a few lines each, for tests of what lies right of the trace. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from backstep.trace import records as r
from backstep.trace.batch import GRAD, VALUE, BatchBuilder
from backstep.trace.file import TraceWriter

OLS_SOURCE = """\
import torch

x = torch.tensor(1.0)
y = torch.tensor(2.0)
w = torch.tensor(1.0, requires_grad=True)

for epoch in range(20):
    # forward pass: compute the loss
    y_hat = w * x
    l = y_hat - y
    loss = l ** 2

    # backward pass: dloss/dw
    loss.backward()

    # update the weight
    with torch.no_grad():
        w -= 0.01 * w.grad

    # zero the gradient
    w.grad.zero_()
    print(f"epoch {epoch}: w = {w.item():.4f}")
"""


class HandmadeTrace:
    """Writes events one by one; every method returns the position or the row that later ones need."""

    def __init__(
        self, path: Path, script: str = "ols.py", source: str = OLS_SOURCE, *, batch: int | None = None
    ) -> None:  # fmt: skip
        """`batch`: so many events are written at once; else all of them at the end."""
        self._writer = TraceWriter(path)
        self.batch = BatchBuilder(self._writer)
        self._events_of_batch = batch
        self.script = script
        self._lines = source.splitlines()
        self._writer.write_header({"script": script, "argv": [], "torch": "2.13.0", "python": "3.11.7", "options": {}})
        self._writer.write_source(script, source)
        self._next_tensor = 0
        self._next_node = 0
        self.context = 0
        self._versions: dict[int, int] = {}

    def tensor(self) -> int:
        self._next_tensor += 1
        return self._next_tensor - 1

    def node(self) -> int:
        self._next_node += 1
        return self._next_node - 1

    def value(
        self, tensor: int, numbers: Any, name: str = "", *, requires_grad: bool = False, leaf: bool = False,
        dtype: str = "float32", version: int = 0, omitted: str = "", shape: tuple[int, ...] | None = None,
    ) -> r.ValueRow:  # fmt: skip
        array = np.asarray(numbers, dtype) if numbers is not None else None
        shape = shape if shape is not None else array.shape if array is not None else ()
        meta = self.batch.metas.number(r.Meta(shape, dtype, "strided", "cpu", requires_grad, leaf))
        named, why = self.batch.strings.number(name), self.batch.strings.number(omitted)
        if array is None:
            return r.ValueRow(tensor, version, named, meta, None, -1, why)
        if array.shape == ():
            return r.ValueRow(tensor, version, named, meta, array.item(), -1, why)
        payload = self.batch.payload(r.PayloadRow(array.dtype.str, array.tobytes(), None))
        return r.ValueRow(tensor, version, named, meta, None, payload, why)

    def local(self, numbers: Any, form: str = "elementwise", omitted: str = "") -> r.LocalRow:
        if numbers is None:
            return r.LocalRow(form, (), None, -1, self.batch.strings.number(omitted))
        array = np.asarray(numbers, "float32")
        if array.shape == ():
            return r.LocalRow(form, (), array.item())
        payload = self.batch.payload(r.PayloadRow(array.dtype.str, array.tobytes(), None))
        return r.LocalRow(form, array.shape, None, payload, 0, "float32")

    def edge(
        self, input: str, *, node: int = -1, output: int = 0, leaf: int = -1, local: r.LocalRow | None = None,
        downstream: r.ValueRow | None = None, why: str = "",
    ) -> r.EdgeRow:  # fmt: skip
        string = self.batch.strings.number
        return r.EdgeRow(string(input), node, output, leaf, local, downstream, 0, string(why))

    def place(self, line: int | None, code: str | None = None) -> int:
        if line is None:
            return 0
        text = self._lines[line - 1]
        code = text.strip() if code is None else code
        column = text.index(code)
        string = self.batch.strings.number
        site = r.SiteRow(string(self.script), line, column, line, column + len(code), string(code))
        number = self.batch.sites.number(site)
        return self.batch.places.number(r.PlaceRow(number, (number,)))

    @contextlib.contextmanager
    def loop_pass(self, name: str, index: int, *, loop: int = 0, value: int | None = None) -> Iterator[None]:
        outer = self.context
        row = r.ContextRow(outer, loop, loop, index, self.batch.strings.number(name), index if value is None else value)
        self.batch.contexts.append(row)
        self._contexts = getattr(self, "_contexts", 0) + 1
        self.context = self._contexts
        try:
            yield
        finally:
            self.context = outer

    def leaf(self, tensor: int, name: str) -> None:
        self.batch.leaves.append((tensor, self.batch.strings.number(name)))

    def forward(
        self, op: str, inputs: tuple[r.ValueRow, ...], outputs: tuple[r.ValueRow, ...], line: int | None = None,
        code: str | None = None, *, nodes: int = 0, first_node: int = -1, arguments: Any = (), aten: str = "",
        grad_enabled: bool = True, inplace: bool = False, phase: str = "forward", module: str = "", parent: int = -1,
    ) -> int:  # fmt: skip
        string = self.batch.strings.number
        for out in outputs:
            self.batch.fact(out.tensor, VALUE)
        row = r.Forward(
            string(op), string(aten), inputs, outputs, arguments, first_node, nodes, parent, grad_enabled, inplace, 0
        )
        return self._add(row, phase, line, code, subject=first_node, extent=nodes, module=module)

    def _add(
        self, row: r.EventRow, phase: str, line: int | None, code: str | None = None, *, subject: int = -1,
        extent: int = 0, module: str = "",
    ) -> int:  # fmt: skip
        position = self.batch.add(
            row, phase=phase, place=self.place(line, code), context=self.context,
            module=self.batch.strings.number(module), subject=subject, extent=extent,
        )  # fmt: skip
        if self.batch.count == self._events_of_batch:
            self.batch.flush()
        return position

    def add(
        self, row: r.EventRow, phase: str, line: int | None = None, code: str | None = None, subject: int = -1
    ) -> int:
        """Any other event."""
        if isinstance(row, r.Accumulate | r.GradWrite | r.ZeroGrad):
            self.batch.fact(row.leaf, GRAD)
        if isinstance(row, r.Update):
            self.batch.fact(row.leaf, VALUE)
        return self._add(row, phase, line, code, subject=subject)

    def close(self, status: str = "ok", code: int = 0, exception: str | None = None) -> None:
        exit_ = {"status": status, "code": code, "exception": exception}
        self.batch.flush({"exit": exit_, "complete": True})
        self._writer.close()


def ols_trace(path: Path, epochs: int = 3, *, zero: bool = True, batch: int | None = None) -> Path:
    """The lecture's script, event by event, with numbers worked out by hand: 12 events an epoch after 3."""
    t = HandmadeTrace(path, batch=batch)
    string = t.batch.strings.number
    x, y, w = t.tensor(), t.tensor(), t.tensor()
    t.leaf(w, "w")
    t.forward("tensor", (), (t.value(x, 1.0, "x", leaf=True),), 3, "torch.tensor(1.0)", arguments=((0, 1.0),))
    t.forward("tensor", (), (t.value(y, 2.0, "y", leaf=True),), 4, "torch.tensor(2.0)", arguments=((0, 2.0),))
    made = t.value(w, 1.0, "w", requires_grad=True, leaf=True)
    t.forward("tensor", (), (made,), 5, "torch.tensor(1.0, requires_grad=True)", arguments=((0, 1.0),))
    weight, held, grad_tensor = 1.0, None, t.tensor()
    t.batch.grads.append((grad_tensor, w))
    for epoch in range(epochs):
        with t.loop_pass("epoch", epoch):
            names = {n: t.tensor() for n in ("y_hat", "l", "loss", "g_loss", "g_l", "g_hat", "g_w", "scaled")}
            nodes = [t.node() for _ in range(3)]

            def val(n: str, number: float, *, g: bool = True, names: dict[str, int] = names) -> r.ValueRow:
                return t.value(names[n], number, n, requires_grad=g)

            w_value = t.value(w, weight, "w", requires_grad=True, leaf=True, version=epoch)
            y_hat, residual = weight * 1.0, weight - 2.0
            loss = residual**2
            v_hat, v_l, v_loss = val("y_hat", y_hat), val("l", residual), val("loss", loss)
            fx, fy = t.value(x, 1.0, "x", leaf=True), t.value(y, 2.0, "y", leaf=True)
            p1 = t.forward(
                "mul", (w_value, fx), (v_hat,), 9, "w * x", nodes=1, first_node=nodes[0], aten="aten.mul.Tensor",
            )  # fmt: skip
            p2 = t.forward(
                "sub", (v_hat, fy), (v_l,), 10, "y_hat - y", nodes=1, first_node=nodes[1], aten="aten.sub.Tensor",
            )  # fmt: skip
            p3 = t.forward(
                "pow", (v_l,), (v_loss,), 11, "l ** 2", nodes=1, first_node=nodes[2], aten="aten.pow.Tensor_Scalar",
                arguments=((0, 2),),
            )  # fmt: skip
            back = "loss.backward()"
            seed = t.value(names["g_loss"], 1.0, "loss.grad")
            t.batch.losses.append((t.batch.position, loss))
            start = r.BackwardStart(epoch, "backward", (v_loss,), (seed,), None, False, False)
            t.add(start, "backward", 14, back, epoch)
            slope = 2 * residual

            def backward(
                op: str, node: int, forward: int, up: r.ValueRow, edges: tuple[r.EdgeRow, ...], epoch: int = epoch
            ) -> None:
                row = r.Backward(epoch, node, string(op), forward, 0, (up,), edges)
                t.add(row, "backward", 14, "loss.backward()", node)

            g_l = t.value(names["g_l"], slope, "l.grad")
            edge = t.edge("l", node=nodes[1], local=t.local(slope), downstream=g_l)
            backward("PowBackward0", nodes[2], p3, seed, (edge,))
            g_hat = t.value(names["g_hat"], slope, "y_hat.grad")
            no = "requires_grad=False"
            backward(
                "SubBackward0", nodes[1], p2, g_l,
                (t.edge("y_hat", node=nodes[0], local=t.local(1.0), downstream=g_hat), t.edge("y", why=no)),
            )  # fmt: skip
            g_w = t.value(names["g_w"], slope, "w.grad")
            backward(
                "MulBackward0", nodes[0], p1, g_hat,
                (t.edge("w", leaf=w, local=t.local(1.0), downstream=g_w), t.edge("x", why=no)),
            )  # fmt: skip
            before = None if held is None else t.value(grad_tensor, held, "w.grad")
            total = (held or 0.0) + slope
            after = t.value(grad_tensor, total, "w.grad")
            t.add(r.Accumulate(w, before, g_w, after, not held), "backward", 14, back, w)
            t.add(r.BackwardEnd(epoch, ()), "backward", 14, back, epoch)
            scaled = t.value(names["scaled"], 0.01 * total, "0.01 * w.grad")
            t.forward(
                "mul", (after,), (scaled,), 18, "0.01 * w.grad", arguments=((0, 0.01),), grad_enabled=False,
                phase="update",
            )  # fmt: skip
            new = weight - 0.01 * total
            w_new = t.value(w, new, "w", requires_grad=True, leaf=True, version=epoch + 1)
            update = r.Update(w, string("sub_"), w_value, w_new, after, 0.01, (), False)
            t.add(update, "update", 18, "w -= 0.01 * w.grad", w)
            weight, held = new, total
            if zero:
                zeroed = t.value(grad_tensor, 0.0, "w.grad", version=1)
                t.add(r.ZeroGrad(w, "zero_", after, zeroed), "zero_grad", 21, "w.grad.zero_()", w)
                held = 0.0
            t.add(r.Output("stdout", f"epoch {epoch}: w = {weight:.4f}\n"), "other", 22)
    t.close()
    return path
