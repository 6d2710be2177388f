/* XGBoost's in-place prediction of one row: xgboost_single_row MODEL ROWS COLUMNS REPEATS */
#include "common.h"

/* Of XGBoost's C interface, what is used here. */
typedef void *BoosterHandle;
typedef void *DMatrixHandle;
typedef uint64_t bst_ulong;
int XGBoosterCreate(const DMatrixHandle *, bst_ulong, BoosterHandle *);
int XGBoosterLoadModel(BoosterHandle, const char *);
int XGBoosterSetParam(BoosterHandle, const char *name, const char *value);
int XGBoosterPredictFromDense(BoosterHandle, const char *array, const char *config,
                              DMatrixHandle, const bst_ulong **shape, bst_ulong *dimensions,
                              const float **out);

static BoosterHandle booster;
static int n_features;

static double price(const double *row) {
  static const char config[] =
      "{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
      "\"strict_shape\":false,\"cache_id\":0,\"missing\":NaN}";
  char array[160];
  const bst_ulong *shape;
  bst_ulong dimensions;
  const float *out;
  snprintf(array, sizeof array,
           "{\"data\":[%zu,true],\"shape\":[1,%d],\"typestr\":\"<f8\",\"version\":3}",
           (size_t)row, n_features);
  if (XGBoosterPredictFromDense(booster, array, config, NULL, &shape, &dimensions, &out))
    fail("no prediction");
  return out[0];
}

int main(int argc, char **argv) {
  if (argc != 5) fail("arguments: MODEL ROWS COLUMNS REPEATS");
  Rows rows = read_rows(argv[2], atoi(argv[3]));
  n_features = rows.n_columns - 1;
  if (XGBoosterCreate(NULL, 0, &booster) || XGBoosterLoadModel(booster, argv[1]))
    fail("no model");
  XGBoosterSetParam(booster, "nthread", "1");
  report(rows, atoi(argv[4]), price);
  return 0;
}
