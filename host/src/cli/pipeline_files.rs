//! Pipeline files on disk.

use std::path::Path;

use crate::cli::exit::Failure;
use crate::config::pipeline_file;
use crate::config::pipeline_file::FileFormat;
use crate::model::pipeline_spec::PipelineSpec;

/// Reads and validates one file. Relative paths in it start at its folder.
pub(crate) fn read(path: &Path) -> Result<PipelineSpec, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::unreadable(path, &error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    pipeline_file::parse(&text, format_of(path), folder).map_err(|refusals| {
        Failure::refused(format!("the pipeline file `{}` is wrong", path.display()), refusals)
    })
}

fn format_of(path: &Path) -> FileFormat {
    match path.extension() {
        Some(extension) if extension.eq_ignore_ascii_case("json") => FileFormat::Json,
        _ => FileFormat::Yaml,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pipeline_spec::TransformRef;

    #[test]
    fn paths_start_at_the_folder_of_the_file_and_problems_name_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("p.yaml");
        let text =
            "version: 1\nname: p\ntransform: { file: t.wasm }\ninputs: { in: { topic: t, value: raw } }\n";
        std::fs::write(&file, text).expect("written");
        let spec = read(&file).expect("valid");
        assert_eq!(spec.transform, TransformRef::File(dir.path().join("t.wasm")));

        std::fs::write(&file, "version: 1\n").expect("written");
        let Err(Failure::Refused { what, refusals }) = read(&file) else { panic!("refused") };
        assert!(what.contains("p.yaml") && refusals.len() == 3, "{what}: {refusals:?}");
        let Err(Failure::Refused { refusals, .. }) = read(&dir.path().join("none.yaml")) else {
            panic!("refused")
        };
        assert_eq!(refusals[0].code.0, "file-missing");
    }
}
