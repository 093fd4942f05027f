"""Says when it has trained a while, and goes on until somebody stops it."""

import time

import torch

w = torch.tensor(1.0, requires_grad=True)
step = 0
while True:
    loss = (w - 2.0) ** 2
    loss.backward()
    with torch.no_grad():
        w -= 0.01 * w.grad
    w.grad = None
    step += 1
    if step == 50:
        time.sleep(1.5)
        print("trained a while", flush=True)
    if step > 50:
        time.sleep(0.01)
