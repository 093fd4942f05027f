import torch, torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
class Trainer:
    def __init__(self, model):
        self.model = model
        self.opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=.01)
        self.sched = torch.optim.lr_scheduler.OneCycleLR(self.opt, max_lr=1e-2, total_steps=12)
        self.crit = nn.CrossEntropyLoss(label_smoothing=.1)
    def fit(self, loader, epochs):
        for _ in range(epochs):
            self.model.train()
            for x, y in loader:
                self.opt.zero_grad(set_to_none=True)
                loss = self.crit(self.model(x), y)
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.opt.step(); self.sched.step()
            self.model.eval()
            with torch.inference_mode():
                acc = sum((self.model(x).argmax(1) == y).sum().item() for x, y in loader)
torch.manual_seed(0)
ds = TensorDataset(torch.randn(32, 5), torch.randint(0, 3, (32,)))
Trainer(nn.Sequential(nn.Linear(5, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(.1), nn.Linear(16, 3))).fit(DataLoader(ds, 8, shuffle=True), 3)
