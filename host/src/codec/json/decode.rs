//! JSON text to columns, without a tree between.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use serde::de::DeserializeSeed;
use serde::de::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::SeqAccess;
use serde::de::Visitor;
use smallvec::SmallVec;

use crate::codec::avro::decode::Utf8;
use crate::codec::avro::decode::values;
use crate::codec::columns::Columns;
use crate::codec::columns::Layout;
use crate::codec::columns::Store;
use crate::codec::columns::slot;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::part::Typed;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::json::shape::Form;
use crate::codec::json::shape::JsonField;
use crate::codec::json::shape::JsonKind;
use crate::codec::json::shape::JsonNode;
use crate::codec::json::shape::compile;
use crate::codec::json::text_form;
use crate::model::avro_type::AvroType;
use crate::model::avro_type::TimeUnit;
use crate::model::failure::Stage;

/// Base64 of the standard alphabet, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whole numbers up to here are exact as floating-point numbers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

#[derive(Debug)]
pub(crate) struct JsonPart {
    pub(crate) typed: Typed,
    root: JsonNode,
}

impl JsonPart {
    /// # Errors
    /// When a default of the schema is ill-typed.
    pub(crate) fn new(ty: &AvroType, columns: Columns, stage: Stage) -> Result<Self, String> {
        let root = compile(ty, &columns.layout)?;
        Ok(Self { typed: Typed::new(columns, stage), root })
    }

    pub(crate) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        let Some(payload) = payload else {
            return self.typed.push_null();
        };
        let rows = self.typed.columns.len();
        let Typed { columns, trail, .. } = &mut self.typed;
        let mut run = Run { layout: &columns.layout, store: &mut columns.store, trail, fault: None };
        // The reader stops at 128 levels by itself.
        let mut json = serde_json::Deserializer::from_slice(payload);
        let result =
            Value { node: &self.root, run: &mut run }.deserialize(&mut json).and_then(|()| json.end());
        let Err(error) = result else { return Ok(()) };
        let fault = run.fault.unwrap_or(Fault::JsonInvalid);
        if fault == Fault::JsonInvalid {
            trail.found(&error);
        }
        Err(self.typed.fail(rows, fault, None))
    }
}

/// What the visitors share.
struct Run<'a> {
    layout: &'a Layout,
    store: &'a mut Store,
    trail: &'a mut Trail,
    /// Our own reason; none where the text is not JSON.
    fault: Option<Fault>,
}

impl Run<'_> {
    /// Turns our fault into the parser's error. The fault found first stays.
    #[cold]
    fn fail<E: serde::de::Error>(&mut self, fault: Fault, label: &Arc<str>) -> E {
        self.fault.get_or_insert(fault);
        self.trail.deepest(label);
        E::custom(fault.text())
    }
}

