"""What is copied and saved holds what it would hold without a recorder: compared by its bytes."""

import copy
import io

import torch
from digest import dump
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


def save(value):
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


for _ in range(2):
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()

copied = copy.deepcopy(model)
copied(torch.randn(5, 3)).sum().backward()
loaded = torch.load(io.BytesIO(save(model)), weights_only=False)
loaded.load_state_dict(model.state_dict())
loaded(torch.ones(2, 3)).sum().backward()

dump(
    model=model,
    copied=copied,
    loaded=loaded,
    saved_model=save(model),
    saved_state=save([model.state_dict(), optimizer.state_dict()]),
    array=model[0].weight.detach().numpy(),
)
