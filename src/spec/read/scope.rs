//! Takes values out of wire types and notes what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::form::At;
use crate::spec::diagnostic::{Diagnostic, Diagnostics, Mark, Place};

/// One file under check and all mistakes found so far.
pub(in crate::spec) struct Scope<'a> {
    pub file: &'a str,
    pub diagnostics: &'a mut Diagnostics,
}

impl Scope<'_> {
    /// Notes a mistake.
    pub(in crate::spec) fn error(&mut self, mark: Mark, message: impl Into<String>) {
        self.error_with(mark, message, None);
    }

    /// Notes a mistake and what to do about it.
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

    /// The value; a mistake of `owner` if it is not there.
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

    /// Notes that a field is not there, unless something was said of it.
    pub(in crate::spec) fn missing(&mut self, field: &str, owner: Mark) {
        self.missing_with(field, owner, None);
    }

    /// Notes that a field is not there, and what to do about it.
    pub(in crate::spec) fn missing_with(
        &mut self,
        field: &str,
        owner: Mark,
        hint: impl Into<Option<String>>,
    ) {
        // In messages a field may stand behind that of its map.
        let own = field.rsplit('.').next().unwrap_or(field);
        if !self.diagnostics.is_reported(self.file, owner, own) {
            self.error_with(owner, format!("the field {field:?} is missing"), hint);
        }
    }

    /// Adds a hint to what else is said of a place without one.
    pub(in crate::spec) fn suggest(&mut self, mark: Mark, hint: String) {
        let place = self.place(mark);
        self.diagnostics.suggest(place, hint);
    }

    /// Remembers that something was said of a field of the map at `owner`.
    pub(in crate::spec) fn set_reported(&mut self, owner: Mark, field: &str) {
        self.diagnostics.set_reported(self.file, owner, field);
    }

    /// Whether something was said of a field of the map at `owner`.
    pub(in crate::spec) fn is_reported(&self, owner: Mark, field: &str) -> bool {
        self.diagnostics.is_reported(self.file, owner, field)
    }

    /// The value if it lies in `range`; nothing noted if it is not there.
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
                format!("{field}: {value} is too little; expected at least {}", range.start()),
            );
            return None;
        }
        if &value > range.end() {
            self.error(
                mark,
                format!("{field}: {value} is absurd; expected at most {}", range.end()),
            );
            return None;
        }
        Some(value)
    }

    /// The value if it lies in `range`; a mistake of `owner` if it is not there.
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

/// Where a value stands, else where the map stands that should hold it.
pub(in crate::spec) fn mark_or<T>(at: &Option<At<T>>, owner: Mark) -> Mark {
    at.as_ref().map_or(owner, |at| at.mark)
}
