import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.fc, self.state = nn.LSTM(3, 4), nn.Linear(4, 1), None
    def forward(self, x):
        # MENDED self.state = None if self.state is None else [s.detach() for s in self.state]
        out, self.state = self.lstm(x, self.state)  # CAUSE graph-across-iterations
        return self.fc(out)
net = Net(); opt = torch.optim.Adam(net.parameters(), 1e-3)
for i in range(4):
    x = torch.randn(5, 2, 3)
    opt.zero_grad()
    net(x).pow(2).mean().backward()
    opt.step()
