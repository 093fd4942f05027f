"""Random numbers of all three sources, between and inside recorded ops."""

import random

import numpy as np
import torch
from digest import dump

torch.manual_seed(3)
random.seed(3)
np.random.seed(3)
generator = torch.Generator().manual_seed(3)

w = torch.empty(4, requires_grad=True)
torch.nn.init.normal_(w)
drawn = []
for _ in range(3):
    noise = torch.randn(4) + random.gauss(0, 1) + torch.from_numpy(np.random.randn(4)).float()
    kept = torch.nn.functional.dropout(w * noise, p=0.5)
    picked = torch.multinomial(kept.detach().abs() + 0.1, 2, generator=generator)
    kept[picked].sum().backward()
    drawn += [noise, kept, picked, torch.randperm(5), torch.rand_like(w).bernoulli_()]
    with torch.random.fork_rng():
        torch.rand(7)
    print(random.random(), torch.rand(()).item())

dump(w=w, drawn=drawn, generator=generator.get_state())
