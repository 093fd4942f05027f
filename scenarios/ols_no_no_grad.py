"""`ols.py` with the update outside `torch.no_grad()`: the second epoch has no gradient, and the script dies of it.

Step to the line `w = w - 0.01 * w.grad`. It is recorded like the forward pass: the `w` that it makes is a
new tensor with a history, not the leaf that `requires_grad=True` made. The second backward pass runs
through it and adds its gradient to the first w; the new one keeps none, so that its `.grad` is None and the
update raises a TypeError.

Written `w -= 0.01 * w.grad` it would not even get there: autograd refuses to change a leaf in place, with a
RuntimeError in the first epoch.
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

    # update the weight, and record that too
    w = w - 0.01 * w.grad
    print(f"epoch {epoch}: w = {w:.3f}")
