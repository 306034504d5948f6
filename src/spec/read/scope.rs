//! Takes values out of wire types and notes what is wrong with them.

use std::fmt::Display;
use std::ops::RangeInclusive;

use super::form::At;
use crate::spec::diagnostic::{Mark, Place, Problem, Problems};

/// One file under check and all mistakes found so far.
pub(in crate::spec) struct Scope<'a> {
    pub file: &'a str,
    pub problems: &'a mut Problems,
}

impl Scope<'_> {
    /// Notes a mistake.
    pub(in crate::spec) fn wrong(&mut self, mark: Mark, message: impl Into<String>) {
        self.wrong_with(mark, message, None);
    }

    /// Notes a mistake and what to do about it.
    pub(in crate::spec) fn wrong_with(
        &mut self,
        mark: Mark,
        message: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        let place = self.place(mark);
        self.problems.push(Problem { place, message: message.into(), hint: hint.into() });
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
                self.wrong_with(at.mark, format!("{field}: {}", fault.message), fault.hint.clone());
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
        if !self.problems.told(self.file, owner, own) {
            self.wrong_with(owner, format!("the field {field:?} is missing"), hint);
        }
    }

    /// Adds a hint to what else is said of a place without one.
    pub(in crate::spec) fn suggest(&mut self, mark: Mark, hint: String) {
        let place = self.place(mark);
        self.problems.suggest(place, hint);
    }

    /// Remembers that something was said of a field of the map at `owner`.
    pub(in crate::spec) fn told(&mut self, owner: Mark, field: &str) {
        self.problems.tell(self.file, owner, field);
    }

    /// Whether something was said of a field of the map at `owner`.
    pub(in crate::spec) fn has_told(&self, owner: Mark, field: &str) -> bool {
        self.problems.told(self.file, owner, field)
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
            self.wrong(
                mark,
                format!("{field}: {value} is too little; expected at least {}", range.start()),
            );
            return None;
        }
        if &value > range.end() {
            self.wrong(
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
