"""The peer's encoding against a row that `homestream features` wrote."""

import datetime
import json
import math
import tempfile
import unittest

from features import encode, own_features

SPEC = {
    "spec": {
        "features": [
            {"name": "LivingArea", "source": {"Number": "LivingArea"}, "levels": []},
            {"name": "LotSizeSquareFeet", "source": {"Number": "LotSize"}, "levels": []},
            {"name": "BedroomsTotal", "source": {"Number": "BedroomsTotal"}, "levels": []},
            {
                "name": "depth_feet",
                "source": {"NumberAttribute": {"name": "depth_feet", "log": True}},
                "levels": [],
            },
            {
                "name": "wall",
                "source": {"CategoryAttribute": {"name": "wall"}},
                "levels": ["brick", "metlvnyl", "wood"],
            },
            {"name": "AgeYears", "source": "AgeYears", "levels": []},
            {"name": "BuildingRatio", "source": "BuildingRatio", "levels": []},
            {"name": "EventDay", "source": "EventDay", "levels": []},
            {"name": "EventMonth", "source": "EventMonth", "levels": []},
            {"name": "ComparablesLogPrice", "source": {"Market": "LogPrice"}, "levels": []},
        ]
    }
}


class Features(unittest.TestCase):
    def test_a_row_is_what_homestream_features_wrote(self):
        listing = {
            "ListingContractDate": datetime.date(1993, 1, 4),
            "LivingArea": 1498.0,
            "LotSizeSquareFeet": 14100.0,
            "BedroomsTotal": None,
            "YearBuilt": 1985,
            "attributes": {"wall": "metlvnyl"},
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(SPEC, file)
            file.flush()
            names, encoders = zip(*own_features(file.name))
        self.assertNotIn("ComparablesLogPrice", names)
        row = dict(zip(names, encode(encoders, listing)))
        self.assertAlmostEqual(row["LivingArea"], 7.311886164077165)
        self.assertAlmostEqual(row["LotSizeSquareFeet"], 9.55393007636626)
        self.assertTrue(math.isnan(row["BedroomsTotal"]) and math.isnan(row["depth_feet"]))
        self.assertEqual((row["wall"], row["AgeYears"]), (1, 8))
        self.assertAlmostEqual(row["BuildingRatio"], -2.2420439122890956)
        self.assertEqual((row["EventDay"], row["EventMonth"]), (8404, 1))


if __name__ == "__main__":
    unittest.main()
