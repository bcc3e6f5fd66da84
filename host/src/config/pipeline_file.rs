//! The pipeline file: from YAML or JSON to a validated [`PipelineSpec`].

use std::path::Path;

use crate::config::bindings;
use crate::config::policies;
use crate::config::section::Item;
use crate::config::section::Problems;
use crate::config::tree::Node;
use crate::model::failure::Refusal;
use crate::model::ids::PipelineName;
use crate::model::limits::Limits;
use crate::model::pipeline_spec::BatchLimits;
use crate::model::pipeline_spec::CheckpointPolicy;
use crate::model::pipeline_spec::CommitPolicy;
use crate::model::pipeline_spec::Delivery;
use crate::model::pipeline_spec::OnBadRecord;
use crate::model::pipeline_spec::PipelineSpec;
use crate::model::pipeline_spec::RetryPolicy;
use crate::model::pipeline_spec::SchemaPolicy;
use crate::model::pipeline_spec::Start;

pub use crate::config::pipeline_document::to_document;
pub use crate::config::pipeline_schema::json_schema;
pub use crate::config::tree::FileFormat;

/// The version of pipeline files that this host reads.
pub const PIPELINE_FILE_VERSION: u32 = 1;
/// Longest pipeline file in bytes.
pub const PIPELINE_FILE_BYTES_MAX: usize = 1 << 20;

/// Reads a pipeline file. Relative paths of transforms are taken from `base_dir`.
///
/// # Errors
/// Every problem of the document that can be found at once; at least one.
pub fn parse(text: &str, format: FileFormat, base_dir: Option<&Path>) -> Result<PipelineSpec, Vec<Refusal>> {
    let mut problems = Problems::default();
    if text.len() > PIPELINE_FILE_BYTES_MAX {
        let found = format!("{} bytes", text.len());
        let expected = format!("at most {PIPELINE_FILE_BYTES_MAX} bytes");
        let remedy = "Check that this is a pipeline file.";
        problems.add("document-too-large", "document", "the document is too large", found, expected, remedy);
        return Err(problems.list);
    }
    let node = Node::parse(text, format).map_err(|refusal| vec![*refusal])?;
    match read(&Item::root(&node), base_dir, &mut problems) {
        Some(spec) if problems.list.is_empty() => Ok(spec),
        _ => Err(problems.list),
    }
}

/// None only with at least one problem.
fn read(item: &Item<'_>, base_dir: Option<&Path>, problems: &mut Problems) -> Option<PipelineSpec> {
    let mut file = item.section(problems)?;
    let version = file.require(problems, "version", "the version of the file's form", "Add `version: 1`.");
    if let Some(version) = version {
        version.u32(problems, PIPELINE_FILE_VERSION..=PIPELINE_FILE_VERSION);
    }
    let name = file.require(problems, "name", "the pipeline's name", "Add `name: <name>`.");
    let name = name.and_then(|item| item.parsed::<PipelineName>(problems, "a name"));
    let expected = "`{ name: ..., version: ... }`, `{ file: ... }` or `{ digest: ... }`";
    let transform = file.require(problems, "transform", expected, "Add `transform: { name: <name> }`.");
    let transform = transform.and_then(|item| bindings::transform(&item, base_dir, problems));
    let expected = "a map from input ports to topics";
    let inputs =
        file.require(problems, "inputs", expected, "Bind each input port of the transform to a topic.");
    let inputs = inputs.map(|item| bindings::inputs(&item, problems));
    let outputs = file.take("outputs").map(|item| bindings::outputs(&item, problems));
    let delivery = match file.take("delivery") {
        Some(item) => item.choice(problems, &policies::DELIVERY),
        None => Some(Delivery::default()),
    };
    let accept_duplicate_updates = match file.take("accept_duplicate_updates") {
        Some(item) => item.boolean(problems),
        None => Some(false),
    };
    let start = match file.take("start") {
        Some(item) => bindings::start(&item, problems),
        None => Some(Start::default()),
    };
    let commit =
        file.take("commit").map_or_else(CommitPolicy::default, |item| policies::commit(&item, problems));
    let batch = file.take("batch").map_or_else(BatchLimits::default, |item| policies::batch(&item, problems));
    let bad = file.take("on_bad_record");
    let on_bad_record =
        bad.as_ref().map_or_else(OnBadRecord::default, |i| policies::on_bad_record(i, problems));
    let retry = file.take("retry").map_or_else(RetryPolicy::default, |item| policies::retry(&item, problems));
    let schemas =
        file.take("schemas").map_or_else(SchemaPolicy::default, |item| policies::schemas(&item, problems));
    let limits = file.take("limits").map_or_else(Limits::default, |item| policies::limits(&item, problems));
    let workers = match file.take("workers") {
        Some(item) => item.u32(problems, 1..=policies::WORKERS_MAX),
        None => Some(1),
    };
    let checkpoint = file
        .take("checkpoint")
        .map_or_else(CheckpointPolicy::default, |item| policies::checkpoint(&item, problems));
    policies::no_state_key(&mut file, problems);
    let config = file.take("config").map(|item| policies::config(&item, problems)).unwrap_or_default();
    let kafka = file.take("kafka").map(|item| policies::kafka(&item, problems)).unwrap_or_default();
    file.finish(problems);
    let spec = PipelineSpec {
        name: name?,
        transform: transform?,
        inputs: inputs?,
        outputs: outputs.unwrap_or_default(),
        delivery: delivery?,
        accept_duplicate_updates: accept_duplicate_updates?,
        start: start?,
        commit,
        checkpoint,
        batch,
        on_bad_record,
        retry,
        schemas,
        limits,
        workers: workers?,
        config: config.texts,
        secrets: config.secrets,
        kafka,
    };
    check_dead_letter_loop(&spec, problems);
    check_start_topics(&spec, problems);
    Some(spec)
}

/// A dead letter that comes back as input is bad again, and again.
fn check_dead_letter_loop(spec: &PipelineSpec, problems: &mut Problems) {
    let Some(topic) = spec.letter_topic() else {
        return;
    };
    if let Some((port, _)) = spec.inputs.iter().find(|(_, input)| input.topic == topic) {
        let message = format!(
            "the dead-letter topic is the topic of the input `{port}`: bad records would go in circles"
        );
        let remedy = "Name another topic.";
        let expected = "a topic that the pipeline does not read";
        problems.add(
            "dead-letter-loop",
            "on_bad_record.topic",
            message,
            format!("`{topic}`"),
            expected,
            remedy,
        );
    }
}

fn check_start_topics(spec: &PipelineSpec, problems: &mut Problems) {
    let Start::Offsets(offsets) = &spec.start else {
        return;
    };
    for topic in offsets.keys() {
        if !spec.inputs.values().any(|input| *input.topic == **topic) {
            let known: Vec<&str> = spec.inputs.values().map(|input| &*input.topic).collect();
            let expected = format!("one of {}", crate::config::suggest::list(&known));
            let message = "this topic is not an input of the pipeline";
            let remedy = crate::config::suggest::remedy(topic, &known);
            let field = format!("start.offsets.{topic}");
            problems.add("unknown-value", &field, message, format!("`{topic}`"), expected, remedy);
        }
    }
}

#[cfg(test)]
#[path = "pipeline_file_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "pipeline_file_properties.rs"]
mod properties;
