"""Writes two Parquet files of numeric features for the measurement of cost.

    python make_large.py FOLDER [--rows N]

Twenty features: normal, log-normal, exponential, uniform, whole numbers and few values, some
with missing values; every fourth is shifted in the second file. Seeded.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

FEATURES = 20


def column(rng, index, rows, shift):
    kind = index % 5
    if kind == 0:
        values = rng.normal(100.0 + shift, 15.0, rows)
    elif kind == 1:
        values = rng.lognormal(7.0 + 0.02 * shift, 0.5, rows)
    elif kind == 2:
        values = rng.exponential(3.0 + 0.1 * shift, rows)
    elif kind == 3:
        values = np.floor(rng.gamma(4.0, 400.0 + 10.0 * shift, rows))
    else:
        values = rng.binomial(5, 0.4 + 0.01 * shift, rows).astype(float)
    if index % 3 == 0:
        values[rng.random(rows) < 0.02] = np.nan
    return values


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    for seed, name in enumerate(["reference", "current"]):
        rng = np.random.default_rng(seed)
        shift = lambda index: 1.0 if name == "current" and index % 4 == 0 else 0.0
        frame = pd.DataFrame(
            {f"x{i:02}": column(rng, i, args.rows, shift(i)) for i in range(FEATURES)}
        )
        frame.to_parquet(args.folder / f"{name}.parquet", index=False)


if __name__ == "__main__":
    main()
