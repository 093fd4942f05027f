import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
net = nn.Linear(6, 4)
opt = torch.optim.SGD(net.parameters(), lr=.1)
x = torch.randn(20, 6); y = torch.randint(0, 4, (20,))
for i in range(4):
    probs = torch.softmax(net(x), -1)  # FAULT activation-before-loss
    # MENDED probs = net(x)
    logp = torch.log_softmax(probs, -1)
    loss = F.nll_loss(logp, y)
    opt.zero_grad(); loss.backward(); opt.step()
