//! Why one record cannot be decoded or encoded, cheaply while it happens and in words afterwards.

use std::fmt;
use std::sync::Arc;

use crate::model::failure::BadRecord;
use crate::model::failure::Code;
use crate::model::failure::Stage;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident => $code:literal, $text:literal;)*) => {
        /// A kind of failure whose cause lies in one record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// The stable name.
            #[must_use]
            pub fn code(self) -> Code {
                Code(match self { $(Self::$name => $code,)* })
            }

            /// What was found and expected.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Every kind, for the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

faults! {
    WireTooShort => "wire-too-short", "found fewer bytes than the 5 of magic byte and schema id";
    WireMagic => "wire-magic", "found another magic byte than 0: this is not the Confluent wire format";
    SchemaUnknown => "schema-unknown", "the registry has no usable schema of the record's schema id";
    SchemaUnresolvable => "schema-unresolvable", "the record's schema cannot be read as the port's schema";
    AvroTruncated => "avro-truncated", "found the end of the bytes, expected more";
    AvroVarint => "avro-varint", "found a variable-length number of more than 64 bits";
    AvroInt => "avro-int", "found an int of more than 32 bits";
    AvroLength => "avro-length", "found a negative length";
    AvroCount => "avro-count", "found a block count that the remaining bytes cannot hold";
    AvroBoolean => "avro-boolean", "found a boolean that is neither 0 nor 1";
    AvroEnum => "avro-enum", "found an index past the enum's symbols";
    AvroSymbol => "avro-symbol", "found a symbol that the port's schema lacks, without a default";
    AvroUnion => "avro-union", "found an index past the union's branches";
    AvroBranch => "avro-branch", "found a union branch that the port's schema cannot read";
    AvroUtf8 => "avro-utf8", "found text that is not UTF-8";
    AvroDecimal => "avro-decimal", "found a decimal of no digits, or of more than its precision";
    AvroUuid => "avro-uuid", "found text that is no UUID of the form 8-4-4-4-12";
    AvroDuration => "avro-duration", "found a duration of more than 2^31 - 1 months or days";
    AvroTrailing => "avro-trailing", "found bytes after the end of the value";
    JsonInvalid => "json-invalid", "found text that is not JSON";
    JsonType => "json-type", "found a JSON value of another type";
    JsonValue => "json-value", "found a JSON value that the column cannot hold";
    JsonMissing => "json-missing", "found no value for a field without a default";
    JsonDuplicate => "json-duplicate", "found a field twice";
    TextUtf8 => "text-utf8", "found text that is not UTF-8";
    PrimitiveSize => "primitive-size", "found a number of bytes that the format does not have";
    PrimitiveValue => "primitive-value", "found bytes that are no value of the format";
    NullUnrepresentable => "null-unrepresentable", "found null, which a union without a null branch cannot carry";
    TooLarge => "value-too-large", "the value's columns would take more than 64 MiB or 2^31 - 1 entries";
    EncodeNull => "encode-null", "found null in a column whose schema has no null";
    EncodeEnum => "encode-enum", "found an enum index past the schema's symbols";
    EncodeDecimal => "encode-decimal", "found a decimal of more digits than the schema's";
    EncodeDuration => "encode-duration", "found a duration that is negative or no whole number of milliseconds";
    EncodeUnion => "encode-union", "found a union type id past the schema's branches";
    EncodeRange => "encode-range", "found a number that the topic's format cannot hold";
    EncodeTooLarge => "encode-too-large", "what was emitted for one batch would take more than 64 MiB in the topic's format";
    EncodeTime => "encode-time", "found a time that has no text form";
    /// A column index or shape that compilation should have made impossible.
    Internal => "codec-internal", "the codec's plan does not fit its columns";
}

/// Where a fault happened, and what was found there.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    /// Of the innermost step.
    path: Option<Arc<str>>,
    /// The number, byte or text, where it helps.
    found: Option<String>,
}

impl Trail {
    pub(crate) fn clear(&mut self) {
        self.path = None;
        self.found = None;
    }

    /// The path of a step that failed. The innermost comes first and stays.
    #[cold]
    pub(crate) fn deepest(&mut self, label: &Arc<str>) {
        self.path.get_or_insert_with(|| label.clone());
    }

    #[cold]
    pub(crate) fn found(&mut self, what: impl fmt::Display) {
        let text: String = what.to_string().chars().take(60).collect();
        self.found = Some(text);
    }

    /// Like [`Trail::found`], for reasons that come from elsewhere in whole sentences.
    #[cold]
    pub(crate) fn found_long(&mut self, what: impl fmt::Display) {
        self.found = Some(what.to_string().chars().take(600).collect());
    }

    /// Makes the bad record; `at` is the byte position in the key or value.
    #[cold]
    pub(crate) fn bad_record(&self, fault: Fault, stage: Stage, at: Option<usize>) -> BadRecord {
        let mut message = fault.text().to_owned();
        if let Some(found) = &self.found {
            message = format!("{message} ({found})");
        }
        if let Some(at) = at {
            message = format!("{message}, at byte {at}");
        }
        if let Some(path) = self.path.as_ref().filter(|path| !path.is_empty()) {
            message = format!("{message}, in `{path}`");
        }
        BadRecord { code: fault.code(), stage, message, trace: String::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::limits::ENCODED_BYTES_PER_BATCH_MAX;

    #[test]
    fn the_text_names_the_bound() {
        let mib = ENCODED_BYTES_PER_BATCH_MAX >> 20;
        assert!(Fault::EncodeTooLarge.text().contains(&format!(" {mib} MiB ")));
    }

    #[test]
    fn every_kind_has_its_own_code() {
        let mut codes: Vec<&str> = Fault::ALL.iter().map(|fault| fault.code().0).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Fault::ALL.len());
    }

    #[test]
    fn a_message_says_what_was_found_and_where() {
        let mut trail = Trail::default();
        trail.found(7);
        trail.deepest(&"payment.amount".into());
        trail.deepest(&"payment".into());
        let bad = trail.bad_record(Fault::AvroUnion, Stage::ValueDecode, Some(12));
        assert_eq!(
            bad.to_string(),
            "avro-union: found an index past the union's branches (7), at byte 12, in `payment.amount`"
        );
    }
}
