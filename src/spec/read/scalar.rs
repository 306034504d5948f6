//! Single values: how each kind is read from text and what is said when it
//! cannot be.

use schemars::{Schema, json_schema};

use crate::ids::{DeploymentName, HostName, MAX_NAME, ServiceName};
use crate::profile::Decimal;
use crate::spec::diagnostic::{alternatives, nearest};
use crate::spec::{Engine, FailoverMode, MigrationMethod, Objective, Persistence, Quorum, Tls};
use crate::topology::{Architecture, Level, Virtualization, fence};
use crate::units::{HumanUnit, PerSecond};

/// Why a text is not a value of the expected type.
#[derive(Debug)]
pub(in crate::spec) struct ScalarError {
    pub message: String,
    pub hint: Option<String>,
}

impl ScalarError {
    pub(in crate::spec) fn new(message: impl ToString) -> Self {
        Self { message: message.to_string(), hint: None }
    }
}

/// A value that is written as one text.
pub(in crate::spec) trait Scalar: Sized {
    /// Reads it, or says what was found and what was expected.
    fn read(text: &str) -> Result<Self, ScalarError>;
    /// What was expected, for errors.
    fn expected() -> String {
        "a single value".to_owned()
    }
    /// What editors check it by.
    fn schema() -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl<T: HumanUnit> Scalar for T {
    fn read(text: &str) -> Result<Self, ScalarError> {
        T::parse(text).map_err(ScalarError::new)
    }
    fn expected() -> String {
        T::EXPECTED.to_owned()
    }
    fn schema() -> Schema {
        let units: Vec<&str> = T::UNITS.iter().map(|(unit, _, _)| *unit).collect();
        let pattern = format!("^\\s*[0-9][0-9_]*(\\.[0-9_]+)?\\s*({})\\s*$", units.join("|"));
        json_schema!({ "type": "string", "pattern": pattern, "title": T::EXPECTED })
    }
}

const WHOLE_NUMBER: &str = "a whole number such as 4";

impl Scalar for u64 {
    fn read(text: &str) -> Result<Self, ScalarError> {
        text.parse().map_err(|_| ScalarError::new(format!("{text:?} is not {WHOLE_NUMBER}")))
    }
    fn expected() -> String {
        WHOLE_NUMBER.to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

impl Scalar for u32 {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let wide = u64::read(text)?;
        Self::try_from(wide).map_err(|_| ScalarError::new(format!("{text:?} is too large")))
    }
    fn expected() -> String {
        WHOLE_NUMBER.to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl Scalar for Decimal {
    fn read(text: &str) -> Result<Self, ScalarError> {
        Self::parse(text).map_err(|error| {
            let hint = percent(text).map(|share| format!("a share is written as {share}"));
            ScalarError { message: error.to_string(), hint: hint.or_else(|| unit(text)) }
        })
    }
    fn expected() -> String {
        "a number such as 95000 or 0.85".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": Self::MOST })
    }
}

/// The hint for `512MiB` or `5 ms`.
fn unit(text: &str) -> Option<String> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| c.is_alphabetic())?)?;
    let is_unit = Decimal::parse(digits).is_ok() && unit.chars().all(char::is_alphabetic);
    is_unit.then(|| "the unit is part of the number's name, as in guest.base_mib: 512".to_owned())
}

/// The share that a percentage is.
fn percent(text: &str) -> Option<Decimal> {
    let digits = Decimal::parse(text.trim().strip_suffix('%')?).ok()?;
    Decimal::parse(&format!("{digits}e-2")).ok()
}

impl Scalar for bool {
    fn read(text: &str) -> Result<Self, ScalarError> {
        word(text, &[("true", true), ("false", false)])
    }
    fn expected() -> String {
        "true or false".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

impl Scalar for Tls {
    fn read(text: &str) -> Result<Self, ScalarError> {
        word(text, &[("true", Self::On), ("false", Self::Off), ("optional", Self::Optional)])
    }
    fn expected() -> String {
        "true, false or optional".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "enum": [true, false, "optional"] })
    }
}

macro_rules! named {
    ($($name:ty),*) => {$(
        impl Scalar for $name {
            fn read(text: &str) -> Result<Self, ScalarError> {
                Self::new(text).map_err(ScalarError::new)
            }
            fn schema() -> Schema {
                let pattern = "^[a-z](-?[a-z0-9])*$";
                json_schema!({ "type": "string", "pattern": pattern, "maxLength": MAX_NAME })
            }
        }
    )*};
}
named!(DeploymentName, HostName, ServiceName);

/// Reads one of a few words.
fn word<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, ScalarError> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(ScalarError {
        message: format!("{text:?} is not known; expected {}", alternatives(&words)),
        hint: nearest(text, &words).map(|word| format!("did you mean {word:?}?")),
    })
}

