#!/usr/bin/env python3
"""Times the same training step in Evenkeel (bench/train_step) and in a peer, in turn (A B A B), and prints per cell the median
times, their ratio (how many times faster Evenkeel is), both processes' peak memory, and how many times Evenkeel's time is its
floor on this machine (train_step --roofline); then the geometric means.

Peers: pytorch (bench/support/torch_cells.py, in --python), jax (bench/support/jax_cells.py, likewise), libtorch
(bench/libtorch_step.cpp), and build, another build of train_step (as one for this machine only, -march=native). Of PyTorch's modes
the fastest counts as its time and the smallest as its memory; each has processes of its own, and each one's time is shown.

A step is zero_grad, forward, cross entropy, backward and SGD with momentum 0.9, on fixed random images. Every measurement runs
in a process of its own, so that its peak resident memory is its own too. The number of parameters must agree.

Usage:  bench/compare_pytorch.py                                     all cells, batch sizes and thread counts
        bench/compare_pytorch.py --cells small_cnn_bn:2:128,fc_bn    these (names, each with batch sizes or with all of them)
        bench/compare_pytorch.py --csv results.csv --picture results  writes results.csv, results.png, results.svg
        bench/compare_pytorch.py --torch-modes eager,channels_last,compile,compile+channels_last --python python3
        bench/compare_pytorch.py --peer jax --python python3         the cells that jax_cells.py has
        bench/compare_pytorch.py --peer libtorch                     the cells that libtorch_step has
        bench/compare_pytorch.py --peer build --peer-program build/native/bench/train_step
With --csv, measured rows take the place of the file's rows of the same cell, so that a table can be measured in parts;
--missing measures only those that the file lacks, or has from when other processes disturbed; --only-report measures nothing
and prints (and draws) what the file has. A file belongs to one peer. PyTorch is Debian's python3-torch unless --python has
another one (its 1.13 has no torch.compile); pictures need gnuplot.
"""
import argparse
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "support"))
import compare  # noqa: E402

BATCH_SIZES = {
    "small_cnn_bn": [1, 2, 16, 128],
    "small_cnn_gn": [1, 2, 16, 128],
    "ws_gn": [1, 2, 8],
    "cnn_bn": [2, 16, 64],
    "fc_bn": [2, 32, 256],
    "brn_classifier": [1, 2, 8],
    "frozen_se_resnet": [2, 8],
    "resnet20_bn": [2, 16, 64],
    "resnet20_gn": [2, 16, 64],
}


TORCH_MODES = ["eager", "channels_last", "compile", "compile+channels_last"]
JAX_CELLS = ["small_cnn_bn", "cnn_bn", "fc_bn", "resnet20_bn", "resnet20_gn"]
LIBTORCH_CELLS = ["small_cnn_bn", "small_cnn_gn", "cnn_bn", "fc_bn", "resnet20_bn", "resnet20_gn"]

# What we are compared with: its title, its cells, and the command to run it (without --peer-program).
PEERS = {
    "pytorch": ("PyTorch", list(BATCH_SIZES), lambda args: [args.python, ROOT / "support/torch_cells.py"]),
    "jax": ("JAX", JAX_CELLS, lambda args: [args.python, ROOT / "support/jax_cells.py"]),
    "libtorch": ("LibTorch", LIBTORCH_CELLS, lambda args: ["build/release/bench/libtorch_step"]),
    "build": ("other build", list(BATCH_SIZES), lambda args: ["build/native/bench/train_step"]),
}


def parse_cells(text, peer):
    title, known, _ = PEERS[peer]
    cells = []
    for part in text.split(",") if text else known:
        name, *sizes = part.split(":")
        if name not in known:
            sys.exit(f"compare_pytorch: there is no cell '{name}' for {title}; there are {', '.join(known)}")
        cells += [(name, int(size)) for size in sizes or BATCH_SIZES[name]]
    return cells


def modes_of(args):
    """The modes of the peer and their options; of a peer without modes one that has no name."""
    if args.peer != "pytorch":
        return {"": []}
    modes = args.torch_modes.split(",")
    for mode in modes:
        if mode not in TORCH_MODES:
            sys.exit(f"compare_pytorch: there is no mode '{mode}' of PyTorch; there are {', '.join(TORCH_MODES)}")
    return {mode: ["--mode", mode] for mode in modes}


