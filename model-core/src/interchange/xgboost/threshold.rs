//! Thresholds of 32 bits for values of 64.

/// The largest number `at` such that `x <= at` holds for exactly those 64-bit numbers `x` which,
/// rounded to 32 bits (to nearest, ties to even), are less than `condition`; `None` where no
/// number is, or `condition` is NaN.
pub(super) fn threshold(condition: f32) -> Option<f64> {
    if condition.is_nan() || condition == f32::NEG_INFINITY {
        return None;
    }
    // the largest 32-bit number that goes left; both zeros are the same
    let last = if condition == 0.0 { -f32::from_bits(1) } else { condition.next_down() };
    // infinity is rounded to as if it were the next power of two, whose mantissa is even
    let wide = |number: f32| {
        if number.is_infinite() {
            2_f64.powi(128).copysign(f64::from(number))
        } else {
            f64::from(number)
        }
    };
    let middle = wide(last).midpoint(wide(condition));
    let tie_goes_left = last.to_bits() & 1 == 0;
    Some(if tie_goes_left { middle } else { middle.next_down() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agree(condition: f32, x: f64) -> bool {
        let left = (x as f32) < condition;
        threshold(condition).map_or(!left, |at| (x <= at) == left)
    }

    /// Numbers at and around those where rounding turns.
    fn critical(condition: f32) -> Vec<f64> {
        let mut around = vec![0.0, -0.0, f64::MIN_POSITIVE, 5e-324, -5e-324];
        around.extend([f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN]);
        for near in [
            condition.next_down().next_down(),
            condition.next_down(),
            condition,
            condition.next_up(),
        ] {
            let (a, b) = (f64::from(near), f64::from(near.next_up()));
            around.extend([a, a.midpoint(b)]);
        }
        let overflow = 2_f64.powi(128) - 2_f64.powi(103);
        around.extend([overflow, -overflow, 2_f64.powi(-150), -2_f64.powi(-150)]);
        let shifted: Vec<f64> = around.iter().flat_map(|x| [x.next_down(), x.next_up()]).collect();
        around.extend(shifted);
        around
    }

    #[test]
    fn the_ends_of_the_range_too() {
        let smallest = f32::from_bits(1);
        let conditions = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            smallest,
            -smallest,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ];
        for condition in conditions {
            for x in critical(condition) {
                assert!(agree(condition, x), "{x:e} < {condition:e}");
            }
        }
        assert_eq!(threshold(f32::NEG_INFINITY), None);
        assert_eq!(threshold(f32::NAN), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        #[test]
        fn every_value_goes_where_its_rounded_one_goes(bits in any::<u32>(), x in any::<u64>(), by in -3_i64..4) {
            let condition = f32::from_bits(bits);
            prop_assume!(!condition.is_nan());
            for x in critical(condition) {
                prop_assert!(agree(condition, x), "{x:e} < {condition:e}");
            }
            let x = f64::from_bits(x);
            prop_assume!(!x.is_nan());
            prop_assert!(agree(condition, x));
            let near = f64::from_bits((f64::from(condition).to_bits() as i64).wrapping_add(by) as u64);
            prop_assert!(near.is_nan() || agree(condition, near));
        }
    }
}
