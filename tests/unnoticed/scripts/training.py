"""What training loops do besides: gradients of gradients, clipping, closures, accumulation, autocast, views."""

import torch
from digest import dump
from torch import nn

torch.manual_seed(0)
x, y = torch.randn(6, 4), torch.randn(6, 2)


class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        print("Doubled.backward")
        return 2 * x * grad


def penalised(model, optimizer):
    inputs = x.clone().requires_grad_()
    loss = (model(inputs) - y).pow(2).mean()
    (slope,) = torch.autograd.grad(loss, inputs, create_graph=True)
    (loss + slope.norm()).backward()
    print(nn.utils.clip_grad_norm_(model.parameters(), 0.1).item())
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)


model = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 2))
adam = torch.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
scheduler = torch.optim.lr_scheduler.ExponentialLR(adam, 0.9)
for _ in range(2):
    penalised(model, adam)
    scheduler.step()

lbfgs = torch.optim.LBFGS(model.parameters(), max_iter=3)


def closure():
    lbfgs.zero_grad()
    loss = nn.functional.smooth_l1_loss(model(x), y)
    loss.backward()
    return loss


print(lbfgs.step(closure).item())

recurrent = nn.LSTM(4, 3, batch_first=True)
embedding = nn.Embedding(5, 4, sparse=True)
sgd = torch.optim.SGD([*recurrent.parameters(), *embedding.parameters()], lr=0.1)
for i in range(4):
    outputs, (hidden, cell) = recurrent(embedding(torch.tensor([[0, i, 2]])))
    (outputs.sum() + hidden.prod()).backward()
    if i % 2:
        sgd.step()
        sgd.zero_grad()

scaler = torch.amp.GradScaler("cpu")
for _ in range(2):
    adam.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = nn.functional.mse_loss(model(x).float(), y)
    scaler.scale(loss).backward()
    scaler.step(adam)
    scaler.update()

base = torch.randn(4, 3, requires_grad=True)
work = base * 1
view = work[1:3]
view.mul_(2)
work[0] = Doubled.apply(view[0].clone())
work.t().relu_()
(work.sum() + torch.view_as_complex(torch.stack([base, base], -1)).abs().sum()).backward(retain_graph=True)
base.grad += 1
base.grad = base.grad * 2
base.data.add_(1)

dump(
    model=model,
    adam=adam,
    lbfgs=lbfgs,
    scaler=scaler.state_dict(),
    scheduler=scheduler.state_dict(),
    recurrent=recurrent,
    embedding=embedding.weight.detach(),
    base=base,
    work=work,
    view=view,
)
