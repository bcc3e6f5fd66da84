use anyhow::Result;
use anyhow::bail;

use crate::checkout;
use crate::tidy;

/// Checks the rules of the house that no compiler checks, and prints every violation.
///
/// # Errors
/// There are violations, or the sources cannot be read.
pub fn tidy() -> Result<()> {
    let violations = tidy::check(checkout::root())?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("tidy: 1 violation"),
        count => bail!("tidy: {count} violations"),
    }
}
