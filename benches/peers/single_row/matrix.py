"""Any CSV file of sales as a numeric matrix: matrix.py CSV TARGET OUT.

The target is the logarithm of column TARGET and comes last. Labels become numbers in their
order, dates days; columns named id, or ending in _id, are left out. Rows are shuffled."""

import sys

import numpy
import pandas

source, target, out = sys.argv[1:]
table = pandas.read_csv(source)
table = table[table[target] > 0]
goal = numpy.log(table.pop(target).astype(float))
columns = {}
for name, values in table.items():
    if name == "id" or name.endswith("_id"):
        continue
    if not pandas.api.types.is_numeric_dtype(values):
        if "date" in name:
            values = pandas.to_datetime(values)
            values = (values - values.min()).dt.days
        else:
            codes, _ = pandas.factorize(values, sort=True)
            values = pandas.Series(codes, values.index).where(codes >= 0)
    columns[name] = values.astype(float)
columns[target] = goal
pandas.DataFrame(columns).sample(frac=1, random_state=0).to_csv(out, index=False)
