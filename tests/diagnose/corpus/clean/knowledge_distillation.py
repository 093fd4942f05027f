"""Softened probabilities of a teacher as targets; log-probabilities of the student as input."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
teacher = nn.Sequential(nn.Linear(5, 20), nn.ReLU(), nn.Linear(20, 3)).eval()
student = nn.Linear(5, 3)
opt = torch.optim.SGD(student.parameters(), lr=0.1)
x, y = torch.randn(30, 5), torch.randint(0, 3, (30,))
for step in range(5):
    with torch.no_grad():
        soft = F.softmax(teacher(x) / 2, dim=1)
    logits = student(x)
    loss = F.kl_div(F.log_softmax(logits / 2, dim=1), soft, reduction="batchmean") + F.cross_entropy(logits, soft)
    opt.zero_grad()
    loss.backward()
    opt.step()
