//! Durations and timestamps: as text, and as what is on a calendar.

const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND;
/// The first moment of the year 1, and the last of 9999.
const FIRST: i128 = -62_135_596_800 * SECOND;
const LAST: i128 = 253_402_300_800 * SECOND - 1;

/// Whether CEL has a timestamp for this many nanoseconds since 1970.
pub(crate) fn is_timestamp(nanos: i128) -> bool {
    (FIRST..=LAST).contains(&nanos)
}

/// Whether CEL has a duration of this many nanoseconds: about 10,000 years.
pub(crate) fn is_duration(nanos: i128) -> bool {
    nanos.abs() <= 315_576_000_000 * SECOND
}

/// A moment on a calendar.
pub(crate) struct Civil {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
    /// 0 to 365.
    pub(crate) day_of_year: i64,
    /// 0 is Sunday.
    pub(crate) day_of_week: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) nanos: i64,
}

impl Civil {
    /// From nanoseconds since 1970 in a zone that is so many seconds ahead of UTC.
    pub(crate) fn new(nanos: i128, offset: i64) -> Civil {
        let nanos = nanos + i128::from(offset) * SECOND;
        let days = nanos.div_euclid(DAY) as i64;
        let of_day = nanos.rem_euclid(DAY);
        let seconds = (of_day / SECOND) as i64;
        // Years begin in March here, so that the day that only some have is their last.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let month = match shifted_month {
            0..=9 => shifted_month + 3,
            _ => shifted_month - 9,
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month,
            day: of_year - (153 * shifted_month + 2) / 5 + 1,
            day_of_year: days - days_before(year, 1, 1),
            day_of_week: (days + 4).rem_euclid(7),
            hour: seconds / 3_600,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            nanos: (of_day % SECOND) as i64,
        }
    }
}

/// Days from 1970 to this one.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

/// `1972-01-01T10:00:20.020Z`.
pub(crate) fn write_timestamp(nanos: i128) -> String {
    let at = Civil::new(nanos, 0);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        at.second,
        fraction(at.nanos)
    )
}

/// `-1.500s`.
pub(crate) fn write_duration(nanos: i128) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.abs();
    format!("{sign}{}{}s", nanos / SECOND, fraction((nanos % SECOND) as i64))
}

/// In three, six or nine digits.
fn fraction(nanos: i64) -> String {
    match nanos {
        0 => String::new(),
        _ if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        _ => format!(".{nanos:09}"),
    }
}

/// Reads a timestamp of RFC 3339.
pub(crate) fn read_timestamp(text: &str) -> Option<i128> {
    let (date, rest) = text.split_at_checked(10)?;
    let (time, rest) = rest.strip_prefix(['T', 't'])?.split_at_checked(8)?;
    let [year, month, day] = fields(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = fields(time, ':', [2, 2, 2])?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, zone) = match rest.strip_prefix('.') {
        Some(rest) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            (read_fraction(&rest[..digits])?, &rest[digits..])
        }
        None => (0, rest),
    };
    let offset = match zone {
        "Z" | "z" => 0,
        zone if zone.starts_with(['+', '-']) => read_offset(zone)?,
        _ => return None,
    };
    let seconds = days_before(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * SECOND + i128::from(nanos))
}

/// Numbers of so many digits with a separator between them.
fn fields(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let mut numbers = [0; 3];
    for (number, digits) in std::iter::zip(&mut numbers, digits) {
        let part = parts.next()?;
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// One to nine digits after the point, in nanoseconds.
fn read_fraction(digits: &str) -> Option<i64> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    let value: i64 = digits.parse().ok()?;
    Some(value * 10i64.pow(9 - digits.len() as u32))
}

/// The seconds that a zone is ahead of UTC: `UTC`, or `+02:00`. There is no table of the zones that have names.
pub(crate) fn read_offset(zone: &str) -> Option<i64> {
    if zone.is_empty() || zone == "UTC" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, zone.strip_prefix('+').unwrap_or(zone)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |digits: &str| match digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse::<i64>().ok(),
        false => None,
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Reads a duration such as `1h30m`, `-1.5s` or `0`.
pub(crate) fn read_duration(text: &str) -> Option<i128> {
    const UNITS: [(&str, i128); 6] = [
        // Those that begin another come after it.
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
        ("h", 3_600 * SECOND),
        ("m", 60 * SECOND),
        ("s", SECOND),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0i128;
    while !rest.is_empty() {
        let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'.';
        let (number, after) = rest.split_at(rest.bytes().take_while(is_number).count());
        let (unit, size) = UNITS.iter().find(|(unit, _)| after.starts_with(unit))?;
        rest = &after[unit.len()..];
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        // More digits than that are out of range, or of no account.
        if whole.len() > 18 || part.contains('.') || (whole.is_empty() && part.is_empty()) {
            return None;
        }
        let part = &part[..part.len().min(18)];
        let read = |digits: &str| match digits {
            "" => Some(0),
            digits => digits.parse::<i128>().ok(),
        };
        nanos += read(whole)? * size + read(part)? * size / 10i128.pow(part.len() as u32);
    }
    Some(sign * nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timestamps_are_read_and_written() {
        for text in [
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.999999999Z",
            "2000-02-29T12:30:01.500Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
        ] {
            let nanos = read_timestamp(text).unwrap();
            assert!(is_timestamp(nanos), "{text}");
            assert_eq!(write_timestamp(nanos), text);
        }
        assert_eq!(read_timestamp("1970-01-01T01:00:00+01:00"), Some(0));
        for text in [
            "",
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-13-01T00:00:00Z",
            "é",
        ] {
            assert_eq!(read_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_where_it_is_on_the_calendar() {
        // A Saturday, the last day of a leap year.
        let at = Civil::new(read_timestamp("2016-12-31T23:59:58Z").unwrap(), 0);
        assert_eq!(
            (at.day_of_week, at.day_of_year, at.month, at.day),
            (6, 365, 12, 31)
        );
        let at = Civil::new(read_timestamp("2016-12-31T23:59:58Z").unwrap(), 3_600);
        assert_eq!((at.year, at.day_of_year, at.hour), (2017, 0, 0));
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, written) in [
            ("1h30m", "5400s"),
            ("-1.5s", "-1.500s"),
            ("3ms2us1ns", "0.003002001s"),
            ("0", "0s"),
        ] {
            assert_eq!(write_duration(read_duration(text).unwrap()), written);
        }
        for text in [
            "",
            "-",
            "1",
            "1x",
            "s",
            ".s",
            "1.2.3s",
            "1s ",
            "9999999999999999999s",
        ] {
            assert_eq!(read_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.:TZhmsnu]{0,40}") {
            if let Some(nanos) = read_timestamp(&text).filter(|nanos| is_timestamp(*nanos)) {
                prop_assert_eq!(read_timestamp(&write_timestamp(nanos)), Some(nanos));
            }
            if let Some(nanos) = read_duration(&text).filter(|nanos| is_duration(*nanos)) {
                prop_assert_eq!(read_duration(&write_duration(nanos)), Some(nanos));
            }
            let _ = read_offset(&text);
        }
    }
}