/// Reads one value into the columns of a node.
struct Value<'n, 'r, 's> {
    node: &'n JsonNode,
    run: &'r mut Run<'s>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'n> Value<'n, '_, '_> {
    /// Begins the row: marks it as not null, and finds the branch of a union.
    fn begin(&mut self, kind: JsonKind) -> Result<&'n JsonNode, Fault> {
        let node = self.node;
        if let Some(nulls) = node.nulls {
            slot(&mut self.run.store.nulls, nulls)?.valid();
        }
        let Form::Union { union, branches } = &node.form else {
            return Ok(node);
        };
        for (index, (branch_kind, branch)) in (0i8..).zip(branches) {
            if *branch_kind == kind {
                self.run.store.branch(self.run.layout, *union, index, branch.id)?;
                return Ok(branch);
            }
        }
        Err(Fault::JsonType)
    }

    fn null(&mut self) -> Result<(), Fault> {
        if self.node.nullable || matches!(self.node.form, Form::Null) {
            return self.run.store.placeholder(self.run.layout, self.node.id);
        }
        let branch = self.begin(JsonKind::Null)?;
        match branch.form {
            Form::Null => self.run.store.placeholder(self.run.layout, branch.id),
            _ => Err(Fault::JsonType),
        }
    }

    fn boolean(&mut self, value: bool) -> Result<(), Fault> {
        match self.begin(JsonKind::Boolean)?.form {
            Form::Boolean(column) => slot(&mut self.run.store.booleans, column)?.push(value),
            _ => return Err(Fault::JsonType),
        }
        Ok(())
    }

    fn integer(&mut self, value: i64) -> Result<(), Fault> {
        let form = &self.begin(JsonKind::Number)?.form;
        let store = &mut *self.run.store;
        match form {
            Form::Int(column) => {
                slot(&mut store.int32, *column)?.push(i32::try_from(value).map_err(|_| Fault::JsonValue)?);
            }
            Form::Long(column) => slot(&mut store.int64, *column)?.push(value),
            Form::Float(column) => slot(&mut store.float32, *column)?.push(value as f32),
            Form::Double(column) => slot(&mut store.float64, *column)?.push(value as f64),
            Form::Decimal { .. } => return decimal(form, &value.to_string(), store),
            _ => return Err(Fault::JsonType),
        }
        Ok(())
    }

    fn float(&mut self, value: f64) -> Result<(), Fault> {
        if let Form::Float(_) | Form::Double(_) = self.node.form {
            return self.floating(value);
        }
        if let Form::Union { branches, .. } = &self.node.form {
            let floats =
                |(_, branch): &(_, JsonNode)| matches!(branch.form, Form::Float(_) | Form::Double(_));
            if branches.iter().any(floats) {
                return self.floating(value);
            }
        }
        if matches!(self.node.form, Form::Decimal { .. }) || value.fract() != 0.0 || value.abs() > EXACT_MAX {
            return Err(Fault::JsonValue);
        }
        self.integer(value as i64)
    }

    fn floating(&mut self, value: f64) -> Result<(), Fault> {
        match self.begin(JsonKind::Number)?.form {
            Form::Float(column) => {
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(Fault::JsonValue);
                }
                slot(&mut self.run.store.float32, column)?.push(narrow);
            }
            Form::Double(column) => slot(&mut self.run.store.float64, column)?.push(value),
            _ => return Err(Fault::JsonType),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if let Form::Float(_) | Form::Double(_) = self.node.form {
            let value = match text {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => return Err(Fault::JsonType),
            };
            return self.floating(value);
        }
        let form = &self.begin(JsonKind::String)?.form;
        let store = &mut *self.run.store;
        match form {
            Form::Text(column) => slot(&mut store.bytes, *column)?.push(text.as_bytes())?,
            Form::Bytes(column) => {
                let column = slot(&mut store.bytes, *column)?;
                BASE64.decode_vec(text, &mut column.data).map_err(|_| Fault::JsonValue)?;
                column.end_entry()?;
            }
            Form::Fixed(column) => {
                let column = slot(&mut store.fixed, *column)?;
                let bytes = BASE64.decode(text).map_err(|_| Fault::JsonValue)?;
                if bytes.len() != column.size {
                    return Err(Fault::JsonValue);
                }
                column.data.extend_from_slice(&bytes);
                column.len += 1;
            }
            Form::Uuid(column) => {
                let uuid = (text.len() == 36).then(|| uuid::Uuid::parse_str(text));
                let Some(Ok(uuid)) = uuid else {
                    return Err(Fault::JsonValue);
                };
                let column = slot(&mut store.fixed, *column)?;
                column.data.extend_from_slice(uuid.as_bytes());
                column.len += 1;
            }
            Form::Enum { column, symbols } => {
                let index = symbols.get(text).ok_or(Fault::JsonValue)?;
                slot(&mut store.int32, *column)?.push(*index);
            }
            Form::Decimal { .. } => decimal(form, text, store)?,
            Form::Date(column) => {
                let days = text_form::read_date(text).ok_or(Fault::JsonValue)?;
                slot(&mut store.int32, *column)?.push(days);
            }
            Form::TimeMillis(column) => {
                let millis =
                    text_form::read_time(text, TimeUnit::Millis).and_then(|value| i32::try_from(value).ok());
                slot(&mut store.int32, *column)?.push(millis.ok_or(Fault::JsonValue)?);
            }
            Form::TimeMicros(column) => {
                let micros = text_form::read_time(text, TimeUnit::Micros).ok_or(Fault::JsonValue)?;
                slot(&mut store.int64, *column)?.push(micros);
            }
            Form::Timestamp { column, unit, local } => {
                let value = text_form::read_timestamp(text, *unit, *local).ok_or(Fault::JsonValue)?;
                slot(&mut store.int64, *column)?.push(value);
            }
            Form::Duration(column) => {
                let value = text_form::read_duration(text).ok_or(Fault::JsonValue)?;
                slot(&mut store.interval, *column)?.push(value);
            }
            _ => return Err(Fault::JsonType),
        }
        Ok(())
    }

    /// Reports a scalar's fault with what was found.
    fn scalar<E: serde::de::Error>(
        self,
        result: Result<(), Fault>,
        found: impl fmt::Display,
    ) -> Result<(), E> {
        result.map_err(|fault| {
            self.run.trail.found(found);
            self.run.fail(fault, &self.node.label)
        })
    }
}

