//! The structure of an upload: is it WebAssembly, of which kind, and of bearable size?

use wasmparser::Chunk;
use wasmparser::ComponentExternalKind;
use wasmparser::Encoding;
use wasmparser::Parser;
use wasmparser::Payload;
use wasmparser::ValidPayload;
use wasmparser::Validator;
use wasmparser::WasmFeatures;

use crate::model::failure::Refusal;
use crate::model::limits::COMPONENT_BYTES_MAX;
use crate::wasm::upload::refusal::refuse;
use crate::wasm::upload::refusal::too_large;

/// Most core modules in a component. CPython's has about 40.
const MODULES_MAX: usize = 128;
/// Most components nested in a component.
const COMPONENTS_MAX: usize = 64;
/// Deepest nesting of components.
const DEPTH_MAX: usize = 8;
/// Most functions in all modules together. CPython's has about 30 000.
const FUNCTIONS_MAX: usize = 400_000;
/// Largest function body in bytes. The largest of an interpreter's main loop is about 1 MiB.
const FUNCTION_BYTES_MAX: u64 = 4 << 20;
/// Most items in one import, export, type or similar section.
const SECTION_ITEMS_MAX: u32 = 100_000;

/// What a component imports and exports, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Structure {
    pub kind: Kind,
    /// `(interface, name)` for a core module; `(interface, "")` for a component.
    pub imports: Vec<(String, String)>,
    /// Names of the exports.
    pub exports: Vec<String>,
    /// Whether a core module says which world it implements.
    pub has_component_type: bool,
}

/// The kind of WebAssembly binary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    #[default]
    Component,
    CoreModule,
}

/// The WebAssembly that this host takes: what the engine runs, and nothing more.
fn features() -> WasmFeatures {
    let mut features = WasmFeatures::default();
    features.remove(WasmFeatures::THREADS);
    features.remove(WasmFeatures::MEMORY64);
    features.remove(WasmFeatures::RELAXED_SIMD);
    features.remove(WasmFeatures::GC);
    features.remove(WasmFeatures::FUNCTION_REFERENCES);
    features.remove(WasmFeatures::WIDE_ARITHMETIC);
    features.remove(WasmFeatures::CM_ASYNC);
    features.remove(WasmFeatures::CM_MAP);
    features.remove(WasmFeatures::CM_IMPLEMENTS);
    features
}

/// Reads an upload's structure and validates everything but function bodies, which the compiler
/// validates in its own process.
///
/// # Errors
/// `component-too-large`, `component-garbage`, `component-truncated`, `component-invalid`,
/// `component-too-complex`.
pub fn read(bytes: &[u8]) -> Result<Structure, Refusal> {
    if bytes.len() > COMPONENT_BYTES_MAX {
        return Err(too_large(bytes.len() as u64));
    }
    check_magic(bytes)?;
    let mut reader = Reader { structure: Structure::default(), modules: 0, components: 0, functions: 0 };
    let mut validator = Validator::new_with_features(features());
    let mut parser = Parser::new(0);
    parser.set_features(features());
    let mut parents: Vec<Parser> = Vec::new();
    let mut rest = bytes;
    loop {
        // Only the outermost binary may end where the bytes end.
        let is_end = rest.is_empty() && parents.is_empty();
        let (payload, consumed) = match parser.parse(rest, is_end) {
            Ok(Chunk::Parsed { payload, consumed }) => (payload, consumed),
            Ok(Chunk::NeedMoreData(_)) => return Err(truncated(bytes.len())),
            Err(error) => return Err(invalid(&error.to_string())),
        };
        let depth = parents.len();
        reader.note(&payload, depth)?;
        let validated = validator.payload(&payload).map_err(|error| invalid(&error.to_string()))?;
        rest = rest.get(consumed..).unwrap_or_default();
        if let ValidPayload::Parser(nested) = validated {
            if depth >= DEPTH_MAX {
                return Err(too_complex("nested components", depth + 1, DEPTH_MAX));
            }
            parents.push(std::mem::replace(&mut parser, nested));
        } else if let Payload::End(_) = payload {
            match parents.pop() {
                Some(parent) => parser = parent,
                None if rest.is_empty() => return Ok(reader.structure),
                None => return Err(invalid(&format!("{} bytes follow its end", rest.len()))),
            }
        }
    }
}

