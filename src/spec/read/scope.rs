//! Takes values out of wire types and reports their errors.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::form::At;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, Place};

/// One file under check and the errors found so far.
pub(in crate::spec) struct Scope<'a> {
    pub file: &'a str,
    pub diagnostics: &'a mut Diagnostics,
}

impl Scope<'_> {
    /// Reports an error.
    pub(in crate::spec) fn error(&mut self, mark: Mark, message: impl Into<String>) {
        self.error_with(mark, message, None);
    }

    /// Reports an error and what to do about it.
    pub(in crate::spec) fn error_with(
        &mut self,
        mark: Mark,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let place = self.place(mark);
        self.diagnostics.push(Diagnostic { place, message: message.into(), hint: hint.into() });
    }

    /// A place in this file.
    pub(in crate::spec) fn place(&self, mark: Mark) -> Place {
        Place { file: self.file.to_owned(), mark: Some(mark) }
    }

    /// The value, if it is there and right.
    pub(in crate::spec) fn optional<T: Clone>(
        &mut self,
        field: &str,
        at: &Option<At<T>>,
    ) -> Option<T> {
        let at = at.as_ref()?;
        self.value(field, at)
    }

    /// The value, if it is right.
    pub(in crate::spec) fn value<T: Clone>(&mut self, field: &str, at: &At<T>) -> Option<T> {
        match &at.value {
            Ok(value) => Some(value.clone()),
            Err(fault) => {
                self.error_with(at.mark, format!("{field}: {}", fault.message), fault.hint.clone());
                None
            }
        }
    }

    /// The value; an error of `owner` if it is missing.
    pub(in crate::spec) fn required<T: Clone>(
        &mut self,
        field: &str,
        at: &Option<At<T>>,
        owner: Mark,
    ) -> Option<T> {
        if at.is_none() {
            self.missing(field, owner);
        }
        self.optional(field, at)
    }

    /// Reports a missing field, unless it has an error already.
    pub(in crate::spec) fn missing(&mut self, field: &str, owner: Mark) {
        self.missing_with(field, owner, None);
    }

    /// Reports a missing field and what to do about it.
    pub(in crate::spec) fn missing_with(
        &mut self,
        field: &str,
        owner: Mark,
        hint: impl Into<Option<String>>,
    ) {
        // In messages the field of the map may precede the field.
        let own = field.rsplit('.').next().unwrap_or(field);
        if !self.diagnostics.is_reported(self.file, owner, own) {
            self.error_with(owner, format!("the field {field:?} is missing"), hint);
        }
    }

    /// Adds a hint to the error of a place, if it has none.
    pub(in crate::spec) fn suggest(&mut self, mark: Mark, hint: String) {
        let place = self.place(mark);
        self.diagnostics.suggest(place, hint);
    }

    /// Records that a field of the map at `owner` has an error.
    pub(in crate::spec) fn set_reported(&mut self, owner: Mark, field: &str) {
        self.diagnostics.set_reported(self.file, owner, field);
    }

    /// Whether a field of the map at `owner` has an error.
    pub(in crate::spec) fn is_reported(&self, owner: Mark, field: &str) -> bool {
        self.diagnostics.is_reported(self.file, owner, field)
    }

    /// The value if it lies in `range`; no error if it is missing.
    pub(in crate::spec) fn within<T: Clone + Ord + Display>(
        &mut self,
        field: &str,
        at: &Option<At<T>>,
        range: &RangeInclusive<T>,
    ) -> Option<T> {
        let mark = at.as_ref()?.mark;
        let value = self.optional(field, at)?;
        if &value < range.start() {
            self.error(
                mark,
                format!("{field}: {value} is out of range: at least {}", range.start()),
            );
            return None;
        }
        if &value > range.end() {
            self.error(mark, format!("{field}: {value} is out of range: at most {}", range.end()));
            return None;
        }
        Some(value)
    }

    /// The value if it lies in `range`; an error of `owner` if it is missing.
    pub(in crate::spec) fn required_within<T: Clone + Ord + Display>(
        &mut self,
        field: &str,
        at: &Option<At<T>>,
        owner: Mark,
        range: &RangeInclusive<T>,
    ) -> Option<T> {
        if at.is_none() {
            self.missing(field, owner);
        }
        self.within(field, at, range)
    }
}

/// The place of a value, else of the map that should hold it.
pub(in crate::spec) fn mark_or<T>(at: &Option<At<T>>, owner: Mark) -> Mark {
    at.as_ref().map_or(owner, |at| at.mark)
}
