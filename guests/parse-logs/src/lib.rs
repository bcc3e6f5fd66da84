//! Parses access log lines in the common log format into typed records. Lines that are none become
//! dead letters with the reason.

use wasmill_sdk::prelude::*;
use wasmill_sdk::types::TimestampMillis;

/// A request to a web server.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(namespace = "com.example.web")]
pub struct Request<'a> {
    pub host: &'a str,
    pub user: Option<&'a str>,
    pub at: TimestampMillis,
    pub method: &'a str,
    pub path: &'a str,
    pub protocol: &'a str,
    pub status: i32,
    /// Bytes of the response; none if there was no body.
    pub bytes: Option<i64>,
}

/// Parses access log lines.
#[transform]
#[input(lines)]
pub struct ParseLogs {
    requests: Output<Request<'_>>,
}

impl Process<Raw<'_>> for ParseLogs {
    fn process(&mut self, Raw(line): Raw<'_>, _: &mut Context<'_>) -> Result<()> {
        let line = std::str::from_utf8(line)?.trim_end();
        if line.is_empty() {
            log::debug!("skipped an empty line");
            return Ok(());
        }
        self.requests.emit(parse(line)?)
    }
}

/// Parses `host ident user [time] "method path protocol" status bytes`.
fn parse(line: &str) -> Result<Request<'_>> {
    let (host, rest) = cut(line, " ", "the host")?;
    let (_, rest) = cut(rest, " ", "the identity")?;
    let (user, rest) = cut(rest, " [", "the user")?;
    let (time, rest) = cut(rest, "] \"", "the time")?;
    let (request, rest) = cut(rest, "\" ", "the request")?;
    let (status, bytes) = cut(rest, " ", "the status")?;
    let (method, target) = cut(request, " ", "the method")?;
    let (path, protocol) = cut(target, " ", "the path")?;
    let Ok(status) = status.parse() else { reject!("`{status}` is no status code") };
    let bytes = match bytes {
        "-" => None,
        number => match number.parse() {
            Ok(bytes) => Some(bytes),
            Err(_) => reject!("`{number}` is no number of bytes"),
        },
    };
    let Some(at) = millis(time) else { reject!("`{time}` is no time like 10/Oct/2000:13:55:36 -0700") };
    let user = (user != "-").then_some(user);
    Ok(Request { host, user, at: TimestampMillis(at), method, path, protocol, status, bytes })
}

fn cut<'a>(text: &'a str, end: &str, what: &str) -> Result<(&'a str, &'a str)> {
    text.split_once(end).ok_or_else(|| Error::reject(format!("{what} does not end: `{end}` is missing")))
}

/// Milliseconds since the Unix epoch of a time like `10/Oct/2000:13:55:36 -0700`.
fn millis(time: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let (time, zone) = time.split_once(' ')?;
    let mut date = time.splitn(3, '/');
    let (day, month, rest) = (number(date.next()?)?, date.next()?, date.next()?);
    let month = MONTHS.find(month).filter(|at| at % 3 == 0 && month.len() == 3)? as i64 / 3 + 1;
    let mut clock = rest.split(':').map(number);
    let (year, hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some()
        || !(1..=31).contains(&day)
        || year > 9999
        || hour > 23
        || minute > 59
        || second > 60
        || zone.len() != 5
    {
        return None;
    }
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    let offset = sign * (number(zone.get(1..3)?)? * 60 + number(zone.get(3..5)?)?);
    let minutes = (days(year, month, day) * 24 + hour) * 60 + minute - offset;
    Some((minutes * 60 + second) * 1000)
}

fn number(text: &str) -> Option<i64> {
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// Days since 1970-01-01 in the Gregorian calendar. The year begins in March, so that the leap day
/// is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = (year % 400) * 365 + (year % 400) / 4 - (year % 400) / 100 + day_of_year;
    year / 400 * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        b"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] \"GET /apache_pb.gif HTTP/1.0\" 200 2326\n";

    #[test]
    fn a_line_becomes_a_request() {
        let mut harness = TestHarness::new::<ParseLogs>();
        harness.send(Raw(LINE));
        let expected = Request {
            host: "127.0.0.1",
            user: Some("frank"),
            at: TimestampMillis(971_211_336_000),
            method: "GET",
            path: "/apache_pb.gif",
            protocol: "HTTP/1.0",
            status: 200,
            bytes: Some(2326),
        };
        assert_eq!(harness.values::<Request<'_>>("requests"), [expected]);
    }

    #[test]
    fn dashes_stand_for_nothing() {
        let mut harness = TestHarness::new::<ParseLogs>();
        harness.send(Raw(b"::1 - - [01/Jan/1970:00:00:00 +0000] \"HEAD / HTTP/1.1\" 304 -"));
        let requests = harness.values::<Request<'_>>("requests");
        assert_eq!((requests[0].user, requests[0].bytes, requests[0].at.0), (None, None, 0));
    }

    #[test]
    fn other_lines_are_rejected_with_the_reason() {
        let mut harness = TestHarness::new::<ParseLogs>();
        let bad: [(&[u8], &str); 6] = [
            (b"hello", "the host does not end"),
            (b"h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" abc 1", "`abc` is no status code"),
            (
                b"h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 many",
                "`many` is no number of bytes",
            ),
            (b"h - - [10/Okt/2000:13:55:36 -0700] \"GET / HTTP/1.0\" 200 1", "is no time"),
            (b"h - - [10/Oct/2000:13:55:36 -0700] \"GET /\" 200 1", "the path does not end"),
            (b"\xff\xfe", "invalid utf-8"),
        ];
        let lines = bad.iter().map(|(line, _)| *line).chain([LINE, b"\n"]);
        harness.send_all(lines.map(Raw));
        assert_eq!(harness.values::<Request<'_>>("requests").len(), 1);
        assert_eq!(harness.rejected().len(), bad.len());
        for (rejected, (_, reason)) in harness.rejected().iter().zip(bad) {
            assert!(rejected.reason.contains(reason), "{} has no `{reason}`", rejected.reason);
        }
        assert_eq!(harness.logs()[0].message, "skipped an empty line");
    }

    #[test]
    fn leap_days_count() {
        for (time, expected) in [
            ("29/Feb/2000:00:00:00 +0000", 951_782_400_000),
            ("01/Mar/2000:00:00:00 +0000", 951_868_800_000),
            ("31/Dec/1999:23:59:59 +0000", 946_684_799_000),
            ("01/Jan/2024:01:00:00 +0100", 1_704_067_200_000),
        ] {
            assert_eq!(millis(time), Some(expected), "{time}");
        }
    }
}
