#!/usr/bin/env python3
"""PyTorch's figures on a GPU, as peers of ours: torch_gpu.py SUBJECT --out FILE [--compile] [--tiny]

Subjects: gemm, attention, norms, loss, adamw, gpt2. FILE gets one JSON object a line as soon as it is measured: what, the
time of every repetition in milliseconds, and the rate of the median. A peer that this PyTorch lacks, or that fails, is a
line with its reason. What FILE has already is left out. --tiny runs small shapes, on the CPU where there is no GPU, to see that the program works.
"""
import argparse
import itertools
import json
import math
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("subject", choices=["gemm", "attention", "norms", "loss", "adamw", "gpt2"])
parser.add_argument("--out", required=True)
parser.add_argument("--compile", action="store_true", help="gpt2: with torch.compile")
parser.add_argument("--tiny", action="store_true")
options = parser.parse_args()

GPU = torch.cuda.is_available()
if not GPU and not options.tiny:
    sys.exit("no GPU: only --tiny runs without one")
DEVICE = "cuda" if GPU else "cpu"
WARM_UPS, REPETITIONS = (1, 2) if options.tiny else (5, 30)
BF16, F16, F32 = torch.bfloat16, torch.float16, torch.float32
output = open(options.out, "a+", buffering=1)
output.seek(0)
before = [json.loads(line) for line in output if line.endswith("}\n")]
torch.manual_seed(1)


def write(**line):
    output.write(json.dumps(line) + "\n")


def numbers(*shape, dtype=BF16, grad=False):
    return torch.randn(*shape, device=DEVICE, dtype=F32).to(dtype).requires_grad_(grad)


class Clock:
    """Times work by the device's events; before each repetition its second-level cache is filled with something else."""

    def __init__(self):
        self.scratch = torch.empty(256 << 20 if GPU else 1, dtype=torch.int8, device=DEVICE)

    def milliseconds(self, work, cold):
        if not GPU:
            begin = time.perf_counter()
            work()
            return (time.perf_counter() - begin) * 1e3
        if cold:
            self.scratch.zero_()
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)


clock = Clock()


def measure(name, unit, amount, work, cold=True, **about):
    """`amount` is what one repetition does, in the unit that the rate is given in per second."""
    if any(line.get("name") == name and about.items() <= line.items() for line in before):
        return
    try:
        for _ in range(WARM_UPS):
            work()
        times = [clock.milliseconds(work, cold) for _ in range(REPETITIONS)]
    except Exception as error:  # a peer that cannot do it is a result too
        kind = "" if isinstance(error, NotImplementedError) else f"{type(error).__name__}: "
        write(name=name, skipped=kind + (str(error).splitlines() or [""])[0], **about)
        return
    median = statistics.median(times)
    write(name=name, unit=unit, amount=amount, median_ms=median, per_s=amount / median * 1e3, ms=times, **about)


def backward_of(make):
    """Work that runs only the backward pass of what `make` computes, once, before the first."""
    made = []

    def work():
        if not made:
            result = make()
            made.extend((result, torch.randn_like(result)))
        made[0].backward(made[1], retain_graph=True)

    return work


def when(available, work, reason):
    """`work`, or work that says why there is none."""

    def missing(*_):
        raise NotImplementedError(reason)

    return work if available else missing


