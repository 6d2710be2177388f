"""How a peer is fitted and asked: the protocols of `homestream evaluate`.

* time70: sales in date order, fitted on the first int(0.7 n), asked for the rest.
* stream: the same test sales, but what a production system could do while they come in: refit at
  the start of every month on all sales before it, or keep the model and add the running median
  error of the latest sales. Errors of a sale are known from the day after it.
* cv5: five random folds, pooled: what a sale between known sales would be worth, not forecasting.

All peers learn ln(1 + price). Seconds are CPU seconds of this process, which is held to one
thread.
"""

import time

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold

from metrics import LEVEL, accuracy, intervals
from models import MODELS, SEED, lightgbm_model

TRAIN_SHARE = 0.7
LEVEL_ERRORS, LEVEL_LEAST = 500, 50
INTERVAL_ERRORS = 1000
TAIL = (1 - LEVEL) / 2


class Peer:
    """A model with the CPU seconds that fitting and asking it has cost so far."""

    def __init__(self, fit):
        self.fit_function, self.model = fit, None
        self.fit_seconds, self.predict_seconds, self.predicted = 0.0, 0.0, 0

    def fit(self, features, target):
        start = time.process_time()
        self.model = self.fit_function(features, target)
        self.fit_seconds += time.process_time() - start

    def predict(self, features):
        start = time.process_time()
        estimate = np.asarray(self.model.predict(features), dtype=float).ravel()
        self.predict_seconds += time.process_time() - start
        self.predicted += len(features)
        return estimate

    def row(self, strategy, protocol, log_estimates, prices):
        """The row of a strategy's estimates, given as ln(1 + estimate)."""
        cost = {
            "fit_seconds": self.fit_seconds,
            "predict_us_per_row": 1e6 * self.predict_seconds / self.predicted,
        }
        measures = accuracy(np.expm1(log_estimates), prices)
        return {"strategy": strategy, "protocol": protocol, **measures, **cost}


def time70(name, features, prices, _dates):
    """One fit on the first 70 % in time; yields one row."""
    start = int(TRAIN_SHARE * len(prices))
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    peer.fit(features[:start], target[:start])
    yield peer.row(name, "time70", peer.predict(features[start:]), prices[start:])


def stream_level(name, features, prices, dates):
    """The time70 model with the median of its latest errors added; yields one row."""
    start = int(TRAIN_SHARE * len(prices))
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    peer.fit(features[:start], target[:start])
    fixed = peer.predict(features[start:])
    level = rolling_level(target[start:] - fixed, dates[start:])
    yield peer.row(f"{name}, rolling level", "stream", fixed + level, prices[start:])


def stream_refit(name, features, prices, dates):
    """Refitted at the start of every month; yields one row."""
    start = int(TRAIN_SHARE * len(prices))
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    month = pd.DatetimeIndex(dates).to_period("M").astype("int64")
    estimates = np.empty(len(prices) - start)
    first = start
    while first < len(prices):
        last = np.searchsorted(month, month[first], side="right")
        peer.fit(features[:first], target[:first])
        estimates[first - start : last - start] = peer.predict(features[first:last])
        first = last
    yield peer.row(f"{name}, monthly refit", "stream", estimates, prices[start:])


def cv5(name, features, prices, _dates):
    """Five shuffled folds, pooled; yields one row. Seconds are those of one fit."""
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    estimates = np.empty(len(prices))
    folds = KFold(5, shuffle=True, random_state=SEED)
    for train, test in folds.split(prices):
        peer.fit(features.iloc[train].reset_index(drop=True), target[train])
        estimates[test] = peer.predict(features.iloc[test].reset_index(drop=True))
    peer.fit_seconds /= folds.get_n_splits()
    yield peer.row(name, "cv5", estimates, prices)


def conformal_static(name, features, prices, _dates):
    """Split-conformal intervals on the latest fifth of the training part; yields one row."""
    start = int(TRAIN_SHARE * len(prices))
    cut = int(0.8 * start)
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    peer.fit(features[:cut], target[:cut])
    calibration = np.abs(target[cut:start] - peer.predict(features[cut:start]))
    rank = min(1.0, np.ceil((len(calibration) + 1) * LEVEL) / len(calibration))
    reach = np.quantile(calibration, rank, method="higher")
    estimate = peer.predict(features[start:])
    row = peer.row(f"{name}, split conformal", "time70", estimate, prices[start:])
    ends = np.expm1(estimate - reach), np.expm1(estimate + reach)
    yield row | intervals(*ends, prices[start:])


def conformal_rolling(name, features, prices, dates):
    """Normalised conformal intervals around the rolling level; yields one row.

    A second model learns the scale of errors from four folds of the training part. Errors
    divided by it, the folds' and then those of the test sales as they become known, give the
    interval's ends.
    """
    start = int(TRAIN_SHARE * len(prices))
    peer, target = Peer(MODELS[name]), np.log1p(prices)
    outside = np.empty(start)
    for train, test in KFold(4, shuffle=True, random_state=SEED).split(outside):
        peer.fit(features.iloc[train].reset_index(drop=True), target[train])
        outside[test] = peer.predict(features.iloc[test].reset_index(drop=True))
    error = target[:start] - outside
    begin = time.process_time()
    scale_of = lightgbm_model(
        features[:start], np.log(np.abs(error) + 0.01), rounds=300, objective="l1"
    )
    peer.fit_seconds += time.process_time() - begin
    peer.fit(features[:start], target[:start])

    fixed = peer.predict(features[start:])
    begin = time.process_time()
    scale = np.exp(scale_of.predict(features))
    peer.predict_seconds += (time.process_time() - begin) * len(fixed) / len(scale)
    estimate = fixed + rolling_level(target[start:] - fixed, dates[start:])
    scaled = np.concatenate([error, target[start:] - estimate]) / scale
    lower, upper = np.empty((2, len(fixed)))
    for place, known in enumerate(known_before(dates[start:])):
        end = start + known
        ends = np.quantile(scaled[max(0, end - INTERVAL_ERRORS) : end], [TAIL, 1 - TAIL])
        lower[place], upper[place] = estimate[place] + ends * scale[start + place]
    strategy = f"{name}, rolling level and normalised conformal"
    row = peer.row(strategy, "stream", estimate, prices[start:])
    yield row | intervals(np.expm1(lower), np.expm1(upper), prices[start:])


def rolling_level(errors, dates):
    """For each sale, the median of the latest errors that were known the day before."""
    return np.array([
        np.median(errors[max(0, end - LEVEL_ERRORS) : end]) if end >= LEVEL_LEAST else 0.0
        for end in known_before(dates)
    ])


def known_before(dates):
    """For each of the sorted dates, how many lie strictly before it."""
    return np.searchsorted(dates, dates, side="left")


def steps(protocol, refit_models, interval_models):
    """The functions of a protocol, each with the models that it is run for."""
    every = list(MODELS)
    return {
        "time70": [(time70, every), (conformal_static, interval_models)],
        "stream": [
            (stream_level, every),
            (conformal_rolling, interval_models),
            (stream_refit, refit_models),
        ],
        "cv5": [(cv5, every)],
    }[protocol]
