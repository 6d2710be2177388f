"""Makes the fixtures of the interchange tests: small models of LightGBM and XGBoost on
synthetic data, with what these libraries predict and explain for rows with missing and
unseen values.

    python make_fixtures.py          # needs lightgbm 4, xgboost 3, numpy, pandas

For each model, fixtures/NAME.txt or .json is the model as saved and NAME.rows.json holds
`rows` (null is missing), `raw` (scores before the link) and `shap` (per row, the base last).
"""

import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

HERE = Path(__file__).parent / "fixtures"
LEVELS = 12
NAMES = ["area", "age", "kind", "lot"]


def make(n, seed):
    rng = np.random.default_rng(seed)
    area = np.exp(rng.normal(7.2, 0.4, n))
    age = np.where(rng.random(n) < 0.15, np.nan, rng.integers(0, 120, n))
    kind = rng.integers(0, LEVELS, n).astype(float)
    kind[rng.random(n) < 0.05] = np.nan
    # zero is frequent, on either side of it there is something
    lot = np.where(rng.random(n) < 0.4, 0.0, rng.normal(0.5, 2.0, n))
    level = np.where(np.isnan(kind), 0.1, (kind % 4) * 0.15)
    y = 5 + np.log(area) - np.nan_to_num(age, nan=30) / 300 + level
    y = y + 0.1 * np.sign(lot) + rng.normal(0, 0.05, n)
    return np.column_stack([area, age, kind, lot]), y


def hard(rows, seed, negative=True):
    """Rows at the edges: missing, unseen, tiny, large.

    XGBoost sends negative codes left; homestream takes them for missing ones.
    """
    rng = np.random.default_rng(seed)
    rows = rows.copy()
    edges = {
        0: [np.nan, 0.0, 1e30, -1e30],
        1: [np.nan, 0.0, 59.5, -3.0],
        2: [np.nan, 12.0, 40.0, 63.0, 64.0, 200.0, 400.0] + ([-1.0] if negative else []),
        3: [np.nan, 0.0, 1e-36, -1e-36, 1e-35, -1e-35, 2e-35, 1e-3, -1e-3],
    }
    for column, values in edges.items():
        hit = rng.random(len(rows)) < 0.35
        rows[hit, column] = rng.choice(values, hit.sum())
    return rows


def store(name, rows, raw, shap):
    def plain(values):
        return [[None if np.isnan(v) else float(v) for v in row] for row in values]

    document = {"rows": plain(rows), "raw": [float(v) for v in raw], "shap": plain(shap)}
    (HERE / f"{name}.rows.json").write_text(json.dumps(document))


WORDS = [f"k{i:02}" for i in range(LEVELS)]
# another order than that of the levels, and one of them unknown
ORDER = WORDS[:0:-1]


def named(codes):
    return [WORDS[int(code)] if code >= 1 else None for code in codes]


def frame(values):
    data = pd.DataFrame(values, columns=NAMES)
    data["kind"] = pd.Categorical(data["kind"], categories=range(LEVELS))
    return data


def lightgbm_models():
    x, y = make(1500, 1)
    rows = hard(make(90, 2)[0], 3)
    common = {"num_leaves": 7, "verbose": -1, "min_data_per_group": 20, "seed": 1, "num_threads": 1}
    price = np.exp(y)
    several = {
        "lgb_regression": ({"objective": "regression"}, y, 8),
        "lgb_l1": ({"objective": "regression_l1"}, y, 4),
        "lgb_gamma": ({"objective": "gamma"}, price, 5),
        "lgb_forest": (
            {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, y, 5,
        ),
        "lgb_zero": ({"zero_as_missing": True, "num_leaves": 6}, y, 4),
        "lgb_none": ({"use_missing": False}, y, 4),
    }
    for name, (params, target, rounds) in several.items():
        data = lgb.Dataset(x, target, feature_name=NAMES, categorical_feature=["kind"])
        booster = lgb.train({**common, **params}, data, rounds)
        booster.save_model(HERE / f"{name}.txt")
        # a forest's raw scores and contributions are sums there, its predictions averages
        share = 1 / rounds if name == "lgb_forest" else 1
        store(
            name, rows, booster.predict(rows, raw_score=True) * share,
            booster.predict(rows, pred_contrib=True) * share,
        )
    # pandas: categories by name, some of them in another order
    data = frame(x)
    data["kind"] = pd.Categorical(named(x[:, 2]), ORDER)
    booster = lgb.train(common, lgb.Dataset(data, y), 6)
    booster.save_model(HERE / "lgb_names.txt")
    known = make(60, 5)[0]
    table = frame(known)
    table["kind"] = pd.Categorical(named(known[:, 2]), ORDER)
    store(
        "lgb_names", known, booster.predict(table, raw_score=True),
        booster.predict(table, pred_contrib=True),
    )


def xgboost_models():
    x, y = make(1500, 11)
    rows = hard(make(90, 12)[0], 13, negative=False)
    types = ["float", "float", "c", "float"]
    common = {"max_depth": 3, "seed": 1, "nthread": 1, "min_child_weight": 5}
    price = np.exp(y)
    several = {
        "xgb_squared": ({"objective": "reg:squarederror"}, y, 6),
        "xgb_one_hot": ({"max_cat_to_onehot": 50}, y, 5),
        "xgb_gamma": ({"objective": "reg:gamma"}, price, 4),
        "xgb_tweedie": ({"objective": "reg:tweedie"}, price, 4),
        "xgb_poisson": ({"objective": "count:poisson"}, price / 1e4, 4),
        "xgb_absolute": ({"objective": "reg:absoluteerror"}, y, 4),
        "xgb_dart": ({"booster": "dart", "rate_drop": 0.5, "seed": 4}, y, 6),
    }
    for name, (params, target, rounds) in several.items():
        data = xgb.DMatrix(x, target, feature_names=NAMES, feature_types=types)
        booster = xgb.train({**common, **params}, data, rounds)
        booster.save_model(HERE / f"{name}.json")
        asked = xgb.DMatrix(rows, feature_names=NAMES, feature_types=types)
        store(
            name, rows, booster.predict(asked, output_margin=True),
            booster.predict(asked, pred_contribs=True),
        )
    # pandas: a category is the position in its list
    known = make(60, 15)[0]

    def table(values, as_names):
        data = frame(values)
        if as_names:
            texts = named(values[:, 2])
            data["kind"] = pd.Categorical(texts, ORDER)
        return data

    for name, as_names in (("xgb_pandas", False), ("xgb_names", True)):
        data = xgb.DMatrix(table(x, as_names), y, enable_categorical=True)
        booster = xgb.train(common, data, 5)
        booster.save_model(HERE / f"{name}.json")
        asked = xgb.DMatrix(table(known, as_names), enable_categorical=True)
        store(
            name, known, booster.predict(asked, output_margin=True),
            booster.predict(asked, pred_contribs=True),
        )


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    lightgbm_models()
    xgboost_models()
    for path in sorted(HERE.iterdir()):
        print(f"{path.stat().st_size:7} {path.name}")
