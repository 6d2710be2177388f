/* What the two timing programs share: the rows, the clock, the report. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Rows of doubles, the last column the target; the file is raw, row by row. */
typedef struct {
  double *values;
  int n_rows, n_columns;
} Rows;

static void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static Rows read_rows(const char *path, int n_columns) {
  FILE *file = fopen(path, "rb");
  if (!file) fail("rows cannot be opened");
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  Rows rows = {malloc(size), (int)(size / 8 / n_columns), n_columns};
  if (fread(rows.values, 1, size, file) != (size_t)size) fail("rows cannot be read");
  fclose(file);
  return rows;
}

static double now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Prices every row `repeats` times and prints the error and the times. Zero repeats price
   nothing, one less than two: the difference of the instruction counts is one pass. */
static void report(Rows rows, int repeats, double (*price)(const double *)) {
  double *times = malloc(sizeof(double) * (repeats + 1));
  double squares = 0;
  for (int repeat = 0; repeat < repeats; repeat++) {
    squares = 0;
    double start = now_ns();
    for (int row = 0; row < rows.n_rows; row++) {
      const double *values = rows.values + (size_t)row * rows.n_columns;
      double error = price(values) - values[rows.n_columns - 1];
      squares += error * error;
    }
    times[repeat] = (now_ns() - start) / rows.n_rows;
  }
  if (repeats == 0) return;
  qsort(times, repeats, sizeof(double), compare);
  printf("rmse %.5f\n", sqrt(squares / rows.n_rows));
  printf("ns_min %.1f\n", times[0]);
  printf("ns_median %.1f\n", times[repeats / 2]);
}
