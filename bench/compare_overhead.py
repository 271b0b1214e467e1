#!/usr/bin/env python3
"""What an op costs beyond its arithmetic, in Evenkeel (bench/overhead) and in PyTorch (bench/support/torch_overhead.py), in
turn (A B A B): nanoseconds per op of chains of ops on one element, without a graph, forward with one, backward; and
nanoseconds per parameter of SGD with momentum. One thread. PyTorch's figures include Python's.

Usage:  bench/compare_overhead.py [--seconds 0.5] [--rounds 2] [--csv overhead.csv]
"""
import argparse
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "support"))
import compare  # noqa: E402

COLUMNS = [("no_grad_ns", "no graph"), ("forward_ns", "forward"), ("backward_ns", "backward"), ("step_ns", "step")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.5, help="per measurement")
    parser.add_argument("--csv", help="table to write")
    parser.add_argument("--overhead", default="build/release/bench/overhead")
    parser.add_argument("--python", default="/usr/bin/python3")
    args = parser.parse_args()
    ours, theirs = [], []
    for _ in range(args.rounds):
        theirs.append(compare.run_json([args.python, ROOT / "support/torch_overhead.py", "--seconds", args.seconds], True,
                                       env=compare.with_threads(1)))
        ours.append(compare.run_json([args.overhead, "--seconds", args.seconds], True))

    rows = []
    print(f"{'chain':10}{'what':12}{'PyTorch ns':>12}{'Evenkeel ns':>13}{'ratio':>8}")
    for our_runs, torch_runs in zip(zip(*ours), zip(*theirs)):
        for field, what in COLUMNS:
            if field in our_runs[0]:
                torch_ns = statistics.median(run[field] for run in torch_runs)
                our_ns = statistics.median(run[field] for run in our_runs)
                rows.append({"chain": our_runs[0]["name"], "what": what, "pytorch_ns": round(torch_ns, 1),
                             "evenkeel_ns": round(our_ns, 1), "ratio": round(torch_ns / our_ns, 2)})
                print(f"{rows[-1]['chain']:10}{what:12}{torch_ns:12.1f}{our_ns:13.1f}{torch_ns / our_ns:8.2f}")
    if args.csv:
        compare.write_csv(args.csv, rows)


if __name__ == "__main__":
    sys.exit(main())