def gemm():
    sizes = [(64, 64, 64)] if options.tiny else [
        (4096,) * 3, (8192,) * 3, (16384, 4096, 4096), (8192, 50304, 768), (8192, 3072, 768), (8192, 768, 3072),
        (8192, 2304, 768), (64, 4096, 4096), (16, 4096, 4096), (1, 4096, 4096)]
    for m, n, k in sizes:
        flops = 2.0 * m * n * k
        shape = dict(m=m, n=n, k=k)
        for dtype in (BF16, F16):
            a, b = numbers(m, k, dtype=dtype), numbers(n, k, dtype=dtype)
            measure("gemm", "flop", flops, lambda: a @ b.t(), dtype=str(dtype), **shape)
        a, b = numbers(m, k, dtype=F32), numbers(n, k, dtype=F32)
        torch.backends.cuda.matmul.allow_tf32 = True
        measure("gemm", "flop", flops, lambda: a @ b.t(), dtype="tf32", **shape)
        torch.backends.cuda.matmul.allow_tf32 = False
        if m > 16:  # what PyTorch takes
            a8, b8 = (torch.randint(-128, 127, (rows, k), device=DEVICE, dtype=torch.int8) for rows in (m, n))
            measure("gemm", "flop", flops, when(hasattr(torch, "_int_mm"), lambda: torch._int_mm(a8, b8.t()),
                                                "no _int_mm in this PyTorch"), dtype="int8", **shape)
        has_fp8 = hasattr(torch, "float8_e4m3fn") and hasattr(torch, "_scaled_mm") and GPU
        if has_fp8:
            a8, b8 = (numbers(rows, k).to(torch.float8_e4m3fn) for rows in (m, n))
        for scaling, shape_a, shape_b in (("tensor", (), ()), ("row", (m, 1), (1, n))):
            scale_a, scale_b = torch.ones(shape_a, device=DEVICE), torch.ones(shape_b, device=DEVICE)
            measure("gemm", "flop", flops, when(has_fp8, lambda: torch._scaled_mm(
                a8, b8.t(), scale_a=scale_a, scale_b=scale_b, out_dtype=BF16), "no 8-bit floats here"),
                dtype="e4m3", scaling=scaling, **shape)


def attention():
    available = hasattr(F, "scaled_dot_product_attention")
    lengths = [32] if options.tiny else [1024, 2048, 4096, 8192, 16384]
    backends = [None]
    if hasattr(nn, "attention") and GPU:
        kinds = nn.attention.SDPBackend
        backends = [kinds.FLASH_ATTENTION, kinds.CUDNN_ATTENTION]
    for width, length, causal, backend in itertools.product((64, 128), lengths, (False, True), backends):
        batch, heads = (1, 2) if options.tiny else (16384 // length, 2048 // width)
        q, k, v = (numbers(batch, heads, length, width, grad=True) for _ in range(3))
        flops = 4.0 * batch * heads * length * length * width * (0.5 if causal else 1)
        about = dict(width=width, length=length, causal=causal, batch=batch, heads=heads,
                     backend="default" if backend is None else backend.name)

        def forward():
            if backend is None:
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal)
            with nn.attention.sdpa_kernel(backend):
                return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

        with torch.no_grad():
            measure("attention forward", "flop", flops, when(available, forward, "no attention in this PyTorch"), **about)
        measure("attention backward", "flop", 2.5 * flops, when(available, backward_of(forward), "no attention in this PyTorch"), **about)


def compiled(function):
    return torch.compile(function) if hasattr(torch, "compile") else when(False, None, "no torch.compile in this PyTorch")


def norms():
    rows_columns = [(8, 64)] if options.tiny else [(16384, 768), (16384, 2048), (16384, 4096), (4096, 8192), (1024, 65536)]
    for (rows, columns), dtype in itertools.product(rows_columns, (BF16, F32)):
        x, weight, bias = numbers(rows, columns, dtype=dtype, grad=True), numbers(columns, dtype=dtype, grad=True), numbers(
            columns, dtype=dtype, grad=True)
        functions = {
            "layernorm": lambda x: F.layer_norm(x, (columns,), weight, bias),
            "softmax": lambda x: F.softmax(x, -1),
            "rmsnorm": when(hasattr(F, "rms_norm"), lambda x: F.rms_norm(x, (columns,), weight), "no rms_norm in this PyTorch"),
        }
        size = float(x.numel() * x.element_size())
        for (name, function), how in itertools.product(functions.items(), ("eager", "compiled")):
            about = dict(rows=rows, columns=columns, dtype=str(dtype), how=how)
            work = function if how == "eager" else compiled(function)
            with torch.no_grad():
                measure(name + " forward", "bytes", 2 * size, lambda: work(x), **about)
            measure(name + " backward", "bytes", 3 * size, backward_of(lambda: work(x)), **about)


