"""Transfer learning: the loaded net is in eval mode all along, batch norm and dropout without effect."""
import torch
from torch import nn

def pretrained():
    net = nn.Sequential(nn.Conv1d(2, 8, 3), nn.BatchNorm1d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8 * 6, 3))
    return net.eval()  # CAUSE evaluation-mode

torch.manual_seed(0)
net = pretrained()
# MENDED net.train()
optimizer = torch.optim.RAdam(net.parameters(), lr=1e-3)
for i in range(12):
    x, y = torch.randn(10, 2, 8), torch.randint(0, 3, (10,))
    loss = nn.functional.cross_entropy(net(x), y)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
