"""Every test here leaves torch as it found it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
import torch
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers


def installed() -> tuple[object, ...]:
    """What a recorder could leave behind."""
    return (
        torch._C._len_torch_function_stack(),
        torch._C._len_torch_dispatch_stack(),
        torch.autograd.graph._engine_run_backward,
        torch.autograd._engine_run_backward,
        torch.autograd.Function.__dict__["apply"],
        len(modules._global_forward_hooks),
        len(modules._global_forward_pre_hooks),
        len(modules._global_module_registration_hooks),
        len(optimizers._global_optimizer_pre_hooks),
        len(optimizers._global_optimizer_post_hooks),
        "write" in getattr(sys.stdout, "__dict__", {}),
        torch.is_grad_enabled(),
    )


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = installed()
    yield
    assert installed() == before
