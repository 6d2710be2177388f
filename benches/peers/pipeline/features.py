"""A listing as the peer's model sees it: the facts that the listing itself brings.

The columns and their encodings are those of `homestream features --spec-out`, without the ones
that need a market index (comparables, market level, earlier sale): a script of an afternoon has
none. Null and unknown levels are NaN, which LightGBM takes as missing.
"""

import json
import math

NAN = math.nan

# Our names of RESO's numbers, and those whose logarithm is the feature.
NUMBERS = {"LotSize": "LotSizeSquareFeet"}
LOGARITHMIC = {"LivingArea", "LotSize"}


def own_features(spec_path):
    """Names and encoders of the features that follow from a listing alone, in spec order."""
    with open(spec_path, encoding="utf-8") as file:
        spec = json.load(file)["spec"]["features"]
    found = [(feature["name"], _encoder(feature["source"], feature["levels"])) for feature in spec]
    return [(name, encoder) for name, encoder in found if encoder is not None]


def encode(encoders, listing):
    """One row, as a list of floats."""
    return [encoder(listing) for encoder in encoders]


def _encoder(source, levels):
    if isinstance(source, str):
        return {
            "AgeYears": _age_years,
            "BuildingRatio": _building_ratio,
            "EventDay": _event_day,
            "EventMonth": lambda listing: listing["ListingContractDate"].month,
        }.get(source)
    (kind, detail), = source.items()
    if kind == "Number":
        return _number(NUMBERS.get(detail, detail), detail in LOGARITHMIC)
    if kind == "NumberAttribute":
        return _number_attribute(detail["name"], detail["log"])
    if kind == "CategoryAttribute":
        return _category_attribute(detail["name"], levels)
    if kind == "Category":
        return _category(detail, levels)
    return None


def _number(name, logarithmic):
    def encode_number(listing):
        value = listing[name]
        if value is None:
            return NAN
        return math.log(value) if logarithmic else value

    return encode_number


def _number_attribute(name, logarithmic):
    def encode_attribute(listing):
        value = listing["attributes"].get(name)
        if not isinstance(value, float):
            return NAN
        return math.log1p(value) if logarithmic else value

    return encode_attribute


def _category_attribute(name, levels):
    codes = {level: code for code, level in enumerate(levels)}
    return lambda listing: codes.get(listing["attributes"].get(name), NAN)


def _category(name, levels):
    codes = {level: code for code, level in enumerate(levels)}
    return lambda listing: codes.get(listing[name], NAN)


def _age_years(listing):
    built = listing["YearBuilt"]
    return NAN if built is None else listing["ListingContractDate"].year - built


def _building_ratio(listing):
    area, lot = listing["LivingArea"], listing["LotSizeSquareFeet"]
    return NAN if not area or not lot else math.log(area) - math.log(lot)


def _event_day(listing):
    return listing["ListingContractDate"].toordinal() - 719_163  # days since 1970-01-01
