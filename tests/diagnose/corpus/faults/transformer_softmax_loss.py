"""A small transformer encoder whose classification head ends in a softmax, trained with cross entropy."""

import math

import torch
from torch import nn


class Positional(nn.Module):
    def __init__(self, d, length):
        super().__init__()
        place = torch.arange(length).unsqueeze(1)
        div = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
        table = torch.zeros(length, d)
        table[:, 0::2], table[:, 1::2] = torch.sin(place * div), torch.cos(place * div)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocab=30, d=16, classes=4):
        super().__init__()
        self.embed = nn.Embedding(vocab, d)
        self.position = Positional(d, 12)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(d, 2, 32, dropout=0.1, batch_first=True), 1)
        self.head = nn.Linear(d, classes)

    def forward(self, x):
        h = self.encoder(self.position(self.embed(x))).mean(1)
        return torch.softmax(self.head(h), dim=-1)  # FAULT activation-before-loss
        # MENDED return self.head(h)


torch.manual_seed(3)
model = Classifier()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for step in range(12):
    tokens = torch.randint(0, 30, (8, 12))
    target = tokens[:, 0] % 4
    optimizer.zero_grad(set_to_none=True)
    loss = criterion(model(tokens), target)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
