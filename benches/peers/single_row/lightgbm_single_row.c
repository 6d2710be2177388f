/* LightGBM's fast path for one row: lightgbm_single_row MODEL ROWS COLUMNS REPEATS */
#include "common.h"

/* Of LightGBM's C interface, what is used here. */
typedef void *BoosterHandle;
typedef void *FastConfigHandle;
int LGBM_BoosterCreateFromModelfile(const char *, int *, BoosterHandle *);
int LGBM_BoosterPredictForMatSingleRowFastInit(BoosterHandle, int predict_type, int start,
                                               int count, int data_type, int32_t n_columns,
                                               const char *parameters, FastConfigHandle *);
int LGBM_BoosterPredictForMatSingleRowFast(FastConfigHandle, const void *row, int64_t *length,
                                           double *out);

static FastConfigHandle fast;

static double price(const double *row) {
  int64_t length;
  double out;
  if (LGBM_BoosterPredictForMatSingleRowFast(fast, row, &length, &out)) fail("no prediction");
  return out;
}

int main(int argc, char **argv) {
  if (argc != 5) fail("arguments: MODEL ROWS COLUMNS REPEATS");
  Rows rows = read_rows(argv[2], atoi(argv[3]));
  BoosterHandle booster;
  int trees;
  if (LGBM_BoosterCreateFromModelfile(argv[1], &trees, &booster)) fail("no model");
  /* normal prediction, all trees, doubles */
  if (LGBM_BoosterPredictForMatSingleRowFastInit(booster, 0, 0, -1, 1, rows.n_columns - 1,
                                                 "num_threads=1", &fast))
    fail("no fast path");
  report(rows, atoi(argv[4]), price);
  return 0;
}
