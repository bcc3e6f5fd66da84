//! Writes the manifest: what a transform says of itself.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::schema_writer;
use crate::schema_writer::SchemaWriter;

/// What a port reads or writes as the key or the value of its records.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub(crate) kind: Kind,
    schema: fn(&mut SchemaWriter),
    text: fn() -> String,
}

impl Part {
    /// The part that carries a type.
    #[must_use]
    pub const fn of<T: AvroType>() -> Self {
        Self { kind: T::KIND, schema: T::schema, text: SchemaWriter::schema_of::<T> }
    }

    /// The Avro schema.
    pub(crate) fn schema(&self) -> String {
        (self.text)()
    }

    /// Whether both parts have the same schema.
    pub(crate) fn same_schema(&self, other: &Self) -> bool {
        self.kind == other.kind
            && (std::ptr::fn_addr_eq(self.schema, other.schema) || self.schema() == other.schema())
    }

    fn json(&self, out: &mut String) {
        match self.kind {
            Kind::Raw => out.push_str("{\"kind\":\"raw\"}"),
            Kind::Dynamic => out.push_str("{\"kind\":\"dynamic\"}"),
            _ => {
                out.push_str("{\"kind\":\"typed\",\"schema\":");
                out.push_str(&self.schema());
                out.push('}');
            }
        }
    }
}

/// An input port, apart from the type of its values.
#[derive(Debug, Clone, Copy)]
pub struct InputPort {
    pub name: &'static str,
    pub description: &'static str,
    pub key: Option<Part>,
    pub timestamp: bool,
    pub headers: bool,
    pub offset: bool,
}

/// A configuration key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    pub key: &'static str,
    pub description: &'static str,
    pub required: bool,
    pub default: Option<&'static str>,
}

/// Writes a manifest as JSON.
#[derive(Debug)]
pub struct ManifestWriter {
    head: String,
    inputs: String,
    outputs: String,
    config: String,
}

impl ManifestWriter {
    /// The manifest of a transform.
    #[must_use]
    pub fn new(name: &str, description: &str) -> Self {
        let mut head = String::from("{\"manifest_version\":1,\"name\":");
        schema_writer::string(&mut head, name);
        describe(&mut head, description);
        head.push_str(concat!(",\"sdk\":{\"language\":\"rust\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}"));
        Self { head, inputs: String::new(), outputs: String::new(), config: String::new() }
    }

    /// Adds an input port.
    pub fn input(&mut self, port: &InputPort, value: Option<Part>) {
        let out = &mut self.inputs;
        open(out, "name", port.name, port.description);
        part(out, "key", port.key);
        part(out, "value", value);
        for (name, wanted) in
            [("timestamp", port.timestamp), ("headers", port.headers), ("offset", port.offset)]
        {
            if wanted {
                out.push_str(",\"");
                out.push_str(name);
                out.push_str("\":true");
            }
        }
        out.push('}');
    }

    /// Adds an output port.
    pub fn output(&mut self, name: &str, description: &str, key: Option<Part>, value: Part) {
        let out = &mut self.outputs;
        open(out, "name", name, description);
        part(out, "key", key);
        part(out, "value", Some(value));
        out.push('}');
    }

    /// Adds a configuration key.
    pub fn config(&mut self, key: &ConfigKey) {
        let out = &mut self.config;
        open(out, "key", key.key, key.description);
        if key.required {
            out.push_str(",\"required\":true");
        }
        if let Some(default) = key.default {
            out.push_str(",\"default\":");
            schema_writer::string(out, default);
        }
        out.push('}');
    }

    /// The JSON text.
    #[must_use]
    pub fn finish(self) -> String {
        let mut out = self.head;
        for (name, items) in [("inputs", self.inputs), ("outputs", self.outputs), ("config", self.config)] {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":[");
            out.push_str(&items);
            out.push(']');
        }
        out.push('}');
        out
    }
}

fn open(out: &mut String, key: &str, name: &str, description: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str("{\"");
    out.push_str(key);
    out.push_str("\":");
    schema_writer::string(out, name);
    describe(out, description);
}

fn describe(out: &mut String, description: &str) {
    if !description.is_empty() {
        out.push_str(",\"description\":");
        schema_writer::string(out, description);
    }
}

fn part(out: &mut String, name: &str, part: Option<Part>) {
    if let Some(part) = part {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        part.json(out);
    }
}
