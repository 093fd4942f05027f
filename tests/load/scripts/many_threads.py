"""Five hundred threads that live for a moment each."""

import threading

import torch

gradients = []


def work() -> None:
    w = torch.tensor(3.0, requires_grad=True)
    (w * w).backward()
    gradients.append(w.grad.item())


for _ in range(50):
    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print(sum(gradients))
