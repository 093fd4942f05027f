"""The same loss is run backward twice."""

import torch

w = torch.tensor([2.0, 1.0], requires_grad=True)
loss = (w.exp() * w).sum()
loss.backward()
print(w.grad)
loss.backward()  # FAULT backward-twice
