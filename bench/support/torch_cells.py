#!/usr/bin/env python3
"""The cells of bench/support/cells.cpp in PyTorch, of the networks in tests/fixtures/networks.py, and the training step of
bench/train_step on one of them; prints one line of JSON. bench/compare_pytorch.py runs it in a process of its own.

Modes: eager; channels_last, images and weights in that order; compile, network and loss by torch.compile;
compile+channels_last.

Usage:  torch_cells.py --cell NAME [--batch-size 16] [--threads 2] [--seconds 3] [--mode eager]
"""
import pathlib
import sys

import peer_step

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures"))
import networks  # noqa: E402
import torch  # noqa: E402
import torch.nn as nn  # noqa: E402


class FrozenBatchNorm2d(nn.Module):
    """Given statistics, scale and shift; by F.batch_norm, which is faster than torchvision's plain products."""

    def __init__(self, channels):
        super().__init__()
        for name, value in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]:
            self.register_buffer(name, torch.full((channels,), value))

    def forward(self, x):
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)


MODES = ["eager", "channels_last", "compile", "compile+channels_last"]

CELLS = {
    "small_cnn_bn": (lambda: networks.SmallCNN(nn.BatchNorm2d(32), nn.BatchNorm2d(64)), (3, 32, 32)),
    "small_cnn_gn": (lambda: networks.SmallCNN(nn.GroupNorm(8, 32), nn.GroupNorm(16, 64)), (3, 32, 32)),
    "ws_gn": (networks.WS_GN_Classifier, (3, 64, 64)),
    "cnn_bn": (lambda: networks.CNNWithBatchNorm(3, 32), (3, 32, 32)),
    "fc_bn": (networks.FCNetworkWithBatchNorm, (784,)),
    "brn_classifier": (networks.BRNClassifier, (3, 32, 32)),
    "frozen_se_resnet": (lambda: networks.FrozenSEResNet(16, (16, 32, 64, 128), norm=FrozenBatchNorm2d, small=True), (3, 32, 32)),
    "resnet20_bn": (lambda: networks.cifar_resnet(20), (3, 32, 32)),
    "resnet20_gn": (lambda: networks.cifar_resnet(20, norm=networks.group_norm), (3, 32, 32)),
}


def main():
    parser = peer_step.parser(__doc__, CELLS)
    parser.add_argument("--mode", choices=MODES, default="eager")
    args = parser.parse_args()

    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    make, shape = CELLS[args.cell]
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(args.batch_size, *shape)
    target = torch.randint(0, 10, (args.batch_size,))

    if "channels_last" in args.mode and x.dim() == 4:
        model = model.to(memory_format=torch.channels_last)
        x = x.contiguous(memory_format=torch.channels_last)

    def loss():
        return nn.functional.cross_entropy(model(x), target)

    if args.mode.startswith("compile"):
        if not hasattr(torch, "compile"):
            sys.exit(f"torch_cells: PyTorch {torch.__version__} has no torch.compile")
        loss = torch.compile(loss)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()

    peer_step.report(step, args.seconds, sum(p.numel() for p in model.parameters()))


if __name__ == "__main__":
    sys.exit(main())
