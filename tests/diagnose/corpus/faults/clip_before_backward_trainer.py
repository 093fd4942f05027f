"""The clipping runs on the gradients of nobody: after zero_grad, before backward."""

import torch
from torch import nn


def train_one(model, optimizer, x, y, max_norm=0.5):
    optimizer.zero_grad(set_to_none=False)
    loss = nn.functional.mse_loss(model(x), y)
    nn.utils.clip_grad_norm_(model.parameters(), max_norm)  # FAULT clip-misplaced
    loss.backward()
    # MENDED nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    optimizer.step()
    return loss.item()


torch.manual_seed(0)
model = nn.GRU(3, 8, batch_first=True)
head = nn.Linear(8, 3)


class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.head = model, head

    def forward(self, x):
        return self.head(self.gru(x)[0])


both = Both()
optimizer = torch.optim.SGD(both.parameters(), lr=0.05)
for _ in range(10):
    x = torch.randn(4, 7, 3)
    train_one(both, optimizer, x, x.roll(1, 1))
