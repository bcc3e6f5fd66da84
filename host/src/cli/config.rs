//! `wasmill config`

use std::process::ExitCode;

use clap::Args;
use clap::ValueEnum;

use crate::cli::exit::Failure;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::show::BOLD;
use crate::cli::show::DIM;
use crate::config::settings;
use crate::config::settings::EffectiveRow;

/// Show the settings in force and where each comes from
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill config
  wasmill config --format json --config wasmill.yaml
  wasmill config --reference         every key with its variable, default and meaning

Secrets are never shown. Later sources win: file, then WASMILL_* variables, then flags.")]
pub(crate) struct Config {
    /// Form of the output
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// Print the reference of all settings (Markdown) instead
    #[arg(long)]
    reference: bool,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Config {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        if self.reference {
            anstream::print!("{}", settings::reference());
            return Ok(ExitCode::SUCCESS);
        }
        let rows = self.settings.effective()?.rows;
        match self.format {
            Format::Text => anstream::print!("{}", table(&rows)),
            Format::Json => anstream::println!("{}", serde_json::to_string_pretty(&rows)?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(rows: &[EffectiveRow]) -> String {
    let value = |row: &EffectiveRow| row.value.clone().unwrap_or_else(|| "-".to_owned());
    let keys = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    let values = rows.iter().map(|row| value(row).chars().count()).max().unwrap_or(0).min(40);
    let mut text = String::new();
    for row in rows {
        let (key, source) = (row.key, &row.source);
        text.push_str(&format!("{BOLD}{key:keys$}{BOLD:#}  {:values$}  {DIM}{source}{DIM:#}\n", value(row)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_line_for_each_key_with_its_source() {
        let effective = settings::load(&settings::Input::default()).expect("valid");
        let text = anstream::adapter::strip_str(&table(&effective.rows)).to_string();
        assert_eq!(text.lines().count(), effective.rows.len());
        let line = text.lines().find(|line| line.starts_with("listen ")).expect("listen");
        assert!(line.contains("127.0.0.1:8088") && line.ends_with("default"), "{line}");
    }
}
