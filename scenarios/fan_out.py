"""One value used twice: what comes back along both ways is added up.

`h` goes into `a` and into `b`. In the backward pass one contribution comes back from each: h**2 sends 2h =
12, 5h sends 5, and 17 is what goes on through `h` to `x`. Multiplied by dh/dx = 3 it leaves 51 in `x.grad`.
"""

import torch

x = torch.tensor(2.0, requires_grad=True)

h = 3 * x
a = 5 * h
b = h ** 2
y = a + b

y.backward()

print(f"dy/dx = {x.grad:.0f}")
