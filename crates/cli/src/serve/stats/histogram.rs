//! Histograms as Envoy's `/stats` writes them.

use enginebay::host::Metric;

/// `P0(nan,1.05) P25(nan,2.05)` and so on, of [`Metric::QUANTILES`]. Where Envoy has what came in the last five seconds there
/// is always `nan`, which in Envoy says that nothing did: intervals are not kept.
pub(super) fn summary(quantiles: &[f64]) -> String {
    if quantiles.is_empty() {
        return "No recorded values".to_owned();
    }
    let quantile =
        |(share, value): (&f64, &f64)| format!("P{}(nan,{})", general(share * 100.0), general(*value));
    let all: Vec<String> = Metric::QUANTILES.iter().zip(quantiles).map(quantile).collect();
    all.join(" ")
}

/// A number as `%g` of C: six digits that count, without zeros at the end.
fn general(value: f64) -> String {
    let scientific = format!("{value:.5e}");
    let Some((digits, Ok(exponent))) = scientific
        .split_once('e')
        .map(|(digits, exponent)| (digits, exponent.parse::<i32>()))
    else {
        return scientific;
    };
    let trim = |number: &str| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or_default();
        return trim(&format!("{value:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim(digits), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_c_writes_them() {
        let cases = [
            (0.0, "0"),
            (1.05, "1.05"),
            (100.0 * 0.995, "99.5"),
            (370.0 / 3.0, "123.333"),
            (105_000.0, "105000"),
            (999_999.6, "1e+06"),
            (1_800_000.0, "1.8e+06"),
            (1.85e19, "1.85e+19"),
            (0.00001, "1e-05"),
            (f64::NAN, "NaN"),
        ];
        for (value, expected) in cases {
            assert_eq!(general(value), expected);
        }
    }

    #[test]
    fn a_summary_has_every_quantile() {
        assert_eq!(summary(&[]), "No recorded values");
        assert_eq!(
            summary(&[
                1.05, 10.5, 99.5, 127.5, 1250.0, 7050.0, 7050.0, 7050.0, 7050.0, 7050.0
            ]),
            "P0(nan,1.05) P25(nan,10.5) P50(nan,99.5) P75(nan,127.5) P90(nan,1250) P95(nan,7050) P99(nan,7050) \
             P99.5(nan,7050) P99.9(nan,7050) P100(nan,7050)"
        );
    }
}
