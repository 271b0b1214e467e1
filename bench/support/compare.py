"""What the comparisons share: running measurements in processes of their own, tables in CSV files, pictures by gnuplot."""
import csv
import json
import math
import os
import pathlib
import resource
import subprocess
import sys
import time

TOO_BUSY = 0.1  # cores


class Others:
    """How many cores other processes (or other guests of the machine) kept busy since this was made, beyond our children."""

    def __init__(self):
        self.start = self.read()

    @staticmethod
    def read():
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        own = children.ru_utime + children.ru_stime
        try:
            with open("/proc/stat") as f:
                user, nice, system, _, _, irq, softirq, steal = map(int, f.readline().split()[1:9])
        except OSError:  # not Linux: unknown
            return time.perf_counter(), own, own
        return time.perf_counter(), (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK"), own

    def cores(self):
        wall, busy, own = (b - a for a, b in zip(self.start, self.read()))
        return max(0.0, (busy - own) / wall)


def with_threads(threads):
    """The environment of a peer that is to use so many threads. PyTorch's set_num_threads() does not reach an OpenBLAS with
    threads of its own (Debian's): asked for one thread, it computed matrix products on all cores."""
    return {**os.environ, "OPENBLAS_NUM_THREADS": str(threads)}


def run_json(command, all_lines=False, env=None):
    """The JSON that a program prints: its last line, or a list of all lines."""
    try:
        result = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env)
    except FileNotFoundError:
        sys.exit(f"there is no program {command[0]}; build it (cmake --preset release && cmake --build --preset release)")
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{result.stderr.strip()}")
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return lines if all_lines else lines[-1]


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def read_csv(path):
    """A list of dicts, with numbers where they are some; empty if there is no such file."""
    def number(text):
        try:
            return float(text) if "." in text or "e" in text else int(text)
        except ValueError:
            return text

    if not pathlib.Path(path).exists():
        return []
    with open(path, newline="") as f:
        return [{key: number(value) for key, value in row.items()} for row in csv.DictReader(f)]


def write_csv(path, rows):
    """A row may lack columns that others have."""
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, fieldnames=list(dict.fromkeys(key for row in rows for key in row)), restval="")
        writer.writeheader()
        writer.writerows(rows)


def merged(old, new, key):
    """`new` in place of the rows of `old` with the same `key(row)`; the others stay where they are."""
    replacements = {key(row): row for row in new}
    rows = [replacements.pop(key(row), row) for row in old]
    return rows + list(replacements.values())


def gnuplot(commands, data, path, width, height):
    """Runs `commands` on the datablock $data, once for path.png and once for path.svg."""
    path = pathlib.Path(path).with_suffix("")
    for terminal, suffix in [("pngcairo", "png"), ("svg", "svg")]:
        script = "\n".join([f"set terminal {terminal} size {width},{height} font 'DejaVu Sans,11' background 'white' noenhanced",
                            f"set output '{path}.{suffix}'", "$data << EOD", *data, "EOD", *commands, ""])
        try:
            result = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True)
        except FileNotFoundError:
            print("no picture: there is no gnuplot", file=sys.stderr)
            return
        if result.returncode != 0:
            sys.exit(f"gnuplot failed:\n{result.stderr.strip()}")


def ratio_bars(bars, path, title, goal=None):
    """A picture with a horizontal bar per (label, ratio), the first on top; a line at 1 and, if given, one at `goal`."""
    data = [f'"{label}" {ratio:.4f} {len(bars) - i}' for i, (label, ratio) in enumerate(bars)]
    right = max(2.0, 1.12 * max(ratio for _, ratio in bars))
    commands = [f"set title '{title}'", "set style fill solid 0.9 noborder", "set grid xtics", "unset key",
                f"set xrange [0:{right}]", f"set yrange [0.3:{len(bars) + 0.7}]", "set border 3", "set tics nomirror out",
                "set arrow from 1, graph 0 to 1, graph 1 nohead lc 'black' lw 1.5 front"]
    if goal:
        commands.append(f"set arrow from {goal}, graph 0 to {goal}, graph 1 nohead lc 'gray40' dt 2 lw 1.5 front")
    commands.append("plot $data using (0):3:(0):2:($3-0.38):($3+0.38):($2<1 ? 0xcc4444 : 0x3070a8):ytic(1) "
                    "with boxxyerror lc rgb variable, "
                    "'' using 2:3:(sprintf(' %.2f', $2)) with labels left font ',9'")
    gnuplot(commands, data, path, 900, 110 + 19 * len(bars))
