"""The folder of the trace goes while the script runs."""

import shutil
import sys
import time

import torch

w = torch.tensor(1.0, requires_grad=True)
for step in range(40):
    if step == 20:
        time.sleep(0.5)
        shutil.rmtree(sys.argv[1])
    (w * w).backward()
    w.grad = None
print("done")
