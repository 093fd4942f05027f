"""The student's logits go through numpy for the temperature."""
import torch
from torch import nn

def soften(logits, t=4.0):
    return torch.from_numpy(logits.detach().numpy() / t).log_softmax(1)  # FAULT no-gradient
    # MENDED return (logits / t).log_softmax(1)

torch.manual_seed(0)
teacher, student = nn.Linear(8, 4).requires_grad_(False), nn.Linear(8, 4)
optimizer = torch.optim.Adam(student.parameters(), lr=1e-2)
for _ in range(8):
    x = torch.randn(16, 8)
    loss = nn.functional.kl_div(soften(student(x)), (teacher(x) / 4).softmax(1), reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
