//! The manifest: what a transform says of itself.

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::schema_writer;
use crate::schema_writer::SchemaWriter;
use crate::state::declaration::StateDeclaration;

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
    /// Where event time comes from.
    pub event_time: Option<EventTimeDeclaration>,
}

impl InputPort {
    /// What stands for the input port where timers are at hand.
    #[doc(hidden)]
    #[must_use]
    pub const fn timers(key: Option<Part>) -> Self {
        Self {
            name: "timers",
            description: "",
            key,
            timestamp: false,
            headers: false,
            offset: false,
            event_time: None,
        }
    }
}

/// Event time of an input port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventTime {
    /// A field of the value; none: the record's timestamp.
    pub field: Option<&'static str>,
    /// How far behind the largest event time the watermark stays.
    pub out_of_orderness_ms: u64,
    /// The watermark advances in steps of this.
    pub granularity_ms: u64,
    /// Whether records behind the watermark are dropped.
    pub drop_late: bool,
}

/// Event time, with the function that writes it into the manifest: a transform without event time
/// does not carry the code.
#[derive(Debug, Clone, Copy)]
pub struct EventTimeDeclaration {
    /// What is declared.
    pub event_time: EventTime,
    /// Appends it to an input of the manifest.
    pub json: fn(&EventTime, &mut String),
}

impl EventTime {
    /// Appends the input's key `event_time`, after a comma.
    pub fn write_json(&self, out: &mut String) {
        out.push_str(",\"event_time\":{");
        if let Some(field) = self.field {
            out.push_str("\"field\":");
            schema_writer::string(out, field);
            out.push(',');
        }
        let late = if self.drop_late { "drop" } else { "process" };
        out.push_str(&format!(
            "\"out_of_orderness_ms\":{},\"granularity_ms\":{},\"late\":\"{late}\"}}",
            self.out_of_orderness_ms, self.granularity_ms
        ));
    }
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
    /// State and timers.
    pub state: Option<StateDeclaration>,
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
            if let Some(declared) = &port.event_time {
                (declared.json)(&declared.event_time, &mut out);
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
        out.push(']');
        if let Some(state) = &self.state {
            (state.json)(state, &mut out);
        }
        out.push('}');
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
