"""Training by torch.func: grad of a functional_call, parameters in a dict."""
import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 12), nn.Tanh(), nn.Linear(12, 1))
params = {k: v.detach().clone() for k, v in model.named_parameters()}

def loss_of(params, x, y):
    return nn.functional.mse_loss(functional_call(model, params, (x,)), y)

step = grad_and_value(loss_of)
for _ in range(10):
    x = torch.randn(16, 3)
    grads, value = step(params, x, x.sum(1, keepdim=True))
    params = {k: params[k] - 0.05 * grads[k] for k in params}
per_sample = vmap(grad_and_value(loss_of), in_dims=(None, 0, 0))(params, torch.randn(5, 3), torch.randn(5, 1))
print(float(per_sample[1].mean()))
