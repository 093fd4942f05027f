"""A trainer with callbacks; nothing ever clears the gradients."""

import torch
from torch import nn


class Callback:
    def after_batch(self, trainer, loss): ...


class Logger(Callback):
    def __init__(self):
        self.seen = []

    def after_batch(self, trainer, loss):
        self.seen.append(loss.item())


class Trainer:
    def __init__(self, model, optimizer, callbacks=()):
        self.model, self.optimizer, self.callbacks = model, optimizer, callbacks

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            for batch in loader:
                loss = self.training_step(batch)
                # MENDED self.optimizer.zero_grad()
                loss.backward()  # CAUSE missing-zero-grad
                self.optimizer.step() 
                for callback in self.callbacks:
                    callback.after_batch(self, loss)

    def training_step(self, batch):
        x, y = batch
        return nn.functional.cross_entropy(self.model(x), y)


torch.manual_seed(1)
data = torch.utils.data.TensorDataset(torch.randn(64, 10), torch.randint(0, 3, (64,)))
model = nn.Sequential(nn.Linear(10, 32), nn.GELU(), nn.Linear(32, 3))
Trainer(model, torch.optim.AdamW(model.parameters(), lr=1e-3), [Logger()]).fit(
    torch.utils.data.DataLoader(data, batch_size=16), 4)
