//! Maps. Avro's have no order and do not forbid a key to occur twice; `Vec<(K, V)>` keeps both.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::hash::Hash;

use crate::avro_type::AvroType;
use crate::avro_type::Kind;
use crate::avro_type::NotNull;
use crate::avro_type::Read;
use crate::avro_type::Write;
use crate::body;
use crate::body::Body;
use crate::body::BodyError;
use crate::body::Decode;
use crate::body::Encode;
use crate::body::Form;
use crate::body::Stored;
use crate::builder;
use crate::builder::Builder;
use crate::builder::BytesBuilder;
use crate::builder::Nulls;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Offsets;
use crate::columns::TextReader;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;
use crate::types::ListBuilder;
use crate::wire::Column;

const NO_ENTRIES: ColumnError = ColumnError::new("a map has no entries column");

/// The key of a map: an owned or borrowed text.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of an Avro map",
    note = "Avro maps have text keys: use String, &str or Cow<str>"
)]
pub trait MapKey: Write<Builder = BytesBuilder> + Encode + Ord {}

impl MapKey for &str {}
impl MapKey for String {}
impl MapKey for Cow<'_, str> {}

/// Reads a map column.
#[derive(Debug, Clone, Copy)]
pub struct MapReader<'a, V> {
    offsets: Offsets<'a>,
    keys: TextReader<'a>,
    values: V,
}

impl<'a, V> MapReader<'a, V> {
    fn new<T: Read<'a, Reader = V>>(
        columns: Columns<'a>,
        index: u32,
        len: usize,
    ) -> Result<Self, ColumnError> {
        let column = columns.get(index, 2, 1)?;
        let offsets = Offsets::of(column, 1, len)?;
        let [keys, values] = columns.fields(*column.children.first().ok_or(NO_ENTRIES)?)?;
        let end = offsets.end();
        let keys = TextReader::new(columns, keys, end)?;
        Ok(Self { offsets, keys, values: T::reader(columns, values, end)? })
    }

    fn read<T, K, C>(&self, row: usize) -> Result<C, ColumnError>
    where
        T: Read<'a, Reader = V>,
        K: Read<'a, Reader = TextReader<'a>>,
        C: FromIterator<(K, T)>,
    {
        let entry = |entry| Ok((K::read(&self.keys, entry)?, T::read(&self.values, entry)?));
        self.offsets.range(row)?.map(entry).collect()
    }
}

/// Builds a map column: a list of structs of key and value.
#[derive(Debug, Default)]
pub struct MapBuilder<V>(ListBuilder<EntryBuilder<V>>);

impl<V: Builder> MapBuilder<V> {
    fn write<'e, K, T>(&mut self, entries: impl ExactSizeIterator<Item = (&'e K, &'e T)>)
    where
        K: MapKey + 'e,
        T: Write<Builder = V> + 'e,
    {
        let count = entries.len();
        for (key, value) in entries {
            let entry = self.0.items();
            key.write(&mut entry.keys);
            value.write(&mut entry.values);
        }
        self.0.end(count);
    }
}

impl<V: Builder> Builder for MapBuilder<V> {
    fn reserve(&mut self, rows: usize) {
        self.0.reserve(rows);
    }

    fn placeholder(&mut self) {
        self.0.placeholder();
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        self.0.finish(nulls, columns)
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

/// Builds the struct of key and value behind a map's offsets.
#[derive(Debug, Default)]
struct EntryBuilder<V> {
    keys: BytesBuilder,
    values: V,
}

impl<V: Builder> Builder for EntryBuilder<V> {
    fn reserve(&mut self, rows: usize) {
        self.keys.reserve(rows);
        self.values.reserve(rows);
    }

    fn placeholder(&mut self) {
        self.keys.placeholder();
        self.values.placeholder();
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        let index = builder::place(columns);
        let keys = self.keys.finish(Nulls::default(), columns)?;
        let values = self.values.finish(Nulls::default(), columns)?;
        let column =
            Column { buffers: vec![nulls.bits], children: vec![keys, values], null_count: nulls.count };
        builder::put(columns, index, column);
        Ok(index)
    }

    fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }
}

macro_rules! map {
    (
        $rust:ty as $of:ty, [$($generic:tt)*], [$($static:tt)*], [$($key:tt)*],
        |$map:ident| $entries:expr
    ) => {
        impl<K: MapKey $($key)*, V: AvroType $($generic)*> AvroType for $rust {
            const KIND: Kind = Kind::Map;

            fn schema(writer: &mut SchemaWriter) {
                writer.map(V::schema);
            }
        }

        impl<K: MapKey $($key)*, V: AvroType $($generic)*> NotNull for $rust {}

        impl<'a, K, V $($generic)*> Read<'a> for $rust
        where
            K: MapKey + Read<'a, Reader = TextReader<'a>> $($key)*,
            V: Read<'a>,
        {
            type Reader = MapReader<'a, V::Reader>;

            fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
                MapReader::new::<V>(columns, index, len)
            }

            fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
                reader.read::<V, K, Self>(row)
            }
        }

        impl<K: MapKey $($key)*, V: Write $($generic)*> Write for $rust {
            type Builder = MapBuilder<V::Builder>;

            fn write(&self, builder: &mut Self::Builder) {
                let $map = self;
                builder.write($entries);
            }
        }

        impl<'a, K, V $($generic)*> Decode<'a> for $rust
        where
            K: MapKey + Decode<'a> $($key)*,
            V: Decode<'a>,
        {
            fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
                let mut entries = Self::default();
                body.items(|body| {
                    let entry = (K::decode(Form::PLAIN, body)?, V::decode(Form::PLAIN, body)?);
                    entries.extend([entry]);
                    Ok(())
                })?;
                Ok(entries)
            }
        }

        impl<K, V: Stored $($static)*> Stored for $rust
        where
            K: MapKey + Stored $($key)*,
            for<'a> K::Of<'a>: MapKey + Read<'a, Reader = TextReader<'a>> $($key)*,
        {
            type Of<'a> = $of;
            type Column = MapBuilder<V::Column>;
        }
    };
}

fn encode_entry<K: Encode, V: Encode>((key, value): (&K, &V), out: &mut Vec<u8>) -> Result<(), BodyError> {
    key.encode(Form::PLAIN, out)?;
    value.encode(Form::PLAIN, out)
}

impl<K: MapKey, V: Encode> Encode for Vec<(K, V)> {
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        body::put_items(self.iter().map(|(key, value)| (key, value)), out, encode_entry)
    }
}

impl<K: MapKey, V: Encode> Encode for BTreeMap<K, V> {
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        body::put_items(self.iter(), out, encode_entry)
    }
}

impl<K: MapKey + Hash, V: Encode, S: BuildHasher + Default> Encode for HashMap<K, V, S> {
    /// In the order of the keys: a replay must give the same bytes.
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        body::put_items(entries.into_iter(), out, encode_entry)
    }
}

map!(
    Vec<(K, V)> as Vec<(K::Of<'a>, V::Of<'a>)>, [], [], [],
    |entries| entries.iter().map(|(key, value)| (key, value))
);
map!(BTreeMap<K, V> as BTreeMap<K::Of<'a>, V::Of<'a>>, [], [], [], |map| map.iter());
map!(
    HashMap<K, V, S> as HashMap<K::Of<'a>, V::Of<'a>, S>,
    [, S: BuildHasher + Default], [, S: BuildHasher + Default + 'static], [+ Hash],
    |map| map.iter()
);
