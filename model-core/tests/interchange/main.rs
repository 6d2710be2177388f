//! Models that LightGBM and XGBoost saved, against what these libraries predict and explain.
//! `make_fixtures.py` makes the fixtures.

#[cfg(test)]
mod bound;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod library;
