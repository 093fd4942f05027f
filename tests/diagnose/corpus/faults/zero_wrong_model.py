import torch
import torch.nn as nn
torch.manual_seed(0)
student, teacher = nn.Linear(4, 2), nn.Linear(4, 2)
opt = torch.optim.SGD(student.parameters(), lr=0.1)
for i in range(6):
    x = torch.randn(8, 4)
    with torch.no_grad():
        t = teacher(x)
    teacher.zero_grad()  # FAULT
    # MENDED student.zero_grad()
    loss = nn.functional.mse_loss(student(x), t)
    loss.backward()  # CAUSE missing-zero-grad
    opt.step()
