//! Single values: how each kind is read from text and what is said when it
//! cannot be.

use std::net::Ipv4Addr;

use serde::{Deserialize, Deserializer};
use serde_saphyr::Spanned;

use super::problem::{Mark, alternatives, nearest};
use crate::ids::{DeploymentName, HostName, ServiceName};
use crate::spec::Persistence;
use crate::topology::{Hypervisor, Level};
use crate::units::HumanUnit;

/// Why a text is not the value that stands there.
#[derive(Debug)]
pub(super) struct Fault {
    pub message: String,
    pub hint: Option<String>,
}

impl Fault {
    pub(super) fn new(message: impl ToString) -> Self {
        Self { message: message.to_string(), hint: None }
    }
}

/// A value with its place. A wrong one does not stop the reading of the file:
/// it is told together with all the others.
#[derive(Debug)]
pub(super) struct At<T> {
    pub mark: Mark,
    pub value: Result<T, Fault>,
}

/// The place of a node.
pub(super) fn mark_of<T>(node: &Spanned<T>) -> Mark {
    Mark { line: node.referenced.line(), column: node.referenced.column() }
}

impl<'de, T: Scalar> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let node = Spanned::<String>::deserialize(deserializer)?;
        Ok(Self { mark: mark_of(&node), value: T::read(&node.value) })
    }
}

/// A value that is written as one text.
pub(super) trait Scalar: Sized {
    /// Reads it, or says what was found and what was expected.
    fn read(text: &str) -> Result<Self, Fault>;
}

impl<T: HumanUnit> Scalar for T {
    fn read(text: &str) -> Result<Self, Fault> {
        T::parse(text).map_err(Fault::new)
    }
}

impl Scalar for u64 {
    fn read(text: &str) -> Result<Self, Fault> {
        text.parse().map_err(|_| Fault::new(format!("{text:?} is not a whole number such as 4")))
    }
}

impl Scalar for u32 {
    fn read(text: &str) -> Result<Self, Fault> {
        let wide = u64::read(text)?;
        Self::try_from(wide).map_err(|_| Fault::new(format!("{text:?} is too large")))
    }
}

impl Scalar for bool {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[("true", true), ("false", false)])
    }
}

macro_rules! named {
    ($($name:ty),*) => {$(
        impl Scalar for $name {
            fn read(text: &str) -> Result<Self, Fault> {
                Self::new(text).map_err(Fault::new)
            }
        }
    )*};
}
named!(DeploymentName, HostName, ServiceName);

/// Reads one of a few words.
fn word<T: Copy>(text: &str, known: &[(&str, T)]) -> Result<T, Fault> {
    if let Some((_, value)) = known.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    Err(Fault {
        message: format!("{text:?} is not known; expected {}", alternatives(&words)),
        hint: nearest(text, &words).map(|word| format!("did you mean {word:?}?")),
    })
}

impl Scalar for Level {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[Self::Host, Self::Rack, Self::Site].map(|level| (level.as_str(), level)))
    }
}

/// `survive:`, a level or none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survive(pub Option<Level>);

impl Scalar for Survive {
    fn read(text: &str) -> Result<Self, Fault> {
        let levels = [Level::Host, Level::Rack, Level::Site];
        let [host, rack, site] = levels.map(|level| (level.as_str(), Self(Some(level))));
        word(text, &[host, rack, site, ("none", Self(None))])
    }
}

impl Scalar for Hypervisor {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[Self::Kvm, Self::Qemu].map(|kind| (kind.as_str(), kind)))
    }
}

impl Scalar for Persistence {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[("none", Self::None), ("rdb", Self::Rdb), ("aof", Self::Aof)])
    }
}

/// An engine that can be planned.
#[derive(Clone, Copy, Debug)]
pub(super) enum EngineName {
    Redis,
}

impl Scalar for EngineName {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[("redis", Self::Redis)])
    }
}

/// Format of an image's disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum DiskFormat {
    Qcow2,
}

impl Scalar for DiskFormat {
    fn read(text: &str) -> Result<Self, Fault> {
        word(text, &[("qcow2", Self::Qcow2)])
    }
}

/// Any text that can stand in a name, a path or a command line: not empty, on
/// one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text(pub String);

impl Scalar for Text {
    fn read(text: &str) -> Result<Self, Fault> {
        if text.trim().is_empty() {
            return Err(Fault::new("is empty"));
        }
        if text.chars().any(char::is_control) {
            return Err(Fault::new(format!("{text:?} holds a control character")));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The path or glob of another file.
#[derive(Clone, Debug)]
pub(super) struct Include(pub String);

impl Scalar for Include {
    fn read(text: &str) -> Result<Self, Fault> {
        Text::read(text).map(|Text(path)| Self(path))
    }
}

/// A SHA-256 digest, in lower-case digits.
#[derive(Clone, Debug)]
pub(super) struct Sha256(pub String);

impl Scalar for Sha256 {
    fn read(text: &str) -> Result<Self, Fault> {
        if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        let found = text.chars().count();
        Err(Fault {
            message: format!(
                "is not a SHA-256 digest: expected 64 hexadecimal digits, found {found} characters"
            ),
            hint: Some("`sha256sum FILE` prints it".to_owned()),
        })
    }
}

/// An IPv4 address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address(pub Ipv4Addr);

impl Scalar for Address {
    fn read(text: &str) -> Result<Self, Fault> {
        let expected = || format!("{text:?} is not an IPv4 address such as 10.20.0.1");
        text.trim().parse().map(Self).map_err(|_| Fault::new(expected()))
    }
}

/// A network: its address and prefix length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subnet {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

impl Subnet {
    /// Bits of the network part.
    pub(super) fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Last address, the one that reaches all.
    pub(super) fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !self.mask())
    }

    /// Whether a host may have that address.
    pub(super) fn has_host(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address)
            && address != self.address
            && address != self.broadcast()
    }
}

impl Scalar for Subnet {
    fn read(text: &str) -> Result<Self, Fault> {
        let expected = || Fault::new(format!("{text:?} is not a subnet such as 10.20.0.0/24"));
        let (address, prefix) = text.trim().split_once('/').ok_or_else(expected)?;
        let address = address.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        let prefix = prefix.trim().parse::<u8>().map_err(|_| expected())?;
        if !(1..=30).contains(&prefix) {
            return Err(Fault::new(format!(
                "{text:?} has the prefix length {prefix}; expected 1 to 30"
            )));
        }
        let subnet = Self { address, prefix };
        let network = Ipv4Addr::from(u32::from(address) & subnet.mask());
        if network != address {
            return Err(Fault {
                message: format!("{text:?} is an address in a subnet, not the subnet"),
                hint: Some(format!("the subnet is {network}/{prefix}")),
            });
        }
        Ok(subnet)
    }
}

/// A range of IPv4 addresses, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressRange {
    pub first: Ipv4Addr,
    pub last: Ipv4Addr,
}

impl Scalar for AddressRange {
    fn read(text: &str) -> Result<Self, Fault> {
        let expected =
            || Fault::new(format!("{text:?} is not a range such as 10.20.0.50-10.20.0.99"));
        let (first, last) = text.split_once('-').ok_or_else(expected)?;
        let first = first.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        let last = last.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        if first > last {
            return Err(Fault {
                message: format!("{text:?} ends before it begins"),
                hint: Some(format!("write {last}-{first}")),
            });
        }
        Ok(Self { first, last })
    }
}
