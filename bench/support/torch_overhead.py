#!/usr/bin/env python3
"""The chains of bench/overhead.cpp in PyTorch; prints the same lines of JSON. Usage:  torch_overhead.py [--seconds 0.5]"""
import argparse
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as F

LENGTH = 1000


def median_ns(call, seconds):
    call()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e9 / LENGTH * statistics.median(times)


def measure(name, shape, op, seconds):
    x, dy = torch.ones(shape, requires_grad=True), torch.ones(shape)

    def forward():
        y = x
        for _ in range(LENGTH):
            y = op(y)
        return y

    def without_graph():
        with torch.no_grad():
            forward()

    forward_times, backward_times = [], []

    def step():
        start = time.perf_counter()
        y = forward()
        middle = time.perf_counter()
        y.backward(dy)
        backward_times.append(time.perf_counter() - middle)
        forward_times.append(middle - start)
        x.grad = None

    plain = median_ns(without_graph, seconds)
    median_ns(step, seconds)
    print(json.dumps({"name": name, "no_grad_ns": plain, "forward_ns": 1e9 / LENGTH * statistics.median(forward_times),
                      "backward_ns": 1e9 / LENGTH * statistics.median(backward_times)}))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    factor, weight, bias = torch.full((1,), 0.999), torch.full((1, 1), 0.999), torch.full((1,), 0.001)
    measure("add", (1,), lambda y: y + factor, args.seconds)
    measure("mul", (1,), lambda y: y * factor, args.seconds)
    measure("relu", (1,), torch.relu, args.seconds)
    measure("linear", (1, 1), lambda y: F.linear(y, weight, bias), args.seconds)
    measure("reshape", (1,), lambda y: y.view(1), args.seconds)

    parameters = [torch.ones(1, requires_grad=True) for _ in range(LENGTH)]
    for p in parameters:
        p.grad = torch.ones(1)
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)
    print(json.dumps({"name": "sgd", "step_ns": median_ns(optimizer.step, args.seconds)}))


if __name__ == "__main__":
    sys.exit(main())
