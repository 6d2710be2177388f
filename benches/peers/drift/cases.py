"""Pairs of columns that the drift statistics are compared on: 50 made, 10 of the shipped sales.

Each is (name, kind, reference, current); columns are pandas Series, whole numbers as int64.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SALES = Path(__file__).resolve().parents[3] / "data/lucas_county/lucas_county.csv.gz"


def made(small=False):
    """The 50 made pairs; `small` leaves out those of more than 1,200 rows a side."""
    rng = np.random.default_rng(20240601)
    pairs = []

    def add(name, kind, reference, current):
        pairs.append((name, kind, pd.Series(reference), pd.Series(current)))

    def numbers(name, reference, current):
        add(name, "numeric", reference, current)

    def labels(name, reference, current):
        add(name, "categorical", pd.Series(reference, dtype=object), pd.Series(current, dtype=object))

    def draw(names, shares, n):
        return rng.choice(names, n, p=np.array(shares) / np.sum(shares))

    # continuous, of all sizes
    for n, m in [(10, 10), (10, 13), (100, 100), (999, 1000), (1000, 500), (1001, 700)]:
        numbers(f"normal {n} {m}", rng.normal(size=n), rng.normal(0.2, 1.1, m))
    for n, m in [(5000, 4321), (10_000, 10_000), (9_999, 3_000), (20_000, 15_000), (100_000, 90_000)]:
        numbers(f"normal {n} {m}", rng.normal(size=n), rng.normal(0.03, 1.0, m))
    numbers("100,000 and 40", rng.normal(size=100_000), rng.normal(0.5, 1.0, 40))
    numbers("unchanged 3000", rng.normal(size=3000), rng.normal(size=3000))
    numbers("far apart 300", rng.normal(size=300), rng.normal(40.0, 1.0, 250))
    numbers("log-normal 1200", rng.lognormal(7, 1, 1200), rng.lognormal(7.2, 1, 900))
    numbers("heavy tails 800", rng.standard_cauchy(800), rng.standard_cauchy(600) * 1.5)
    numbers("tiny numbers 400", rng.normal(size=400) * 1e-9, rng.normal(1, 1, 300) * 1e-9)
    numbers("huge numbers 400", rng.normal(size=400) * 1e12, rng.normal(0.3, 1, 300) * 1e12)
    numbers("far from zero 500", 1e8 + rng.normal(size=500), 1e8 + rng.normal(0.2, 1, 400))
    # ties, constants, one row
    numbers("ties 600", np.round(rng.normal(size=600), 1), np.round(rng.normal(0.2, 1, 500), 1))
    numbers("ties 8000", np.round(rng.gamma(2, 3, 8000)), np.round(rng.gamma(2, 3.1, 7000)))
    numbers("whole numbers 900", rng.poisson(40, 900), rng.poisson(42, 800))
    numbers("whole numbers 60000", rng.poisson(900, 60_000), rng.poisson(903, 50_000))
    numbers("narrow whole numbers 500", rng.integers(0, 22, 500), rng.integers(0, 25, 400))
    numbers("two values 500", rng.integers(0, 2, 500), (rng.random(400) < 0.6).astype(int))
    numbers("three values 500", rng.integers(1, 4, 500), rng.choice([1, 2, 3], 400, p=[0.4, 0.3, 0.3]))
    numbers("five values 3000", rng.integers(1, 6, 3000), rng.integers(1, 6, 2500))
    numbers("twelve values 3000", rng.integers(1, 13, 3000), rng.integers(1, 14, 2500))
    numbers("constant 100, the same", np.full(100, 7.5), np.full(80, 7.5))
    numbers("constant 100, another", np.full(100, 7.5), np.full(80, 9.5))
    numbers("constant, then not", np.full(100, 7.5), rng.normal(7.5, 1, 90))
    numbers("not constant, then so", rng.normal(size=90), np.full(100, 0.5))
    numbers("one row each", [1.5], [2.5])
    numbers("one row and 50", [0.3], rng.normal(size=50))
    numbers("50 and one row", rng.normal(size=50), [0.3])
    # missing
    for n, m, share in [(100, 80, 0.3), (2000, 1500, 0.1), (700, 900, 0.9)]:
        reference, current = rng.normal(size=n), rng.normal(0.2, 1, m)
        reference[rng.random(n) < share / 2] = np.nan
        current[rng.random(m) < share] = np.nan
        numbers(f"missing {n} {m}", reference, current)
    # categories
    walls = ["brick", "partbrk", "wood", "metlvnyl", "stucco"]
    for n, m in [(20, 15), (600, 500), (5000, 3000), (100_000, 80_000)]:
        labels(f"walls {n} {m}", draw(walls, [5, 3, 8, 2, 1], n), draw(walls, [5, 3, 7, 4, 1], m))
    labels("two categories 300", draw(["no", "yes"], [7, 3], 300), draw(["no", "yes"], [6, 4], 250))
    labels("two categories 3000", draw(["no", "yes"], [7, 3], 3000), draw(["no", "yes"], [1, 9], 2500))
    labels("one category", ["only"] * 50, ["only"] * 40)
    labels("a new category 400", draw(walls[:3], [1, 1, 1], 400), draw(walls[:4], [3, 3, 3, 1], 300))
    labels("new categories 4000", draw(walls[:3], [1, 1, 1], 4000), draw(walls, [3, 3, 3, 1, 1], 3000))
    labels("a category that is gone 400", draw(walls, [1, 1, 1, 1, 1], 400), draw(walls[:4], [1, 1, 1, 1], 300))
    areas = [f"area {i}" for i in range(300)]
    labels("300 categories 9000", draw(areas, np.arange(1, 301), 9000), draw(areas, np.arange(300, 0, -1) + 200, 8000))
    gaps = draw(walls, [1, 2, 3, 4, 5], 800).astype(object)
    gaps[rng.random(800) < 0.2] = None
    labels("missing categories 800", draw(walls, [2, 2, 3, 4, 5], 700), gaps)
    assert len(pairs) == 50, len(pairs)
    return [pair for pair in pairs if not small or max(len(pair[2]), len(pair[3])) <= 1_200]


def real():
    """Ten columns of the shipped sales, each before and after another date."""
    sales = pd.read_csv(SALES)
    columns = [
        ("price", "numeric", "1995-01-01"),
        ("TLA", "numeric", "1996-06-01"),
        ("yrbuilt", "numeric", "1997-01-01"),
        ("lotsize", "numeric", "1993-03-01"),
        ("garagesqft", "numeric", "1996-01-01"),
        ("beds", "numeric", "1998-01-01"),
        ("latitude", "numeric", "1994-01-01"),
        ("wall", "categorical", "1996-07-01"),
        ("garage", "categorical", "1996-07-01"),
        ("stories", "categorical", "1993-02-01"),
    ]
    pairs = []
    for column, kind, date in columns:
        before = sales["sale_date"] < date
        reference, current = (
            sales.loc[rows, column].reset_index(drop=True) for rows in (before, ~before)
        )
        pairs.append((f"{column} before and after {date}", kind, reference, current))
    return pairs
