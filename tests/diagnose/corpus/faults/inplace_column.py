"""A column of a tensor that exp saved is overwritten."""

import torch

torch.manual_seed(0)
scale = torch.randn(5, 3, requires_grad=True)
e = torch.exp(scale)
e[:, 0] = 0.0  # FAULT inplace-modification
# MENDED e = e * torch.tensor([0.0, 1.0, 1.0])
(e**2).mean().backward()
