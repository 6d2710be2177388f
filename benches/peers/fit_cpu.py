#!/usr/bin/env python3
"""CPU seconds of a fit: LightGBM with our settings on our features, and homestream itself.

    python benches/peers/fit_cpu.py --matrix features.csv --set rounds=500 \
        --ours "target/release/homestream train ..."

The matrix is a CSV of features with the target in the column ClosePrice, as
`homestream features` writes it; columns that are not numbers are categories. Both sides learn
the logarithm of the price on one thread, without early stopping.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before LightGBM is loaded

import argparse
import json
import resource
import shlex
import subprocess
import time

import lightgbm
import numpy as np
import pandas as pd

TARGET = "ClosePrice"
# Our parameter (model-core/src/learn/boosting/params.rs): LightGBM's name, our default.
SETTINGS = {
    "rounds": ("num_iterations", 1000),
    "learning_rate": ("learning_rate", 0.05),
    "num_leaves": ("num_leaves", 31),
    "max_depth": ("max_depth", 64),
    "min_child_rows": ("min_data_in_leaf", 20),
    "min_split_gain": ("min_gain_to_split", 0.0),
    "lambda_l2": ("lambda_l2", 1.0),
    "max_bins": ("max_bin", 255),
    "min_bin_rows": ("min_data_in_bin", 3),
    "feature_fraction": ("feature_fraction", 0.6),
    "bagging_fraction": ("bagging_fraction", 0.8),
    "bagging_freq": ("bagging_freq", 1),
    "cat_smooth": ("cat_smooth", 10.0),
    "cat_l2": ("cat_l2", 10.0),
    "max_cat_threshold": ("max_cat_threshold", 32),
    "min_cat_group_rows": ("min_data_per_group", 100),
    "one_hot_max_categories": ("max_cat_to_onehot", 4),
    "seed": ("seed", 0),
}
# Our second derivatives count as 1, so their least sum is min_child_rows already.
FIXED = {
    "objective": "regression",
    "min_sum_hessian_in_leaf": 0.0,
    "num_threads": 1,
    "verbosity": -1,
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--matrix", required=True, metavar="CSV")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", dest="changes",
        help="one of our parameters, when it is not the default",
    )  # fmt: skip
    parser.add_argument("--drop", nargs="*", default=[], help="columns that are not features")
    parser.add_argument("--ours", metavar="COMMAND", help="fits ours on the same sales")
    parser.add_argument(
        "--ours-without-fit", metavar="COMMAND",
        help="does all that --ours does but the fit; its seconds are taken off",
    )  # fmt: skip
    parser.add_argument("--repeat", type=int, default=3, help="runs; the fastest counts")
    options = parser.parse_args()
    settings = {name: default for name, (_, default) in SETTINGS.items()}
    for name, _, value in (change.partition("=") for change in options.changes):
        if name not in settings:
            parser.error(f"--set {name}: of {', '.join(settings)}")
        settings[name] = type(settings[name])(value)
    options.settings = {SETTINGS[name][0]: value for name, value in settings.items()}
    return options


def lightgbm_seconds(features, target, settings):
    """CPU seconds of one fit, binning included, as ours includes it."""
    start = time.process_time()
    lightgbm.train({**FIXED, **settings}, lightgbm.Dataset(features, target))
    return time.process_time() - start


def command_seconds(command):
    """CPU seconds of a command and, if it prints JSON with `fit_seconds`, those as well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(shlex.split(command), check=True, stdout=subprocess.PIPE, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    try:
        reported = json.loads(done.stdout).get("fit_seconds")
    except (ValueError, AttributeError):
        reported = None
    return seconds, reported


def main():
    options = arguments()
    matrix = pd.read_csv(options.matrix)
    target = np.log(matrix.pop(TARGET).to_numpy(dtype=float))
    features = matrix.drop(columns=options.drop)
    for name in features.columns:
        if not pd.api.types.is_numeric_dtype(features[name]):
            features[name] = features[name].astype("category")
    runs = range(options.repeat)
    peer = min(lightgbm_seconds(features, target, options.settings) for _ in runs)
    rows = [(f"LightGBM {lightgbm.__version__}, fit", peer)]
    if options.ours:
        found = [command_seconds(options.ours) for _ in runs]
        ours = min(seconds for seconds, _ in found)
        rows.append(("homestream, whole command", ours))
        if options.ours_without_fit:
            rest = min(command_seconds(options.ours_without_fit)[0] for _ in runs)
            rows.append(("homestream, whole command less --ours-without-fit", ours - rest))
        reported = [seconds for _, seconds in found if seconds is not None]
        if reported:
            rows.append(("homestream, fit as it reports", min(reported)))
    print(f"{len(features)} rows, {features.shape[1]} features, {options.settings}\n")
    print("| what | CPU seconds | of LightGBM's |")
    print("|---|---:|---:|")
    for what, seconds in rows:
        print(f"| {what} | {seconds:.2f} | {seconds / peer:.2f} |")


if __name__ == "__main__":
    main()
