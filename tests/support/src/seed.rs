//! Where random tests begin.

use anyhow::Context;
use anyhow::Result;

/// The seed of this run: from `WASMILL_TEST_SEED`, else random. Printed, so that a failure can be seen
/// again.
///
/// # Panics
/// When the variable holds no seed: a run with another one would prove nothing.
#[must_use]
pub fn seed() -> u64 {
    let asked = std::env::var_os("WASMILL_TEST_SEED").map(|text| text.to_string_lossy().into_owned());
    let seed = chosen(asked.as_deref()).expect("the seed asked for");
    println!("seed {seed} (run again with WASMILL_TEST_SEED={seed})");
    seed
}

fn chosen(asked: Option<&str>) -> Result<u64> {
    let Some(text) = asked else { return Ok(rand::random()) };
    text.parse().with_context(|| {
        format!("WASMILL_TEST_SEED is `{text}`; expected a whole number from 0 to {}", u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn a_seed_that_is_none_is_refused() {
        assert_eq!(chosen(Some("7")).expect("a seed"), 7);
        for text in ["", "x", "-1", "1.5", "18446744073709551616"] {
            let error = chosen(Some(text)).expect_err("no seed").to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
