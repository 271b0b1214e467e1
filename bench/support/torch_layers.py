#!/usr/bin/env python3
"""The layers of bench/support/layer_cases.cpp in PyTorch. Reads the lines that bench/layers prints, and prints each with
PyTorch's time instead, leaving out those that PyTorch has no layer for.

Usage:  layers --filter norm | torch_layers.py [--threads 2] [--seconds 0.2]
"""
import argparse
import json
import math
import pathlib
import re
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures"))
import networks  # noqa: E402
import torch  # noqa: E402
import torch.nn as nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch_cells import FrozenBatchNorm2d  # noqa: E402

CONV = re.compile(r"conv (\d+)->(\d+) (\d)x\d(?: stride (\d))?( depthwise)?$")


def conv(name):
    cin, cout, kernel, stride, depthwise = CONV.match(name).groups()
    return nn.Conv2d(int(cin), int(cout), int(kernel), stride=int(stride or 1), padding=int(kernel) // 2,
                     groups=int(cin) if depthwise else 1, bias=False)


class LayerNorm2d(nn.LayerNorm):
    """ConvNeXt's."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NORMS = {
    "bn": lambda c: nn.BatchNorm2d(c),
    "frozen_bn": FrozenBatchNorm2d,
    "brn": networks.BatchRenorm2d,
    "gn": networks.group_norm,
    "ln": lambda c: nn.GroupNorm(1, c),
    "ln2d": LayerNorm2d,
    "in": lambda c: nn.InstanceNorm2d(c, affine=True),
    "lrn": lambda c: nn.LocalResponseNorm(5),
}

PLAIN = {
    "relu": torch.relu,
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, approximate="tanh"),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "hardswish": F.hardswish,
    "softplus": F.softplus,
    "softmax dim 1": lambda x: F.softmax(x, 1),
    "softmax dim 0": lambda x: F.softmax(x, 0),
    "log_softmax dim 1": lambda x: F.log_softmax(x, 1),
    "log_softmax dim 0": lambda x: F.log_softmax(x, 0),
    "max_pool 2x2": lambda x: F.max_pool2d(x, 2),
    "max_pool 3x3 stride 2": lambda x: F.max_pool2d(x, 3, 2, 1),
    "avg_pool 2x2": lambda x: F.avg_pool2d(x, 2),
    "avg_pool 3x3 stride 2": lambda x: F.avg_pool2d(x, 3, 2, 1),
    "global_avg_pool": lambda x: F.adaptive_avg_pool2d(x, 1),
}

LOSSES = {
    "mse_loss": F.mse_loss,
    "l1_loss": F.l1_loss,
    "smooth_l1_loss": F.smooth_l1_loss,
    "bce_with_logits": F.binary_cross_entropy_with_logits,
}


def make_layer(group, name, shape):
    """None where PyTorch has no such layer."""
    if group == "conv":
        return conv(name)
    if group == "linear":
        return nn.Linear(*map(int, name.split()[1].split("->")))
    if group == "norm":
        return NORMS[name](shape[1]) if name in NORMS else None
    if name in PLAIN:
        return PLAIN[name]
    if name.startswith("cross_entropy"):
        labels = torch.randint(0, shape[1], (shape[0],))
        return lambda x: F.cross_entropy(x, labels)
    if name in LOSSES:
        target = torch.rand(shape)
        return lambda x: LOSSES[name](x, target)
    if name == "bn + relu":
        return nn.Sequential(nn.BatchNorm2d(shape[1]), nn.ReLU(inplace=True))
    if name == "gn + silu":
        return nn.Sequential(networks.group_norm(shape[1]), nn.SiLU(inplace=True))
    if name in ("add + relu", "add_relu"):
        shortcut = torch.randn(shape)
        return lambda x: F.relu(x + shortcut)
    sys.exit(f"torch_layers: unknown layer '{name}'")


def time_per_call(call, seconds):
    """bench/support/timing.cpp's."""
    def times(call, seconds, at_least):
        call()
        result, begin = [], time.perf_counter()
        while len(result) < at_least or (time.perf_counter() - begin < seconds and len(result) < 2000):
            start = time.perf_counter()
            call()
            result.append(1e3 * (time.perf_counter() - start))
        return statistics.median(result)

    count = max(1, math.ceil(1 / max(times(call, 0, 3), 1e-6)))

    def sample():
        for _ in range(count):
            call()

    return times(sample, seconds, 3) / count


def layer_ms(layer, shape, with_backward, seconds):
    x = torch.randn(shape, requires_grad=with_backward)
    with torch.set_grad_enabled(with_backward):
        dy = torch.randn(layer(x).shape)

        def call():
            y = layer(x)
            if with_backward:
                y.backward(dy)
                x.grad = None
                if isinstance(layer, nn.Module):
                    layer.zero_grad(set_to_none=True)

        return time_per_call(call, seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.2)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    for line in sys.stdin:
        case = json.loads(line)
        layer = make_layer(case["group"], case["name"], case["shape"])
        if layer is not None:
            case["ms"] = layer_ms(layer, case["shape"], bool(case["backward"]), args.seconds)
            print(json.dumps(case), flush=True)


if __name__ == "__main__":
    sys.exit(main())
