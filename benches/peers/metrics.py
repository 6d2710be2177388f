"""The measures of `homestream evaluate`, by the same definitions (model-core, `evaluation`)."""

import numpy as np

LEVEL = 0.90


def accuracy(estimates, prices):
    """Errors in currency and percent, and the ratio study's measures."""
    error = estimates - prices
    share = np.abs(error) / prices
    ratio = estimates / prices
    median = np.median(ratio)
    value = np.log2((estimates / median + prices) / 2)
    value -= value.mean()
    return {
        "rmse": np.sqrt(np.mean(error**2)),
        "mae": np.mean(np.abs(error)),
        "mape": np.mean(share),
        "mdape": np.median(share),
        "r2": 1 - np.sum(error**2) / np.sum((prices - prices.mean()) ** 2),
        "rmsle": np.sqrt(np.mean((np.log1p(estimates) - np.log1p(prices)) ** 2)),
        "cod": 100 * np.mean(np.abs(ratio - median)) / median,
        "prd": ratio.mean() / (estimates.sum() / prices.sum()),
        "prb": np.sum(value * (ratio - median) / median) / np.sum(value**2),
        "ppe10": np.mean(share <= 0.10),
        "n_test": len(prices),
    }


def intervals(lower, upper, prices):
    """Coverage and mean interval score (Gneiting and Raftery 2007, eq. 43) at LEVEL."""
    below = np.maximum(lower - prices, 0)
    above = np.maximum(prices - upper, 0)
    return {
        "coverage90": np.mean((lower <= prices) & (prices <= upper)),
        "interval_score90": np.mean(upper - lower + 2 / (1 - LEVEL) * (below + above)),
    }
