"""Ordinary least squares with one weight: the whole of backpropagation in three multiplications.

In the first epoch, step through the backward pass: 1 arrives at `loss`, each step multiplies it by one
local gradient (-2, then 1, then 1), and -2 lands in `w.grad`. The update moves w from 1 to 1.02, against
the gradient. `w.grad` is set back to zero before the next epoch, which does the same with the new numbers.
"""

import torch

x = torch.tensor(1.0)
y = torch.tensor(2.0)
w = torch.tensor(1.0, requires_grad=True)

for epoch in range(20):
    # forward pass: compute the loss
    y_hat = w * x
    l = y_hat - y
    loss = l ** 2

    # backward pass: dloss/dw
    loss.backward()

    # update the weight
    with torch.no_grad():
        w -= 0.01 * w.grad

    # zero the gradient
    w.grad.zero_()
    print(f"epoch {epoch}: w = {w:.3f}")
