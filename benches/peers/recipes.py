"""Sales as tables: what the peers get to see of each data set.

A recipe returns `(features, prices, dates)` in the file's order: features as a DataFrame whose
category columns have dtype `category`, prices as floats, dates as pandas timestamps. On top of
the raw columns, peers get the light features that anyone would add in an hour.
"""

import numpy as np
import pandas as pd


def lucas(path, _options):
    """Lucas County, Ohio (data/lucas_county/lucas_county.csv.gz)."""
    sales = pd.read_csv(path)
    dates = pd.to_datetime(sales["sale_date"])
    # The county's own appraisal would leak; the shipped file has no such column.
    unused = ["sale_id", "sale_date", "price", "avalue"]
    features = sales.drop(columns=[name for name in unused if name in sales])
    features["age"] = dates.dt.year - features["yrbuilt"]
    features["log_tla"] = np.log1p(features["TLA"])
    features["log_lot"] = np.log1p(features["lotsize"])
    return with_time(categories(features), dates), prices_of(sales["price"]), dates


def king_county(path, _options):
    """King County, Washington ("kc_house_data.csv")."""
    sales = pd.read_csv(path)
    dates = pd.to_datetime(sales["date"].astype(str).str[:8], format="%Y%m%d")
    features = sales.drop(columns=["id", "date", "price"])
    features["floors"] = features["floors"].astype(float)
    features["zipcode"] = features["zipcode"].astype(str)
    features["age"] = dates.dt.year - features["yr_built"]
    features["renovated"] = (features["yr_renovated"] > 0).astype(int)
    features["eff_age"] = dates.dt.year - features[["yr_built", "yr_renovated"]].max(axis=1)
    features["log_living"] = np.log1p(features["sqft_living"])
    features["log_lot"] = np.log1p(features["sqft_lot"])
    features["living_ratio15"] = features["sqft_living"] / features["sqft_living15"]
    return with_time(categories(features), dates), prices_of(sales["price"]), dates


def ames(path, _options):
    """Ames, Iowa (object `ames` of the R package modeldata, as CSV); dated to the month."""
    sales = pd.read_csv(path, keep_default_na=False)
    dates = pd.to_datetime({"year": sales["Year_Sold"], "month": sales["Mo_Sold"], "day": 1})
    features = sales.drop(columns=["Sale_Price"])
    features["age"] = features["Year_Sold"] - features["Year_Built"]
    features["remod_age"] = features["Year_Sold"] - features["Year_Remod_Add"]
    features["total_sf"] = features[["Total_Bsmt_SF", "First_Flr_SF", "Second_Flr_SF"]].sum(axis=1)
    baths = {"Full_Bath": 1.0, "Half_Bath": 0.5, "Bsmt_Full_Bath": 1.0, "Bsmt_Half_Bath": 0.5}
    features["baths"] = sum(weight * features[name] for name, weight in baths.items())
    features["renovated"] = (features["Year_Remod_Add"] > features["Year_Built"]).astype(int)
    return categories(features), prices_of(sales["Sale_Price"]), dates


def generic(path, options):
    """Any other CSV, by --date-column, --target-column and --drop."""
    if not options.date_column or not options.target_column:
        raise SystemExit("a set without a recipe needs --date-column and --target-column")
    sales = pd.read_csv(path)
    dates = pd.to_datetime(sales[options.date_column], format=options.date_format)
    unused = [options.date_column, options.target_column, *options.drop]
    features = categories(sales.drop(columns=unused))
    return with_time(features, dates), prices_of(sales[options.target_column]), dates


RECIPES = {"lucas": lucas, "king_county": king_county, "ames": ames}


def load(name, path, options):
    """Features, prices and dates of a set, in date order (stable)."""
    features, prices, dates = RECIPES.get(name, generic)(path, options)
    order = np.argsort(dates.to_numpy(), kind="stable")
    return features.iloc[order].reset_index(drop=True), prices[order], dates.to_numpy()[order]


def with_time(features, dates):
    """Adds the day since the first sale and the month of the year."""
    features["sale_day"] = (dates - dates.min()).dt.days
    features["sale_month"] = dates.dt.month
    return features


def categories(features):
    """Every column that is not numeric becomes a category."""
    for name in features.columns:
        if not pd.api.types.is_numeric_dtype(features[name]):
            features[name] = features[name].astype(str).astype("category")
    return features


def prices_of(column):
    return column.astype(float).to_numpy()
