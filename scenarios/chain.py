"""The chain rule on w = g(f(x)): two local gradients, multiplied.

f(x) = 3x has the local gradient du/dx = 3, g(u) = sin(u) has dw/du = cos(u). In the backward pass 1 arrives
at `w`, leaves `sin` as cos(u), and leaves `mul` as cos(u) * 3: that is dw/dx. Look at where the value of u
comes from: the forward pass kept it.
"""

import torch

x = torch.tensor(0.5, requires_grad=True)

u = 3 * x
w = torch.sin(u)

w.backward()

print(f"dw/dx = {x.grad:.4f}")
