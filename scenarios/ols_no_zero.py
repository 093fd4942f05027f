"""`ols.py` with the zeroing forgotten: the gradients of all epochs pile up in `w.grad`.

Stop at the accumulation of each epoch. In the first, `w.grad` was empty and holds this epoch's gradient.
From the second on the new gradient is added to what the epochs before left there, so that the update takes
a step for all of them at once: w rushes past 2, where the loss is zero, and keeps swinging around it.
"""

import torch

x = torch.tensor(1.0)
y = torch.tensor(2.0)
w = torch.tensor(1.0, requires_grad=True)

for epoch in range(50):
    # forward pass: compute the loss
    y_hat = w * x
    l = y_hat - y
    loss = l ** 2

    # backward pass: dloss/dw
    loss.backward()

    # update the weight
    with torch.no_grad():
        w -= 0.01 * w.grad

    print(f"epoch {epoch}: w = {w:.3f}, w.grad = {w.grad:.3f}")
