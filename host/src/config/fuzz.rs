//! Body of the fuzz target for pipeline files.

use crate::config::pipeline_file::FileFormat;
use crate::config::pipeline_file::parse;
use crate::config::pipeline_file::to_document;

/// Any bytes as a pipeline file: refused with at least one reason, or a pipeline whose own document says
/// the same.
///
/// # Panics
/// When that does not hold: it is what a fuzz target looks for.
pub fn pipeline_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for format in [FileFormat::Yaml, FileFormat::Json] {
        match parse(text, format, None) {
            Ok(spec) => {
                let document = to_document(&spec).to_string();
                assert_eq!(parse(&document, FileFormat::Json, None), Ok(spec), "{document}");
            }
            Err(refusals) => assert!(!refusals.is_empty(), "refused without a reason"),
        }
    }
}