def run_in_turn(cell, options, threads, args):
    """The runs of the peer by mode, and ours, whose parameters agree."""
    title, _, command = PEERS[args.peer]
    peer_command = [args.peer_program] if args.peer_program else command(args)
    peer_runs, our_runs = {mode: [] for mode in modes_of(args)}, []
    for _ in range(args.rounds):
        for mode, mode_options in modes_of(args).items():
            peer_runs[mode].append(compare.run_json([*peer_command, *options, *mode_options], env=compare.with_threads(threads)))
        our_runs.append(compare.run_json([args.train_step, *options]))
    ours = our_runs[0]["parameters"]
    for theirs in (runs[0]["parameters"] for runs in peer_runs.values()):
        if ours != theirs:
            sys.exit(f"compare_pytorch: {cell} has {ours} parameters in Evenkeel and {theirs} in {title}")
    return peer_runs, our_runs


def measure(cell, batch_size, threads, args):
    options = ["--cell", cell, "--batch-size", batch_size, "--threads", threads, "--seconds"]
    others = compare.Others()
    peer_runs, our_runs = run_in_turn(cell, [*options, args.seconds], threads, args)
    used_by_others = others.cores()
    mode_ms = {mode: statistics.median(run["ms"] for run in runs) for mode, runs in peer_runs.items()}
    mode = min(mode_ms, key=mode_ms.get)
    peer_mib = min(max(run["peak_mib"] for run in runs) for runs in peer_runs.values())
    our_ms = statistics.median(run["ms"] for run in our_runs)
    our_mib = max(run["peak_mib"] for run in our_runs)
    floor_ms = compare.run_json([args.train_step, *options, min(1, args.seconds), "--roofline", "--json"])["floor_ms"]
    row = {"cell": cell, "batch_size": batch_size, "threads": threads, f"{args.peer}_ms": round(mode_ms[mode], 4),
           "evenkeel_ms": round(our_ms, 4), "speed_ratio": round(mode_ms[mode] / our_ms, 3),
           f"{args.peer}_peak_mib": round(peer_mib, 1), "evenkeel_peak_mib": round(our_mib, 1),
           "memory_ratio": round(our_mib / peer_mib, 3),
           "system_allocations": max(run["system_allocations"] for run in our_runs), "others": round(used_by_others, 2),
           "floor_ms": round(floor_ms, 4), "floor_ratio": round(our_ms / floor_ms, 3)}
    if args.peer == "pytorch":
        row["mode"] = mode
        row.update({f"{name}_ms": round(ms, 4) for name, ms in mode_ms.items()})
    return row


def row_key(row):
    return row["cell"], row["batch_size"], row["threads"]


def in_order(row):
    return list(BATCH_SIZES).index(row["cell"]), row["batch_size"], row["threads"]


def has_floor(row):
    return row.get("floor_ratio", "") != ""


def mode_times(row):
    """Of PyTorch, where it ran in several modes, each one's time."""
    times = {mode: row.get(mode + "_ms", "") for mode in TORCH_MODES}
    known = [f"{mode} {ms:.3f}" for mode, ms in times.items() if ms != ""]
    return "  " + ", ".join(known) if len(known) > 1 else ""


def print_row(row, peer):
    print(f"{row['cell']:17}{row['batch_size']:6}{row['threads']:8}{row[peer + '_ms']:16.3f}{row['evenkeel_ms']:13.3f}"
          f"{row['speed_ratio']:7.2f}{row['evenkeel_peak_mib']:9.0f}/{row[peer + '_peak_mib']:<6.0f}{row['memory_ratio']:6.2f}"
          + (f"{row['floor_ratio']:7.2f}" if has_floor(row) else f"{'-':>7}") + mode_times(row)
          + (f"  disturbed: others used {row['others']:.2f} cores" if row["others"] > compare.TOO_BUSY else ""), flush=True)


def print_header(peer):
    print(f"{'cell':17}{'batch':>6}{'threads':>8}{PEERS[peer][0] + ' ms':>16}{'Evenkeel ms':>13}{'ratio':>7}"
          f"{'memory MiB':>16}{'ratio':>6}{'floor':>7}")


