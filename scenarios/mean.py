"""A vector of three and its mean: why each element gets 2/3.

`mean` hands its one gradient out to three elements, a third each. Multiplying by 2 doubles every third. The
local gradient of `mean` is a row of three numbers, that of `x * 2` is one number for each element.
"""

import torch

x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)

y = x * 2
z = y.mean()

z.backward()

print("dz/dx =", x.grad)
