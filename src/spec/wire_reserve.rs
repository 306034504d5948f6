//! `reserve:` is either the word `none` or a map.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::scalar::At;
use crate::units::Mebibytes;

/// What is kept for the host.
#[derive(Debug)]
pub(super) enum Reserve {
    /// Nothing.
    None,
    /// As much of each as stated.
    Of(ReserveOf),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReserveOf {
    pub cores: Option<At<u32>>,
    pub memory: Option<At<Mebibytes>>,
}

impl<'de> Deserialize<'de> for Reserve {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReserveVisitor)
    }
}

struct ReserveVisitor;

impl<'de> Visitor<'de> for ReserveVisitor {
    type Value = Reserve;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`none` or a map such as { cores: 1, memory: 2GiB }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Reserve, E> {
        match text {
            "none" => Ok(Reserve::None),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Reserve, A::Error> {
        ReserveOf::deserialize(MapAccessDeserializer::new(map)).map(Reserve::Of)
    }
}
