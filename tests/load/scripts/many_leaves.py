"""Ten thousand leaves that are alive at once, each with a gradient."""

import torch

leaves = [torch.tensor(float(number), requires_grad=True) for number in range(10_000)]
torch.stack(leaves).square().sum().backward()
print(sum(leaf.grad.item() for leaf in leaves))
