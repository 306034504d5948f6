//! Addresses as specs write them: one, a network, a range.

use std::net::Ipv4Addr;

use schemars::{Schema, json_schema};

use super::scalar::{Scalar, ScalarError};

/// Four numbers; their size is judged by [`Address`].
const ADDRESS: &str = "[0-9]{1,3}(\\.[0-9]{1,3}){3}";

/// An IPv4 address.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct Address(pub Ipv4Addr);

impl Scalar for Address {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let expected = || format!("{text:?} is not an IPv4 address such as 10.20.0.1");
        text.trim().parse().map(Self).map_err(|_| ScalarError::new(expected()))
    }
    fn expected() -> String {
        "an IPv4 address such as 10.20.0.1".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^\\s*{ADDRESS}\\s*$") })
    }
}

/// A network: its address and prefix length.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct Subnet {
    pub address: Ipv4Addr,
    pub prefix: u8,
}

impl Subnet {
    /// Bits of the network part.
    pub(in crate::spec) fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Last address, the one that reaches all.
    pub(in crate::spec) fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !self.mask())
    }

    /// Whether a host may have that address.
    pub(in crate::spec) fn has_host(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address)
            && address != self.address
            && address != self.broadcast()
    }
}

impl Scalar for Subnet {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let expected =
            || ScalarError::new(format!("{text:?} is not a subnet such as 10.20.0.0/24"));
        let (address, prefix) = text.trim().split_once('/').ok_or_else(expected)?;
        let address = address.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        let prefix = prefix.trim().parse::<u8>().map_err(|_| expected())?;
        if !(1..=30).contains(&prefix) {
            return Err(ScalarError::new(format!(
                "{text:?} has the prefix length {prefix}; expected 1 to 30"
            )));
        }
        let subnet = Self { address, prefix };
        let network = Ipv4Addr::from(u32::from(address) & subnet.mask());
        if network != address {
            return Err(ScalarError {
                message: format!("{text:?} is an address in a subnet, not the subnet"),
                hint: Some(format!("the subnet is {network}/{prefix}")),
            });
        }
        Ok(subnet)
    }
    fn expected() -> String {
        "a subnet such as 10.20.0.0/24".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^\\s*{ADDRESS}\\s*/\\s*[0-9]{{1,2}}\\s*$") })
    }
}

/// A range of IPv4 addresses, both ends included.
#[derive(Clone, Copy, Debug)]
pub(in crate::spec) struct AddressRange {
    pub first: Ipv4Addr,
    pub last: Ipv4Addr,
}

impl Scalar for AddressRange {
    fn read(text: &str) -> Result<Self, ScalarError> {
        let expected =
            || ScalarError::new(format!("{text:?} is not a range such as 10.20.0.50-10.20.0.99"));
        let (first, last) = text.split_once('-').ok_or_else(expected)?;
        let first = first.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        let last = last.trim().parse::<Ipv4Addr>().map_err(|_| expected())?;
        if first > last {
            return Err(ScalarError {
                message: format!("{text:?} ends before it begins"),
                hint: Some(format!("write {last}-{first}")),
            });
        }
        Ok(Self { first, last })
    }
    fn expected() -> String {
        "a range such as 10.20.0.50-10.20.0.99".to_owned()
    }
    fn schema() -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^\\s*{ADDRESS}\\s*-\\s*{ADDRESS}\\s*$") })
    }
}
