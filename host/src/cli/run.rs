//! `wasmill run`

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::app;
use crate::app::SidecarPipeline;
use crate::cli::exit::Failure;
use crate::cli::pipeline_files;
use crate::cli::settings_args::SettingsArgs;
use crate::model::failure::Code;
use crate::model::failure::Refusal;

/// Run pipelines from files, without a control plane (sidecar)
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill run -f pipeline.yaml --kafka broker:9092 --registry http://registry:8081
  wasmill run -f a.yaml -f b.yaml --config wasmill.yaml

Transforms are local files: `transform: { file: ./my_transform.wasm }`, relative to the pipeline
file. Health and metrics are at the address of `--listen`: /healthz, /readyz, /metrics.
SIGTERM and SIGINT drain. The exit code is 1 when a pipeline has stopped for good, and 3 when one is
refused before it runs.")]
pub(crate) struct Run {
    /// Pipeline file; may be repeated
    #[arg(short, long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Run {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let settings = self.settings.load()?;
        let pipelines = read_all(self.files)?;
        Ok(app::run_sidecar(settings, pipelines)?)
    }
}

fn read_all(files: Vec<PathBuf>) -> Result<Vec<SidecarPipeline>, Failure> {
    let mut pipelines: Vec<SidecarPipeline> = Vec::new();
    let mut names = HashMap::new();
    for file in files {
        let spec = pipeline_files::read(&file)?;
        if let Some(other) = names.insert(spec.name.clone(), file.clone()) {
            let refusal = Refusal {
                code: Code("pipeline-named-twice"),
                field: format!("{}: name", file.display()),
                message: "two files name one pipeline, which would share its consumer group".to_owned(),
                found: format!("`{}`, as in `{}`", spec.name, other.display()),
                expected: "another name in each file".to_owned(),
                remedy: "Rename one of the pipelines.".to_owned(),
            };
            return Err(Failure::refused("the pipeline files do not go together", vec![refusal]));
        }
        pipelines.push(SidecarPipeline { file, spec });
    }
    Ok(pipelines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_files_with_one_name_are_refused() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = |name: &str| {
            format!(
                "version: 1\nname: {name}\ntransform: {{ file: t.wasm }}\ninputs: {{ in: {{ topic: t, value: raw }} }}\n"
            )
        };
        let (a, b, c) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"), dir.path().join("c.yaml"));
        for (file, name) in [(&a, "one"), (&b, "one"), (&c, "two")] {
            std::fs::write(file, text(name)).expect("written");
        }
        let Err(Failure::Refused { refusals, .. }) = read_all(vec![a.clone(), b]) else { panic!("refused") };
        assert_eq!(refusals[0].code.0, "pipeline-named-twice");
        assert_eq!(read_all(vec![a, c]).expect("two names").len(), 2);
    }
}
