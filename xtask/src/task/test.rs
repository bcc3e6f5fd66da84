use std::io::BufRead;
use std::io::BufReader;
use std::process::Command;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;

use crate::command;
use crate::guests;
use crate::setup;
use crate::setup::Purpose;
use crate::suite::Suite;
use crate::tally::Tally;
use crate::task::guests_cargo;

/// Runs all tests beside one Kafka and one registry. `arguments` go to `cargo test`, and narrow the run to the
/// workspace of the host. The last line of the output counts the tests. Returns whether none failed.
///
/// # Errors
/// Something does not build or start; nothing is counted then.
pub fn test(arguments: &[String]) -> Result<bool> {
    let begun = Instant::now();
    setup::run(Purpose::Test)?;
    if guests::manifest().exists() {
        eprintln!("Building the guests");
        guests::build_all()?;
    }
    // Built before the servers start: on a small machine the linker wants their memory.
    command::run(cargo_test(for_cargo(arguments)).arg("--no-run"))?;
    // The suites start the host's binary. A run of a few packages does not build it, and no run of tests
    // writes down what it was built from, by which the suites tell whether it is current. Of the whole
    // workspace, so that its dependencies are those of a full run.
    command::run(command::cargo().args(["build", "--workspace", "--bin", "wasmill"]))?;

    let mut tally = Tally::default();
    {
        let suite = Suite::start()?;
        eprintln!("{}", suite.describe());
        let mut tests = cargo_test(arguments);
        suite.announce(&mut tests);
        stream(&mut tests, &mut tally)?;
        if arguments.is_empty()
            && let Some(mut tests) = guests_cargo("test")
        {
            stream(tests.args(["--workspace", "--no-fail-fast"]), &mut tally)?;
        }
        if arguments.is_empty() {
            // They change the settings of the whole registry, so that they run when nothing else does.
            let mut tests = cargo_test(&[]);
            suite.announce(&mut tests);
            stream(tests.args(["--test", "behaviour", "--", "--ignored", "real::"]), &mut tally)?;
        }
    }
    println!("\nTook {} s", begun.elapsed().as_secs());
    println!("{tally}");
    Ok(tally.failed == 0)
}

fn cargo_test(arguments: &[String]) -> Command {
    let mut cargo = command::cargo();
    cargo.args(["test", "--no-fail-fast"]);
    if !is_narrowed(arguments) {
        cargo.arg("--workspace");
    }
    cargo.args(arguments);
    cargo
}

/// Whether the arguments name packages. What follows `--` does not.
fn is_narrowed(arguments: &[String]) -> bool {
    let names = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
    for_cargo(arguments).iter().any(names)
}

/// Cargo's own arguments: those of the test binaries come after `--`.
fn for_cargo(arguments: &[String]) -> &[String] {
    arguments.split(|argument| argument == "--").next().unwrap_or_default()
}

/// Runs `tests`, shows what it prints as it comes, and counts.
fn stream(tests: &mut Command, tally: &mut Tally) -> Result<()> {
    let before = tally.failed;
    let line = command::line(tests);
    let mut child = tests.stdout(Stdio::piped()).spawn().with_context(|| format!("start `{line}`"))?;
    let output = child.stdout.take().with_context(|| format!("read the output of `{line}`"))?;
    for printed in BufReader::new(output).split(b'\n') {
        let printed = printed.with_context(|| format!("read the output of `{line}`"))?;
        let printed = String::from_utf8_lossy(&printed);
        println!("{printed}");
        tally.add(&printed);
    }
    let status = child.wait().with_context(|| format!("wait for `{line}`"))?;
    if !status.success() && tally.failed == before {
        // A binary that crashed, or did not build, printed no closing line.
        eprintln!("error: `{line}` failed ({status}) without naming a failed test");
        tally.failed += 1;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_narrowed;

    #[test]
    fn packages_narrow_a_run_and_arguments_of_test_programs_do_not() {
        let arguments = |text: &str| -> Vec<String> { text.split_whitespace().map(str::to_owned).collect() };
        for text in ["-p wasmill", "-pwasmill codec", "--package=wasmill"] {
            assert!(is_narrowed(&arguments(text)), "{text}");
        }
        for text in ["", "codec", "--lib -- --package"] {
            assert!(!is_narrowed(&arguments(text)), "{text}");
        }
    }
}
