"""The peers: each fits log prices on one thread, with settings that suit data of this size.

Boosted trees stop early on a random tenth of the sales they are given, as their own guides
advise. Settings were chosen once, for all sets, and never on a test part.
"""

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from catboost import CatBoostRegressor
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNetCV, RidgeCV
from sklearn.model_selection import KFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

SEED = 0


def columns(features):
    """Names of the numeric and of the category columns."""
    category = [
        name for name in features if isinstance(features[name].dtype, pd.CategoricalDtype)
    ]
    return [name for name in features if name not in category], category


def held_out(features, target):
    """A random tenth for early stopping: train, stop, their targets."""
    return train_test_split(features, target, test_size=0.1, random_state=SEED)


def lightgbm_model(features, target, rounds=None, objective="regression"):
    """With `rounds` there is no early stopping."""
    model = lightgbm.LGBMRegressor(
        n_estimators=rounds or 2000, learning_rate=0.03, num_leaves=31, min_child_samples=20,
        subsample=0.8, subsample_freq=1, colsample_bytree=0.6, reg_lambda=1.0, cat_smooth=10,
        objective=objective, n_jobs=1, random_state=SEED, verbose=-1,
    )  # fmt: skip
    if rounds:
        return model.fit(features, target)
    train, stop, train_target, stop_target = held_out(features, target)
    callbacks = [lightgbm.early_stopping(100, verbose=False)]
    return model.fit(train, train_target, eval_X=stop, eval_y=stop_target, callbacks=callbacks)


def xgboost_model(features, target):
    train, stop, train_target, stop_target = held_out(features, target)
    model = xgboost.XGBRegressor(
        n_estimators=2000, learning_rate=0.03, max_depth=6, min_child_weight=5, subsample=0.8,
        colsample_bytree=0.6, reg_lambda=1.0, tree_method="hist", enable_categorical=True,
        early_stopping_rounds=100, n_jobs=1, random_state=SEED,
    )  # fmt: skip
    return model.fit(train, train_target, eval_set=[(stop, stop_target)], verbose=False)


def catboost_model(features, target):
    _, category = columns(features)
    train, stop, train_target, stop_target = held_out(features, target)
    model = CatBoostRegressor(
        iterations=2000, learning_rate=0.05, depth=6, l2_leaf_reg=3, cat_features=category,
        thread_count=1, random_seed=SEED, early_stopping_rounds=100, verbose=False,
        allow_writing_files=False,
    )  # fmt: skip
    return model.fit(train, train_target, eval_set=(stop, stop_target))


def hist_gradient_boosting(features, target):
    model = HistGradientBoostingRegressor(
        max_iter=1500, learning_rate=0.05, max_leaf_nodes=31, min_samples_leaf=20,
        l2_regularization=1.0, early_stopping=True, validation_fraction=0.1,
        n_iter_no_change=50, categorical_features="from_dtype", random_state=SEED,
    )  # fmt: skip
    return model.fit(features, target)


def random_forest(features, target):
    number, category = columns(features)
    encode = ColumnTransformer([
        ("number", SimpleImputer(strategy="median"), number),
        ("category", TargetEncoder(cv=KFold(5, shuffle=True, random_state=SEED)), category),
    ])
    forest = RandomForestRegressor(
        300, min_samples_leaf=2, max_features=0.4, n_jobs=1, random_state=SEED
    )
    return make_pipeline(encode, forest).fit(features, target)


def linear(estimator):
    """One-hot categories, standardised numbers, then the given linear model."""

    def fit(features, target):
        number, category = columns(features)
        scale = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
        one_hot = OneHotEncoder(handle_unknown="ignore", min_frequency=5)
        encode = ColumnTransformer([("number", scale, number), ("category", one_hot, category)])
        return make_pipeline(encode, estimator()).fit(features, target)

    return fit


MODELS = {
    "LightGBM": lightgbm_model,
    "XGBoost": xgboost_model,
    "CatBoost": catboost_model,
    "HistGradientBoosting": hist_gradient_boosting,
    "RandomForest": random_forest,
    "Ridge": linear(lambda: RidgeCV(np.logspace(-2, 3, 11))),
    "ElasticNet": linear(
        lambda: ElasticNetCV(l1_ratio=0.5, alphas=30, cv=4, random_state=SEED, max_iter=3000)
    ),
}