def loss():
    shapes = [(16, 8, 128)] if options.tiny else [(8192, 768, 50257), (4096, 4096, 128256)]
    for rows, width, classes in shapes:
        targets = torch.randint(0, classes, (rows,), device=DEVICE)
        hidden, weight = numbers(rows, width, grad=True), numbers(classes, width, grad=True)
        logits = numbers(rows, classes, grad=True)
        functions = {
            "cross-entropy": (lambda: F.cross_entropy(logits.float(), targets), "bytes", 3.0 * logits.numel() * 2),
            "linear and cross-entropy": (lambda: F.cross_entropy(F.linear(hidden, weight).float(), targets), "flop",
                                         6.0 * rows * width * classes),
        }
        for (name, (function, unit, amount)), how in itertools.product(functions.items(), ("eager", "compiled")):
            work = function if how == "eager" else compiled(function)

            def both():
                for tensor in (hidden, weight, logits):
                    tensor.grad = None
                work().backward()

            measure(name + " forward and backward", unit, amount, both, rows=rows, width=width, classes=classes, how=how)


def adamw():
    layers, width, vocabulary = (1, 32, 64) if options.tiny else (12, 768, 50257)
    shapes = {"GPT-2 124M": [(vocabulary, width), (1024, width)] + layers * [
        (3 * width, width), (3 * width,), (width, width), (width,), (4 * width, width), (4 * width,), (width, 4 * width),
        (width,), (width,), (width,), (width,), (width,)]}
    if not options.tiny:
        shapes["one tensor"] = [(1 << 28,)]
    for (name, tensors), how in itertools.product(shapes.items(), ("fused", "foreach")):
        parameters = [numbers(*shape, dtype=F32, grad=True) for shape in tensors]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        count = sum(parameter.numel() for parameter in parameters)
        try:
            optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.1, **{how: True})
        except (RuntimeError, TypeError) as error:
            write(name="adamw", tensors=name, how=how, skipped=str(error).splitlines()[0])
            continue
        measure("adamw", "bytes", 28.0 * count, optimizer.step, tensors=name, how=how, elements=count)


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, t, width = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            mask = torch.full((t, t), -math.inf, device=x.device, dtype=q.dtype).triu(1)
            mixed = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(width // self.heads) + mask, -1) @ v
        x = x + self.proj(mixed.transpose(1, 2).reshape(b, t, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, vocabulary, block):
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(block, width)
        self.layers, self.norm = nn.ModuleList(Layer(width, heads) for _ in range(layers)), nn.LayerNorm(width)
        nn.init.normal_(self.token.weight, 0.0, 0.02)

    def forward(self, ids, targets):
        x = self.token(ids) + self.position.weight
        for layer in self.layers:
            x = layer(x)
        logits = F.linear(self.norm(x), self.token.weight)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def gpt2():
    layers, width, heads, vocabulary, block = (2, 32, 2, 64, 16) if options.tiny else (12, 768, 12, 50304, 1024)
    for batch in (2,) if options.tiny else (16, 32):
        model = Gpt(layers, width, heads, vocabulary, block).to(DEVICE)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.1, **(dict(fused=True) if GPU else {}))
        run = compiled(model) if options.compile else model
        ids = torch.randint(0, vocabulary, (batch, block), device=DEVICE)
        targets = torch.randint(0, vocabulary, (batch, block), device=DEVICE)

        def step():
            with torch.autocast(DEVICE, BF16):
                result = run(ids, targets)
            result.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

        torch.backends.cuda.matmul.allow_tf32 = True
        measure("GPT-2 124M training step", "tokens", float(batch * block), step, cold=False, batch=batch, block=block,
                how="compiled" if options.compile else "eager")


write(torch=torch.__version__, cuda=torch.version.cuda, cudnn=torch.backends.cudnn.version() if GPU else None,
      device=torch.cuda.get_device_name() if GPU else "CPU", tiny=options.tiny)
{"gemm": gemm, "attention": attention, "norms": norms, "loss": loss, "adamw": adamw, "gpt2": gpt2}[options.subject]()
