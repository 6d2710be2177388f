#!/usr/bin/env python3
"""Puts homestream beside the usual Python learners, on the same sales.

    python benches/peers/compare.py --set lucas=data/lucas_county/lucas_county.csv.gz \
        --protocols time70,stream --ours lucas.json

A set is NAME=CSV; `lucas`, `king_county` and `ames` have recipes (recipes.py), any other name
takes --date-column, --target-column and --drop. `--ours` is the output of
`homestream evaluate --json`, repeated for more of them; its rows stand beside the peers' rows of
the same set and protocol. See README.md for what is and what is not compared.
"""

import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"  # before numpy is loaded: every side gets one thread

import argparse
import json
import sys
from pathlib import Path

import protocols
import recipes
from models import MODELS

COLUMNS = {
    "rmse": ",.0f", "mae": ",.0f", "mape": ".4f", "mdape": ".4f", "r2": ".4f", "rmsle": ".4f",
    "cod": ".2f", "prd": ".4f", "prb": ".4f", "ppe10": ".4f", "coverage90": ".4f",
    "interval_score90": ",.0f", "fit_seconds": ".2f", "predict_us_per_row": ".1f", "n_test": "d",
}  # fmt: skip
PROTOCOLS = ["time70", "stream", "cv5"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=CSV", dest="sets")
    parser.add_argument("--protocols", default="time70", help="of time70, stream, cv5; by comma")
    parser.add_argument("--models", default=",".join(MODELS), help="by comma (default: all)")
    parser.add_argument(
        "--refit-models", default=",".join(MODELS),
        help="models that are refitted monthly in stream, the costly part (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--interval-models", default="LightGBM", help="models with intervals (default: LightGBM)"
    )
    parser.add_argument("--ours", action="append", default=[], type=Path, metavar="FILE.json")
    parser.add_argument(
        "--peers", action="append", default=[], type=Path, metavar="FILE.json",
        help="rows of an earlier run (its --json): shown beside this run's",
    )  # fmt: skip
    parser.add_argument("--sort", default="mape", choices=list(COLUMNS))
    parser.add_argument("--json", type=Path, help="where to write all rows")
    parser.add_argument("--markdown", type=Path, help="where to write the tables as well")
    parser.add_argument("--date-column", help="for sets without a recipe")
    parser.add_argument("--date-format", help="as in strptime (default: guessed)")
    parser.add_argument("--target-column", help="for sets without a recipe")
    parser.add_argument("--drop", nargs="*", default=[], help="columns that are not features")
    options = parser.parse_args()
    if any("=" not in pair for pair in options.sets):
        parser.error("--set takes NAME=CSV")
    for name in ("protocols", "models", "refit_models", "interval_models"):
        chosen = [item for item in getattr(options, name).split(",") if item]
        known = PROTOCOLS if name == "protocols" else list(MODELS)
        if unknown := set(chosen) - set(known):
            parser.error(f"unknown in --{name.replace('_', '-')}: {sorted(unknown)}; of {known}")
        setattr(options, name, chosen)
    return options


def read_rows(path, system):
    """The rows of a result file, marked with the data set and who made them."""
    result = json.loads(path.read_text())
    marks = {"data_set": result["data_set"]} if "data_set" in result else {}
    return [{**marks, "system": system, **row} for row in result["rows"]]


def run_peers(options):
    """Yields the rows of every set, protocol and model asked for."""
    for name, path in (pair.split("=", maxsplit=1) for pair in options.sets):
        features, prices, dates = recipes.load(name, path, options)
        for protocol in options.protocols:
            steps = protocols.steps(protocol, options.refit_models, options.interval_models)
            for step, models in steps:
                for model in (model for model in models if model in options.models):
                    for row in step(model, features, prices, dates):
                        print(name, row["strategy"], round(row["mape"], 4), file=sys.stderr)
                        plain = {key: as_plain(value) for key, value in row.items()}
                        yield {"data_set": name, "system": "peer", **plain}


def as_plain(value):
    """A number as JSON takes it."""
    return value.item() if hasattr(value, "item") else value


def tables(rows, sort):
    """A Markdown table for each set and protocol, best first; rows without the measure last."""
    lines = []
    descending = sort in ("r2", "ppe10")
    for name, protocol in dict.fromkeys((row["data_set"], row["protocol"]) for row in rows):
        chosen = [r for r in rows if (r["data_set"], r["protocol"]) == (name, protocol)]
        known = [row for row in chosen if row.get(sort) is not None]
        known.sort(key=lambda row: row[sort], reverse=descending)
        known += [row for row in chosen if row.get(sort) is None]
        lines += [f"### {name}, {protocol}", "", "| strategy | " + " | ".join(COLUMNS) + " |"]
        lines.append("|---|" + "---:|" * len(COLUMNS))
        for row in known:
            strategy = f"**{row['strategy']}**" if row["system"] == "ours" else row["strategy"]
            cells = [cell(row.get(key), form) for key, form in COLUMNS.items()]
            lines.append(f"| {strategy} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def cell(value, form):
    return "" if value is None else format(value, form)


def main():
    options = arguments()
    rows = [row for path in options.ours for row in read_rows(path, "ours")]
    rows += [row for path in options.peers for row in read_rows(path, "peer")]
    if not rows and not options.sets:
        raise SystemExit("nothing to compare: give --set, --ours or --peers")
    for row in run_peers(options):
        rows.append(row)
        if options.json:  # after every row: a run may be long
            options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    if options.json:
        options.json.write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    text = tables(rows, options.sort)
    if options.markdown:
        options.markdown.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
