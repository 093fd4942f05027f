"""Traces with random structure for the laws of motion: loops in loops, modules, ops made of parts, output anywhere."""

from __future__ import annotations

import random
from pathlib import Path

from backstep.trace import records as r
from tests.handmade import HandmadeTrace

SOURCE = "for epoch in range(3):\n    for batch in range(3):\n        y = model(x)\n"
PATHS = ("", "fc", "net", "net.0", "net.1", "net.1.inner", "other")


class RandomTrace(HandmadeTrace):
    """Everything drawn from one seed, so that hypothesis has a number to shrink and a failure can be had again."""

    def __init__(self, path: Path, seed: int, batch: int | None) -> None:
        super().__init__(path, "random.py", SOURCE, batch=batch)
        self.draw = random.Random(seed)
        self.weight = self.tensor()
        self.grad = self.tensor()
        self.leaf(self.weight, "w")
        self.batch.grads.append((self.grad, self.weight))
        self.number = 0
        self.loops = 0

    def run(self) -> None:
        self.an_op("")
        self.some_ops()
        if self.draw.random() < 0.8:
            for epoch in range(self.draw.randint(1, 3)):
                with self.loop_pass("epoch", epoch, loop=1):
                    self.an_epoch()
                    self.maybe_output()
        self.some_ops()
        self.close()

    def an_epoch(self) -> None:
        if self.draw.random() < 0.3:
            self.an_iteration()
            return
        self.some_ops()
        for batch in range(self.draw.randint(1, 3)):
            with self.loop_pass("batch", batch, loop=2):
                self.an_iteration()

    def an_iteration(self) -> None:
        self.some_ops()
        if self.draw.random() < 0.4:
            self.loops += 1
            for step in range(self.draw.randint(1, 3)):
                with self.loop_pass("t", step, loop=10 + self.loops):
                    self.some_ops()
        module = self.draw.choice(PATHS)
        self.a_pass(module)
        if self.draw.random() < 0.8:
            self.update()
        self.maybe_output()

    def some_ops(self) -> None:
        for _ in range(self.draw.randint(0, 3)):
            module = self.draw.choice(PATHS)
            for _ in range(self.draw.randint(1, 3)):
                self.an_op(module)
            self.maybe_output()

    def an_op(self, module: str) -> None:
        parts = self.draw.choice((0, 0, 1, 2))
        whole = self.batch.position + parts
        for _ in range(parts):
            self.one_op("part", module, whole)
        self.one_op("op", module, -1)

    def one_op(self, op: str, module: str, parent: int) -> None:
        made = self.value(self.tensor(), float(self.number), self.draw.choice(("y", "h")), requires_grad=True)
        inputs = (self.held(),) if self.draw.random() < 0.4 else ()
        self.forward(op, inputs, (made,), 3, module=module, parent=parent, nodes=1, first_node=self.node())

    def held(self) -> r.ValueRow:
        return self.value(self.weight, 1.0 + self.number, "w", requires_grad=True, leaf=True)

    def a_pass(self, module: str) -> None:
        self.number += 1
        self.add(r.BackwardStart(self.number, "backward", (), (), None, False, False), "backward", 3)
        for _ in range(self.draw.randint(1, 3)):
            row = r.Backward(self.number, self.draw.randrange(max(1, self._next_node)), 0, -1, 0, (), ())
            self.batch.add(
                row, phase="backward", context=self.context, module=self.batch.strings.number(module), subject=row.node
            )
            if self.draw.random() < 0.5:
                arrived, after = (self.value(self.grad, float(self.number), "w.grad") for _ in range(2))
                row_ = r.Accumulate(self.weight, None, arrived, after, True)
                self.add(row_, "backward", 3, subject=self.weight)
        self.add(r.BackwardEnd(self.number, ()), "backward", 3)

    def update(self) -> None:
        before = self.held()
        self.number += 1
        grad = self.value(self.grad, float(self.number), "w.grad")
        row = r.Update(self.weight, self.batch.strings.number("SGD.step"), before, self.held(), grad, 0.1, (), False)
        self.add(row, "update", 3, subject=self.weight)

    def maybe_output(self) -> None:
        if self.draw.random() < 0.3:
            self.add(r.Output("stdout", "here\n"), "other", 3)


def random_trace(path: Path, seed: int, batch: int | None = None) -> Path:
    """A trace of some tens of events, all written at once or so many at a time."""
    RandomTrace(path, seed, batch).run()
    return path
