//! `wasmill check`

use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::app;
use crate::app::CheckReport;
use crate::cli::exit::Failure;
use crate::cli::pipeline_files;
use crate::cli::progress::during;
use crate::cli::settings_args::SettingsArgs;
use crate::cli::show;
use crate::cli::show::BOLD;
use crate::model::failure::Stop;
use crate::model::manifest::EventTime;
use crate::model::manifest::Late;
use crate::model::manifest::Manifest;
use crate::model::manifest::PartType;
use crate::model::manifest::Scope;
use crate::model::manifest::StateStore;
use crate::model::state::TimeDomain;

/// What to do when something is away, so that a check could not be made.
const UNCHECKED: &str =
    "What could be checked is in order. Check again when it is back, or correct its address.";

/// Run every check on a component or a pipeline file; nothing is changed
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill check my_transform.wasm
  wasmill check pipeline.yaml --kafka broker:9092 --registry http://registry:8081

A pipeline file is checked against the brokers and the registry of the settings: topics, access,
schemas, contract, limits. Every problem is told at once. The exit code is 3 when something is
refused, 1 when not everything could be checked.")]
pub(crate) struct Check {
    /// Component (.wasm) or pipeline file (.yaml, .json)
    #[arg(value_name = "FILE", required_unless_present = "pipeline")]
    file: Option<PathBuf>,
    /// Pipeline file, whatever its name
    #[arg(short = 'f', long = "file", value_name = "FILE", conflicts_with = "file")]
    pipeline: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Check {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let settings = self.settings.load()?;
        let (file, report) = match (self.pipeline, self.file) {
            (None, Some(file)) if is_component(&file)? => {
                let what = format!("checking and compiling {}", file.display());
                let report = during(&what, || app::check_component(&settings, &file))?;
                (file, report)
            }
            (Some(file), _) | (None, Some(file)) => {
                let spec = pipeline_files::read(&file)?;
                let what = format!("checking {}", file.display());
                let report = during(&what, || app::check_pipeline(&settings, &spec))?;
                (file, report)
            }
            (None, None) => return Err(anyhow::anyhow!("no file is named").into()),
        };
        show_report(&file, report)
    }
}

/// A component begins with the magic number of WebAssembly; a file named `.wasm` that does not is
/// checked as one all the same, for a clear refusal.
fn is_component(file: &Path) -> Result<bool, Failure> {
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("wasm")) {
        return Ok(true);
    }
    let mut start = [0; 4];
    let read = std::fs::File::open(file).and_then(|mut opened| std::io::Read::read(&mut opened, &mut start));
    let read = read.map_err(|error| Failure::unreadable(file, &error))?;
    Ok(start.get(..read) == Some(b"\0asm"))
}

fn show_report(file: &Path, mut report: CheckReport) -> Result<ExitCode, Failure> {
    for notice in &report.notices {
        show::notice(notice);
    }
    if !report.refusals.is_empty() {
        for outage in &report.outages {
            show::notice(&format!("not everything could be checked: {outage}"));
        }
        return Err(Failure::refused(format!("`{}` is refused", file.display()), report.refusals));
    }
    if let Some(outage) = report.outages.pop() {
        for outage in &report.outages {
            show::notice(&format!("not everything could be checked: {outage}"));
        }
        return Err(Stop { code: outage.code, message: outage.message, remedy: UNCHECKED.into() }.into());
    }
    if let Some(manifest) = &report.manifest {
        anstream::print!("{}", describe(manifest));
    }
    if let Some(digest) = &report.digest {
        anstream::println!("{BOLD}digest{BOLD:#}  {digest}");
    }
    show::done(&format!("{} passes every check", file.display()));
    Ok(ExitCode::SUCCESS)
}

/// The contract of a transform for people.
pub(crate) fn describe(manifest: &Manifest) -> String {
    let mut text = format!("{BOLD}{}{BOLD:#}", manifest.name);
    if !manifest.description.is_empty() {
        text.push_str(&format!("  {}", manifest.description));
    }
    text.push('\n');
    for port in &manifest.inputs {
        let (key, value) = (part(port.key.as_ref()), part(port.value.as_ref()));
        let time = port.event_time.as_ref().map_or_else(String::new, event_time);
        text.push_str(&format!("  input   {}  key {key}, value {value}{time}\n", port.name));
    }
    for port in &manifest.outputs {
        let (key, value) = (part(port.key.as_ref()), part(Some(&port.value)));
        text.push_str(&format!("  output  {}  key {key}, value {value}\n", port.name));
    }
    for key in &manifest.config {
        let default = match &key.default {
            Some(default) => format!("default `{default}`"),
            None if key.required => "required".to_owned(),
            None => "optional".to_owned(),
        };
        text.push_str(&format!("  config  {}  {default}\n", key.key));
    }
    for store in &manifest.state {
        text.push_str(&format!("  state   {}  {}\n", store.name, state_store(store)));
    }
    if !manifest.timers.is_empty() {
        let domains: Vec<&str> = manifest.timers.iter().map(|domain| domain_name(*domain)).collect();
        text.push_str(&format!("  timers  {}\n", domains.join(", ")));
    }
    text
}

