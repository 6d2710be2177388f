"""Checks that models go in and out of homestream unchanged.

    python parity.py BINARY [--keep DIR] [--data FILE] [--mapping FILE]

Needs lightgbm 4, xgboost 3, shap, numpy and pandas. Trains LightGBM and XGBoost on the matrix
that `homestream features` writes of the shipped sales, imports both, and compares predictions
and Shapley values on 2,000 rows with missing values and unseen categories; then exports trees
that `homestream up` trained and compares LightGBM's predictions of them with ours, and checks
that the Shapley values of models of trees and lines together, which no format of others holds,
add up to their predictions. One line a check; the exit code is 1 if one fails.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import shap
import xgboost as xgb

ROOT = Path(__file__).resolve().parents[2]
ROWS = 2_000
ROUNDS = 200
SHAP_ROWS = 300
LOG = ["reg:gamma", "reg:tweedie", "count:poisson"]
NOT_FEATURES = ["ClosePrice", "CloseDate", "ListingKey"]


class Checks:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, figure, limit):
        ok = bool(figure <= limit)
        self.passed += ok
        self.failed += not ok
        verdict = "PASS" if ok else "FAIL"
        print(f"{verdict} {name}: {figure:.3e} (limit {limit:.0e})", flush=True)


def largest(found, expected, scale=None):
    """Largest difference, as a share of `expected` (or of `scale`)."""
    scale = np.abs(expected if scale is None else scale)
    difference = np.abs(np.asarray(found, float) - np.asarray(expected, float))
    return float(np.max(difference / scale))


class Homestream:
    def __init__(self, binary, folder, data, mapping):
        self.binary, self.folder = str(Path(binary).resolve()), folder
        self.sales = ["--data", str(data), "--mapping", str(mapping)]

    def run(self, *arguments):
        done = subprocess.run(
            [self.binary, *map(str, arguments)], cwd=self.folder, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"homestream {arguments[0]} {arguments[1]}: {done.stderr[-2000:]}")
        return done.stdout

    def predict(self, model, rows, explain=False):
        rows.to_csv(self.folder / "rows.csv", index=False, float_format="%.17g")
        wanted = ["--shap", "shap.csv"] if explain else []
        self.run("models", "predict", model, "--matrix", "rows.csv", "--out", "out.csv", *wanted)
        predictions = read_csv(self.folder / "out.csv")["LogPrice"].to_numpy()
        return predictions, read_csv(self.folder / "shap.csv") if explain else None


def read_csv(path):
    return pd.read_csv(path, float_precision="round_trip", low_memory=False)


def hard_rows(x, levels, seed, unseen):
    """Sales with more missing values, and codes that no level has, put in."""
    rng = np.random.default_rng(seed)
    rows = x.iloc[rng.choice(len(x), ROWS, replace=False)].reset_index(drop=True).astype(float)
    for name in rows.columns:
        rows.loc[rng.random(ROWS) < 0.1, name] = np.nan
        if name in levels and unseen:
            hit = rng.random(ROWS) < 0.1
            rows.loc[hit, name] = levels[name] + rng.integers(0, 60, hit.sum())
    return rows


def categories(x, levels):
    """Columns of codes as pandas categories; codes that are no level become missing."""
    x = x.copy()
    for name, n in levels.items():
        known = x[name].where(x[name] < n)
        x[name] = pd.Categorical(known, categories=range(n))
    return x


def check_imported(
    home, checks, name, file, target, rows, expected, explained, limit, rounding=0.0
):
    """`rounding` is what sums in 32 bits have added to the predictions: ours is in the base."""
    home.run(
        "models", "import", file, "--spec", "spec.json", "--target", target,
        "--out", f"{name}.hsm", *home.sales,
    )
    found, parts = home.predict(f"{name}.hsm", rows, explain=explained is not None)
    checks.check(f"{name}, {len(rows)} predictions", largest(found, expected), limit)
    if explained is not None:
        parts = parts.to_numpy()
        # shares of the prediction: values near zero have no meaningful share of their own
        first = parts[: len(explained)].copy()
        first[:, -1] -= np.broadcast_to(rounding, len(rows))[: len(explained)]
        scale = np.abs(expected[: len(explained), None])
        figure = largest(first, explained, scale)
        checks.check(f"{name}, {len(explained)} rows of SHAP", figure, 1e-6)
        checks.check(f"{name}, SHAP adds up", largest(parts.sum(axis=1), found), 1e-9)


def explain(booster, x):
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    values = explainer.shap_values(x)
    base = np.ravel(explainer.expected_value)[0]
    return np.column_stack([values, np.full(len(x), base)])


def lightgbm_checks(home, checks, x, price, levels):
    rows = hard_rows(x, levels, 1, unseen=True)
    params = {"num_leaves": 31, "learning_rate": 0.05, "verbose": -1, "seed": 1}
    params |= {"bagging_fraction": 0.7, "bagging_freq": 1, "feature_fraction": 0.8}
    for name, objective, target, y in [
        ("lightgbm", "regression", "log-price", np.log(price)),
        ("lightgbm_log1p", "regression_l1", "log1p-price", np.log1p(price)),
        ("lightgbm_gamma", "gamma", "price", price),
    ]:
        data = lgb.Dataset(x, y, categorical_feature=list(levels))
        booster = lgb.train({**params, "objective": objective}, data, ROUNDS)
        booster.save_model(home.folder / f"{name}.txt")
        raw = booster.predict(rows, raw_score=True)
        expected = np.log(np.expm1(raw)) if target == "log1p-price" else raw
        explained = explain(booster, rows[:SHAP_ROWS]) if target != "log1p-price" else None
        check_imported(
            home, checks, name, f"{name}.txt", target, rows, expected, explained, 1e-12
        )


def sums_of_leaves(path, leaves):
    """The sums, in 32 and in 64 bits, of the leaves that XGBoost says rows reach, in its order."""
    learner = json.loads(path.read_text())["learner"]
    trees = learner["gradient_booster"]["model"]["trees"]
    base = float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))
    base = np.float32(np.log(base) if learner["objective"]["name"] in LOG else base)
    narrow = np.full(len(leaves), base, np.float32)
    wide = narrow.astype(float)
    for tree, reached in zip(trees, leaves.astype(int).T):
        values = np.array(tree["split_conditions"], np.float32)[reached]
        narrow = narrow + values
        wide = wide + values.astype(float)
    return narrow.astype(float), wide


def xgboost_checks(home, checks, x, price, levels):
    params = {"max_depth": 6, "eta": 0.05, "seed": 1, "subsample": 0.7}
    y = np.log(price)

    def check(name, data, rows, asked, explained=True, target="log-price", **more):
        booster = xgb.train({**params, **more}, data, ROUNDS)
        booster.save_model(home.folder / f"{name}.json")
        expected = booster.predict(asked, output_margin=True).astype(float)
        # the package refuses XGBoost's categorical splits: there it is the library's own TreeSHAP
        told = None
        if explained == "package":
            told = explain(booster, rows[:SHAP_ROWS])
        elif explained:
            told = booster.predict(asked, pred_contribs=True)[:SHAP_ROWS]
        reached = booster.predict(asked, pred_leaf=True)
        narrow, wide = sums_of_leaves(home.folder / f"{name}.json", reached)
        check_imported(
            home, checks, name, f"{name}.json", target, rows, expected, told, 1e-6, narrow - wide
        )
        found, _ = home.predict(f"{name}.hsm", rows)
        checks.check(f"{name}, {len(rows)} sums of XGBoost's leaves", largest(found, narrow), 0.0)

    rows = hard_rows(x, levels, 2, unseen=True)
    check("xgboost_numbers", xgb.DMatrix(x, y), rows, xgb.DMatrix(rows), "package")
    check(
        "xgboost_gamma", xgb.DMatrix(x, price), rows, xgb.DMatrix(rows), "package",
        target="price", objective="reg:gamma",
    )
    check(
        "xgboost_categories", xgb.DMatrix(categories(x, levels), y, enable_categorical=True), rows,
        xgb.DMatrix(categories(rows, levels), enable_categorical=True),
    )
    # codes without pandas: unseen ones go through XGBoost itself
    types = ["c" if name in levels else "q" for name in x.columns]

    def plain(rows, label=None):
        names = list(rows.columns)
        return xgb.DMatrix(rows.to_numpy(), label, feature_names=names, feature_types=types)

    check("xgboost_codes", plain(x, y), rows, plain(rows))


def up(home, name, strategies=None):
    """Artifacts, with what `models show` says of them, of a run over all sales."""
    config = home.folder / f"{name}.toml"
    config.write_text(f"[training]\nstrategies = {json.dumps(strategies)}\n" if strategies else "")
    folder = home.folder / f"{name}_artifacts"
    home.run(
        "--config", config, "up", "--speed", "max", "--exit-when-done", "--artifacts", folder,
        *home.sales,
    )
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(path, home.run("models", "show", path)) for path in paths]


def model_rows(home, names, levels, seed):
    """Rows for the columns of a model: its own spec may have fewer levels than the matrix, and
    features of the market that the matrix has not, which are made up."""
    x = read_csv(home.folder / "matrix.csv").drop(columns=NOT_FEATURES)
    rng = np.random.default_rng(seed)
    for name in names:
        if name not in x.columns:
            x[name] = rng.normal(size=len(x))
    return hard_rows(x[names], levels, 3 + seed, unseen=True)


def export_checks(home, checks, levels):
    """Returns the names of the features that the models have."""
    n, names = 0, []
    for path, _ in up(home, "trees", ["boosted_trees"])[:3]:
        n += 1
        home.run("models", "export", path, "--out", f"ours{n}.txt")
        booster = lgb.Booster(model_file=home.folder / f"ours{n}.txt")
        names += [name for name in booster.feature_name() if name not in names]
        rows = model_rows(home, booster.feature_name(), levels, n)
        found, parts = home.predict(path, rows, explain=True)
        predicted = booster.predict(rows)
        checks.check(f"exported {n}, {len(rows)} predictions", largest(predicted, found), 1e-12)
        contributions = booster.predict(rows, pred_contrib=True)
        checks.check(
            f"exported {n}, LightGBM's contributions",
            largest(contributions, parts.to_numpy(), found[:, None]), 1e-9,
        )
    checks.check("exported models, fewer than one", float(n < 1), 0)
    return names


def blend_checks(home, checks, levels, names):
    mixed = [
        (path, shown.split("strategy", 1)[1].split()[0])
        for path, shown in up(home, "default")
        if re.search(r"^strategy +(blend|linear_trees)$", shown, re.MULTILINE)
    ]
    for n, (path, strategy) in enumerate(mixed[-3:], 1):
        rows = model_rows(home, names, levels, 10 + n)[:SHAP_ROWS]
        found, parts = home.predict(path, rows, explain=True)
        checks.check(
            f"{strategy} {n}, {len(rows)} rows, SHAP adds up",
            largest(parts.to_numpy().sum(axis=1), found), 1e-9,
        )
    checks.check("models of trees and lines, fewer than one", float(not mixed), 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("binary", metavar="BINARY", help="the homestream binary")
    parser.add_argument("--data", default=ROOT / "data/lucas_county/lucas_county.csv.gz", type=Path)
    parser.add_argument("--mapping", default=ROOT / "data/lucas_county/mapping.toml", type=Path)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work here and keep the files")
    parser.add_argument("--skip-export", action="store_true", help="do not run `homestream up`")
    args = parser.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.keep or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        home = Homestream(args.binary, folder, args.data.resolve(), args.mapping.resolve())
        home.run("features", "--out", "matrix.csv", "--spec-out", "spec.json", *home.sales)
        spec = json.loads((folder / "spec.json").read_text())["spec"]
        matrix = read_csv(folder / "matrix.csv")
        price, x = matrix["ClosePrice"].to_numpy(float), matrix.drop(columns=NOT_FEATURES)
        names = [feature["name"] for feature in spec["features"]]
        assert list(x.columns) == names, "the matrix has the spec's columns"
        levels = {f["name"]: len(f["levels"]) for f in spec["features"] if f["levels"]}
        x = x.astype(float)
        lightgbm_checks(home, checks, x, price, levels)
        xgboost_checks(home, checks, x, price, levels)
        if not args.skip_export:
            names = export_checks(home, checks, levels)
            blend_checks(home, checks, levels, names)
    print(f"parity: {checks.passed} passed, {checks.failed} failed")
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
