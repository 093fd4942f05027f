"""The stack of function modes of a thread, from which ours comes and goes without being the top of it."""

from __future__ import annotations

import torch
from torch.overrides import TorchFunctionMode


def is_active(mode: TorchFunctionMode) -> bool:
    """Whether the mode sees what is called now."""
    return any(other is mode for other in torch.overrides._get_current_function_mode_stack())


def take_from_stack(mode: TorchFunctionMode) -> None:
    """Takes a mode out of the stack of function modes, wherever in it it is."""
    above = []
    while True:
        top = torch.overrides._pop_mode()
        if top is mode:
            break
        above.append(top)
    for other in reversed(above):
        torch.overrides._push_mode(other)


def put_under_stack(mode: TorchFunctionMode) -> None:
    """Puts a mode at the bottom of the stack: what the user entered later leaves before it."""
    above = [torch.overrides._pop_mode() for _ in range(torch._C._len_torch_function_stack())]
    torch.overrides._push_mode(mode)
    for other in reversed(above):
        torch.overrides._push_mode(other)
