//! `wasmill seek`

use std::process::ExitCode;
use std::time::Duration;
use std::time::Instant;

use clap::Args;
use reqwest::Method;
use serde_json::Value as Json;
use serde_json::json;

use crate::cli::api_client::ApiClient;
use crate::cli::api_client::Body;
use crate::cli::api_client::HostArgs;
use crate::cli::exit::Failure;
use crate::cli::show;
use crate::cli::show::Shown;
use crate::model::ids::PipelineName;

/// Static members keep their places for a session timeout after they have left.
const LEAVING_MAX: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(1);

/// Move the positions of a pipeline that is paused or has stopped
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wasmill seek big-spender --to earliest --gone --resume    accept records that were deleted unread
  wasmill seek big-spender --to latest --dry-run            show what would move
  wasmill seek big-spender --to 2026-01-31T00:00:00Z
  wasmill seek big-spender --offset payments:0=1200 --offset payments:1=900

A pipeline that runs must be paused first. The brokers take new positions only when its workers have
left the group, which takes up to a session timeout (10 s) after they have ended: the command waits.
Records between the new position and the old one are read, and their outputs written, once more.")]
pub(crate) struct Seek {
    /// Name of the pipeline
    pipeline: PipelineName,
    /// Where to go on: earliest, latest, or the first record at or after a time
    #[arg(long, value_name = "PLACE", required_unless_present = "offsets", conflicts_with = "offsets")]
    to: Option<String>,
    /// Move those partitions alone whose committed offset is gone
    #[arg(long, conflicts_with = "offsets")]
    gone: bool,
    /// Where one partition is to go on; may be repeated. The others stay where they are
    #[arg(long = "offset", value_name = "TOPIC:PARTITION=OFFSET", value_parser = one_offset)]
    offsets: Vec<OneOffset>,
    /// Make every check, show what would move, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Resume the pipeline afterwards
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    #[command(flatten)]
    host: HostArgs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OneOffset {
    topic: String,
    partition: u32,
    offset: i64,
}

fn one_offset(text: &str) -> Result<OneOffset, String> {
    let parsed = || {
        let (place, offset) = text.rsplit_once('=')?;
        let (topic, partition) = place.rsplit_once(':')?;
        let offset = offset.parse().ok().filter(|offset| *offset >= 0)?;
        (!topic.is_empty()).then_some(OneOffset {
            topic: topic.to_owned(),
            partition: partition.parse().ok()?,
            offset,
        })
    };
    parsed().ok_or_else(|| "expected a topic, a partition and an offset, `payments:0=1200`".to_owned())
}

impl Seek {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let client = self.host.client()?;
        let answer = self.seek(&client, ASK_EVERY)?;
        anstream::print!("{}", table(&answer));
        let name = &self.pipeline;
        let count = moved(&answer);
        let partitions = if count == 1 { "partition" } else { "partitions" };
        if self.dry_run {
            show::done(&format!(
                "pipeline `{name}`: {count} {partitions} would move; nothing is changed now"
            ));
            return Ok(ExitCode::SUCCESS);
        }
        show::done(&format!("pipeline `{name}`: {count} {partitions} moved"));
        if self.resume {
            client.call(Method::POST, &format!("{}/resume", self.path()), Body::None, None)?;
            show::done(&format!("pipeline `{name}` is resumed"));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn path(&self) -> String {
        format!("/v1/tenants/default/pipelines/{}", self.pipeline)
    }

    fn document(&self) -> Json {
        let to = match self.to.as_deref() {
            Some(place @ ("earliest" | "latest")) => json!(place),
            Some(time) => {
                json!({ "timestamp": time.parse::<i64>().map_or_else(|_| json!(time), |ms| json!(ms)) })
            }
            None => {
                let mut topics = serde_json::Map::new();
                for OneOffset { topic, partition, offset } in &self.offsets {
                    let of_topic = topics.entry(topic).or_insert_with(|| json!({}));
                    if let Json::Object(partitions) = of_topic {
                        partitions.insert(partition.to_string(), json!(offset));
                    }
                }
                json!({ "offsets": topics })
            }
        };
        if self.gone { json!({ "to": to, "partitions": "gone" }) } else { json!({ "to": to }) }
    }

    /// Asks again while the workers of the pipeline are leaving their group.
    fn seek(&self, client: &ApiClient, ask_every: Duration) -> Result<Json, Failure> {
        let dry_run = if self.dry_run { "?dry_run=true" } else { "" };
        let target = format!("{}/seek{dry_run}", self.path());
        let until = Instant::now() + LEAVING_MAX;
        let mut told = false;
        loop {
            match client.call(Method::POST, &target, Body::Json(self.document()), None) {
                Ok(answer) => return Ok(answer.body),
                Err(Failure::Problems { problems, .. }) if leaving(&problems) && Instant::now() < until => {
                    if !told {
                        show::notice("the workers are leaving their group; waiting for up to a minute");
                        told = true;
                    }
                    std::thread::sleep(ask_every);
                }
                Err(failure) => return Err(failure),
            }
        }
    }
}

fn leaving(problems: &[Shown]) -> bool {
    matches!(problems, [problem] if problem.code == "group-in-use")
}

/// How many partitions go on elsewhere than they would have.
fn moved(answer: &Json) -> usize {
    let partitions = answer.get("partitions").and_then(Json::as_array).into_iter().flatten();
    partitions.filter(|moved| moved.get("from") != moved.get("to")).count()
}

/// A line for each partition that moves.
fn table(answer: &Json) -> String {
    let mut text = String::new();
    for moved in answer.get("partitions").and_then(Json::as_array).into_iter().flatten() {
        let number = |key: &str| moved.get(key).and_then(Json::as_i64);
        let topic = moved.get("topic").and_then(Json::as_str).unwrap_or_default();
        let partition = number("partition").unwrap_or_default();
        let from = number("from").map_or_else(|| "nothing committed".to_owned(), |from| from.to_string());
        let to = number("to").unwrap_or_default();
        let gone = moved.get("gone").and_then(Json::as_bool).unwrap_or_default();
        let gone = if gone { ", which is gone" } else { "" };
        text.push_str(&format!("  {topic}-{partition}  from {from}{gone}, to {to}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::Router;
    use axum::http::StatusCode;
    use axum::http::Uri;
    use clap::Parser;
    use parking_lot::Mutex;

    use super::*;
    use crate::cli::api_client::tests::fake_host;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        seek: Seek,
    }

    fn seek(arguments: &[&str]) -> Result<Seek, clap::Error> {
        let line = ["seek"].iter().chain(arguments);
        Line::try_parse_from(line).map(|line| line.seek)
    }

    #[test]
    fn the_document_says_where_to_go_on() {
        let of = |arguments: &[&str]| seek(arguments).expect("valid").document();
        assert_eq!(
            of(&["p", "--to", "earliest", "--gone"]),
            json!({ "to": "earliest", "partitions": "gone" })
        );
        let time = "2026-01-31T00:00:00Z";
        assert_eq!(of(&["p", "--to", time]), json!({ "to": { "timestamp": time } }));
        assert_eq!(
            of(&["p", "--to", "1769817600000"]),
            json!({ "to": { "timestamp": 1_769_817_600_000_i64 } })
        );
        assert_eq!(
            of(&["p", "--offset", "a:b:0=12", "--offset", "a:b:3=9"]),
            json!({ "to": { "offsets": { "a:b": { "0": 12, "3": 9 } } } })
        );
    }

    #[test]
    fn what_goes_nowhere_is_wrong_usage() {
        for wrong in [
            vec!["p"],
            vec!["P_", "--to", "latest"],
            vec!["p", "--to", "latest", "--offset", "a:0=1"],
            vec!["p", "--gone", "--offset", "a:0=1"],
            vec!["p", "--offset", "a=1"],
            vec!["p", "--offset", ":0=1"],
            vec!["p", "--offset", "a:0=-1"],
            vec!["p", "--to", "latest", "--dry-run", "--resume"],
        ] {
            assert!(seek(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn members_that_are_leaving_are_waited_for() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let router = Router::new().fallback(move |uri: Uri| {
            let log = Arc::clone(&log);
            async move {
                log.lock().push(uri.to_string());
                let count = log.lock().len();
                match count {
                    1 => (StatusCode::CONFLICT, axum::Json(json!({ "code": "group-in-use", "detail": "x" }))),
                    2 => (StatusCode::OK, axum::Json(json!({ "partitions": [] }))),
                    _ => (StatusCode::CONFLICT, axum::Json(json!({ "code": "pipeline-not-at-rest" }))),
                }
            }
        });
        let host = fake_host(router);
        let seek = seek(&["p", "--to", "latest", "--dry-run"]).expect("valid");
        seek.seek(&host.client, Duration::ZERO).expect("moved");
        let target = "/v1/tenants/default/pipelines/p/seek?dry_run=true";
        assert_eq!(*asked.lock(), [target, target]);
        let Err(Failure::Problems { problems, .. }) = seek.seek(&host.client, Duration::ZERO) else {
            panic!("refused")
        };
        assert_eq!(problems[0].code, "pipeline-not-at-rest");
    }

    #[test]
    fn each_move_has_a_line() {
        let answer = json!({ "partitions": [
            { "topic": "t", "partition": 0, "from": 100, "to": 150, "gone": true },
            { "topic": "t", "partition": 1, "from": null, "to": 0, "gone": false },
        ] });
        let expected = "  t-0  from 100, which is gone, to 150\n  t-1  from nothing committed, to 0\n";
        assert_eq!(table(&answer), expected);
        assert_eq!(moved(&answer), 2);
        assert_eq!(moved(&json!({ "partitions": [{ "from": 7, "to": 7 }] })), 0);
    }
}
