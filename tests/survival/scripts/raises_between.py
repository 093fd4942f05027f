"""Dies between the backward pass and the update."""

import torch

w = torch.tensor(3.0, requires_grad=True)
(w * w).backward()
raise LookupError("no update today")
