"""Trains LightGBM and XGBoost on a matrix: train_peers.py MATRIX TREES LEAVES FOLDER.

The matrix is a CSV file with a header whose last column is the target; an empty field is a
missing value. The last fifth of the rows is held out, written as raw doubles and priced by the
C programs. The parameters are those of homestream's boosted trees, as far as the library has
them."""

import os
import sys

import lightgbm
import numpy
import pandas
import xgboost

path, trees, leaves, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
matrix = pandas.read_csv(path).to_numpy(dtype=numpy.float64)
n_train = len(matrix) * 4 // 5
x, y = matrix[:n_train, :-1], matrix[:n_train, -1]
matrix[n_train:].tofile(f"{folder}/rows.bin")

parameters = dict(
    objective="regression", num_leaves=leaves, learning_rate=0.05, min_data_in_leaf=20,
    min_sum_hessian_in_leaf=0.0, lambda_l2=1.0, feature_fraction=0.6, bagging_fraction=0.8,
    bagging_freq=1, num_threads=1, verbose=-1, seed=0,
)
booster = lightgbm.train(parameters, lightgbm.Dataset(x, y), trees)
booster.save_model(f"{folder}/lightgbm.txt")

parameters = dict(
    objective="reg:squarederror", tree_method="hist", grow_policy="lossguide", max_depth=0,
    max_leaves=leaves, learning_rate=0.05, min_child_weight=20, reg_lambda=1.0,
    colsample_bytree=0.6, subsample=0.8, nthread=1, seed=0,
)
booster = xgboost.train(parameters, xgboost.DMatrix(x, y), trees)
booster.save_model(f"{folder}/xgboost.json")

package = lambda module: os.path.dirname(module.__file__) + "/lib"
print("lightgbm_library", f"{package(lightgbm)}/lib_lightgbm.so")
print("xgboost_library", f"{package(xgboost)}/libxgboost.so")
print("columns", matrix.shape[1])
print("lightgbm_version", lightgbm.__version__)
print("xgboost_version", xgboost.__version__)
