//! Values of any room, turned into text and JSON for people and programs.

pub mod host;
