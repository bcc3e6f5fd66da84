//! Confluent-framed Avro, any writer schema, into columns of the port's schema.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::codec::avro::decode::Utf8;
use crate::codec::avro::decode::datum;
use crate::codec::avro::plan::Plan;
use crate::codec::avro::resolve::Strictness;
use crate::codec::avro::resolve::compile;
use crate::codec::columns::Columns;
use crate::codec::decode::part::PushFailure;
use crate::codec::decode::part::Typed;
use crate::codec::fault::Fault;
use crate::codec::fault::Trail;
use crate::codec::wire_format;
use crate::codec::writer_schemas::WriterSchema;
use crate::codec::writer_schemas::WriterSchemas;
use crate::codec::writer_schemas::WriterText;
use crate::model::avro_type::AvroType;
use crate::model::failure::Stage;
use crate::pipeline::ports::DecodeFailure;

/// Most plans that are kept; beyond it all are dropped and made again as they are needed.
const PLANS_MAX: usize = 1024;

#[derive(Debug)]
pub(crate) struct AvroPart {
    pub(super) typed: Typed,
    reader: AvroType,
    schemas: Arc<dyn WriterSchemas>,
    /// By writer schema id; none where it cannot be read, with the reason.
    plans: HashMap<u32, Result<Arc<Plan>, String>>,
    /// The plan of the last record, which most often is the next one's.
    last: Option<(u32, Arc<Plan>)>,
    /// When the records of this batch came.
    received: Option<Instant>,
}

impl AvroPart {
    pub(crate) fn new(
        reader: AvroType,
        columns: Columns,
        stage: Stage,
        schemas: Arc<dyn WriterSchemas>,
    ) -> Self {
        let typed = Typed::new(columns, stage);
        Self { typed, reader, schemas, plans: HashMap::new(), last: None, received: None }
    }

    pub(super) fn begin(&mut self, rows: usize, utf8: Utf8, received: Option<Instant>) {
        self.typed.begin(rows, utf8);
        self.received = received;
    }

    #[inline]
    pub(super) fn push(&mut self, payload: Option<&[u8]>) -> Result<(), PushFailure> {
        let Some(payload) = payload else {
            return self.typed.push_null();
        };
        let rows = self.typed.columns.len();
        let (id, body) = match wire_format::split(payload) {
            Ok((id, body)) => (id.0, body),
            Err(fault) => {
                describe_frame(payload, &mut self.typed.trail);
                return Err(self.typed.fail(rows, fault, None));
            }
        };
        if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
            self.select(id)?;
        }
        let Some((_, plan)) = &self.last else {
            return Err(self.typed.fail(rows, Fault::Internal, None));
        };
        let Typed { columns, utf8, trail, .. } = &mut self.typed;
        match datum(plan, body, columns, *utf8, trail) {
            Ok(()) => Ok(()),
            Err((fault, at)) => Err(self.typed.fail(rows, fault, Some(at + payload.len() - body.len()))),
        }
    }

    /// Makes the plan of a writer schema the last one.
    #[cold]
    fn select(&mut self, id: u32) -> Result<(), PushFailure> {
        if !self.plans.contains_key(&id) {
            let text = lookup(&*self.schemas, id, self.received, self.typed.stage)?;
            let plan = self.compile(&text);
            if self.plans.len() >= PLANS_MAX {
                self.plans.clear();
            }
            self.plans.insert(id, plan);
        }
        match self.plans.get(&id) {
            Some(Ok(plan)) => {
                self.last = Some((id, plan.clone()));
                Ok(())
            }
            Some(Err(why)) => Err(unresolvable(id, why, self.typed.stage)),
            None => Err(unresolvable(id, Fault::Internal.text(), self.typed.stage)),
        }
    }

    fn compile(&self, text: &WriterText) -> Result<Arc<Plan>, String> {
        let writer =
            AvroType::parse_writer(&text.text, &text.references).map_err(|error| error.to_string())?;
        compile(&writer, &self.reader, &self.typed.columns.layout, Strictness::ByValue)
            .map(Arc::new)
            .map_err(|error| error.to_string())
    }
}

/// Says what stands where the frame should be.
pub(super) fn describe_frame(payload: &[u8], trail: &mut Trail) {
    match payload.first() {
        Some(magic) if *magic != 0 => trail.found(format_args!("0x{magic:02x}")),
        _ => trail.found(format_args!("{} bytes", payload.len())),
    }
}

/// The text behind a schema id.
pub(super) fn lookup(
    schemas: &dyn WriterSchemas,
    id: u32,
    received: Option<Instant>,
    stage: Stage,
) -> Result<Arc<WriterText>, PushFailure> {
    match schemas.get(id, received) {
        WriterSchema::Ready(text) => Ok(text),
        WriterSchema::Pending => Err(PushFailure::Wait(DecodeFailure::SchemaPending(id))),
        WriterSchema::Unavailable(outage) => Err(PushFailure::Wait(DecodeFailure::Outage(outage))),
        WriterSchema::Unknown(why) => {
            let mut trail = Trail::default();
            trail.found_long(format_args!("id {id}: {why}"));
            Err(PushFailure::Bad(trail.bad_record(Fault::SchemaUnknown, stage, None)))
        }
    }
}

pub(super) fn unresolvable(id: u32, why: &str, stage: Stage) -> PushFailure {
    let mut trail = Trail::default();
    trail.found_long(format_args!("id {id}: {why}"));
    PushFailure::Bad(trail.bad_record(Fault::SchemaUnresolvable, stage, None))
}
