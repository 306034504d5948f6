//! Who answers at addresses, as a guest's kernel sees it: its ARP table.

use std::net::Ipv4Addr;

use super::{Guest, GuestError};

/// Where Linux shows its ARP table; proc_net(5).
const TABLE: &str = "/proc/net/arp";
/// The flag of an entry that was answered: `ATF_COM` of `linux/if_arp.h`.
const COMPLETE: u32 = 2;

impl Guest<'_> {
    /// The addresses that were answered lately, each with the MAC that did.
    ///
    /// # Errors
    /// The agent.
    pub fn neighbours(&self) -> Result<Vec<(Ipv4Addr, String)>, GuestError> {
        let table = self.read_file(TABLE)?.unwrap_or_default();
        let answered = table.lines().filter_map(answered);
        Ok(answered.map(|(address, mac)| (address, mac.to_owned())).collect())
    }
}

/// Address and MAC of a line, if somebody answered.
fn answered(line: &str) -> Option<(Ipv4Addr, &str)> {
    let mut words = line.split_whitespace();
    let address = words.next()?.parse().ok()?;
    let flags = words.nth(1)?.strip_prefix("0x")?;
    let mac = words.next()?;
    let is_complete = u32::from_str_radix(flags, 16).ok()? & COMPLETE != 0;
    is_complete.then_some((address, mac))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_counts_if_somebody_answered() {
        // As Linux 6.12 writes it.
        let table = "\
IP address       HW type     Flags       HW address            Mask     Device
10.77.0.51       0x1         0x2         52:54:00:91:ff:82     *        eth0
10.77.0.52       0x1         0x0         00:00:00:00:00:00     *        eth0
";
        let found: Vec<_> = table.lines().filter_map(answered).collect();
        assert_eq!(found, [(Ipv4Addr::new(10, 77, 0, 51), "52:54:00:91:ff:82")]);
        assert_eq!(answered(""), None);
    }
}
