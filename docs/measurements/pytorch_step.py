"""Times one training step of the `mini` networks in PyTorch on the CPU and compares with burn.

    cargo run -p transferscope-ml --no-default-features --example step_bench > burn.json
    python docs/measurements/pytorch_step.py burn.json

The networks repeat server/ml/src/model: same layers, sizes and batches; a step is forward, Dice +
cross-entropy, backward, clipping to norm 1 and AdamW. Parameter counts must agree, else the
comparison would mean nothing. Prints JSON.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

CROP = (16, 64, 64)
CLASSES = 3


class Grn(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(c))
        self.beta = nn.Parameter(torch.zeros(c))

    def forward(self, x):  # [B, N, C]
        g = (x.square().sum(1, keepdim=True) + 1e-24).sqrt()
        return x * (self.gamma * (g / (g.mean(2, keepdim=True) + 1e-6)) + 1) + self.beta


def channels_first(norm, x):
    return norm(x.movedim(1, -1)).movedim(-1, 1)


class ConvBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dw = nn.Conv3d(c, c, 7, padding=3, groups=c)
        self.norm = nn.LayerNorm(c, eps=1e-6)
        self.pw1, self.grn, self.pw2 = nn.Linear(c, 4 * c), Grn(4 * c), nn.Linear(4 * c, c)

    def forward(self, x):
        y = self.dw(x)
        b, c, d, h, w = y.shape
        y = self.norm(y.flatten(2).transpose(1, 2))
        y = self.pw2(self.grn(F.gelu(self.pw1(y))))
        return x + y.transpose(1, 2).reshape(b, c, d, h, w)


class ProfoundConv(nn.Module):
    def __init__(self, dims=(24, 48, 96, 192), depths=(1, 1, 2, 1), pyramid=48, fine=8):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv3d(3, dims[0], 4, 4), nn.LayerNorm(dims[0], eps=1e-6)
        self.down_norms = nn.ModuleList(nn.LayerNorm(dims[i], eps=1e-6) for i in range(3))
        self.downs = nn.ModuleList(nn.Conv3d(dims[i], dims[i + 1], k, k) for i, k in enumerate((2, 2, 1)))
        self.stages = nn.ModuleList(nn.Sequential(*(ConvBlock(c) for _ in range(n))) for c, n in zip(dims, depths))
        self.norm = nn.LayerNorm(dims[3], eps=1e-6)
        self.norms = nn.ModuleList(nn.LayerNorm(c, eps=1e-6) for c in dims)
        self.laterals = nn.ModuleList(nn.Conv3d(c, pyramid, 1) for c in dims)
        self.smooth = nn.Conv3d(pyramid, pyramid, 3, padding=1)
        self.up = nn.ConvTranspose3d(pyramid, fine, 4, 4)
        self.fine = nn.Conv3d(fine + 3, fine, 3, padding=1)
        self.out = nn.Conv3d(fine, CLASSES, 1)

    def forward(self, x):
        maps = []
        for i, stage in enumerate(self.stages):
            if i == 0:
                y = channels_first(self.stem_norm, self.stem(x))
            else:
                y = self.downs[i - 1](channels_first(self.down_norms[i - 1], maps[-1]))
            maps.append(stage(y))
        lateral = [conv(channels_first(norm, m)) for conv, norm, m in zip(self.laterals, self.norms, maps)]
        top = lateral[2] + lateral[3]
        for i in (1, 0):
            top = lateral[i] + F.interpolate(top, scale_factor=2)
        fine = torch.cat([self.up(F.gelu(self.smooth(top))), x], 1)
        return self.out(F.gelu(self.fine(fine)))


class Attention(nn.Module):
    def __init__(self, e, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(e, 3 * e), nn.Linear(e, e)

    def forward(self, x):
        b, n, e = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, e // self.heads).permute(2, 0, 3, 1, 4)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, e))


class VitBlock(nn.Module):
    def __init__(self, e, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(e, eps=1e-6), Attention(e, heads)
        self.norm2, self.fc1, self.fc2 = nn.LayerNorm(e, eps=1e-6), nn.Linear(e, 4 * e), nn.Linear(4 * e, e)
        self.ls1, self.ls2 = nn.Parameter(torch.ones(e)), nn.Parameter(torch.ones(e))

    def forward(self, x):
        x = x + self.attn(self.norm1(x)) * self.ls1
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)))) * self.ls2


class Provicnet(nn.Module):
    def __init__(self, e=96, depth=4, heads=3, grid=12, patch=14, registers=4, sequences=3, wide=48, fine=16):
        super().__init__()
        self.patch, self.prefix = patch, 1 + registers + 2
        self.cls = nn.Parameter(torch.zeros(1, 1, e))
        self.registers = nn.Parameter(torch.zeros(1, registers, e))
        self.pos = nn.Parameter(torch.zeros(1, 1 + grid * grid, e))
        self.proj = nn.Conv2d(3, e, patch, patch)
        self.blocks = nn.ModuleList(VitBlock(e, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(e, eps=1e-6)
        self.axis_pos, self.axis_max = nn.Linear(1, e), nn.Linear(1, e)
        self.conv1, self.norm1 = nn.Conv2d(e * sequences, wide, 3, padding=1), nn.GroupNorm(8, wide)
        self.conv2, self.norm2 = nn.Conv2d(wide, fine, 3, padding=1), nn.GroupNorm(8, fine)
        self.conv3, self.norm3 = nn.Conv2d(fine + sequences, fine, 3, padding=1), nn.GroupNorm(8, fine)
        self.out = nn.Conv2d(fine, CLASSES, 1)

    def forward(self, x):
        slabs, axis = x
        s, m, _, h, w = slabs.shape
        rows, columns = h // 8, w // 8
        big = F.interpolate(slabs.flatten(0, 1), (rows * self.patch, columns * self.patch), mode="bilinear")
        axis = axis.repeat_interleave(m, 0)
        n = s * m
        patches = self.proj(big).flatten(2).transpose(1, 2) + self.pos[:, 1:]
        tokens = torch.cat(
            [
                (self.cls + self.pos[:, :1]).expand(n, -1, -1),
                self.registers.expand(n, -1, -1),
                self.axis_pos(axis[:, :1])[:, None],
                self.axis_max(axis[:, 1:])[:, None],
                patches,
            ],
            1,
        )
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)[:, self.prefix :]
        y = tokens.transpose(1, 2).reshape(s, m * tokens.shape[2], rows, columns)
        y = F.relu(self.norm1(self.conv1(F.interpolate(y, scale_factor=2))))
        y = F.relu(self.norm2(self.conv2(F.interpolate(y, scale_factor=2))))
        y = torch.cat([F.interpolate(y, scale_factor=2), slabs[:, :, 1]], 1)
        return self.out(F.relu(self.norm3(self.conv3(y))))


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv3d(c, c, 3, padding=1), nn.GroupNorm(min(8, c), c)
        self.conv2, self.norm2 = nn.Conv3d(c, c, 3, padding=1), nn.GroupNorm(min(8, c), c)

    def forward(self, x):
        y = self.norm2(self.conv2(F.leaky_relu(self.norm1(self.conv1(x)), 0.01)))
        return F.leaky_relu(x + y, 0.01)


class Unet(nn.Module):
    def __init__(self, channels=(8, 16, 32, 64), strides=((1, 2, 2), (2, 2, 2), (2, 2, 2))):
        super().__init__()
        self.stem = nn.Conv3d(3, channels[0], 3, padding=1)
        pairs = list(zip(channels, channels[1:], strides))
        self.downs = nn.ModuleList(nn.Conv3d(a, b, s, s) for a, b, s in pairs)
        self.blocks = nn.ModuleList(Residual(b) for _, b, _ in pairs)
        self.ups = nn.ModuleList(nn.ConvTranspose3d(b, a, s, s) for a, b, s in pairs)
        self.convs = nn.ModuleList(nn.Conv3d(a, a, 3, padding=1) for a, _, _ in pairs)
        self.norms = nn.ModuleList(nn.GroupNorm(min(8, a), a) for a, _, _ in pairs)
        self.out = nn.Conv3d(channels[0], CLASSES, 1)

    def forward(self, x):
        maps = [F.leaky_relu(self.stem(x), 0.01)]
        for down, block in zip(self.downs, self.blocks):
            maps.append(block(down(maps[-1])))
        y = maps.pop()
        for i in (2, 1, 0):
            y = F.leaky_relu(self.norms[i](self.convs[i](self.ups[i](y) + maps[i])), 0.01)
        return self.out(y)


def dice_ce(logits, labels):
    logits, labels = logits.flatten(2), labels.flatten(1)
    log_p = logits.log_softmax(1)
    p, t = log_p.exp(), F.one_hot(labels, CLASSES).movedim(-1, 1).float()
    dice = 1 - (2 * (p * t).sum(2) + 1e-5) / (p.sum(2) + t.sum(2) + 1e-5)
    return dice[:, 1:].mean() + F.nll_loss(log_p, labels)


def step_times(net, x, labels, steps):
    rest = [p for p in net.parameters() if p.ndim < 2]
    weights = [p for p in net.parameters() if p.ndim >= 2]
    groups = [{"params": weights, "weight_decay": 0.05}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-4)
    times = []
    for i in range(steps + 2):
        start = time.perf_counter()
        loss = dice_ce(net(x), labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        if i >= 2:
            times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return {"ms_median": times[len(times) // 2], "ms_best": times[0], "steps": steps}


def main():
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    with open(sys.argv[1], encoding="utf-8") as file:
        burn = json.load(file)
    axis = torch.tensor([[3.0, 24.0], [8.0, 24.0], [12.0, 24.0], [20.0, 24.0]])
    volume = (torch.randn(2, 3, *CROP), torch.randint(0, CLASSES, (2, *CROP)))
    slabs = ((torch.randn(4, 3, 3, 96, 96), axis), torch.randint(0, CLASSES, (4, 96, 96)))
    report = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    for name, net, (x, labels) in (
        ("profound-conv", ProfoundConv(), volume),
        ("provicnet", Provicnet(), slabs),
        ("unet", Unet(), volume),
    ):
        ours, parameters = burn[name], sum(p.numel() for p in net.parameters())
        if ours["parameters"] != parameters:
            sys.exit(f"{name}: {ours['parameters']} parameters in burn, {parameters} here: not the same network")
        theirs = step_times(net, x, labels, ours["steps"])
        report[name] = {
            "parameters": parameters,
            "burn": {key: ours[key] for key in ("ms_median", "ms_best")},
            "pytorch": theirs,
            "ratio_median": ours["ms_median"] / theirs["ms_median"],
            "ratio_best": ours["ms_best"] / theirs["ms_best"],
            "burn_costliest": ours["parts"][:3],
        }
    print(json.dumps(report, indent=1))


main()
