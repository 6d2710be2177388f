//! Whether a sum of trees is rounded to 32 bits at every tree.

use serde::{Deserialize, Serialize};

/// What the leaves of trees are added in: the order is that of the trees, from the base on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// 64 bits: what is trained here, and LightGBM.
    #[default]
    Double,
    /// 32 bits, as XGBoost adds; leaves and base are 32-bit numbers too. About 1e-6 of the sum
    /// apart from 64 bits at some hundred trees.
    Single,
}

/// A sum of leaves, and what rounding has added to it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Added {
    /// The prediction.
    pub(super) total: f64,
    /// The prediction less the same sum in 64 bits; 0 for sums in 64 bits.
    pub(super) rounding: f64,
}

/// A running sum of leaves.
pub(super) trait Sum: Copy {
    /// Of no leaf yet.
    fn start(base: f64) -> Self;

    /// With a leaf more.
    fn plus(self, leaf: f64) -> Self;

    /// At its end.
    fn added(self) -> Added;
}

impl Sum for f64 {
    #[inline(always)]
    fn start(base: f64) -> Self {
        base
    }

    #[inline(always)]
    fn plus(self, leaf: f64) -> Self {
        self + leaf
    }

    #[inline(always)]
    fn added(self) -> Added {
        Added { total: self, rounding: 0.0 }
    }
}

/// [`Precision::Single`]; the sum in 64 bits costs nothing where nobody asks for the rounding.
#[derive(Clone, Copy)]
pub(super) struct InSingle {
    narrow: f32,
    wide: f64,
}

impl Sum for InSingle {
    #[inline(always)]
    fn start(base: f64) -> Self {
        Self { narrow: base as f32, wide: base }
    }

    #[inline(always)]
    fn plus(self, leaf: f64) -> Self {
        Self { narrow: self.narrow + leaf as f32, wide: self.wide + leaf }
    }

    #[inline(always)]
    fn added(self) -> Added {
        let total = f64::from(self.narrow);
        Added { total, rounding: total - self.wide }
    }
}