def print_summary(rows):
    ratios = [row["speed_ratio"] for row in rows]
    worst = min(rows, key=lambda row: row["speed_ratio"])
    print(f"{len(rows)} cells: geometric mean of the speed ratios {compare.geometric_mean(ratios):.2f}, lowest "
          f"{worst['speed_ratio']:.2f} ({worst['cell']}, batch {worst['batch_size']}, {worst['threads']} threads), highest "
          f"memory ratio {max(row['memory_ratio'] for row in rows):.2f}")
    floors = [row for row in rows if has_floor(row)]
    if floors:
        most = max(floors, key=lambda row: row["floor_ratio"])
        print(f"times the floor: geometric mean {compare.geometric_mean([row['floor_ratio'] for row in floors]):.2f}, highest "
              f"{most['floor_ratio']:.2f} ({most['cell']}, batch {most['batch_size']}, {most['threads']} threads)")
    times = {row_key(row): row["evenkeel_ms"] for row in rows}
    for what, fits in [("batch 1 and 2", lambda n: n <= 2), ("batch 16 and more", lambda n: n >= 16)]:
        gains = [times[cell, n, 1] / times[cell, n, 2] for cell, n, t in times if t == 2 and fits(n) and (cell, n, 1) in times]
        if gains:
            print(f"two threads against one, {what}: {compare.geometric_mean(gains):.2f} (lowest {min(gains):.2f})")
    allocating = sum(row["system_allocations"] > 0 for row in rows)
    print(f"cells whose later steps ask the system for memory: {allocating}")
    disturbed = sum(row["others"] > compare.TOO_BUSY for row in rows)
    if disturbed:
        print(f"{disturbed} rows were measured while other processes used more than {compare.TOO_BUSY} cores; measure them again "
              "with --missing")


def draw(rows, path, peer):
    bars = [(f"{row['cell']}, batch {row['batch_size']}, {row['threads']} thread{'s' if row['threads'] > 1 else ''}",
             row["speed_ratio"]) for row in rows]
    mean = compare.geometric_mean([row["speed_ratio"] for row in rows])
    compare.ratio_bars(bars, path, f"Training steps per second, Evenkeel / {PEERS[peer][0]} (geometric mean {mean:.2f})", goal=2)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="", help="name[:batch[:batch...]],...; all if absent")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="per measurement")
    parser.add_argument("--csv", help="table to write, or to bring up to date")
    parser.add_argument("--picture", help="bar picture to draw: FILE.png and FILE.svg")
    parser.add_argument("--missing", action="store_true", help="only rows that --csv lacks or that were disturbed")
    parser.add_argument("--only-report", action="store_true", help="measure nothing, report what --csv has")
    parser.add_argument("--peer", choices=PEERS, default="pytorch")
    parser.add_argument("--torch-modes", default="eager", help=f"of --peer pytorch, by commas: {', '.join(TORCH_MODES)}")
    parser.add_argument("--peer-program", help="where the peer is, if not in build/release or build/native")
    parser.add_argument("--train-step", default="build/release/bench/train_step")
    parser.add_argument("--python", default="/usr/bin/python3")
    args = parser.parse_args()

    rows = sorted(compare.read_csv(args.csv), key=in_order) if args.csv else []
    if rows and f"{args.peer}_ms" not in rows[0]:
        sys.exit(f"compare_pytorch: {args.csv} is of another peer than {args.peer}")
    print_header(args.peer)
    if args.only_report:
        for row in rows:
            print_row(row, args.peer)
    else:
        done = {row_key(row) for row in rows if row["others"] <= compare.TOO_BUSY} if args.missing else set()
        measured = []
        for threads in map(int, args.threads.split(",")):
            for cell, batch_size in parse_cells(args.cells, args.peer):
                if (cell, batch_size, threads) not in done:
                    measured.append(measure(cell, batch_size, threads, args))
                    print_row(measured[-1], args.peer)
        rows = sorted(compare.merged(rows, measured, row_key), key=in_order)
        if args.csv:
            compare.write_csv(args.csv, rows)
    if not rows:
        sys.exit("compare_pytorch: there are no rows")
    print_summary(rows)
    if args.picture:
        draw(rows, args.picture, args.peer)


if __name__ == "__main__":
    sys.exit(main())