/// Values that are one of a few words.
macro_rules! words {
    ($($type:ty: [$(($word:expr, $value:expr)),* $(,)?];)*) => {$(
        impl Scalar for $type {
            fn read(text: &str) -> Result<Self, ScalarError> {
                word(text, &[$(($word, $value)),*])
            }
            fn expected() -> String {
                alternatives(&[$($word),*])
            }
            fn schema() -> Schema {
                json_schema!({ "enum": [$($word),*] })
            }
        }
    )*};
}

impl Scalar for Architecture {
    fn read(text: &str) -> Result<Self, ScalarError> {
        word(text, &Self::ALL.map(|one| (one.as_str(), one)))
    }
    fn expected() -> String {
        alternatives(&Self::ALL.map(Self::as_str))
    }
    fn schema() -> Schema {
        json_schema!({ "enum": Self::ALL.map(Self::as_str) })
    }
}

impl Scalar for Engine {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let known: Vec<_> = Self::ALL.iter().map(|engine| (engine.as_str(), *engine)).collect();
        word(text, &known)
    }
    fn expected() -> String {
        alternatives(Self::WORDS)
    }
    fn schema() -> Schema {
        json_schema!({ "enum": Self::WORDS })
    }
}

/// Format of an image's disk.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) enum DiskFormat {
    Qcow2,
}

words! {
    Level: [("host", Self::Host), ("rack", Self::Rack), ("site", Self::Site)];
    Quorum: [("automatic", Self::Automatic), ("manual", Self::Manual)];
    FailoverMode: [("manual", Self::Manual), ("automatic", Self::Automatic)];
    Objective: [
        ("unmet", Self::Unmet),
        ("cost", Self::Cost),
        ("moves", Self::Moves),
        ("balance", Self::Balance),
    ];
    Virtualization: [("kvm", Self::Kvm), ("qemu", Self::Tcg)];
    Persistence: [("none", Self::None), ("rdb", Self::Rdb), ("aof", Self::Aof)];
    DiskFormat: [("qcow2", Self::Qcow2)];
    MigrationMethod: [("auto-converge", Self::AutoConverge), ("post-copy", Self::PostCopy)];
}

/// A rate of documents; the noun may come before the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::spec) struct Documents(pub PerSecond);

impl HumanUnit for Documents {
    const EXPECTED: &'static str = "a rate such as 80k docs/s or 80k/s";
    const BASE: &'static str = "/s";
    const UNITS: &'static [(&'static str, u64, u64)] = &[
        ("G/s", 1_000_000_000, 1),
        ("M/s", 1_000_000, 1),
        ("k/s", 1_000, 1),
        ("/s", 1, 1),
        ("G docs/s", 1_000_000_000, 1),
        ("M docs/s", 1_000_000, 1),
        ("k docs/s", 1_000, 1),
        ("docs/s", 1, 1),
    ];
    fn from_base(base: u64) -> Self {
        Self(PerSecond::new(base))
    }
    fn base(self) -> u64 {
        self.0.get()
    }
}

impl std::fmt::Display for Documents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A program with its arguments.
#[derive(Clone, Debug)]
pub(in crate::spec) struct CommandLine(pub Vec<String>);

impl Scalar for CommandLine {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let words = fence::words(text).map(Self);
        words.ok_or_else(|| ScalarError::new(format!("{text:?} is not {}", Self::expected())))
    }
    fn expected() -> String {
        "a program with its arguments, such as `./fence.sh 'rack 1'`".to_owned()
    }
}

/// Any text that can be a name, a path or a command line: not empty, on
/// one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::spec) struct Text(pub String);

impl Scalar for Text {
    fn read(text: &str) -> Result<Self, ScalarError> {
        if text.trim().is_empty() {
            return Err(ScalarError::new("is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(ScalarError::new(format!("{text:?} holds a control character")));
        }
        Ok(Self(text.to_owned()))
    }
    fn schema() -> Schema {
        // A version such as 8.0 is a number to YAML.
        json_schema!({ "type": ["string", "number"], "minLength": 1 })
    }
}

/// The path or glob of another file.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Include(pub String);

impl Scalar for Include {
    fn read(text: &str) -> Result<Self, ScalarError> {
        Text::read(text).map(|Text(path)| Self(path))
    }
}

/// A SHA-256 digest, in lower-case digits.
#[derive(Clone, Debug)]
pub(in crate::spec) struct Sha256(pub String);

impl Scalar for Sha256 {
    fn read(text: &str) -> Result<Self, ScalarError> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        let found = text.chars().count();
        Err(ScalarError {
            message: format!(
                "is not a SHA-256 digest: expected 64 hexadecimal digits, found {found} characters"
            ),
            hint: Some("`sha256sum FILE` prints it".to_owned()),
        })
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" })
    }
}
