//! What category codes stand for.

use super::super::error::ImportError;
use super::super::source::Categories;
use super::fail;
use super::layout::{Cats, Encoding};

/// Shape `(n_columns,)`.
pub(super) fn read(
    cats: Option<Cats>,
    n_columns: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<Categories>, ImportError> {
    let mut categories = vec![Categories::Codes; n_columns];
    let Some(cats) = cats else {
        notes.push(
            "the file does not say what category codes stand for (XGBoost before 3.1): they are \
             taken for level indices, as pd.Categorical(codes, categories=range(n)) makes them"
                .into(),
        );
        return Ok(categories);
    };
    for (column, encoding) in categories.iter_mut().zip(&cats.enc) {
        if let Some(told) = decode(encoding)? {
            *column = told;
        }
    }
    Ok(categories)
}

fn decode(encoding: &Encoding) -> Result<Option<Categories>, ImportError> {
    let path = "learner.gradient_booster.model.cats.enc";
    match &encoding.offsets {
        _ if encoding.values.is_empty() => Ok(None),
        None => Ok(Some(Categories::Values(encoding.values.clone()))),
        Some(offsets) => {
            // signed bytes
            let bytes: Vec<u8> = encoding.values.iter().map(|value| *value as i64 as u8).collect();
            let names = offsets.windows(2).map(|ends| {
                let name = bytes.get(ends[0]..ends[1])?;
                std::str::from_utf8(name).ok().map(str::to_owned)
            });
            let names: Option<Vec<String>> = names.collect();
            names.map(|names| Some(Categories::Names(names))).ok_or_else(|| {
                fail(path, "the names of categories are damaged: save the model again")
            })
        }
    }
}
