//! Random schemas and values, from a seed.

use apache_avro::types::Value;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value as Json;
use serde_json::json;

use crate::model::avro_type::AvroType;
use crate::model::avro_type::DecimalRepr;
use crate::model::avro_type::TimeUnit;

pub(crate) struct Generator {
    pub(crate) rng: StdRng,
    names: u32,
    /// Whether unions other than `[null, T]` may appear.
    pub(crate) unions: bool,
    /// Whether dates and times may be such that no text form has them.
    pub(crate) any_time: bool,
    /// Most entries of a map. The bytes of a map with one entry are canonical.
    pub(crate) entries_max: usize,
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed), names: 0, unions: true, any_time: false, entries_max: 3 }
    }

    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        let namespace = if self.names.is_multiple_of(3) { "n.s." } else { "" };
        format!("{namespace}{prefix}{}", self.names)
    }

    pub(crate) fn record(&mut self, depth: u32) -> Json {
        let name = self.name("R");
        let count = self.rng.random_range(0..6);
        let fields: Vec<Json> =
            (0..count).map(|i| json!({ "name": format!("f{i}"), "type": self.schema(depth) })).collect();
        json!({ "type": "record", "name": name, "fields": fields })
    }

    /// A schema of at most so many levels of structure.
    pub(crate) fn schema(&mut self, depth: u32) -> Json {
        if depth == 0 || self.rng.random_bool(0.6) {
            return self.leaf();
        }
        match self.rng.random_range(0..if self.unions { 5 } else { 4 }) {
            0 => self.record(depth - 1),
            1 => json!({ "type": "array", "items": self.schema(depth - 1) }),
            2 => json!({ "type": "map", "values": self.schema(depth - 1) }),
            3 => {
                let inner = self.not_a_union(depth - 1);
                if self.rng.random() { json!(["null", inner]) } else { json!([inner, "null"]) }
            }
            _ => {
                let mut branches = vec![json!("null"), json!("long"), json!("string")];
                branches.push(self.record(depth - 1));
                branches.push(self.fixed(None));
                branches.truncate(self.rng.random_range(1..=5));
                let rotate = self.rng.random_range(0..branches.len());
                branches.rotate_left(rotate);
                json!(branches)
            }
        }
    }

    fn not_a_union(&mut self, depth: u32) -> Json {
        loop {
            let schema = self.schema(depth);
            if !schema.is_array() && schema != json!("null") {
                return schema;
            }
        }
    }

    fn fixed(&mut self, logical: Option<(&str, usize)>) -> Json {
        let name = self.name("F");
        match logical {
            None => json!({ "type": "fixed", "name": name, "size": self.rng.random_range(0..20) }),
            Some((logical, size)) => {
                json!({ "type": "fixed", "name": name, "size": size, "logicalType": logical })
            }
        }
    }

    fn leaf(&mut self) -> Json {
        let logical = |base: &str, logical: &str| json!({ "type": base, "logicalType": logical });
        match self.rng.random_range(0..24) {
            0 => json!("null"),
            1 => json!("boolean"),
            2 => json!("int"),
            3 => json!("long"),
            4 => json!("float"),
            5 => json!("double"),
            6 => json!("bytes"),
            7 => json!("string"),
            8 => self.fixed(None),
            9 => {
                let symbols: Vec<String> =
                    (0..self.rng.random_range(1..5)).map(|i| format!("S{i}")).collect();
                json!({ "type": "enum", "name": self.name("E"), "symbols": symbols })
            }
            10 => logical("int", "date"),
            11 => logical("int", "time-millis"),
            12 => logical("long", "time-micros"),
            13 => logical("long", "timestamp-millis"),
            14 => logical("long", "timestamp-micros"),
            15 => logical("long", "timestamp-nanos"),
            16 => logical("long", "local-timestamp-millis"),
            17 => logical("long", "local-timestamp-micros"),
            18 => logical("long", "local-timestamp-nanos"),
            19 => logical("string", "uuid"),
            20 => self.fixed(Some(("uuid", 16))),
            21 => self.fixed(Some(("duration", 12))),
            22 => {
                let precision = self.rng.random_range(1..=76);
                let scale = self.rng.random_range(0..=precision);
                json!({ "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale })
            }
            _ => {
                let (size, precision_max) = [(16, 38), (32, 76)][self.rng.random_range(0..2)];
                let mut fixed = self.fixed(Some(("decimal", size)));
                fixed["precision"] = json!(self.rng.random_range(1..=precision_max));
                fixed
            }
        }
    }

    fn text(&mut self) -> String {
        let len = [0, 3, 8, 15, 16, 17, 40][self.rng.random_range(0..7)];
        (0..len).map(|_| ['a', 'Z', '0', 'ä', '€', '😀', '"', '\n'][self.rng.random_range(0..8)]).collect()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.rng.random()).collect()
    }

    /// Numbers of all magnitudes, and the outermost ones.
    fn long(&mut self) -> i64 {
        if self.rng.random_ratio(1, 16) {
            return [i64::MIN, i64::MAX, -1, 0][self.rng.random_range(0..4)];
        }
        let shift = self.rng.random_range(0..64);
        self.rng.random::<i64>() >> shift
    }

    fn double(&mut self) -> f64 {
        match self.rng.random_range(0..16) {
            0 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE / 2.0]
                [self.rng.random_range(0..5)],
            1 => f64::from(self.rng.random_range(-1000..1000)),
            _ => f64::from_bits(self.rng.random()),
        }
    }

    /// Units since an epoch: of any number, or so many bits fewer that a text form has them.
    fn time(&mut self, fewer_bits: u32) -> i64 {
        self.long() >> if self.any_time { 0 } else { fewer_bits }
    }

    /// A random value, in the other library's form.
    pub(crate) fn value(&mut self, ty: &AvroType) -> Value {
        match ty {
            AvroType::Null => Value::Null,
            AvroType::Boolean => Value::Boolean(self.rng.random()),
            AvroType::Int => Value::Int((self.long() >> 32) as i32),
            AvroType::Long => Value::Long(self.long()),
            AvroType::Float if self.rng.random() => Value::Float(f32::from_bits(self.rng.random())),
            AvroType::Float => Value::Float(self.double() as f32),
            AvroType::Double => Value::Double(self.double()),
            AvroType::Bytes => {
                let len = self.rng.random_range(0..40);
                Value::Bytes(self.bytes(len))
            }
            AvroType::String => Value::String(self.text()),
            AvroType::Fixed { size, .. } => Value::Fixed(*size, self.bytes(*size)),
            AvroType::Enum(ty) => {
                let index = self.rng.random_range(0..ty.symbols.len());
                Value::Enum(index as u32, ty.symbols[index].clone())
            }
            AvroType::Date if self.any_time => Value::Date((self.long() >> 32) as i32),
            AvroType::Date => Value::Date(self.rng.random_range(-700_000..2_900_000)),
            AvroType::TimeMillis => Value::TimeMillis(self.rng.random_range(0..86_400_000)),
            AvroType::TimeMicros => Value::TimeMicros(self.rng.random_range(0..86_400_000_000)),
            AvroType::Timestamp(TimeUnit::Millis) if !self.any_time => {
                Value::TimestampMillis(self.rng.random_range(-62_000_000_000_000..253_000_000_000_000))
            }
            AvroType::Timestamp(TimeUnit::Millis) => Value::TimestampMillis(self.long()),
            AvroType::Timestamp(TimeUnit::Micros) => Value::TimestampMicros(self.time(12)),
            AvroType::Timestamp(TimeUnit::Nanos) => Value::TimestampNanos(self.long()),
            AvroType::LocalTimestamp(TimeUnit::Millis) => Value::LocalTimestampMillis(self.time(24)),
            AvroType::LocalTimestamp(TimeUnit::Micros) => Value::LocalTimestampMicros(self.time(12)),
            AvroType::LocalTimestamp(TimeUnit::Nanos) => Value::LocalTimestampNanos(self.long()),
            AvroType::Uuid(_) => Value::Uuid(uuid::Uuid::from_u128(self.rng.random())),
            AvroType::Duration { .. } => {
                let mut part = || self.rng.random::<u32>() >> 1;
                let (months, days) = (part(), part());
                Value::Duration(apache_avro::Duration::new(
                    apache_avro::Months::new(months),
                    apache_avro::Days::new(days),
                    apache_avro::Millis::new(self.rng.random()),
                ))
            }
            AvroType::Decimal { precision, repr, .. } => {
                let digits = self.rng.random_range(1..=*precision);
                let mut text: String =
                    (0..digits).map(|_| char::from(b'0' + self.rng.random_range(0..10u8))).collect();
                if self.rng.random() {
                    text.insert(0, '-');
                }
                let number = arrow_buffer::i256::from_string(&text).expect("digits");
                let bytes = number.to_be_bytes();
                let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xff };
                let needless = bytes
                    .windows(2)
                    .take_while(|pair| pair[0] == sign && (pair[0] ^ pair[1]) & 0x80 == 0)
                    .count();
                let bytes = match repr {
                    DecimalRepr::Bytes => bytes[needless..].to_vec(),
                    DecimalRepr::Fixed { size, .. } => bytes[32 - size..].to_vec(),
                };
                Value::Decimal(bytes.into())
            }
            AvroType::Array(item) => {
                Value::Array((0..self.rng.random_range(0..4)).map(|_| self.value(item)).collect())
            }
            AvroType::Map(item) => Value::Map(
                (0..self.rng.random_range(0..=self.entries_max))
                    .map(|_| (self.text(), self.value(item)))
                    .collect(),
            ),
            AvroType::Record(record) => {
                Value::Record(record.fields.iter().map(|f| (f.name.clone(), self.value(&f.ty))).collect())
            }
            AvroType::Union(branches) => {
                let index = self.rng.random_range(0..branches.len());
                Value::Union(index as u32, Box::new(self.value(&branches[index])))
            }
        }
    }

    /// A reader schema of the same data: fields dropped, moved, added with defaults, promoted.
    pub(crate) fn evolve(&mut self, schema: &Json) -> Json {
        match schema {
            Json::String(name) => match (name.as_str(), self.rng.random_range(0..3)) {
                ("int", 0) => json!("long"),
                ("int" | "long" | "float", 1) => json!("double"),
                ("string", 0) => json!("bytes"),
                _ => schema.clone(),
            },
            Json::Array(branches) => branches.iter().map(|branch| self.evolve(branch)).collect(),
            Json::Object(object) => {
                let mut evolved = object.clone();
                for key in ["items", "values"] {
                    if let Some(inner) = object.get(key) {
                        evolved.insert(key.to_owned(), self.evolve(inner));
                    }
                }
                if let Some(Json::Array(fields)) = object.get("fields") {
                    let mut fields: Vec<Json> = fields.clone();
                    if !fields.is_empty() && self.rng.random_bool(0.4) {
                        let at = self.rng.random_range(0..fields.len());
                        fields.remove(at);
                    }
                    for field in &mut fields {
                        field["type"] = self.evolve(&field["type"].clone());
                    }
                    for i in 0..self.rng.random_range(0..2) {
                        let at = self.rng.random_range(0..=fields.len());
                        let new = [
                            json!({ "name": format!("new{i}"), "type": "string", "default": "ä" }),
                            json!({ "name": format!("new{i}"), "type": ["null", "int"], "default": null }),
                            json!({ "name": format!("new{i}"), "type": { "type": "array", "items": "long" }, "default": [1, -2] }),
                        ];
                        fields.insert(at, new[self.rng.random_range(0..3)].clone());
                    }
                    if fields.len() > 1 && self.rng.random() {
                        fields.reverse();
                    }
                    evolved.insert("fields".to_owned(), json!(fields));
                }
                Json::Object(evolved)
            }
            other => other.clone(),
        }
    }
}
