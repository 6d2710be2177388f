"""Compares the statistics of `homestream drift` with SciPy, Evidently and NannyML.

    python parity.py BINARY           50 made and 10 real pairs of columns, to 1e-9
    python parity.py --fixture FILE   writes the small pairs with their results for `cargo test`

One line a figure that differs, and a closing line `N passed, N failed`: a documented difference
passes, and is counted. The exit code is 1 if anything failed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
from cases import made, real
from peers import DOCUMENTED, compare, expected, remoteness


def ours(binary, folder, kind, reference, current):
    files = [folder / "reference.csv", folder / "current.csv"]
    for file, column in zip(files, (reference, current)):
        # A column of its own keeps rows apart that have no value.
        frame = pd.DataFrame({"row": range(len(column)), "x": column})
        frame.to_csv(file, index=False, na_rep="", float_format="%.17g")
    out = folder / "drift.json"
    command = [binary, "drift", "--reference", files[0], "--current", files[1], "--json", out]
    command += ["--ignore", "row"] + (["--categorical", "x"] if kind == "categorical" else [])
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    report = json.loads(out.read_text())
    return report["features"][0]


def check(binary):
    passed, failed, explained = 0, 0, Counter()
    with tempfile.TemporaryDirectory() as folder:
        for name, kind, reference, current in made() + real():
            found = ours(binary, Path(folder), kind, reference, current)
            theirs = expected(kind, reference, current)
            if found["kind"] != kind:
                print(f"FAIL {name}: taken for {found['kind']}", flush=True)
                failed += 1
                continue
            far = remoteness(reference, current) if kind == "numeric" else 0.0
            for key, value in theirs.items():
                verdict = compare(key, found[key], value, far)
                if verdict in DOCUMENTED:
                    explained[f"{key}: {verdict}"] += 1
                if verdict is None or verdict in DOCUMENTED:
                    passed += 1
                else:
                    print(f"FAIL {name}, {key}: {verdict}", flush=True)
                    failed += 1
    for reason, count in sorted(explained.items()):
        print(f"{count} documented: {reason}")
    print(f"drift parity: {passed} passed, {failed} failed")
    return failed == 0


def write_fixture(path):
    def plain(column):
        return [None if pd.isna(value) else value for value in column.tolist()]

    pairs = []
    for name, kind, reference, current in made(small=True):
        if len(reference) + len(current) > 1_300:
            continue
        whole = all(str(column.dtype).startswith("int") for column in (reference, current))
        results = {
            key: None if value != value else value
            for key, value in expected(kind, reference, current).items()
        }
        pairs.append(
            {
                "name": name,
                "kind": kind,
                "whole": whole,
                "reference": plain(reference),
                "current": plain(current),
                "expected": results,
            }
        )
    path.write_text("[\n" + ",\n".join(json.dumps(pair) for pair in pairs) + "\n]\n")
    print(f"{len(pairs)} pairs, {path.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary", nargs="?", type=Path)
    parser.add_argument("--fixture", type=Path)
    args = parser.parse_args()
    if args.fixture:
        write_fixture(args.fixture)
    if args.binary and not check(args.binary.resolve()):
        sys.exit(1)
    if not (args.fixture or args.binary):
        parser.error("name the binary, or --fixture FILE")


if __name__ == "__main__":
    main()
