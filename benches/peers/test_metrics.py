"""The peers' measures against the figures that homestream's own are tested with.

    python -m unittest discover -s benches/peers
"""

import unittest

import numpy as np

from metrics import accuracy, intervals

# As in model-core/src/evaluation/tests.rs.
ESTIMATES = np.array([90.0, 220.0, 300.0, 440.0])
PRICES = np.array([100.0, 200.0, 300.0, 400.0])


class Metrics(unittest.TestCase):
    def test_errors_and_ratio_study(self):
        found = accuracy(ESTIMATES, PRICES)
        expected = {
            "rmse": np.sqrt(2100 / 4), "mae": 17.5, "mape": 0.075, "mdape": 0.10,
            "r2": 1 - 2100 / 50000, "cod": 100 * 0.075 / 1.05, "prd": 1.025 / 1.05,
            "ppe10": 1.0, "n_test": 4,
        }  # fmt: skip
        for name, value in expected.items():
            self.assertAlmostEqual(found[name], value, places=12, msg=name)

    def test_price_related_bias_is_the_slope_per_doubling(self):
        values, ratios = np.array([100.0, 200.0, 400.0]), np.array([0.9, 1.0, 1.1])
        prices = 2 * values / (1 + ratios)
        self.assertAlmostEqual(accuracy(prices * ratios, prices)["prb"], 0.1, places=12)

    def test_intervals(self):
        lower, upper = np.array([90, 210, 250, 300.0]), np.array([110, 230, 300, 380.0])
        found = intervals(lower, upper, PRICES)
        self.assertAlmostEqual(found["coverage90"], 0.5)
        self.assertAlmostEqual(found["interval_score90"], (170 + 600) / 4)


if __name__ == "__main__":
    unittest.main()
