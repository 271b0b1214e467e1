#!/usr/bin/env python3
"""Times the same training step in Evenkeel (bench/train_step) and in PyTorch, in turn (A B A B), and prints the ratio per cell.

A step is zero_grad, forward, cross entropy, backward and SGD with momentum 0.9, on fixed random images. Every measurement runs
in a process of its own, so that its peak resident memory is its own too.

Usage:  bench/compare_pytorch.py [--cells small_cnn_bn,small_cnn_gn] [--batch-sizes 1,2,16,128] [--threads 1,2] [--rounds 2]
                                 [--csv FILE] [--train-step build/release/bench/train_step] [--python /usr/bin/python3]
Needs a PyTorch that --python can import (Debian: python3-torch).
"""
import argparse
import csv
import json
import math
import statistics
import subprocess
import sys

INPUTS = {"small_cnn_bn": (3, 32, 32), "small_cnn_gn": (3, 32, 32), "cnn_bn": (3, 32, 32), "fc_bn": (784,)}


def torch_model(cell):
    import torch.nn as nn

    def small_cnn(norm1, norm2):
        return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), norm1, nn.ReLU(inplace=True), nn.Conv2d(32, 64, 3, padding=1),
                             norm2, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    if cell == "small_cnn_bn":
        return small_cnn(nn.BatchNorm2d(32), nn.BatchNorm2d(64))
    if cell == "small_cnn_gn":
        return small_cnn(nn.GroupNorm(8, 32), nn.GroupNorm(16, 64))
    if cell == "cnn_bn":
        return nn.Sequential(nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128), nn.ReLU(), nn.MaxPool2d(2),
                             nn.Flatten(), nn.Linear(128 * 8 * 8, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 10))
    if cell == "fc_bn":
        return nn.Sequential(nn.Linear(784, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 128), nn.BatchNorm1d(128),
                             nn.ReLU(), nn.Linear(128, 10))
    raise SystemExit(f"compare_pytorch: unknown cell '{cell}'; known: {', '.join(INPUTS)}")


def run_torch(cell, batch_size, threads, seconds):
    """Prints one line of JSON: the median milliseconds per step and this process's peak memory in MiB."""
    import resource
    import time

    import torch

    torch.set_num_threads(threads)
    model = torch_model(cell)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.randn(batch_size, *INPUTS[cell])
    target = torch.arange(batch_size) % 10
    times, begin = [], time.perf_counter()
    while len(times) < 10 or (time.perf_counter() - begin < seconds and len(times) < 1000):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(model(x), target).backward()
        optimizer.step()
        times.append(1e3 * (time.perf_counter() - start))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"ms": statistics.median(times), "peak_mib": peak}))


def measure(command):
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"compare_pytorch: {' '.join(command)} failed:\n{result.stderr.strip()}")
    return json.loads(result.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="small_cnn_bn,small_cnn_gn")
    parser.add_argument("--batch-sizes", default="1,2,16,128")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--csv")
    parser.add_argument("--train-step", default="build/release/bench/train_step")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--torch-cell", help=argparse.SUPPRESS)
    args = parser.parse_args()
    batch_sizes = [int(b) for b in args.batch_sizes.split(",")]
    thread_counts = [int(t) for t in args.threads.split(",")]
    if args.torch_cell:
        run_torch(args.torch_cell, batch_sizes[0], thread_counts[0], args.seconds)
        return

    rows = []
    print(f"{'cell':16}{'batch':>6}{'threads':>8}{'PyTorch ms':>12}{'Evenkeel ms':>13}{'ratio':>7}{'memory MiB':>16}{'ratio':>7}")
    for threads in thread_counts:
        for cell in args.cells.split(","):
            for batch in batch_sizes:
                options = ["--batch-sizes", str(batch), "--threads", str(threads), "--seconds", str(args.seconds)]
                ours_command = [args.train_step, "--cell", cell, "--batch-size", str(batch), "--threads", str(threads),
                                "--seconds", str(args.seconds)]
                torch_runs, our_runs = [], []
                for _ in range(args.rounds):
                    torch_runs.append(measure([args.python, __file__, "--torch-cell", cell] + options))
                    our_runs.append(measure(ours_command))
                torch_ms = statistics.median(r["ms"] for r in torch_runs)
                our_ms = statistics.median(r["ms"] for r in our_runs)
                torch_mib = max(r["peak_mib"] for r in torch_runs)
                our_mib = max(r["peak_mib"] for r in our_runs)
                rows.append([cell, batch, threads, round(torch_ms, 4), round(our_ms, 4), round(torch_ms / our_ms, 3),
                             round(torch_mib, 1), round(our_mib, 1), round(our_mib / torch_mib, 3)])
                print(f"{cell:16}{batch:6}{threads:8}{torch_ms:12.3f}{our_ms:13.3f}{torch_ms / our_ms:7.2f}"
                      f"{our_mib:8.0f}/{torch_mib:.0f}{our_mib / torch_mib:12.2f}", flush=True)
    mean = math.exp(statistics.fmean(math.log(row[5]) for row in rows))
    print(f"geometric mean of the speed ratios: {mean:.2f}; lowest {min(row[5] for row in rows):.2f}; "
          f"highest memory ratio {max(row[8] for row in rows):.2f}")
    if args.csv:
        with open(args.csv, "w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(["cell", "batch_size", "threads", "pytorch_ms", "evenkeel_ms", "speed_ratio", "pytorch_peak_mib",
                             "evenkeel_peak_mib", "memory_ratio"])
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
