"""The derivative of z = 2 * x**2 + 3 at x = 3, which is 4x = 12.

Read the backward pass from the end: adding 3 passes the gradient on as it is (1), multiplying by 2 doubles
it (2), and squaring multiplies it by 2x = 6, which gives 12.
"""

import torch

x = torch.tensor(3.0, requires_grad=True)

y = x ** 2
z = 2 * y + 3

z.backward()

print(f"dz/dx = {x.grad:.0f}")
