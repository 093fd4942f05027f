"""The user's own hooks, on tensors, nodes, modules and the optimizer: their order, what they see, what they replace."""

import torch
from digest import dump
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(5, 3, requires_grad=True)


def say(name, factor=None):
    def hook(*arguments):
        gradient = arguments[-1]
        while isinstance(gradient, tuple):
            gradient = gradient[0]
        print(name, len(arguments), None if gradient is None else gradient.sum().item())
        return None if factor is None else gradient * factor

    return hook


model[0].weight.register_hook(say("weight", factor=2))
model[0].bias.register_post_accumulate_grad_hook(lambda p: print("accumulated", p.grad.sum().item()))
model[1].register_full_backward_pre_hook(say("tanh backward pre"))
model[1].register_full_backward_hook(say("tanh backward"))
model[2].register_forward_hook(lambda module, inputs, output: output * 1.5)
model[2].register_forward_pre_hook(lambda module, inputs: print("forward pre", len(inputs)))
optimizer.register_step_pre_hook(lambda *_: print("step pre"))
optimizer.register_step_post_hook(lambda *_: print("step post"))
everywhere = register_optimizer_step_post_hook(lambda *_: print("any step post"))

for step in range(2):
    h = model(x)
    h.register_hook(say("h first"))
    h.register_hook(say("h second", factor=-1))
    h.retain_grad()
    loss = (h * h).sum()
    h.grad_fn.register_prehook(say("node pre"))
    h.grad_fn.register_hook(say("node post"))
    removed = h.register_hook(say("removed"))
    removed.remove()
    x.register_hook(say(f"x {step}", factor=0.5))
    optimizer.zero_grad()
    with torch.autograd.graph.register_multi_grad_hook((h, x), lambda grads: print("multi", len(grads))):
        loss.backward()
    optimizer.step()
everywhere.remove()

dump(model=model, optimizer=optimizer, x=x, h_grad=h.grad)
