//! Blending fitted models into one.

use super::elastic_net::ElasticNetModel;
use super::error::InvalidModel;
use super::model::FittedModel;
use super::precision::Precision;
use super::trees::{CATEGORICAL, CategorySet, FlatTrees, Node, TreeParts};

/// Share of the plain trees in a blend; a quarter to a half does nearly as well on both markets
/// that it was chosen on (ARCHITECTURE.md, "Choices by evidence").
const TREES_SHARE: f64 = 1.0 / 3.0;

impl FittedModel {
    /// The weighted mean of trees (a third) and of a linear model with the trees that learned its
    /// residuals (two thirds): one model, priced in one pass.
    ///
    /// # Errors
    ///
    /// [`InvalidModel`] when they have different columns or too many trees together.
    pub fn blend(
        trees: &FlatTrees,
        linear: &ElasticNetModel,
        remainder: &FlatTrees,
    ) -> Result<Self, InvalidModel> {
        let blend = Self::Additive {
            linear: linear.scaled(1.0 - TREES_SHARE),
            trees: scaled_sum(&[(trees, TREES_SHARE), (remainder, 1.0 - TREES_SHARE)])?,
        };
        blend.validate()?;
        Ok(blend)
    }
}

/// The sum of several ensembles over the same columns, each times its factor, in 64 bits.
fn scaled_sum(members: &[(&FlatTrees, f64)]) -> Result<FlatTrees, InvalidModel> {
    let n_features = members.first().map_or(0, |(member, _)| member.n_features());
    let mut sum = TreeParts::empty(n_features, Precision::Double, 0.0);
    for (member, factor) in members {
        let parts = &member.parts;
        if parts.n_features != sum.n_features {
            let (found, expected) = (member.n_features(), n_features);
            return Err(InvalidModel::Length { what: "columns", found, expected });
        }
        let (first_node, first_set) = (sum.nodes.len() as u32, sum.sets.len());
        let first_word = sum.words.len() as u32;
        sum.base += factor * parts.base;
        sum.roots.extend(parts.roots.iter().map(|root| root + first_node));
        sum.nodes.extend(parts.nodes.iter().map(|node| Node {
            left: node.left + first_node,
            threshold: if node.flags & CATEGORICAL == 0 {
                node.threshold
            } else {
                node.threshold + first_set as f64
            },
            ..*node
        }));
        sum.values.extend(parts.values.iter().map(|value| factor * value));
        sum.covers.extend_from_slice(&parts.covers);
        let sets = parts.sets.iter();
        sum.sets.extend(sets.map(|set| CategorySet { start: set.start + first_word, ..*set }));
        sum.words.extend_from_slice(&parts.words);
        for (gain, of_member) in sum.gains.iter_mut().zip(&parts.gains) {
            *gain += factor * of_member;
        }
    }
    FlatTrees::from_parts(sum)
}

#[cfg(test)]
mod tests {
    use super::super::{
        BoostedTreesParams, ColumnKind, ElasticNetParams, FeatureMatrix, Strategy, TrainingData,
    };
    use super::*;

    const KINDS: [ColumnKind; 2] = [ColumnKind::Numeric, ColumnKind::Categorical { levels: 7 }];

    fn members() -> (FlatTrees, ElasticNetModel, FlatTrees) {
        let mut features = FeatureMatrix::new(2);
        let mut target = Vec::new();
        for i in 0..600_u32 {
            let (x, level) = (f64::from(i % 83), f64::from(i * 7 % 11 % 7));
            let x = if i % 17 == 0 { f64::NAN } else { x };
            features.push_row(&[x, level]).unwrap();
            target.push(11.0 + x.max(0.0).sqrt() / 9.0 + 0.1 * (level - 3.0).abs());
        }
        let data = TrainingData { features: &features, target: &target, kinds: &KINDS };
        let fit = |seed| {
            let params = BoostedTreesParams { rounds: 40, seed, ..BoostedTreesParams::default() };
            match params.check().unwrap().fit(&data, None).unwrap() {
                FittedModel::BoostedTrees(trees) => trees,
                other => panic!("{other:?}"),
            }
        };
        let linear = match ElasticNetParams::default().check().unwrap().fit(&data, None).unwrap() {
            FittedModel::ElasticNet(linear) => linear,
            other => panic!("{other:?}"),
        };
        (fit(1), linear, fit(2))
    }

    #[test]
    fn a_blend_is_the_mean_of_its_members_and_explains_itself() {
        let (trees, linear, remainder) = members();
        let blend = FittedModel::blend(&trees, &linear, &remainder).unwrap();
        for (x, level) in [(3.0, 2.0), (80.0, 6.0), (f64::NAN, 0.0), (41.5, 99.0), (-7.0, f64::NAN)]
        {
            let row = [x, level];
            let linear_trees = linear.predict(&row) + remainder.predict(&row);
            let mean = (trees.predict(&row) + 2.0 * linear_trees) / 3.0;
            let prediction = blend.predict(&row);
            assert!((prediction - mean).abs() < 1e-12, "{prediction} {mean}");
            let mut parts = [0.0; 2];
            let explained = blend.explain(&row, &mut parts);
            assert_eq!(explained.prediction.to_bits(), prediction.to_bits());
            assert!((explained.base + parts[0] + parts[1] - prediction).abs() < 1e-9);
            let mut alone = [0.0; 2];
            let base = blend.contributions(&row, &mut alone);
            assert!((base - explained.base).abs() < 1e-12);
            assert!((alone[0] - parts[0]).abs() + (alone[1] - parts[1]).abs() < 1e-10);
        }
        let importance = blend.importance();
        assert!((importance.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let bytes = postcard::to_stdvec(&blend).unwrap();
        assert_eq!(postcard::from_bytes::<FittedModel>(&bytes).unwrap(), blend);
    }

    #[test]
    fn members_of_other_columns_are_refused() {
        let (trees, linear, _) = members();
        let mut features = FeatureMatrix::new(1);
        (0..100).for_each(|i| features.push_row(&[f64::from(i)]).unwrap());
        let target: Vec<f64> = (0..100).map(f64::from).collect();
        let kinds = [ColumnKind::Numeric];
        let data = TrainingData { features: &features, target: &target, kinds: &kinds };
        let params = BoostedTreesParams { rounds: 3, ..BoostedTreesParams::default() };
        let FittedModel::BoostedTrees(narrow) = params.check().unwrap().fit(&data, None).unwrap()
        else {
            panic!("not trees")
        };
        assert!(FittedModel::blend(&trees, &linear, &narrow).is_err());
        assert!(FittedModel::blend(&narrow, &linear, &narrow).is_err());
    }
}
