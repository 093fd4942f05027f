"""What the tests of the plugin run: modules that train the lecture's weight, written by each test, run by pytester."""

from __future__ import annotations

from collections.abc import Callable

import pytest

# pytester forgets what is imported while it runs: torch cannot be imported twice, and the rest would take a second.
import torch  # noqa: F401

import backstep.assertions
import backstep.recorder.install
import backstep.recorder.streams  # noqa: F401

OLS = '''
import torch

import backstep


def train(w, *, epochs=3, zero=True, target=2.0):
    """The lecture's script: y_hat = w * x, loss = (y_hat - target) ** 2."""
    x = torch.tensor(1.0)
    for epoch in range(epochs):
        loss = (w * x - target) ** 2
        loss.backward()
        with torch.no_grad():
            w -= 0.01 * w.grad
        if zero:
            w.grad.zero_()


def leaf(number=1.0):
    return torch.tensor(number, requires_grad=True)

'''
"""Goes in front of each module under test."""

Run = Callable[..., pytest.RunResult]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """`run(text, *options)` runs a module with this text after `OLS`, in this process."""

    def run_module(text: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_training=OLS + text)
        return pytester.runpytest_inprocess("--basetemp=base", "-p", "no:cacheprovider", *options)

    return run_module