fn part(part: Option<&PartType>) -> &str {
    match part {
        None => "-",
        Some(PartType::Raw) => "raw",
        Some(PartType::Dynamic) => "dynamic",
        Some(PartType::Typed { schema }) => schema_name(schema),
    }
}

/// What a schema is called: the name of a named type, else the type.
fn schema_name(schema: &serde_json::Value) -> &str {
    let name = schema.get("name").and_then(|name| name.as_str());
    let kind = schema.get("type").and_then(|kind| kind.as_str()).or(schema.as_str());
    name.or(kind).unwrap_or("typed")
}

fn event_time(event_time: &EventTime) -> String {
    let from = match &event_time.field {
        Some(field) => format!("of `{field}`"),
        None => "of the record".to_owned(),
    };
    let late = match event_time.late {
        Late::Process => "",
        Late::Drop => ", late records dropped",
    };
    let behind = match event_time.out_of_orderness_ms {
        0 => String::new(),
        ms => format!(" less {}", span(ms)),
    };
    format!(", event time {from}{behind}{late}")
}

fn state_store(store: &StateStore) -> String {
    let mut text = format!("value {}", schema_name(&store.value));
    text.push_str(match store.scope {
        Scope::Key => ", per key",
        Scope::Partition => ", per partition",
    });
    if store.scan {
        text.push_str(", scanned");
    }
    if let Some(ttl) = store.ttl {
        text.push_str(&format!(
            ", absent {} after its last write ({} time)",
            span(ttl.ms),
            domain_name(ttl.time)
        ));
    }
    text
}

fn domain_name(domain: TimeDomain) -> &'static str {
    match domain {
        TimeDomain::Event => "event",
        TimeDomain::Processing => "processing",
    }
}

fn span(ms: u64) -> String {
    humantime::format_duration(Duration::from_millis(ms)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_a_component_by_its_name_or_its_first_bytes() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).expect("written");
            path
        };
        assert!(is_component(&file("a.wasm", b"garbage")).expect("read"));
        assert!(is_component(&file("a.bin", b"\0asm\x0d\0\x01\0")).expect("read"));
        assert!(!is_component(&file("a.yaml", b"version: 1")).expect("read"));
        assert!(!is_component(&file("empty", b"")).expect("read"));
        assert!(is_component(&dir.path().join("none")).is_err());
    }

    #[test]
    fn a_manifest_is_described_port_by_port() {
        let manifest: Manifest = serde_json::from_str(
            r#"{
                "manifest_version": 1,
                "name": "payments-filter",
                "description": "Keeps large payments",
                "inputs": [{"name": "payments", "value": {"kind": "typed", "schema": {"type": "record", "name": "Payment", "fields": []}}}],
                "outputs": [{"name": "large", "key": {"kind": "typed", "schema": "string"}, "value": {"kind": "raw"}}],
                "config": [{"key": "threshold", "default": "500"}, {"key": "token", "required": true}]
            }"#,
        )
        .expect("a manifest");
        let text = anstream::adapter::strip_str(&describe(&manifest)).to_string();
        assert_eq!(
            text,
            "payments-filter  Keeps large payments
  input   payments  key -, value Payment
  output  large  key string, value raw
  config  threshold  default `500`
  config  token  required
"
        );
    }

    #[test]
    fn state_timers_and_event_time_are_described() {
        let manifest: Manifest = serde_json::from_str(
            r#"{
                "manifest_version": 1,
                "name": "sessions",
                "inputs": [
                    {"name": "clicks", "value": {"kind": "raw"}, "event_time": {}},
                    {"name": "orders", "value": {"kind": "raw"}, "event_time": {"field": "at", "out_of_orderness_ms": 5000, "late": "drop"}}],
                "state": [
                    {"name": "totals", "value": "double"},
                    {"name": "seen", "value": {"type": "record", "name": "Seen", "fields": []}, "scope": "partition", "scan": true, "ttl": {"ms": 86400000, "time": "event"}}],
                "timers": ["event", "processing"]
            }"#,
        )
        .expect("a manifest");
        let text = anstream::adapter::strip_str(&describe(&manifest)).to_string();
        assert_eq!(
            text,
            "sessions
  input   clicks  key -, value raw, event time of the record
  input   orders  key -, value raw, event time of `at` less 5s, late records dropped
  state   totals  value double, per key
  state   seen  value Seen, per partition, scanned, absent 1day after its last write (event time)
  timers  event, processing
"
        );
    }
}
