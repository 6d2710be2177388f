"""Fits the peer's model: as many trees and leaves as the champion beside it has.

The interval is the cheapest honest one: quantiles of the log errors on the last fifth of the
sales, by a model that has not seen them, around the estimate. It costs nothing to serve.
"""

import argparse
import json

import lightgbm
import numpy as np
import pandas as pd

from features import own_features


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matrix", required=True, help="as `homestream features --out` wrote it")
    parser.add_argument("--spec", required=True, help="as `homestream features --spec-out` wrote it")
    parser.add_argument("--trees", type=int, required=True)
    parser.add_argument("--leaves", type=int, required=True)
    parser.add_argument("--out", required=True, help="model; the interval goes beside it, .json")
    args = parser.parse_args()

    columns = [name for name, _ in own_features(args.spec)]
    sales = pd.read_csv(args.matrix).sort_values(["CloseDate", "ListingKey"], kind="stable")
    rows = sales[columns].to_numpy(dtype=float)
    target = np.log(sales["ClosePrice"].to_numpy(dtype=float))
    params = {
        "objective": "regression",
        "num_leaves": args.leaves,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.8,
        "num_threads": 1,
        "seed": 1,
        "deterministic": True,
        "verbosity": -1,
    }

    def fit(count):
        data = lightgbm.Dataset(rows[:count], target[:count])
        return lightgbm.train(params, data, num_boost_round=args.trees)

    known = int(0.8 * len(rows))
    errors = target[known:] - fit(known).predict(rows[known:], num_threads=1)
    low, high = np.quantile(errors, [0.05, 0.95])
    model = fit(len(rows))
    model.save_model(args.out)
    with open(args.out + ".json", "w", encoding="utf-8") as file:
        json.dump({"low": float(low), "high": float(high), "trees": model.num_trees(),
                   "leaves": args.leaves, "features": len(columns)}, file)
    mape = float(np.mean(np.abs(np.expm1(-errors))))
    print(f"{model.num_trees()} trees of {args.leaves} leaves on {len(columns)} features; "
          f"MAPE {mape:.3f} on the last fifth, by a model of the rest")


if __name__ == "__main__":
    main()
