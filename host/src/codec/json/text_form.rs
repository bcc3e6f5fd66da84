//! Text forms of decimals, dates, times and durations.

use std::fmt::Write as _;

use arrow_array::types::Decimal128Type;
use arrow_array::types::Decimal256Type;
use arrow_array::types::DecimalType;
use arrow_array::types::IntervalMonthDayNano;
use arrow_buffer::i256;
use time::Date;
use time::Duration;
use time::OffsetDateTime;
use time::PrimitiveDateTime;
use time::Time;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::date;
use time::macros::format_description;

use crate::model::avro_type::TimeUnit;

const DATE: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");
const TIME: &[BorrowedFormatItem<'static>] =
    format_description!("[hour]:[minute]:[second][optional [.[subsecond]]]");
const LOCAL: &[BorrowedFormatItem<'static>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond]]]");
const EPOCH: Date = date!(1970 - 01 - 01);

fn nanos_per(unit: TimeUnit) -> i128 {
    match unit {
        TimeUnit::Millis => 1_000_000,
        TimeUnit::Micros => 1_000,
        TimeUnit::Nanos => 1,
    }
}

/// The digits of a decimal, scaled, with its sign. None if the text is no plain decimal number or
/// has more digits after the point than `scale`.
fn digits(text: &str, scale: usize) -> Option<String> {
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || unsigned.ends_with('.') {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = scale.checked_sub(fraction.len())?;
    let whole = whole.trim_start_matches('0');
    // Far more than any column holds: not worth a conversion.
    if whole.len() + scale > 80 {
        return None;
    }
    Some(format!("{sign}0{whole}{fraction}{}", "0".repeat(missing)))
}

pub(super) fn read_decimal128(text: &str, precision: u8, scale: usize) -> Option<i128> {
    let value = digits(text, scale)?.parse().ok()?;
    Decimal128Type::is_valid_decimal_precision(value, precision).then_some(value)
}

pub(super) fn read_decimal256(text: &str, precision: u8, scale: usize) -> Option<i256> {
    let value = i256::from_string(&digits(text, scale)?)?;
    Decimal256Type::is_valid_decimal_precision(value, precision).then_some(value)
}

pub(super) fn read_date(text: &str) -> Option<i32> {
    let days = (Date::parse(text, DATE).ok()? - EPOCH).whole_days();
    i32::try_from(days).ok()
}

pub(super) fn write_date(days: i32) -> Option<String> {
    EPOCH.checked_add(Duration::days(days.into()))?.format(DATE).ok().filter(|text| text.len() == 10)
}

/// Units since midnight.
pub(super) fn read_time(text: &str, unit: TimeUnit) -> Option<i64> {
    let nanos = (Time::parse(text, TIME).ok()? - Time::MIDNIGHT).whole_nanoseconds();
    whole(nanos, unit)
}

pub(super) fn write_time(value: i64, unit: TimeUnit) -> Option<String> {
    let nanos = i64::try_from(i128::from(value) * nanos_per(unit)).ok()?;
    if !(0..86_400_000_000_000).contains(&nanos) {
        return None;
    }
    let time = Time::MIDNIGHT + Duration::nanoseconds(nanos);
    let (hour, minute, second) = time.as_hms();
    let mut text = format!("{hour:02}:{minute:02}:{second:02}");
    write_fraction(time.nanosecond(), &mut text);
    Some(text)
}

/// Units since the epoch. `local` texts have no offset, others must have one.
pub(super) fn read_timestamp(text: &str, unit: TimeUnit, local: bool) -> Option<i64> {
    let at = if local {
        PrimitiveDateTime::parse(text, LOCAL).ok()?.assume_utc()
    } else {
        OffsetDateTime::parse(text, &Rfc3339).ok()?
    };
    whole(at.unix_timestamp_nanos(), unit)
}

pub(super) fn write_timestamp(value: i64, unit: TimeUnit, local: bool) -> Option<String> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(value) * nanos_per(unit)).ok()?;
    if !(0..=9999).contains(&at.year()) {
        return None;
    }
    let mut text = at.date().format(DATE).ok()?;
    let (hour, minute, second) = at.to_hms();
    let _ = write!(text, "T{hour:02}:{minute:02}:{second:02}");
    write_fraction(at.nanosecond(), &mut text);
    if !local {
        text.push('Z');
    }
    Some(text)
}

/// `P1M2DT3.004S`; parts may be absent, each number is a whole one but for the seconds.
pub(super) fn read_duration(text: &str) -> Option<IntervalMonthDayNano> {
    let rest = text.strip_prefix('P')?;
    let (dates, times) = match rest.split_once('T') {
        Some((dates, times)) if !times.is_empty() => (dates, times),
        Some(_) => return None,
        None if !rest.is_empty() => (rest, ""),
        None => return None,
    };
    let (months, dates) = number_before(dates, 'M')?;
    let (days, dates) = number_before(dates, 'D')?;
    let millis = match times.strip_suffix('S') {
        Some(seconds) => read_decimal128(seconds, 10, 3).and_then(|millis| u32::try_from(millis).ok())?,
        None if times.is_empty() => 0,
        None => return None,
    };
    dates.is_empty().then(|| IntervalMonthDayNano::new(months, days, i64::from(millis) * 1_000_000))
}

/// The number before a letter, or 0 where the letter is not there; and what follows.
fn number_before(text: &str, letter: char) -> Option<(i32, &str)> {
    match text.split_once(letter) {
        None => Some((0, text)),
        Some((number, rest)) => {
            let plain = number.bytes().all(|byte| byte.is_ascii_digit());
            Some((if plain { number.parse().ok()? } else { return None }, rest))
        }
    }
}

pub(super) fn write_duration([months, days, millis]: [u32; 3]) -> String {
    let mut text = format!("P{months}M{days}DT{}", millis / 1000);
    write_fraction(millis % 1000 * 1_000_000, &mut text);
    text.push('S');
    text
}

fn whole(nanos: i128, unit: TimeUnit) -> Option<i64> {
    let per = nanos_per(unit);
    // Nothing is rounded.
    (nanos % per == 0).then(|| i64::try_from(nanos / per).ok()).flatten()
}

fn write_fraction(nanos: u32, text: &mut String) {
    if nanos != 0 {
        let digits = format!("{nanos:09}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(read_decimal128("-12.30", 4, 2), Some(-1230));
        assert_eq!(read_decimal128("12.300", 4, 2), Some(1230));
        assert_eq!(read_decimal128("0", 1, 0), Some(0));
        assert_eq!(read_decimal128("00012", 2, 0), Some(12));
        for bad in ["", "-", ".5", "5.", "1e3", "+1", "1.234", "123.45", " 1", "1_0", "٣"] {
            assert_eq!(read_decimal128(bad, 4, 2), None, "{bad}");
        }
        let widest = "9".repeat(76);
        assert_eq!(read_decimal256(&widest, 76, 0).map(|value| value.to_string()), Some(widest.clone()));
        assert_eq!(read_decimal256(&format!("1{widest}"), 76, 0), None);
    }

    #[test]
    fn dates_and_times_keep_their_units() {
        assert_eq!(read_date("1970-01-02"), Some(1));
        assert_eq!(write_date(-1).as_deref(), Some("1969-12-31"));
        assert_eq!(write_date(i32::MAX), None);
        assert_eq!(read_time("00:00:01.5", TimeUnit::Millis), Some(1500));
        assert_eq!(read_time("00:00:01.0005", TimeUnit::Millis), None);
        assert_eq!(write_time(1_500_001, TimeUnit::Micros).as_deref(), Some("00:00:01.500001"));
        assert_eq!(write_time(86_400_000, TimeUnit::Millis), None);
        assert_eq!(read_timestamp("1970-01-01T01:00:00+01:00", TimeUnit::Nanos, false), Some(0));
        assert_eq!(read_timestamp("1970-01-01T01:00:00", TimeUnit::Nanos, false), None);
        assert_eq!(read_timestamp("1970-01-01T00:00:01", TimeUnit::Micros, true), Some(1_000_000));
        assert_eq!(write_timestamp(-1, TimeUnit::Millis, false).as_deref(), Some("1969-12-31T23:59:59.999Z"));
        assert_eq!(write_timestamp(i64::MAX, TimeUnit::Millis, false), None);
    }

    #[test]
    fn durations_have_months_days_and_seconds() {
        let value = IntervalMonthDayNano::new(1, 2, 3_004_000_000);
        assert_eq!(read_duration("P1M2DT3.004S"), Some(value));
        assert_eq!(write_duration([1, 2, 3004]), "P1M2DT3.004S");
        assert_eq!(read_duration("P2D"), Some(IntervalMonthDayNano::new(0, 2, 0)));
        for bad in ["", "P", "PT", "1M", "P1Y", "P-1M", "PT1.0001S", "P1D2M", "PT-1S"] {
            assert_eq!(read_duration(bad), None, "{bad}");
        }
    }
}
