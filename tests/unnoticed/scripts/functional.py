"""The other ways to run torch: torch.func, tensor subclasses, modes and devices of the user's own, fx, export."""

import torch
from digest import dump
from torch import fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

torch.manual_seed(0)
model = nn.Linear(3, 2)
x = torch.randn(4, 3)
parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}


def compute_loss(parameters, sample):
    return torch.func.functional_call(model, parameters, (sample,)).square().sum()


gradients = torch.func.vmap(torch.func.grad(compute_loss), in_dims=(None, 0))(parameters, x)
jacobian = torch.func.jacrev(model)(x[0])
hessian = torch.autograd.functional.hessian(lambda v: v.pow(3).sum(), x[0])


class Tagged(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        tags.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Logging(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        calls.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Counting(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        ops.append(str(func))
        return func(*args, **(kwargs or {}))


tags, calls, ops = [], [], []
tagged = torch.ones(3).as_subclass(Tagged)
summed = (tagged * 2 + 1).sum()
with Logging():
    model(x).sum().backward()
with Counting():
    nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 1, 0])).backward()
print(type(summed).__name__, tags)
print(calls)
print(ops)

with torch.device("meta"):
    shapes = nn.Linear(5, 7)(torch.ones(2, 5))
after = torch.ones(2)
print(shapes.device, shapes.shape, after.device)

traced = fx.symbolic_trace(nn.Sequential(model, nn.ReLU()))
print(traced.code)
print(torch.export.export(nn.Sequential(model, nn.ReLU()), (x,)).graph)

dump(gradients=gradients, jacobian=jacobian, hessian=hessian, model=model, traced=traced(x), summed=summed.item())
