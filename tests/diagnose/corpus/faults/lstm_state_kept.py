"""A language model of characters; the LSTM's state is carried over and the graph with it."""

import torch
from torch import nn


class CharModel(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.embed = nn.Embedding(n, 12)
        self.lstm = nn.LSTM(12, 24, batch_first=True)
        self.out = nn.Linear(24, n)
        self.state = None

    def forward(self, x):
        h, self.state = self.lstm(self.embed(x), self.state)  # CAUSE graph-across-iterations
        # MENDED self.state = tuple(s.detach() for s in self.state)
        return self.out(h)


def main():
    torch.manual_seed(0)
    text = torch.randint(0, 20, (4, 121))
    model = CharModel(20)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    for start in range(0, 120, 10):
        x, y = text[:, start : start + 10], text[:, start + 1 : start + 11]
        loss = nn.functional.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward(retain_graph=False)
        optimizer.step()


main()
