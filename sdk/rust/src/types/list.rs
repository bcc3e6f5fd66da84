//! Arrays.

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
use crate::builder::Nulls;
use crate::columns::ColumnError;
use crate::columns::Columns;
use crate::columns::Offsets;
use crate::error::Result;
use crate::schema_writer::SchemaWriter;
use crate::wire::Column;

const NO_CHILD: ColumnError = ColumnError::new("a list has no child");

impl<T: AvroType> AvroType for Vec<T> {
    const KIND: Kind = Kind::Array;

    fn schema(writer: &mut SchemaWriter) {
        writer.array(T::schema);
    }
}

impl<T: AvroType> NotNull for Vec<T> {}

/// Reads a list column.
#[derive(Debug, Clone, Copy)]
pub struct ListReader<'a, R> {
    offsets: Offsets<'a>,
    items: R,
}

impl<'a, T: Read<'a>> Read<'a> for Vec<T> {
    type Reader = ListReader<'a, T::Reader>;

    fn reader(columns: Columns<'a>, index: u32, len: usize) -> Result<Self::Reader, ColumnError> {
        let column = columns.get(index, 2, 1)?;
        let offsets = Offsets::of(column, 1, len)?;
        let child = *column.children.first().ok_or(NO_CHILD)?;
        Ok(ListReader { offsets, items: T::reader(columns, child, offsets.end())? })
    }

    fn read(reader: &Self::Reader, row: usize) -> Result<Self, ColumnError> {
        reader.offsets.range(row)?.map(|item| T::read(&reader.items, item)).collect()
    }
}

impl<T: Write> Write for Vec<T> {
    type Builder = ListBuilder<T::Builder>;

    fn write(&self, builder: &mut Self::Builder) {
        for item in self {
            item.write(&mut builder.items);
        }
        builder.end(self.len());
    }
}

/// Builds a list column around the builder of its items.
#[derive(Debug, Default)]
pub struct ListBuilder<B> {
    offsets: Vec<[u8; 4]>,
    end: usize,
    items: B,
}

impl<B: Builder> ListBuilder<B> {
    /// The builder of the items of the row at hand.
    pub fn items(&mut self) -> &mut B {
        &mut self.items
    }

    /// Ends a row to which so many items were appended.
    pub fn end(&mut self, items: usize) {
        if self.offsets.is_empty() {
            self.offsets.push([0; 4]);
        }
        self.end += items;
        self.offsets.push((self.end as u32).to_le_bytes());
    }
}

impl<B: Builder> Builder for ListBuilder<B> {
    fn reserve(&mut self, rows: usize) {
        self.offsets.reserve(rows + 1);
        self.items.reserve(rows);
    }

    fn placeholder(&mut self) {
        self.end(0);
    }

    fn finish(&mut self, nulls: Nulls, columns: &mut Vec<Column>) -> Result<u32> {
        let index = builder::place(columns);
        let offsets = builder::finish_offsets(&mut self.offsets, std::mem::take(&mut self.end))?;
        let child = self.items.finish(Nulls::default(), columns)?;
        let column =
            Column { buffers: vec![nulls.bits, offsets], children: vec![child], null_count: nulls.count };
        builder::put(columns, index, column);
        Ok(index)
    }

    fn clear(&mut self) {
        self.offsets.clear();
        self.end = 0;
        self.items.clear();
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, _: Form, out: &mut Vec<u8>) -> Result<(), BodyError> {
        body::put_items(self.iter(), out, |item, out| item.encode(Form::PLAIN, out))
    }
}

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    fn decode(_: Form, body: &mut Body<'a>) -> Result<Self, BodyError> {
        let mut items = Self::new();
        body.items(|body| {
            items.push(T::decode(Form::PLAIN, body)?);
            Ok(())
        })?;
        Ok(items)
    }
}

impl<T: Stored> Stored for Vec<T> {
    type Of<'a> = Vec<T::Of<'a>>;
    type Column = ListBuilder<T::Column>;
}
