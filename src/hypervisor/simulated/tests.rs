//! Tests of the world itself.
