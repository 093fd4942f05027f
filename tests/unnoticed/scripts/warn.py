"""Warnings, the user's and torch's: the same text for the same line, as often as the filters let them through."""

import warnings

import torch
from digest import dump

w = torch.ones(2, requires_grad=True)


def warn_twice():
    for _ in range(2):
        warnings.warn("twice on one line", stacklevel=1)
    warnings.warn("blamed on the caller", DeprecationWarning, stacklevel=2)


warn_twice()
warn_twice()
warnings.warn("on a line of its own", UserWarning, stacklevel=1)

for _ in range(3):
    y = w * 2
    print(y.grad)
print(y.grad)

z = (w * 3).sum()
z.backward(create_graph=True)
w.grad = None

torch.tensor(torch.ones(2))
torch.tensor(w.detach())
torch.nn.functional.mse_loss(torch.ones(2), torch.ones(2, 1))
torch.nn.functional.mse_loss(torch.ones(3), torch.ones(3, 1))

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        torch.nn.functional.mse_loss(torch.ones(2), torch.ones(2, 1))
        torch.tensor(torch.ones(2))
    print((w * 2).grad)

with warnings.catch_warnings():
    warnings.simplefilter("error")
    try:
        torch.tensor(torch.ones(2))
    except UserWarning as error:
        print("raised", error)

model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
scheduler.step()

dump(caught=[[str(each.message), each.category.__name__, each.filename, each.lineno] for each in caught], w=w)