fn decimal(form: &Form, text: &str, store: &mut Store) -> Result<(), Fault> {
    let Form::Decimal { column, wide, precision, scale } = form else {
        return Err(Fault::Internal);
    };
    if *wide {
        let value = text_form::read_decimal256(text, *precision, *scale).ok_or(Fault::JsonValue)?;
        slot(&mut store.decimal256, *column)?.push(value);
    } else {
        let value = text_form::read_decimal128(text, *precision, *scale).ok_or(Fault::JsonValue)?;
        slot(&mut store.decimal128, *column)?.push(value);
    }
    Ok(())
}

impl<'de> Visitor<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the port's schema")
    }

    fn visit_unit<E: serde::de::Error>(mut self) -> Result<(), E> {
        let result = self.null();
        self.scalar(result, "null")
    }

    fn visit_bool<E: serde::de::Error>(mut self, value: bool) -> Result<(), E> {
        let result = self.boolean(value);
        self.scalar(result, value)
    }

    fn visit_i64<E: serde::de::Error>(mut self, value: i64) -> Result<(), E> {
        let result = self.integer(value);
        self.scalar(result, value)
    }

    fn visit_u64<E: serde::de::Error>(mut self, value: u64) -> Result<(), E> {
        let result = match i64::try_from(value) {
            Ok(value) => self.integer(value),
            // More than a long holds: of use as a floating-point number or a decimal only.
            Err(_) if matches!(self.node.form, Form::Decimal { .. }) => self
                .begin(JsonKind::Number)
                .and_then(|node| decimal(&node.form, &value.to_string(), self.run.store)),
            Err(_) => self.float(value as f64),
        };
        self.scalar(result, value)
    }

    fn visit_f64<E: serde::de::Error>(mut self, value: f64) -> Result<(), E> {
        let result = self.float(value);
        self.scalar(result, value)
    }

    fn visit_str<E: serde::de::Error>(mut self, value: &str) -> Result<(), E> {
        let result = self.text(value);
        self.scalar(result, format_args!("{value:?}"))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        let node = match self.begin(JsonKind::Array) {
            Ok(node) => node,
            Err(fault) => return self.scalar(Err(fault), "an array"),
        };
        let Form::Array { list, item } = &node.form else {
            return self.scalar(Err(Fault::JsonType), "an array");
        };
        while items.next_element_seed(Value { node: item, run: self.run })?.is_some() {}
        let ended = self.run.store.end_list(self.run.layout, *list, item.id);
        self.scalar(ended, "an array")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<(), A::Error> {
        let node = match self.begin(JsonKind::Object) {
            Ok(node) => node,
            Err(fault) => return self.scalar(Err(fault), "an object"),
        };
        match &node.form {
            Form::Record { len, fields, index } => {
                let mut seen: SmallVec<[bool; 64]> = SmallVec::from_elem(false, fields.len());
                let mut next = 0;
                while let Some(name) = entries.next_key_seed(Key)? {
                    // Most producers write the fields in one order, most often the schema's.
                    let at = match fields.get(next) {
                        Some(field) if field.name == *name => Some(next),
                        _ => index.get(&*name).copied(),
                    };
                    let found = at.and_then(|at| Some((fields.get(at)?, seen.get_mut(at)?)));
                    let Some((field, seen)) = found else {
                        entries.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    next = at.map_or(next, |at| at + 1);
                    if std::mem::replace(seen, true) {
                        return Err(self.run.fail(Fault::JsonDuplicate, &field.node.label));
                    }
                    entries.next_value_seed(Value { node: &field.node, run: self.run })?;
                }
                for (field, seen) in fields.iter().zip(&seen) {
                    if !seen && let Err(fault) = self.missing(field) {
                        return Err(self.run.fail(fault, &field.node.label));
                    }
                }
                let counted = slot(&mut self.run.store.lens, *len).map(|len| *len += 1);
                self.scalar(counted, "an object")
            }
            Form::Map { list, key, item } => {
                while let Some(name) = entries.next_key_seed(Key)? {
                    let pushed =
                        slot(&mut self.run.store.bytes, *key).and_then(|keys| keys.push(name.as_bytes()));
                    if let Err(fault) = pushed {
                        return Err(self.run.fail(fault, &node.label));
                    }
                    entries.next_value_seed(Value { node: item, run: self.run })?;
                }
                let ended = self.run.store.end_list(self.run.layout, *list, item.id);
                self.scalar(ended, "an object")
            }
            _ => self.scalar(Err(Fault::JsonType), "an object"),
        }
    }
}

impl Value<'_, '_, '_> {
    fn missing(&mut self, field: &JsonField) -> Result<(), Fault> {
        let (plan, bytes) = field.default.as_ref().ok_or(Fault::JsonMissing)?;
        self.run.store.grow_by_default(bytes.len())?;
        values(plan, bytes, self.run.layout, self.run.store, Utf8::AtEnd, self.run.trail)
    }
}

/// A field's name, borrowed unless it has escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(value.to_owned()))
    }
}
