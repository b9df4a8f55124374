#!/usr/bin/env python3
"""Makes the golden files of ParityTests: losses and gradient norms of a GPT-2 trained by PyTorch.

Run with a Python that has PyTorch (Debian: apt-get install python3-torch); writes the .json files beside this script.
Weights and tokens are not stored: both sides compute them with the formulas of `uniform` below, in double precision.
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

CASES = {
    "gpt": dict(layers=4, heads=4, embd=128, block=64, batch=4, vocab=256, steps=20, lr=1e-3, weight_decay=0.1,
                beta1=0.9, beta2=0.95, grad_clip=1.0, warmup=0, schedule="constant"),
    "odd": dict(layers=2, heads=3, embd=48, block=17, batch=3, vocab=301, steps=20, lr=2e-3, weight_decay=0.0,
                beta1=0.9, beta2=0.99, grad_clip=0.5, warmup=5, schedule="cosine"),
    "line": dict(layers=3, heads=1, embd=40, block=33, batch=6, vocab=97, steps=20, lr=3e-3, weight_decay=0.3,
                 beta1=0.8, beta2=0.9, grad_clip=0.0, warmup=3, schedule="linear"),
}


def mix(x):
    """The output function of SplitMix64 on numpy uint64."""
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def uniform(tensor, count):
    """Numbers of [-1, 1): element i of tensor number t comes from mix(t * 2^40 + i)."""
    index = np.arange(count, dtype=np.uint64) + np.uint64(tensor << 40)
    return (mix(index) >> np.uint64(11)).astype(np.float64) * 2.0 ** -52 - 1.0


def shapes(c):
    e = c["embd"]
    yield "transformer.wte.weight", (c["vocab"], e)
    yield "transformer.wpe.weight", (c["block"], e)
    for i in range(c["layers"]):
        h = f"transformer.h.{i}."
        for norm in "ln_1", "ln_2":
            yield h + norm + ".weight", (e,)
            yield h + norm + ".bias", (e,)
        for name, n, m in (("attn.c_attn", e, 3 * e), ("attn.c_proj", e, e), ("mlp.c_fc", e, 4 * e), ("mlp.c_proj", 4 * e, e)):
            yield h + name + ".weight", (n, m)
            yield h + name + ".bias", (m,)
    yield "transformer.ln_f.weight", (e,)
    yield "transformer.ln_f.bias", (e,)


def initial(c):
    """Weights by name; tensor numbers count the names in ordinal order."""
    weights = {}
    for t, (name, shape) in enumerate(sorted(shapes(c))):
        u = uniform(t, math.prod(shape))
        if len(shape) == 2:
            values = u * (0.035 / math.sqrt(2 * c["layers"]) if "c_proj" in name else 0.035)
        else:
            values = u * 0.05 + (1.0 if ".ln_" in name and name.endswith("weight") else 0.0)
        weights[name] = torch.from_numpy(values.astype(np.float32).reshape(shape)).requires_grad_()
    return weights


def loss_of(w, c, ids, targets):
    b, t = ids.shape
    e, heads = c["embd"], c["heads"]

    def affine(name, x):
        return x @ w[name + ".weight"] + w[name + ".bias"]

    def norm(name, x):
        return F.layer_norm(x, (e,), w[name + ".weight"], w[name + ".bias"])

    hidden = torch.ones(t, t, dtype=torch.bool).triu(1)
    x = F.embedding(ids, w["transformer.wte.weight"]) + w["transformer.wpe.weight"][:t]
    for i in range(c["layers"]):
        h = f"transformer.h.{i}."
        q, k, v = affine(h + "attn.c_attn", norm(h + "ln_1", x)).view(b, t, 3, heads, e // heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(2, 3) / math.sqrt(e // heads)).masked_fill(hidden, -math.inf)
        x = x + affine(h + "attn.c_proj", (scores.softmax(3) @ v).permute(0, 2, 1, 3).reshape(b, t, e))
        x = x + affine(h + "mlp.c_proj", F.gelu(affine(h + "mlp.c_fc", norm(h + "ln_2", x)), approximate="tanh"))
    logits = norm("transformer.ln_f", x) @ w["transformer.wte.weight"].T
    return F.cross_entropy(logits.view(b * t, -1), targets.view(-1))


def learning_rate(c, step):
    if step < c["warmup"]:
        return c["lr"] * (step + 1) / c["warmup"]
    r = (step - c["warmup"]) / max(1, c["steps"] - 1 - c["warmup"])
    return c["lr"] * {"constant": 1, "linear": 1 - 0.9 * r, "cosine": 0.1 + 0.45 * (1 + math.cos(math.pi * r))}[c["schedule"]]


def train(c):
    w = initial(c)
    groups = [dict(params=[p for p in w.values() if p.dim() > 1], weight_decay=c["weight_decay"]),
              dict(params=[p for p in w.values() if p.dim() == 1], weight_decay=0.0)]
    optimizer = torch.optim.AdamW(groups, betas=(c["beta1"], c["beta2"]), eps=1e-8)
    window = c["batch"] * c["block"]
    tokens = torch.from_numpy((mix(np.arange(c["steps"] * window + 1, dtype=np.uint64) + np.uint64(1 << 60))
                               % np.uint64(c["vocab"])).astype(np.int64))
    losses, norms = [], []
    for step in range(c["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(c, step)
        at = step * window
        loss = loss_of(w, c, tokens[at:at + window].view(c["batch"], -1), tokens[at + 1:at + 1 + window].view(c["batch"], -1))
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(w.values(), c["grad_clip"] or math.inf)))
        optimizer.step()
        losses.append(float(loss))
    return dict(config=c, torch=torch.__version__, losses=losses, grad_norms=norms)


if __name__ == "__main__":
    for name, case in CASES.items():
        path = pathlib.Path(__file__).with_name(name + ".json")
        path.write_text(json.dumps(train(case), indent=1) + "\n")
        print(path)
