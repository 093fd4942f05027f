"""Whether torch.compile is at work: what it runs then is no part of the program."""

from __future__ import annotations

import torch

TRACING = (torch._C._TorchDispatchModeKey.FUNCTIONAL, torch._C._TorchDispatchModeKey.PROXY)

says_so = torch.compiler.is_compiling
mode_of = torch._C._get_dispatch_mode


def traces() -> bool:
    """As torch says; and, of torch before 2.13, whether a backward pass is traced ahead of time."""
    return says_so() or any(mode_of(key) is not None for key in TRACING)


# While it compiles, torch runs backward passes on tensors that have no memory. Later versions say then that they do.
is_compiling = says_so if hasattr(torch.compiler, "_compile_session_context") else traces
