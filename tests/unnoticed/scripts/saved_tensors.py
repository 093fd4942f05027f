"""Saved tensors packed and unpacked by the user: each call counted, nothing unpacked more often than autograd does."""

import torch
from digest import dump

torch.manual_seed(0)
w = torch.randn(4, 4, requires_grad=True)
x = torch.randn(4)


def pack(tensor):
    print("pack", tuple(tensor.shape), tensor.sum().item())
    return tensor.double()


def unpack(packed):
    print("unpack", tuple(packed.shape), packed.sum().item())
    return packed.float()


for _ in range(2):
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = (w @ x).sigmoid().exp()
        loss = (y * y).sum()
    loss.backward()

with torch.autograd.graph.save_on_cpu():
    (w.sin() * w).sum().backward()

with torch.autograd.graph.disable_saved_tensors_hooks("no hooks here"):
    w.cos().sum().backward()

node = (w * w).grad_fn
node._raw_saved_self.register_hooks(pack, unpack)
print(node._saved_other.sum().item())

dump(w=w, y=y)
