import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class Trainer:
    def __init__(self, model, lr):
        self.model = model
        self.optimizer = torch.optim.RMSprop(model.parameters(), lr=lr)
        self.criterion = nn.MSELoss()

    def step(self, xb, yb):
        # MENDED self.optimizer.zero_grad()
        out = self.model(xb)
        loss = self.criterion(out, yb)
        loss.backward()  # CAUSE missing-zero-grad
        self.optimizer.step()
        return loss.item()


torch.manual_seed(0)
ds = TensorDataset(torch.randn(48, 5), torch.randn(48, 2))
trainer = Trainer(nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 2)), 1e-3)
for epoch in range(2):
    for xb, yb in DataLoader(ds, batch_size=12, shuffle=True):
        trainer.step(xb, yb)
