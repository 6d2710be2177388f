"""What the statistics of 1,000,000 rows of 20 features cost, here and with Evidently.

    python cost.py BINARY [--rows N] [--runs N] [--keep DIR]

Both sides have that many rows. Prints one JSON line: CPU seconds (user and system) of the whole
process of each, ours the median of several runs, their ratio, and our peak memory. Evidently
computes five statistics, ours every one that docs/drift.md lists, and writes JSON and HTML.
Reading Parquet is part of both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def cost(command):
    """CPU seconds and peak MiB of a process."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(binary, folder, rows, runs):
    files = [folder / "reference.parquet", folder / "current.parquet"]
    if not all(file.exists() for file in files):
        subprocess.run([sys.executable, HERE / "make_large.py", folder, "--rows", str(rows)], check=True)
    ours = [binary, "drift", "--reference", files[0], "--current", files[1]]
    ours += ["--json", folder / "drift.json", "--html", folder / "drift.html"]
    costs = [cost(ours) for _ in range(runs)]
    theirs, their_mib = cost([sys.executable, HERE / "evidently_cost.py", *files])
    cpu = statistics.median(seconds for seconds, _ in costs)
    features = json.loads((folder / "drift.json").read_text())["features"]
    return {
        "rows": rows,
        "features": len(features),
        "ours_cpu_seconds": round(cpu, 3),
        "ours_peak_mib": round(max(mib for _, mib in costs)),
        "evidently_cpu_seconds": round(theirs, 2),
        "evidently_peak_mib": round(their_mib),
        "ratio": round(theirs / cpu, 1),
        "largest_ks_error": max(feature["ks_error"] for feature in features),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="keep the files here, and use those that are")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        print(json.dumps(measure(args.binary.resolve(), folder, args.rows, args.runs)))


if __name__ == "__main__":
    main()
