"""A mean teacher: averages of the weights, its outputs the goal of a consistency loss."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
student = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Dropout(0.1), nn.Linear(10, 3))
teacher = copy.deepcopy(student)
opt = torch.optim.SGD(student.parameters(), lr=0.1)
x, y = torch.randn(20, 5), torch.randint(0, 3, (20,))
for step in range(6):
    with torch.no_grad():
        goal = teacher(x).softmax(1)
    logits = student(x)
    loss = nn.functional.cross_entropy(logits, y) + nn.functional.mse_loss(logits.softmax(1), goal)
    opt.zero_grad()
    loss.backward()
    opt.step()
    with torch.no_grad():
        for slow, fast in zip(teacher.parameters(), student.parameters()):
            slow.mul_(0.99).add_(fast, alpha=0.01)