fn check_magic(bytes: &[u8]) -> Result<(), Refusal> {
    const MAGIC: &[u8] = b"\0asm";
    if bytes.starts_with(MAGIC) {
        return if bytes.len() < 8 { Err(truncated(bytes.len())) } else { Ok(()) };
    }
    let begin: Vec<u8> = bytes.iter().take(8).copied().collect();
    let text = String::from_utf8_lossy(bytes.get(..bytes.len().min(64)).unwrap_or_default());
    let remedy = if text.trim_start().starts_with("(component") || text.trim_start().starts_with("(module") {
        "This looks like the text format: turn it into a binary with `wasm-tools parse -o out.wasm`."
    } else {
        "Upload the `.wasm` file that your build wrote."
    };
    Err(refuse(
        "component-garbage",
        "component",
        "this is no WebAssembly",
        if bytes.is_empty() { "nothing".to_owned() } else { format!("the first bytes {begin:02x?}") },
        "the first bytes [00, 61, 73, 6d]",
        remedy,
    ))
}

struct Reader {
    structure: Structure,
    modules: usize,
    components: usize,
    functions: usize,
}

impl Reader {
    fn note(&mut self, payload: &Payload<'_>, depth: usize) -> Result<(), Refusal> {
        match payload {
            Payload::Version { encoding, .. } => {
                let (count, max, what) = match encoding {
                    Encoding::Module => (&mut self.modules, MODULES_MAX, "core modules"),
                    Encoding::Component => (&mut self.components, COMPONENTS_MAX, "components"),
                };
                *count += 1;
                if *count > max {
                    return Err(too_complex(what, *count, max));
                }
                if depth == 0 && *encoding == Encoding::Module {
                    self.structure.kind = Kind::CoreModule;
                }
            }
            Payload::CodeSectionStart { count, .. } => {
                self.functions = self.functions.saturating_add(*count as usize);
                if self.functions > FUNCTIONS_MAX {
                    return Err(too_complex("functions", self.functions, FUNCTIONS_MAX));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                let size = range.end.saturating_sub(range.start);
                if size > FUNCTION_BYTES_MAX {
                    return Err(too_complex(
                        "bytes of one function",
                        size as usize,
                        FUNCTION_BYTES_MAX as usize,
                    ));
                }
            }
            Payload::ImportSection(section) => {
                check_items("imports", section.count())?;
                if depth == 0 {
                    for import in section.clone().into_imports() {
                        let import = import.map_err(|error| invalid(&error.to_string()))?;
                        self.structure.imports.push((import.module.to_owned(), import.name.to_owned()));
                    }
                }
            }
            Payload::ComponentImportSection(section) => {
                check_items("imports", section.count())?;
                if depth == 0 {
                    for import in section.clone() {
                        let import = import.map_err(|error| invalid(&error.to_string()))?;
                        self.structure.imports.push((import.name.name.to_owned(), String::new()));
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                check_items("exports", section.count())?;
                if depth == 0 {
                    for export in section.clone() {
                        let export = export.map_err(|error| invalid(&error.to_string()))?;
                        if export.kind == ComponentExternalKind::Instance {
                            self.structure.exports.push(export.name.name.to_owned());
                        }
                    }
                }
            }
            Payload::CustomSection(section) if depth == 0 && section.name().starts_with("component-type") => {
                self.structure.has_component_type = true;
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_items(what: &str, count: u32) -> Result<(), Refusal> {
    if count > SECTION_ITEMS_MAX {
        return Err(too_complex(what, count as usize, SECTION_ITEMS_MAX as usize));
    }
    Ok(())
}

fn truncated(len: usize) -> Refusal {
    refuse(
        "component-truncated",
        "component",
        "the file ends in the middle of a section",
        format!("{len} bytes"),
        "a whole file",
        "Upload the file again; compare its size with the one on your disk.",
    )
}

pub(in crate::wasm) fn invalid(why: &str) -> Refusal {
    refuse(
        "component-invalid",
        "component",
        "this is no valid component",
        why,
        "a component of WebAssembly 2.0 without threads, 64-bit memories, relaxed SIMD and garbage collection",
        "Check the file with `wasm-tools validate`, and build for `wasm32-unknown-unknown`.",
    )
}

fn too_complex(what: &str, found: usize, max: usize) -> Refusal {
    refuse(
        "component-too-complex",
        "component",
        format!("the component has too many {what}"),
        found.to_string(),
        format!("at most {max}"),
        "Split the transform, or leave unused code out.",
    )
}
