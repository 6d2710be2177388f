"""The statistics of one pair of columns as SciPy, Evidently and NannyML compute them."""

import warnings

import numpy as np
import pandas as pd
from evidently.legacy.calculations import stattests
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType
from nannyml.chunk import DefaultChunker
from nannyml.drift.univariate.methods import FeatureType, MethodFactory
from nannyml.thresholds import ConstantThreshold
from scipy import stats

warnings.filterwarnings("ignore")

TESTS = {
    "ks": "ks",
    "wasserstein": "wasserstein",
    "jensenshannon": "jensen_shannon",
    "chisquare": "chi_square",
    "z": "z",
}


def quantile_psi(reference, current, bins=10):
    """Ours: quantile bins of the reference, half a value where a bin is empty.

    Written anew from docs/drift.md, so that the code is checked against its description.
    """
    distinct = np.unique(reference)
    if len(distinct) == 1:
        edges = [distinct[0], np.nextafter(distinct[0], np.inf)]
    elif len(distinct) <= bins:
        edges = distinct[:-1] + (distinct[1:] - distinct[:-1]) / 2
    else:
        edges = []
        quantiles = np.quantile(reference, np.arange(bins + 1) / bins)
        for low, high in zip(quantiles, quantiles[1:]):
            edges += list(distinct[distinct >= low][:1])
            if low == high:
                edges += list(distinct[distinct > low][:1])
        edges = [edge for edge in sorted(set(edges)) if edge > distinct[0]]
    count = lambda column: np.bincount(np.searchsorted(edges, column, "right"), minlength=len(edges) + 1)
    return counts_psi(count(reference), count(current))


def counts_psi(r, c):
    kept = (r > 0) | (c > 0)
    r, c = r[kept], c[kept]
    p = np.where(r == 0, 0.5, r) / r.sum()
    q = np.where(c == 0, 0.5, c) / c.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def nannyml(key, kind, reference, current):
    method = MethodFactory.create(
        key, kind, chunker=DefaultChunker(), threshold=ConstantThreshold(upper=0.1)
    )
    method._fit(reference)
    return float(method._calculate(current))


def expected(kind, reference, current):
    """What ours should say, by the keys of its JSON."""
    values = {
        "missing_ref": float(reference.isna().mean()),
        "missing_cur": float(current.isna().mean()),
    }
    reference, current = reference.dropna(), current.dropna()
    numeric = kind == "numeric"
    column_type = ColumnType.Numerical if numeric else ColumnType.Categorical
    score = lambda test: float(
        test(reference.copy(), current.copy(), column_type, None).drift_score
    )
    chosen = get_stattest(reference, current, column_type, None)
    decided = chosen(reference.copy(), current.copy(), column_type, None)
    values["test"] = TESTS[chosen.name]
    values["threshold"] = decided.actual_threshold
    values["verdict"] = "drift" if decided.drifted else "ok"
    values["psi_evidently"] = score(stattests.psi_stat_test)
    values["js"] = score(stattests.jensenshannon_stat_test)
    values["hellinger"] = score(stattests.hellinger_stat_test)
    feature = FeatureType.CONTINUOUS if numeric else FeatureType.CATEGORICAL
    values["js_nannyml"] = nannyml("jensen_shannon", feature, reference, current)
    values["hellinger_nannyml"] = nannyml("hellinger", feature, reference, current)
    distinct = pd.concat([reference, current]).nunique()
    if numeric:
        ks = stats.ks_2samp(reference, current)
        values["ks"], values["ks_p_value"] = float(ks.statistic), float(ks.pvalue)
        values["wasserstein_raw"] = float(stats.wasserstein_distance(reference, current))
        values["wasserstein"] = score(stattests.wasserstein_stat_test)
        values["psi"] = quantile_psi(reference.to_numpy(float), current.to_numpy(float))
    else:
        values["l_infinity"] = nannyml("l_infinity", feature, reference, current)
        names = sorted(set(reference) | set(current))
        count = lambda column: column.value_counts().reindex(names, fill_value=0).to_numpy()
        values["psi"] = counts_psi(count(reference), count(current))
    if not numeric or reference.nunique() <= 20:
        values["chi_square_p_value"] = score(stattests.chi_stat_test)
    if distinct <= 2:
        values["z_p_value"] = score(stattests.z_stat_test)
    return values


# Where a figure differs for a reason, the reason; docs/drift.md explains each.
CANCELS = "the root of a difference of equal numbers: rounding is all that is left"
DENSITY = "Evidently multiplies densities by the mean width of bins, which far from 0 are rounded"
NO_FREEDOM = "one category leaves no degree of freedom; ours has not moved, SciPy's is NaN"
DOCUMENTED = (CANCELS, DENSITY, NO_FREEDOM)


def remoteness(reference, current):
    """How far from 0 numbers are, in widths of their range."""
    numbers = pd.concat([reference, current]).dropna()
    return float(numbers.abs().max() / max(numbers.max() - numbers.min(), 1e-300))


def compare(key, ours, theirs, far=0.0):
    """None if they agree, else a reason that is documented, else the difference."""
    if isinstance(theirs, str):
        return None if ours == theirs else f"{ours} instead of {theirs}"
    if np.isnan(theirs):
        return NO_FREEDOM if key == "chi_square_p_value" and ours == 1.0 else f"{ours} instead of NaN"
    if ours is None:
        return f"nothing instead of {theirs!r}"
    difference = abs(ours - theirs)
    # Evidently's Z takes its p-value from 1, which leaves 16 decimals of it.
    floor = 2.5e-16 if key == "z_p_value" else 0.0
    if difference <= 1e-9 * abs(theirs) + floor:
        return None
    if key.startswith(("js", "hellinger")) and abs(ours**2 - theirs**2) <= 1e-14:
        return CANCELS
    if key == "hellinger" and difference < far * 1e-15:
        return DENSITY
    if max(abs(ours), abs(theirs)) < 1e-12 and not key.endswith("p_value"):
        return None
    return f"{ours!r} instead of {theirs!r}, {difference / max(abs(theirs), 1e-300):.1e} of it"
