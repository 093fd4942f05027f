import torch
from torch import nn
torch.manual_seed(0)
emb = nn.Embedding.from_pretrained(torch.randn(20, 8))
rnn, out = nn.RNN(8, 12, batch_first=True), nn.Linear(12, 2)
opt = torch.optim.RMSprop([*emb.parameters(), *rnn.parameters(), *out.parameters()], 1e-3)
for _ in range(10):
    x, y = torch.randint(0, 20, (8, 5)), torch.randint(0, 2, (8,))
    loss = nn.functional.cross_entropy(out(rnn(emb(x))[1][0]), y)
    opt.zero_grad(); loss.backward(); opt.step()
