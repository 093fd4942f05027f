import torch
from torch import nn
torch.manual_seed(0)
rnn, fc = nn.LSTM(4, 8), nn.Linear(8, 5); opt = torch.optim.Adam([*rnn.parameters(), *fc.parameters()], 1e-2)
x = torch.randn(12, 3, 4); tgt = torch.randint(1, 5, (3, 4))
for i in range(4):
    lp = fc(rnn(x)[0]).log_softmax(2)
    loss = nn.functional.ctc_loss(lp, tgt, torch.full((3,), 12), torch.full((3,), 4))
    opt.zero_grad(); loss.backward(); opt.step()
