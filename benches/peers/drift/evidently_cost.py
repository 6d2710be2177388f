"""Computes Evidently's drift statistics of two Parquet files and prints what they cost.

    python evidently_cost.py REFERENCE CURRENT [--columns N]

The statistics are those that `homestream drift` computes in one run: PSI, Kolmogorov-Smirnov,
Wasserstein, Jensen-Shannon and Hellinger. One JSON line: CPU seconds (user and system) of the
statistics and of the whole process, and peak memory.
"""

import argparse
import json
import resource

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

METHODS = ["psi", "ks", "wasserstein", "jensenshannon", "hellinger"]


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("reference")
    parser.add_argument("current")
    parser.add_argument("--columns", type=int, help="only the first N")
    args = parser.parse_args()
    reference, current = pd.read_parquet(args.reference), pd.read_parquet(args.current)
    columns = list(reference.columns)[: args.columns]
    definition = DataDefinition(numerical_columns=columns)
    datasets = [
        Dataset.from_pandas(frame[columns], data_definition=definition)
        for frame in (current, reference)
    ]
    begun = cpu_seconds()
    metrics = [ValueDrift(column=name, method=method) for name in columns for method in METHODS]
    Report(metrics).run(*datasets).dict()
    used = cpu_seconds()
    print(
        json.dumps(
            {
                "columns": len(columns),
                "rows": [len(reference), len(current)],
                "statistics_cpu_seconds": round(used - begun, 2),
                "process_cpu_seconds": round(used, 2),
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
