//! `/v1/tenants/default/pipelines/{name}/logs`

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::sse::Event;
use axum::response::sse::KeepAlive;
use axum::response::sse::Sse;
use futures_util::Stream;
use futures_util::stream;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use utoipa::IntoParams;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::admission;
use crate::api::parameters::InPath;
use crate::api::parameters::InQuery;
use crate::api::parameters::page_limit;
use crate::api::problem::Problem;
use crate::api::state::ApiState;
use crate::model::ids::PipelineName;
use crate::telemetry::guest_logs::GuestLogs;
use crate::telemetry::guest_logs::LogLevel;
use crate::telemetry::guest_logs::LogLine;
use crate::telemetry::guest_logs::PAGE_LINES_MAX;

/// How often an idle stream looks whether its pipeline has begun to run, is gone, or is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// `next` of the page before, or the cursor of a line. Default 0: from the oldest line kept.
    after: Option<u64>,
    /// The last lines instead, so many.
    tail: Option<usize>,
    /// Lines at most. Default and most: 1000.
    #[serde(default = "page_lines", deserialize_with = "page_limit::<_, PAGE_LINES_MAX>")]
    #[param(minimum = 1, maximum = 1000)]
    limit: usize,
    /// Lines of this level and above: trace, debug, info, warn, error. Default: all.
    #[serde(default = "every_level")]
    #[param(value_type = Option<String>)]
    level: LogLevel,
}

fn page_lines() -> usize {
    PAGE_LINES_MAX
}

fn every_level() -> LogLevel {
    LogLevel::Trace
}

/// A line that a guest wrote.
#[derive(Debug, Serialize, ToSchema)]
struct LineView {
    /// Number of the line, from 1.
    cursor: u64,
    /// Milliseconds since the epoch.
    time_ms: i64,
    /// Index of the worker whose guest wrote it.
    worker: u32,
    #[schema(value_type = String, example = "info")]
    level: LogLevel,
    target: String,
    message: String,
}

impl From<&Arc<LogLine>> for LineView {
    fn from(line: &Arc<LogLine>) -> Self {
        Self {
            cursor: line.cursor,
            time_ms: line.time_ms,
            worker: line.worker,
            level: line.level,
            target: line.target.clone(),
            message: line.message.clone(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
struct LogPageView {
    lines: Vec<LineView>,
    /// To be given as `after` for the next page, now or later.
    next: u64,
    /// Lines after the place asked for that are no longer kept.
    missed: u64,
    /// Lines that were never kept, because the pipeline is over its limit of lines a second.
    dropped: u64,
}

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(logs))
}

/// Read what the guests of a pipeline log
///
/// A page; or, with `Accept: text/event-stream`, every line from there on as it comes: events
/// `line` (its id is the cursor) and `missed` (how many lines are no longer kept).
#[utoipa::path(
    get, path = "/v1/tenants/default/pipelines/{name}/logs", tag = "pipelines", operation_id = "get_pipeline_logs",
    params(("name" = String, Path, description = "Name of the pipeline"), LogQuery),
    responses((status = 200, content(
        (LogPageView = "application/json"),
        (String = "text/event-stream"),
    ))),
)]
async fn logs(
    State(state): State<ApiState>,
    InPath(name): InPath<PipelineName>,
    InQuery(query): InQuery<LogQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let logs = state.control.logs(&name).await?;
    let text = |header| headers.get(header).and_then(|value| value.to_str().ok());
    if text(header::ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
        let after = match (resumed.or(query.after), query.tail, &logs) {
            (Some(after), _, _) => after,
            (None, Some(lines), Some(logs)) => before_tail(logs, lines, query.level),
            (None, ..) => 0,
        };
        let place = admission::log_stream(&state)?;
        let (level, ready) = (query.level, VecDeque::new());
        let follower = Follower { state, name, logs, after, level, ready, _place: place };
        return Ok(Sse::new(follower.events()).keep_alive(KeepAlive::default()).into_response());
    }
    let Some(logs) = logs else {
        let empty = LogPageView { lines: Vec::new(), next: query.after.unwrap_or(0), missed: 0, dropped: 0 };
        return Ok(Json(empty).into_response());
    };
    let page = match query.tail {
        Some(lines) => logs.tail(lines, query.level),
        None => logs.page(query.after.unwrap_or(0), query.limit, query.level),
    };
    let lines = page.lines.iter().map(LineView::from).collect();
    let view = LogPageView { lines, next: page.next, missed: page.missed, dropped: logs.dropped() };
    Ok(Json(view).into_response())
}

fn before_tail(logs: &GuestLogs, lines: usize, level: LogLevel) -> u64 {
    let tail = logs.tail(lines, level);
    tail.lines.first().map_or(tail.next, |first| first.cursor.saturating_sub(1))
}

/// Follows a log from a place on. The ring is the truth; the broadcast only wakes.
struct Follower {
    state: ApiState,
    name: PipelineName,
    logs: Option<Arc<GuestLogs>>,
    after: u64,
    level: LogLevel,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    fn events(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let event = follower.next().await?;
            Some((Ok(event), follower))
        })
    }

    /// None when the pipeline is gone, or the host ends.
    async fn next(&mut self) -> Option<Event> {
        let closing = self.state.closing.clone();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            tokio::select! {
                () = closing.wait() => return None,
                going_on = self.fill() => if !going_on { return None },
            }
        }
    }

    /// Waits for lines. Returns whether there may be more.
    async fn fill(&mut self) -> bool {
        let Some(logs) = self.logs.clone() else {
            tokio::time::sleep(LOOK_EVERY).await;
            return self.look().await;
        };
        // Before the page is read: a line that comes in between wakes at once.
        let mut wake = logs.follow();
        let page = logs.page(self.after, PAGE_LINES_MAX, self.level);
        self.after = page.next;
        if page.missed > 0 {
            self.ready.push_back(Event::default().event("missed").data(page.missed.to_string()));
        }
        for line in &page.lines {
            let event = Event::default().event("line").id(line.cursor.to_string());
            // A line is text and numbers: it has a JSON form.
            if let Ok(event) = event.json_data(LineView::from(line)) {
                self.ready.push_back(event);
            }
        }
        if !self.ready.is_empty() {
            return true;
        }
        match tokio::time::timeout(LOOK_EVERY, wake.recv()).await {
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => true,
            Ok(Err(RecvError::Closed)) | Err(_) => self.look().await,
        }
    }

    /// Finds the log that the pipeline has now. Returns whether there still is such a pipeline.
    ///
    /// The log itself does not tell: this follower keeps it alive.
    async fn look(&mut self) -> bool {
        let Ok(found) = self.state.control.logs(&self.name).await else { return false };
        let another = match (&self.logs, &found) {
            (Some(followed), Some(found)) => !Arc::ptr_eq(followed, found),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if another {
            // It was deleted and put again in between: its lines are counted anew.
            self.after = 0;
        }
        self.logs = found;
        true
    }
}
