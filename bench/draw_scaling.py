#!/usr/bin/env python3
"""Runs bench/scaling (a training step over batch size, image area and depth), writes a CSV and a picture of the time per
image, pixel and layer, and says where the time deviates by more than 25% from linear, that is from the line a + b x, a >= 0,
that fits all points of a series best (least squares of the relative deviation), and where the cost per unit rises most from
one point to the next.

Usage:  bench/draw_scaling.py [--threads 1,2] [--seconds 1] [--csv scaling.csv] [--picture scaling] [--only-report]
--only-report measures nothing and takes the points of --csv.
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "support"))
import compare  # noqa: E402

LIMIT = 0.25


def fit(points):
    """(a, b) of the line through (x, ms) that minimizes the sum of ((a + b x) / ms - 1)^2, with a >= 0."""
    p = [(1 / ms, x / ms) for x, ms in points]
    uu, uv, vv = sum(u * u for u, _ in p), sum(u * v for u, v in p), sum(v * v for _, v in p)
    u1, v1 = sum(u for u, _ in p), sum(v for _, v in p)
    determinant = uu * vv - uv * uv
    a = (u1 * vv - v1 * uv) / determinant if determinant > 0 else 0
    return (a, (v1 * uu - u1 * uv) / determinant) if a > 0 else (0, v1 / vv)


def grouped(rows):
    series = {}
    for row in rows:
        series.setdefault((row["series"], row["unit"], row["threads"]), []).append((row["x"], row["ms"]))
    return series


def report(series):
    """True if every point is near its line."""
    linear = True
    for (name, unit, threads), points in series.items():
        a, b = fit(points)
        off = [(x, ms / (a + b * x) - 1) for x, ms in points]
        far = [f"{100 * d:+.0f}% at {x}" for x, d in off if abs(d) > LIMIT]
        linear = linear and not far
        print(f"{name}, {threads} thread{'s' if threads > 1 else ''}: {a:.3f} ms + {1e3 * b:.4g} us per {unit}; "
              f"largest deviation {100 * max((d for _, d in off), key=abs):+.0f}%; "
              + (f"more than {100 * LIMIT:.0f}%: {', '.join(far)}" if far else "linear"))
    return linear


def steepest(series):
    """(rise, series, x): the largest rise of the cost per unit from one point to the next one. A cliff shows here."""
    rises = [(ms / x / (before_ms / before_x) - 1, f"{name}, {threads} thread{'s' if threads > 1 else ''}", x)
             for (name, _, threads), points in series.items()
             for (before_x, before_ms), (x, ms) in zip(points, points[1:])]
    return max(rises) if rises else None


def draw(series, path):
    units = list(dict.fromkeys(unit for _, unit, _ in series))
    titles = {"image": "Batch size", "pixel": "Pixels of an image", "layer": "Layers of the network"}
    data, commands = [], [f"set multiplot layout 1,{len(units)}", "set logscale xy", "set grid", "set key outside bottom center vertical maxrows 4 font ',9'",
                          "set format y '%g'"]
    plots = {unit: [] for unit in units}
    for index, ((name, unit, threads), points) in enumerate(series.items()):
        data += [f"{x} {1e3 * ms / x:.6g}" for x, ms in points] + ["", ""]
        title = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
        plots[unit].append(f"$data index {index} with linespoints pt 7 ps 0.4 lw 1.5 dt {threads} title '{title}'")
    for unit in units:
        commands += [f"set title '{titles.get(unit, unit)}'", f"set ylabel 'microseconds per {unit}'",
                     "plot " + ", ".join(plots[unit])]
    compare.gnuplot(commands + ["unset multiplot"], data, path, 480 * len(units), 420)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--series", default="batch,area,depth")
    parser.add_argument("--seconds", type=float, default=1.0, help="per point")
    parser.add_argument("--largest", type=int, default=512, help="no batch size, side or depth above this")
    parser.add_argument("--csv")
    parser.add_argument("--picture", help="FILE.png and FILE.svg")
    parser.add_argument("--only-report", action="store_true")
    parser.add_argument("--scaling", default="build/release/bench/scaling")
    args = parser.parse_args()
    rows = compare.read_csv(args.csv) if args.csv else []
    if not args.only_report:
        measured = []
        for threads in map(int, args.threads.split(",")):
            measured += compare.run_json([args.scaling, "--threads", threads, "--seconds", args.seconds, "--series", args.series,
                                          "--largest", args.largest], all_lines=True)
        rows = compare.merged(rows, measured, lambda row: (row["series"], row["x"], row["threads"]))
        if args.csv:
            compare.write_csv(args.csv, rows)
    if not rows:
        sys.exit("draw_scaling: there are no points")
    series = grouped(rows)
    linear = report(series)
    print("every series is linear" if linear else "not every series is linear")
    if steepest(series):
        rise, name, x = steepest(series)
        print(f"largest rise of the cost per unit from one point to the next: {100 * rise:+.0f}% ({name}, at {x})")
    if args.picture:
        draw(series, args.picture)


if __name__ == "__main__":
    sys.exit(main())
