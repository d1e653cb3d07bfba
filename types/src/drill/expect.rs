//! What a check expects of a database's answer, and whether an answer is that.
//!
//! The grammar is the contract's: `= != < <= > >=` and a value, `matches /re/`,
//! `within DURATION of target`, `drift <= P%`. What cannot be compared is a check that
//! failed, never one that passed.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Span;

/// The most memory that a compiled pattern may take: a document must not be able to
/// fill an agent's memory.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// The longest value, pattern included.
const TEXT_BYTES_MAX: usize = 4096;

/// What is expected of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// It compares so with a value.
    Compare(Compare, String),
    /// It matches a pattern.
    Matches(String),
    /// It is a time no further than this from the target, on either side.
    Within(Span),
    /// It is a number that differs from that of the drill before by at most so much.
    Drift(Percent),
}

/// How an answer compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Equal,
    /// `!=`
    Unequal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Hundredths of a percent, so that what is written is what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u32);

/// Text that is no expectation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not an expectation: {problem}")]
pub struct InvalidExpect {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Whether an answer was what was expected, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Whether it was.
    pub passed: bool,
    /// In words, for people.
    pub why: String,
}

impl Judged {
    fn of(passed: bool, why: impl Into<String>) -> Self {
        let why = why.into();
        Self { passed, why }
    }
}

const SIGNS: [(&str, Compare); 6] = [
    // The longer first: `<=` begins with `<`.
    ("!=", Compare::Unequal),
    ("<=", Compare::LessOrEqual),
    (">=", Compare::GreaterOrEqual),
    ("=", Compare::Equal),
    ("<", Compare::Less),
    (">", Compare::Greater),
];

impl Compare {
    fn sign(self) -> &'static str {
        let found = SIGNS.iter().find(|(_, compare)| *compare == self);
        found.map_or("=", |(sign, _)| sign)
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}

impl Percent {
    /// So many hundredths of a percent.
    pub const fn from_hundredths(hundredths: u32) -> Self {
        Self(hundredths)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 100, self.0 % 100);
        match rest {
            0 => write!(f, "{whole}%"),
            rest if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            rest => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || format!("\"{text}\" is not a share such as 5% or 0.25%");
        let number = text
            .trim()
            .strip_suffix('%')
            .ok_or_else(invalid)?
            .trim_end();
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 6) || !digits(rest, 2) {
            return Err(invalid());
        }
        let whole: u32 = whole.parse().map_err(|_| invalid())?;
        let hundredths: u32 = format!("{rest:0<2}").parse().map_err(|_| invalid())?;
        Ok(Self(whole * 100 + hundredths))
    }
}

impl FromStr for Expect {
    type Err = InvalidExpect;

    fn from_str(text: &str) -> Result<Self, InvalidExpect> {
        let invalid = |problem: String| InvalidExpect {
            text: text.chars().take(100).collect(),
            problem,
        };
        if text.len() > TEXT_BYTES_MAX {
            return Err(invalid(format!("it is longer than {TEXT_BYTES_MAX} bytes")));
        }
        let words = text.trim();
        if let Some(rest) = words.strip_prefix("matches ") {
            return read_pattern(rest.trim()).map_err(invalid);
        }
        if let Some(rest) = words.strip_prefix("within ") {
            let span = rest.trim().strip_suffix("of target").map(str::trim);
            let span = span.ok_or_else(|| invalid("it is: within 10m of target".to_owned()))?;
            let span = span
                .parse::<Span>()
                .map_err(|error| invalid(error.to_string()));
            return span.map(Self::Within);
        }
        if let Some(rest) = words.strip_prefix("drift ") {
            let share = rest.trim().strip_prefix("<=");
            let share = share.ok_or_else(|| invalid("it is: drift <= 5%".to_owned()))?;
            return share.parse().map(Self::Drift).map_err(invalid);
        }
        for (sign, compare) in SIGNS {
            if let Some(rest) = words.strip_prefix(sign) {
                return match unquoted(rest.trim()) {
                    "" if rest.trim().is_empty() => Err(invalid(format!("a value follows {sign}"))),
                    value => Ok(Self::Compare(compare, value.to_owned())),
                };
            }
        }
        Err(invalid(
            "it is one of = != < <= > >= and a value, matches /re/, within 10m of target, \
             drift <= 5%"
                .to_owned(),
        ))
    }
}

fn read_pattern(text: &str) -> Result<Expect, String> {
    let inner = text
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'));
    let inner = inner.ok_or_else(|| "a pattern stands between slashes: matches /re/".to_owned())?;
    compile(inner)?;
    Ok(Expect::Matches(inner.to_owned()))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(PATTERN_BYTES_MAX);
    builder.build().map_err(|error| error.to_string())
}

