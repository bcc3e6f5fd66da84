//! The manifest: what a transform says of itself.

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
    /// Its name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// None: the key is not decoded.
    pub key: Option<Part>,
    /// Whether timestamps are wanted.
    pub timestamp: bool,
    /// Whether headers are wanted.
    pub headers: bool,
    /// Whether offsets are wanted.
    pub offset: bool,
}

/// A configuration key.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    /// Its name.
    pub key: &'static str,
    /// For people.
    pub description: &'static str,
    /// Whether a pipeline must set it.
    pub required: bool,
    /// Its value where a pipeline does not set it.
    pub default: Option<&'static str>,
}

/// An output port.
#[derive(Debug, Clone, Copy)]
pub struct OutputPort {
    /// Its name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// None: the source record's key is kept.
    pub key: Option<Part>,
    /// What its values are.
    pub value: Part,
}

/// What a transform declares: its manifest, before it is JSON.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// Its name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// The input ports, each with the type of its values.
    pub inputs: Vec<(&'static InputPort, Part)>,
    /// The output ports.
    pub outputs: Vec<OutputPort>,
    /// The configuration keys.
    pub config: Vec<ConfigKey>,
}

impl Declaration {
    /// The manifest as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"manifest_version\":1,\"name\":");
        schema_writer::string(&mut out, self.name);
        describe(&mut out, self.description);
        out.push_str(concat!(
            ",\"sdk\":{\"language\":\"rust\",\"version\":\"",
            env!("CARGO_PKG_VERSION"),
            "\"},\"inputs\":["
        ));
        for (port, value) in &self.inputs {
            open(&mut out, "name", port.name, port.description);
            part(&mut out, "key", port.key.as_ref());
            part(&mut out, "value", Some(value));
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
        out.push_str("],\"outputs\":[");
        for port in &self.outputs {
            open(&mut out, "name", port.name, port.description);
            part(&mut out, "key", port.key.as_ref());
            part(&mut out, "value", Some(&port.value));
            out.push('}');
        }
        out.push_str("],\"config\":[");
        for key in &self.config {
            open(&mut out, "key", key.key, key.description);
            if key.required {
                out.push_str(",\"required\":true");
            }
            if let Some(default) = key.default {
                out.push_str(",\"default\":");
                schema_writer::string(&mut out, default);
            }
            out.push('}');
        }
        out.push_str("]}");
        out
    }
}

fn open(out: &mut String, key: &str, name: &str, description: &str) {
    if !out.ends_with('[') {
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

fn part(out: &mut String, name: &str, part: Option<&Part>) {
    if let Some(part) = part {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        part.json(out);
    }
}
