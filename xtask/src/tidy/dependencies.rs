//! Which module of the host may name which: the arrows of `ARCHITECTURE.md`.

use super::violation::Violation;

const HOST: &str = "host/src/";
const REGISTRY_CLIENT: &str = "wasmill_registry_client";

/// A module, and the modules that it may name beside itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", &["app", "config", "model", "telemetry"]),
    ("app", EVERYTHING),
    ("api", &["control", "model", "telemetry"]),
    ("control", &["kafka", "model", "telemetry", "worker"]),
    ("worker", &["model", "pipeline", "telemetry"]),
    ("source", &["kafka", "model", "pipeline", "telemetry"]),
    ("sink", &["kafka", "model", "pipeline", "telemetry"]),
    ("codec", &["model", "pipeline", "telemetry"]),
    ("wasm", &["model", "pipeline", "telemetry"]),
    ("state", &["model", "pipeline", "telemetry"]),
    ("pipeline", &["model", "telemetry"]),
    ("kafka", &["model", "telemetry"]),
    ("config", &["model", "telemetry"]),
    ("telemetry", &["model"]),
    ("model", &[]),
];

const EVERYTHING: &[&str] = &[
    "api",
    "codec",
    "config",
    "control",
    "kafka",
    "model",
    "pipeline",
    "sink",
    "source",
    "state",
    "telemetry",
    "wasm",
    "worker",
];

/// The modules that may name the registry client: its adapter, and who puts the host together.
const MAY_NAME_REGISTRY_CLIENT: &[&str] = &["app", "codec"];

/// Checks one file; `code` has no comments and strings.
pub(super) fn check(path: &str, code: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let Some(inside) = path.strip_prefix(HOST).and_then(|path| path.strip_suffix(".rs")) else {
        return found;
    };
    // The crate's root declares the modules; it names none of their items.
    if inside == "lib" {
        return found;
    }
    let segments: Vec<&str> = inside.split('/').filter(|segment| *segment != "mod").collect();
    let module = segments.first().copied().unwrap_or_default();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        let mend = "give it a row in xtask/src/tidy/dependencies.rs and in ARCHITECTURE.md";
        found.push(Violation::new(
            path,
            1,
            format!("the module `{module}` has no place in the dependency rule"),
            mend,
        ));
        return found;
    };
    for (number, line) in (1..).zip(code.lines()) {
        for named in named_modules(line, module, segments.len()) {
            let known = ARROWS.iter().any(|(name, _)| *name == named);
            if known && named != module && !allowed.contains(&named) {
                found.push(back_edge(path, number, module, named, allowed));
            }
        }
        let named =
            line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == REGISTRY_CLIENT);
        if named && !MAY_NAME_REGISTRY_CLIENT.contains(&module) {
            let what = format!("`{module}` names `{REGISTRY_CLIENT}`; only `codec` and `app` may");
            found.push(Violation::new(
                path,
                number,
                what,
                "go through a port of `pipeline`, or do it in `codec`",
            ));
        }
    }
    found
}

fn back_edge(path: &str, line: usize, module: &str, named: &str, allowed: &[&str]) -> Violation {
    let allowed = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
    Violation::new(
        path,
        line,
        format!("`{module}` names `{named}`; it may name {allowed}"),
        "move the shared value to `model`, or a trait for it to `pipeline`, and let `app` bring the two together",
    )
}

/// The top-level modules that a line names by `crate::`, in `main.rs` by `wasmill::`, or by climbing with `super::`.
fn named_modules<'a>(line: &'a str, module: &str, depth: usize) -> Vec<&'a str> {
    let root = if module == "main" { "wasmill::" } else { "crate::" };
    let mut named: Vec<&str> = after(line, root).map(first_word).collect();
    // Inside `a::b`, two of them reach the crate's root. A module nested in the file may need one more; a name
    // that is no module's is ignored by the caller.
    let climb = "super::".repeat(depth);
    named.extend(after(line, &climb).map(|rest| first_word(rest.trim_start_matches("super::"))));
    named
}

/// What follows each occurrence of the path prefix, which is not the end of a longer word.
fn after<'a, 'p>(line: &'a str, prefix: &'p str) -> impl Iterator<Item = &'a str> + use<'a, 'p> {
    line.match_indices(prefix).filter_map(|(at, _)| {
        let before = line.get(..at)?.chars().next_back();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':' && c != '$');
        if starts { line.get(at + prefix.len()..) } else { None }
    })
}

fn first_word(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
    path.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::check;

    fn violations(path: &str, code: &str) -> Vec<String> {
        check(path, code).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn arrows_that_point_forward_are_fine() {
        assert!(
            violations("host/src/sink/producer.rs", "use crate::kafka::Client;\nuse crate::model::Offset;")
                .is_empty()
        );
        assert!(violations("host/src/app.rs", "crate::wasm::Engine::new(); crate::codec::x()").is_empty());
        assert!(violations("host/src/main.rs", "fn main() { wasmill::cli::run() }").is_empty());
        assert!(violations("host/src/codec/mod.rs", "use wasmill_registry_client::Client;").is_empty());
        assert!(violations("host/src/lib.rs", "pub use crate::wasm::Engine;").is_empty());
        assert!(violations("sdk/rust/src/lib.rs", "use crate::wasm::Engine;").is_empty());
    }

    #[test]
    fn adapters_never_name_each_other() {
        let found = violations("host/src/codec/avro.rs", "\nuse crate::wasm::Engine;");
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("host/src/codec/avro.rs:2: `codec` names `wasm`"), "{}", found[0]);
    }

    #[test]
    fn the_core_names_no_adapter_and_the_model_names_nothing() {
        assert_eq!(
            violations("host/src/pipeline/commit.rs", "fn f(sink: &crate::sink::Producer) {}").len(),
            1
        );
        assert_eq!(violations("host/src/model/ids.rs", "use crate::telemetry::FIELD;").len(), 1);
        assert_eq!(violations("host/src/main.rs", "use wasmill::app::App;").len(), 1);
    }

    #[test]
    fn climbing_out_of_a_module_counts() {
        assert_eq!(violations("host/src/codec/mod.rs", "use super::wasm::Engine;").len(), 1);
        assert_eq!(violations("host/src/codec/avro.rs", "use super::super::sink::Producer;").len(), 1);
        assert!(violations("host/src/codec/avro.rs", "use super::wire_format::read;").is_empty());
    }

    #[test]
    fn the_registry_client_belongs_to_the_codec() {
        assert_eq!(violations("host/src/sink/mod.rs", "use wasmill_registry_client::Client;").len(), 1);
    }

    #[test]
    fn a_new_module_needs_a_row() {
        assert_eq!(violations("host/src/helpers/mod.rs", "").len(), 1);
    }
}
