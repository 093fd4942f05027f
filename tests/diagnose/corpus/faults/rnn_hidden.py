import torch, torch.nn as nn
class CharRNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(10, 6); self.rnn = nn.LSTM(6, 8, batch_first=True); self.out = nn.Linear(8, 10)
    def forward(self, x, hidden):
        e = self.emb(x)
        o, hidden = self.rnn(e, hidden)  # CAUSE graph-across-iterations
        return self.out(o), hidden
torch.manual_seed(0)
model = CharRNN(); opt = torch.optim.Adam(model.parameters())
data = torch.randint(0, 10, (6, 4, 9))
hidden = None
for batch in data:
    # MENDED hidden = None if hidden is None else tuple(h.detach() for h in hidden)
    logits, hidden = model(batch[:, :-1], hidden)
    loss = nn.functional.cross_entropy(logits.reshape(-1, 10), batch[:, 1:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
