"""Ctrl-C between two passes."""

import torch

w = torch.tensor(3.0, requires_grad=True)
(w * w).backward()
raise KeyboardInterrupt
