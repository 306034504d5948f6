//! From files to the wire form.

pub(super) mod address;
mod file;
pub(super) mod form;
mod parse;
pub(super) mod profile;
pub(super) mod scalar;
pub(super) mod scope;
pub(super) mod sources;
pub(super) mod tree;