/// A value without the quotes that a person may have put around it.
fn unquoted(text: &str) -> &str {
    for quote in ['\'', '"'] {
        let inner = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Quoted where it would be read as something else.
            Self::Compare(compare, value)
                if value.is_empty() || value.trim() != value || unquoted(value) != value =>
            {
                let quote = if value.contains('\'') { '"' } else { '\'' };
                write!(f, "{} {quote}{value}{quote}", compare.sign())
            }
            Self::Compare(compare, value) => write!(f, "{} {value}", compare.sign()),
            Self::Matches(pattern) => write!(f, "matches /{pattern}/"),
            Self::Within(span) => write!(f, "within {span} of target"),
            Self::Drift(share) => write!(f, "drift <= {share}"),
        }
    }
}

impl Serialize for Expect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Expect {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Expect {
    /// Whether `seen`, the text of the first column of the first row or `None` for
    /// null and for no row, is what is expected. `target` is the time that was
    /// restored to, `before` what the drill before saw.
    pub fn judge(
        &self,
        seen: Option<&str>,
        target: Option<Timestamp>,
        before: Option<&str>,
    ) -> Judged {
        let shown = seen.unwrap_or("null");
        match self {
            Self::Compare(compare, value) => compare_texts(*compare, seen, value),
            Self::Matches(pattern) => match (seen, compile(pattern)) {
                (None, _) => Judged::of(false, "it is null"),
                (Some(_), Err(error)) => Judged::of(false, error),
                (Some(seen), Ok(pattern)) => {
                    let passed = pattern.is_match(seen);
                    let verb = if passed { "matches" } else { "does not match" };
                    Judged::of(passed, format!("{shown} {verb} /{pattern}/"))
                }
            },
            Self::Within(span) => within(*span, seen, target),
            Self::Drift(share) => drift(*share, seen, before),
        }
    }
}

fn compare_texts(compare: Compare, seen: Option<&str>, value: &str) -> Judged {
    let Some(seen) = seen else {
        let passed = match compare {
            Compare::Equal => value == "null",
            Compare::Unequal => value != "null",
            _ => false,
        };
        return Judged::of(passed, "it is null");
    };
    let order = order(seen, value);
    let told = |passed: bool| {
        let not = if passed { "is" } else { "is not" };
        Judged::of(passed, format!("{seen} {not} {} {value}", compare.sign()))
    };
    match (order, compare) {
        (Some(order), compare) => told(compare.holds(order)),
        (None, Compare::Equal) => told(seen == value),
        (None, Compare::Unequal) => told(seen != value),
        (None, _) => Judged::of(
            false,
            format!("{seen} and {value} are not both numbers, nor both times"),
        ),
    }
}

/// Numbers compare as numbers, times as times, truths as truths.
fn order(seen: &str, value: &str) -> Option<Ordering> {
    if let (Some(one), Some(other)) = (truth(seen), truth(value)) {
        return Some(one.cmp(&other));
    }
    if let (Ok(one), Ok(other)) = (seen.parse::<i128>(), value.parse::<i128>()) {
        return Some(one.cmp(&other));
    }
    if let (Some(one), Some(other)) = (number(seen), number(value)) {
        return one.partial_cmp(&other);
    }
    Some(time(seen)?.cmp(&time(value)?))
}

/// As PostgreSQL prints a boolean, and as people write one.
fn truth(text: &str) -> Option<bool> {
    match text {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let number: f64 = text.chars().all(plain).then(|| text.parse().ok())??;
    number.is_finite().then_some(number)
}

/// A time as PostgreSQL prints it, in UTC where it says no zone.
fn time(text: &str) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let civil = match text.parse::<DateTime>() {
        Ok(civil) => civil,
        Err(_) => text
            .parse::<Date>()
            .ok()?
            .to_datetime(jiff::civil::Time::midnight()),
    };
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn within(span: Span, seen: Option<&str>, target: Option<Timestamp>) -> Judged {
    let Some(target) = target else {
        return Judged::of(false, "the target has no time");
    };
    let Some(at) = seen.and_then(time) else {
        let seen = seen.unwrap_or("null");
        return Judged::of(false, format!("{seen} is not a time"));
    };
    let away = at.duration_since(target).unsigned_abs();
    let side = if at < target { "before" } else { "after" };
    let away_span = Span::from_millis(u64::try_from(away.as_millis()).unwrap_or(u64::MAX));
    Judged::of(
        away <= span.get(),
        format!("{at} is {away_span} {side} the target {target}"),
    )
}

fn drift(share: Percent, seen: Option<&str>, before: Option<&str>) -> Judged {
    let Some(now) = seen.and_then(number) else {
        let seen = seen.unwrap_or("null");
        return Judged::of(false, format!("{seen} is not a number"));
    };
    let Some(was) = before.and_then(number) else {
        return Judged::of(true, "there is no drill before to compare with");
    };
    // What was nothing has no share that it could differ by: one more is all of it.
    let moved = (now - was).abs();
    let allowed = was.abs() * f64::from(share.0) / 10_000.0;
    let percent = if was == 0.0 && moved == 0.0 {
        0.0
    } else {
        100.0 * moved / was.abs().max(1.0)
    };
    Judged::of(
        moved <= allowed,
        format!("{now} after {was} is a drift of {percent:.2}%"),
    )
}

#[cfg(test)]
mod tests;
