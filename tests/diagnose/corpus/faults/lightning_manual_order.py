"""A lightning-like module with hooks; on_before_zero_grad clears between backward and step."""

import torch
from torch import nn


class LitModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(6, 20), nn.SiLU(), nn.Linear(20, 1))

    def configure_optimizers(self):
        return torch.optim.RMSprop(self.parameters(), lr=1e-3)

    def training_step(self, batch, _):
        x, y = batch
        return nn.functional.smooth_l1_loss(self.net(x), y)

    def optimizer_step(self, optimizer):
        # MENDED optimizer.step()
        optimizer.zero_grad(set_to_none=False)  # CAUSE zeroed-before-step
        optimizer.step()  # FAULT


class Loop:
    def run(self, model, loader, epochs=2):
        optimizer = model.configure_optimizers()
        for _ in range(epochs):
            for i, batch in enumerate(loader):
                loss = model.training_step(batch, i)
                loss.backward()
                model.optimizer_step(optimizer)


torch.manual_seed(0)
batches = [(torch.randn(8, 6), torch.randn(8, 1)) for _ in range(6)]
Loop().run(LitModel(), batches)
