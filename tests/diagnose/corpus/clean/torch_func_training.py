"""Parameters as a dict, gradients by torch.func."""

import torch
from torch import nn
from torch.func import functional_call, grad

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
params = {name: p.detach().clone() for name, p in model.named_parameters()}
x, y = torch.randn(16, 3), torch.randn(16, 1)


def loss_of(params):
    return nn.functional.mse_loss(functional_call(model, params, (x,)), y)


for step in range(5):
    gradients = grad(loss_of)(params)
    params = {name: p - 0.1 * gradients[name] for name, p in params.items()}
