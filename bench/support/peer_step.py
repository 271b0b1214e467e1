"""What the training steps of peers share: their arguments, and how a step is timed and told (one line of JSON, as
bench/train_step prints it)."""
import argparse
import json
import resource
import statistics
import time


def parser(description, cells):
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--cell", required=True, choices=cells)
    result.add_argument("--batch-size", type=int, default=16)
    result.add_argument("--threads", type=int, default=2)
    result.add_argument("--seconds", type=float, default=3.0)
    return result


def report(step, seconds, parameters):
    """Two steps that are not counted, then at least five, until the time is over or there are 2000."""
    step()
    step()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - begin < seconds and len(times) < 2000):
        start = time.perf_counter()
        step()
        times.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"ms": statistics.median(times), "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                      "parameters": parameters}))
