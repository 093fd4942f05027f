"""Trains a transformer encoder and evaluates it; in eval, attention takes a fused path that a mode would switch off."""

import torch
from digest import dump
from torch import nn

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(d_model=8, nhead=2, dim_feedforward=16, batch_first=True)
encoder = nn.TransformerEncoder(layer, num_layers=2)
attention = nn.MultiheadAttention(8, 2, batch_first=True)
optimizer = torch.optim.AdamW([*encoder.parameters(), *attention.parameters()], lr=1e-2)
tokens = torch.randn(3, 5, 8)
padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2, [False] * 2 + [True] * 3])


def evaluate():
    encoder.eval()
    attention.eval()
    with torch.no_grad():
        seen = [
            encoder(tokens),
            encoder(tokens, src_key_padding_mask=padding),
            layer.eval()(tokens),
            attention(tokens, tokens, tokens, need_weights=False)[0],
            *attention(tokens, tokens, tokens, key_padding_mask=padding),
        ]
    with torch.inference_mode():
        seen.append(encoder(tokens, src_key_padding_mask=padding) + 0)
    seen.append(encoder(tokens, src_key_padding_mask=padding))
    encoder.train()
    attention.train()
    return seen


outputs = [evaluate()]
for step in range(2):
    mask = padding if step else None
    hidden = encoder(tokens, src_key_padding_mask=mask)
    mixed, weights = attention(hidden, hidden, hidden, key_padding_mask=mask)
    loss = (mixed.masked_fill(padding[..., None], 0) - tokens).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item())
    outputs.append([hidden, mixed, weights])
outputs.append(evaluate())

dump(encoder=encoder, attention=attention, optimizer=optimizer, outputs=outputs)
