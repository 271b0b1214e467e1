#!/usr/bin/env python3
"""Times single layers in Evenkeel (bench/layers) and in PyTorch (bench/support/torch_layers.py), in turn (A B A B): forward,
and forward + backward. Per layer: the median times and their ratio (how many times faster Evenkeel is), Evenkeel's rate in
GFLOP/s or GB/s of the bytes that must move, and its share of the machine's own rate (sgemm, or a copy of as many bytes),
measured in the same run. Layers that PyTorch does not have show no ratio. Convolutions also by im2col ("im2col": how many
times as long as the algorithm that the library takes).

Usage:  bench/compare_layers.py [--groups conv,norm] [--threads 1,2] [--csv layers.csv] [--sort]
Groups: conv, linear, norm, activation, pool, loss, chain (layers that stand behind one another in the networks).
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "support"))
import compare  # noqa: E402

GROUPS = ["conv", "linear", "norm", "activation", "pool", "loss", "chain"]


def key(case):
    return case["group"], case["name"], "x".join(map(str, case["shape"])), case["backward"]


def run_torch(cases, threads, args):
    lines = "\n".join(json.dumps(case) for case in cases) + "\n"
    command = [args.python, ROOT / "support/torch_layers.py", "--threads", str(threads), "--seconds", str(args.seconds)]
    result = subprocess.run(command, input=lines, capture_output=True, text=True, env=compare.with_threads(threads))
    if result.returncode != 0:
        sys.exit(f"torch_layers failed:\n{result.stderr.strip()}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def measure(group, threads, args):
    ours, theirs, cases = {}, {}, {}
    for _ in range(args.rounds):
        run = compare.run_json([args.layers, "--filter", group + ": ", "--threads", threads, "--seconds", args.seconds],
                               all_lines=True)
        for case in run:
            cases[key(case)] = case
            ours.setdefault(key(case), []).append((case["ms"], case["rate"], case["limit"], case.get("im2col_ms", 0)))
        for case in run_torch(run, threads, args):
            theirs.setdefault(key(case), []).append(case["ms"])
    rows = []
    for k, case in cases.items():
        ms, rate, limit, im2col_ms = (statistics.median(values) for values in zip(*ours[k]))
        torch_ms = statistics.median(theirs[k]) if k in theirs else None
        rows.append({"group": group, "layer": case["name"], "shape": k[2], "pass": "fwd+bwd" if case["backward"] else "fwd",
                     "threads": threads, "pytorch_ms": "" if torch_ms is None else round(torch_ms, 5),
                     "evenkeel_ms": round(ms, 5), "speed_ratio": "" if torch_ms is None else round(torch_ms / ms, 3),
                     "rate": round(rate, 2), "unit": case["unit"], "machine_rate": round(limit, 2),
                     "share": round(rate / limit, 3), "im2col": round(im2col_ms / ms, 3) if im2col_ms else ""})
    return rows


def print_row(row):
    torch_ms, ratio, im2col = (f"{row[k]:.{n}f}" if row[k] != "" else "-"
                               for k, n in [("pytorch_ms", 4), ("speed_ratio", 2), ("im2col", 2)])
    print(f"{row['layer']:26}{row['shape']:>15}{row['pass']:>8}{row['threads']:3}{torch_ms:>10}{row['evenkeel_ms']:10.4f}"
          f"{ratio:>7}{im2col:>8}{row['rate']:8.1f} {row['unit']:8}{100 * row['share']:4.0f}%", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", default=",".join(GROUPS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.2, help="per measurement")
    parser.add_argument("--csv", help="table to write, or to bring up to date")
    parser.add_argument("--sort", action="store_true", help="at the end all rows again, the smallest ratio first")
    parser.add_argument("--layers", default="build/release/bench/layers")
    parser.add_argument("--python", default="/usr/bin/python3")
    args = parser.parse_args()

    print(f"{'layer':26}{'shape':>15}{'pass':>8}{'T':>3}{'PyTorch':>10}{'Evenkeel':>10}{'ratio':>7}{'im2col':>8}{'rate':>8} "
          f"{'':8}{'share of sgemm or copy'}")
    measured = []
    for threads in map(int, args.threads.split(",")):
        for group in args.groups.split(","):
            if group not in GROUPS:
                sys.exit(f"compare_layers: there is no group '{group}'; there are {', '.join(GROUPS)}")
            rows = measure(group, threads, args)
            for row in rows:
                print_row(row)
            measured += rows
    for group in dict.fromkeys(row["group"] for row in measured):
        ratios = [row["speed_ratio"] for row in measured if row["group"] == group and row["speed_ratio"] != ""]
        if ratios:
            print(f"{group}: geometric mean of {len(ratios)} speed ratios {compare.geometric_mean(ratios):.2f}, lowest "
                  f"{min(ratios):.2f}")
    if args.sort:
        for row in sorted(measured, key=lambda row: row["speed_ratio"] or 1e9):
            print_row(row)
    if args.csv:
        def row_key(row):
            return row["group"], row["layer"], row["shape"], row["pass"], row["threads"]

        compare.write_csv(args.csv, compare.merged(compare.read_csv(args.csv), measured, row_key))


if __name__ == "__main__":
    sys.exit(main())
