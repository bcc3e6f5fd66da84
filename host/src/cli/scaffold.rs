//! The files of a new project.

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));
}

/// Where the SDK's sources are in a new project.
const VENDOR: &str = "vendor/wasmill";

const TEMPLATES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("pipeline.yaml", include_str!("template/pipeline.yaml.txt")),
    ("README.md", include_str!("template/README.md.txt")),
];

/// Every file of a project by path, relative to its folder.
pub(crate) fn files(name: &str) -> Vec<(String, String)> {
    let fill = |text: &str| {
        text.replace("@NAME@", name)
            .replace("@CRATE@", &name.replace('-', "_"))
            .replace("@TYPE@", &type_name(name))
    };
    let mut files: Vec<_> = TEMPLATES.iter().map(|(path, text)| ((*path).to_owned(), fill(text))).collect();
    files.push((".gitignore".to_owned(), "/target\n/wasmill-data\n".to_owned()));
    files.push((format!("{VENDOR}/Cargo.toml"), workspace_manifest()));
    files.extend(embedded::FILES.iter().map(|(path, text)| (format!("{VENDOR}/{path}"), (*text).to_owned())));
    files
}

/// `big-spender` -> `BigSpender`; never the name of one of the template's records.
fn type_name(name: &str) -> String {
    let mut out = String::new();
    for word in name.split('-') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    if matches!(out.as_str(), "Payment" | "LargePayment") || in_prelude(&out) {
        out.push_str("Transform");
    }
    out
}

/// Names that the template's imports already use.
fn in_prelude(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "Batch",
        "ColumnBuilder",
        "Config",
        "Context",
        "Dynamic",
        "Error",
        "Header",
        "Option",
        "Output",
        "Process",
        "Raw",
        "Record",
        "Result",
        "Rows",
        "Self",
        "Some",
        "SourceKey",
        "Sources",
        "String",
        "TestHarness",
        "TestRecord",
        "Vec",
    ];
    NAMES.contains(&name)
}

/// A manifest for the SDK's crates alone: their part of our own workspace.
fn workspace_manifest() -> String {
    let wanted: Vec<&str> = embedded::FILES
        .iter()
        .filter(|(path, _)| path.ends_with("Cargo.toml"))
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.split_once('='))
        .filter_map(|(key, _)| key.trim().strip_suffix(".workspace"))
        .collect();
    let mut out =
        String::from("[workspace]\nresolver = \"3\"\nmembers = [\"sdk/rust\", \"sdk/rust/macros\"]\n");
    for section in sections(embedded::WORKSPACE_MANIFEST) {
        let Some(heading) = section.first() else { continue };
        if *heading == "[workspace.package]" || heading.starts_with("[workspace.lints") {
            out.push('\n');
            // What stands above the next heading belongs to it.
            let end = section.iter().rposition(|line| !line.is_empty() && !line.starts_with('#'));
            out.push_str(&section.get(..=end.unwrap_or(0)).unwrap_or_default().join("\n"));
            out.push('\n');
        } else if *heading == "[workspace.dependencies]" {
            out.push_str("\n[workspace.dependencies]\n");
            for entry in entries(&section) {
                let key = entry.split('=').next().unwrap_or_default().trim();
                if wanted.contains(&key) {
                    out.push_str(&entry);
                    out.push('\n');
                }
            }
        }
    }
    out
}

/// The runs of lines that begin with a heading.
fn sections(manifest: &'static str) -> Vec<Vec<&'static str>> {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            sections.push(vec![line]);
        } else if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

/// The entries of a section; one may go over several lines.
fn entries(section: &[&str]) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    let mut open = 0_i32;
    for line in section.iter().skip(1) {
        match entries.last_mut() {
            Some(entry) if open > 0 => {
                entry.push('\n');
                entry.push_str(line);
            }
            _ if line.trim().is_empty() || line.starts_with('#') => continue,
            _ => entries.push((*line).to_owned()),
        }
        let count = |c: char| i32::try_from(line.matches(c).count()).unwrap_or(0);
        open += count('{') + count('[') - count('}') - count(']');
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_the_sdk_the_contract_and_no_placeholder_left() {
        let files = files("big-spender");
        let find = |path: &str| files.iter().find(|(found, _)| found == path).map(|(_, text)| text.as_str());
        for path in ["vendor/wasmill/sdk/rust/src/lib.rs", "vendor/wasmill/sdk/rust/macros/src/lib.rs"] {
            assert!(find(path).is_some(), "{path}");
        }
        assert!(find("vendor/wasmill/wit/world.wit").is_some_and(|text| text.contains("world transform")));
        assert!(find("src/lib.rs").is_some_and(|text| text.contains("pub struct BigSpender {")));
        assert!(find("pipeline.yaml").is_some_and(|text| text.contains("release/big_spender.wasm")));
        for (path, text) in &files {
            assert!(
                !["@NAME@", "@CRATE@", "@TYPE@"].iter().any(|mark| text.contains(mark))
                    || path.starts_with("vendor"),
                "{path}"
            );
        }
    }

    #[test]
    fn the_pipeline_file_of_a_project_is_valid() {
        let files = files("big-spender");
        let (_, text) = files.iter().find(|(path, _)| path == "pipeline.yaml").expect("there");
        crate::config::pipeline_file::parse(text, crate::config::pipeline_file::FileFormat::Yaml, None)
            .expect("valid");
    }

    #[test]
    fn the_workspace_of_the_sdk_has_exactly_what_its_crates_inherit() {
        let text = workspace_manifest();
        for line in ["[workspace.package]", "edition = \"2024\"", "[workspace.lints.clippy]"] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        for wanted in ["wit-bindgen = {", "syn = {", "wasmill-sdk-macros = {"] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
        for other in ["rdkafka", "wasmtime", "[profile", "# One profile"] {
            assert!(!text.contains(other), "{other} in\n{text}");
        }
    }

    #[test]
    fn type_names_are_camel_case_and_clash_with_nothing() {
        assert_eq!(type_name("my-transform-2"), "MyTransform2");
        assert_eq!(type_name("payment"), "PaymentTransform");
        assert_eq!(type_name("output"), "OutputTransform");
    }
}
