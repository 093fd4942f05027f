"""What gets no gradient, and why: a frozen weight, a detached value, plain data.

`frozen` has `requires_grad=False`: the gradient goes past it, through `h` to `w`, and `frozen.grad` stays
None. `detach()` cuts the graph: `target` is computed from `teacher`, which does require a gradient, but
nothing of it is walked back. `x` is data and never asked for one. Look at the edges of each backward step:
some are not needed, and say why.
"""

import torch

x = torch.tensor([1.0, 2.0])
w = torch.tensor([0.5, -0.5], requires_grad=True)
frozen = torch.tensor([4.0, 3.0], requires_grad=False)
teacher = torch.tensor([1.0, 1.0], requires_grad=True)

target = (teacher * x).detach()

h = w * x
y_hat = frozen * h
loss = ((y_hat - target) ** 2).sum()

loss.backward()

print("w.grad =", w.grad)
print("frozen.grad =", frozen.grad)
print("teacher.grad =", teacher.grad)
print("x.grad =", x.grad)
