#!/usr/bin/env python3
"""PyTorch's time for one training step of a GPT: the peer of `run.sh` beside this file.

Writes one JSON object with the time of every step in milliseconds. The model is GPT-2 with a tied head; a step is forward,
backward, clipping of the gradient norm and AdamW with two parameter groups, float32 throughout, as `aios train` does it.
"""
import json
import math
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

tokens_file = sys.argv[1]
batch, block, steps, LAYERS, HEADS, WIDTH, VOCAB = (int(text) for text in sys.argv[2:])
torch.manual_seed(1)
torch.set_num_threads(2)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, mask):
        b, t, _ = x.shape
        heads = self.qkv(self.norm1(x)).view(b, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        scores = heads[0] @ heads[1].transpose(-1, -2) / math.sqrt(WIDTH // HEADS) + mask
        mixed = torch.softmax(scores, -1) @ heads[2]
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, t, WIDTH))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token, self.position = nn.Embedding(VOCAB, WIDTH), nn.Embedding(block, WIDTH)
        self.layers, self.norm = nn.ModuleList(Layer() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
        nn.init.normal_(self.token.weight, 0.0, 0.02)

    def forward(self, ids, mask):
        x = self.token(ids) + self.position.weight
        for layer in self.layers:
            x = layer(x, mask)
        return F.linear(self.norm(x), self.token.weight)


model = Model()
matrices = [p for p in model.parameters() if p.dim() > 1]
vectors = [p for p in model.parameters() if p.dim() == 1]
optimizer = torch.optim.AdamW(
    [dict(params=matrices, weight_decay=0.1), dict(params=vectors, weight_decay=0.0)], lr=1e-4, betas=(0.9, 0.95))
mask = torch.triu(torch.full((block, block), -math.inf), 1)
tokens = torch.from_numpy(np.fromfile(tokens_file, "<u2").astype(np.int64))
window = batch * block
times = []
for step in range(steps):
    ids = tokens[step * window:(step + 1) * window].view(batch, block)
    targets = tokens[step * window + 1:(step + 1) * window + 1]
    start = time.perf_counter()
    loss = F.cross_entropy(model(ids, mask).view(-1, VOCAB), targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    times.append((time.perf_counter() - start) * 1e3)
print(json.dumps(dict(version=torch.__version__, ms=times)))
