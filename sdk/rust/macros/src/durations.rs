//! Spans of time in attributes: `"500ms"`, `"30s"`, `"15m"`, `"12h"`, `"7d"`.

use syn::LitStr;

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// The milliseconds of a span of time.
pub(crate) fn millis(text: &LitStr) -> syn::Result<u64> {
    let value = text.value();
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let error = |why: &str| syn::Error::new(text.span(), format!("`{value}` is no span of time: {why}"));
    let (Ok(number), Some(unit)) = (number.parse::<u64>(), unit) else {
        return Err(error("write a whole number and ms, s, m, h, d or w, such as \"7d\""));
    };
    number
        .checked_mul(unit)
        .filter(|millis| *millis <= MILLIS_MAX)
        .ok_or_else(|| error("it is longer than 10,000 years"))
}

/// The milliseconds of a span of time that is not empty.
pub(crate) fn positive_millis(text: &LitStr, what: &str) -> syn::Result<u64> {
    match millis(text)? {
        0 => Err(syn::Error::new(text.span(), format!("{what} is at least 1ms"))),
        millis => Ok(millis),
    }
}

/// Times are 64-bit numbers of milliseconds; sums of them must be too.
const MILLIS_MAX: u64 = 315_576_000_000_000;

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    fn parsed(text: &str) -> Result<u64, String> {
        millis(&LitStr::new(text, Span::call_site())).map_err(|error| error.to_string())
    }

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(parsed("0s"), Ok(0));
        assert_eq!(parsed("250ms"), Ok(250));
        assert_eq!(parsed("15m"), Ok(900_000));
        assert_eq!(parsed("7d"), Ok(604_800_000));
        assert_eq!(parsed("1w"), parsed("7d"));
        for bad in ["", "7", "d", "-1d", "1.5h", "7 d", "1d12h", "7days", "99999999999999999999d"] {
            let error = parsed(bad).expect_err("no span");
            assert!(error.contains("write a whole number and ms, s, m, h, d or w"), "{error}");
        }
        assert!(parsed("9999999d").expect_err("too long").contains("longer than 10,000 years"));
    }
}
