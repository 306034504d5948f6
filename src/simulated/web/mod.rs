//! Web servers and gateways as daemons: they listen where their configuration says, answer
//! requests, and one of two gateways holds the address that both are to have.
//!
//! What they were started with, or read again, counts; not what lies in the guest.

mod databases;
mod program;
mod vrrp;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use self::vrrp::{Believed, Election};
use super::daemon::{Contact, Daemon, Endpoint, Invocation, Link, Role, Start, VolumeId};
use super::exec::Outcome;
use super::host::File;
use super::observe::Server as Facts;
use crate::recipe::haproxy;
use crate::recipe::web::{Package, STATUS_PORT, digest_in};

/// All web servers and gateways of a world.
#[derive(Debug, Default)]
pub(super) struct Network {
    /// What each unit of a guest runs with.
    loaded: BTreeMap<VolumeId, BTreeMap<String, Loaded>>,
    links: BTreeMap<VolumeId, Link>,
    /// By address and password.
    elections: BTreeMap<(Ipv4Addr, String), Election>,
    /// Where each address that moves is believed to be.
    believed: BTreeMap<Ipv4Addr, Believed>,
    /// What database servers say of themselves.
    roles: BTreeMap<Ipv4Addr, Role>,
    now: Duration,
}

/// A configuration that a program has read.
#[derive(Clone, Debug)]
struct Loaded {
    text: String,
}

/// The file that a unit reads.
fn config_of(unit: &str) -> Option<&'static str> {
    let package = Package::ALL.into_iter().find(|package| package.units.contains(&unit));
    match unit {
        haproxy::UNIT => Some(haproxy::CONFIG),
        haproxy::VRRP_UNIT => Some(haproxy::VRRP_CONFIG),
        _ => package.map(|package| package.config),
    }
}

/// A word that no program here understands, and one before the status of all answers.
const NONSENSE: &str = "nonsense";
const RETURN: &str = "return ";

/// What a program makes of a configuration.
fn read(text: &str) -> Result<Loaded, String> {
    match text.lines().find(|line| line.trim().starts_with(NONSENSE)) {
        Some(line) => Err(format!("unknown directive {:?}", line.trim())),
        None => Ok(Loaded { text: text.to_owned() }),
    }
}

fn load(start: &Start<'_>) -> Result<Loaded, String> {
    let path = config_of(start.unit).ok_or("no such unit")?;
    let file = start.files.get(path).ok_or_else(|| format!("{path}: No such file"))?;
    read(&String::from_utf8_lossy(&file.bytes))
}

impl Loaded {
    /// Where it listens; whether connections are encrypted there.
    fn listens(&self) -> impl Iterator<Item = (Endpoint, bool)> {
        let words = ["listen ", "Listen ", "bind "];
        databases::without(&self.text).filter_map(move |line| {
            let rest = words.iter().find_map(|word| line.strip_prefix(word))?;
            let at = rest.split([' ', ';']).next()?;
            let encrypted = [" ssl", " https"].iter().any(|word| rest.contains(word));
            Some((endpoint(at)?, encrypted))
        })
    }

    /// The servers of all pools behind a gateway, by name; whether it speaks TLS to them.
    fn servers(&self) -> impl Iterator<Item = (&str, Endpoint, bool)> {
        let mut passes_on = false;
        databases::without(&self.text).filter_map(move |line| {
            passes_on = is_passed_on(line).unwrap_or(passes_on);
            let mut words = line.strip_prefix("server ")?.split_whitespace();
            let (name, at) = (words.next()?, endpoint(words.next()?)?);
            Some((name, at, passes_on || words.any(|word| word == "ssl")))
        })
    }

    /// Where a web server sends requests on to; none for one that answers itself.
    fn targets(&self) -> Vec<Endpoint> {
        let lines = self.text.lines().map(str::trim);
        let of = |line: &str| {
            let nginx = line.strip_prefix("server ").and_then(|rest| rest.strip_suffix(';'));
            let apache = line.strip_prefix("BalancerMember \"http://");
            endpoint(nginx.or_else(|| apache?.split('"').next())?)
        };
        lines.filter_map(of).collect()
    }

    /// The status that its author wants, outside of all blocks.
    fn returned(&self) -> Option<u16> {
        let (_, own) = self.text.split_once("# From the spec:")?;
        let mut lines = own.lines().filter_map(|line| line.trim().strip_prefix(RETURN));
        lines.next()?.trim_end_matches(';').parse().ok()
    }
}

/// Whether a gateway passes on connections as they are, encrypted by their two ends, in the part
/// of its configuration that a line begins; `None` for a line that begins none.
fn is_passed_on(line: &str) -> Option<bool> {
    let begins = ["frontend ", "backend ", "defaults "].iter().any(|word| line.starts_with(word));
    begins.then(|| line.ends_with(" from _tcp"))
}

fn endpoint(text: &str) -> Option<Endpoint> {
    let (address, port) = text.split_once(':')?;
    Some(Endpoint { address: address.parse().ok()?, port: port.parse().ok()? })
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Got {
    Refused,
    Silence,
    Reset,
    Status { code: u16, configuration: String, down: String },
}

impl Network {
    /// The unit of a guest that listens somewhere, if it runs.
    fn listener(&self, at: Endpoint) -> Option<(VolumeId, &str, bool)> {
        self.links.iter().find_map(|(volume, link)| {
            let units = self.loaded.get(volume)?.iter();
            let mut units = units.filter(|(unit, _)| link.units.contains(*unit));
            units.find_map(|(unit, loaded)| {
                let is_believed =
                    self.believed.get(&at.address).is_none_or(|one| one.at == *volume);
                let is_here =
                    at.address == link.address || (self.holds(*volume, at.address) && is_believed);
                let (_, encrypted) = loaded.listens().find(|(one, _)| is_here && *one == at)?;
                Some((*volume, unit.as_str(), encrypted))
            })
        })
    }

    fn holds(&self, volume: VolumeId, address: Ipv4Addr) -> bool {
        self.holders(address).contains(&volume)
    }

    /// The gateways that hold an address.
    fn holders(&self, address: Ipv4Addr) -> BTreeSet<VolumeId> {
        let elections = self.elections.iter().filter(|((one, _), _)| *one == address);
        let elected = elections.flat_map(|(_, election)| election.holders()).copied();
        let fixed = self.loaded.keys().copied();
        elected.chain(fixed.filter(|one| self.fixed(*one).contains(&address))).collect()
    }

    /// The addresses that a gateway has for itself.
    fn fixed(&self, volume: VolumeId) -> Vec<Ipv4Addr> {
        let Some((units, link)) = self.units_on(volume) else { return Vec::new() };
        let vrrp = units.get(haproxy::VRRP_UNIT);
        let vrrp = vrrp.filter(|_| link.units.contains(haproxy::VRRP_UNIT));
        vrrp.map(|loaded| vrrp::fixed_addresses(&loaded.text)).unwrap_or_default()
    }

    /// Whether an address is believed to be where it is not, which drops what is sent there.
    fn is_missed(&self, address: Ipv4Addr) -> bool {
        let holders = self.holders(address);
        let believed = self.believed.get(&address);
        !holders.is_empty() && believed.is_some_and(|one| !holders.contains(&one.at))
    }

    /// Sends a request.
    fn get(&self, at: Endpoint, encrypted: bool) -> Got {
        match self.listener(at) {
            Some(listener) => self.ask(listener, at, encrypted),
            None if self.is_missed(at.address) => Got::Silence,
            None => Got::Refused,
        }
    }

    /// Sends a request to a server of the same guest, by its loopback address.
    fn get_here(&self, local: &[VolumeId], at: Endpoint, encrypted: bool) -> Got {
        let here = local.iter().find_map(|volume| {
            let (units, link) = self.units_on(*volume)?;
            let mut units = units.iter().filter(|(unit, _)| link.units.contains(*unit));
            units.find_map(|(unit, loaded)| {
                let (_, encrypted) = loaded.listens().find(|(one, _)| *one == at)?;
                Some((*volume, unit.as_str(), encrypted))
            })
        });
        here.map_or(Got::Refused, |listener| self.ask(listener, at, encrypted))
    }

    fn ask(
        &self,
        (volume, unit, is_encrypted): (VolumeId, &str, bool),
        at: Endpoint,
        encrypted: bool,
    ) -> Got {
        let link = self.links.get(&volume);
        let loaded = self.loaded.get(&volume).and_then(|units| units.get(unit));
        let Some((link, loaded)) = link.zip(loaded) else { return Got::Refused };
        if link.stopped {
            return Got::Silence;
        }
        if encrypted != is_encrypted && !databases::passes_on(&loaded.text, at) {
            return Got::Reset;
        }
        let (mut code, mut down) = (200, String::new());
        let is_status = [STATUS_PORT, haproxy::STATUS_PORT].contains(&at.port);
        if unit == haproxy::UNIT {
            let is_down = |at: &Endpoint| {
                !self.is_searched(*at)
                    && self.listener(*at).is_none_or(|(volume, ..)| {
                        self.links.get(&volume).is_none_or(|link| link.stopped)
                    })
            };
            let servers: Vec<_> = loaded.servers().collect();
            let gone = servers.iter().filter(|(_, at, _)| is_down(at)).map(|(name, ..)| *name);
            let words = gone.map(str::to_owned).chain(self.words_of_databases(&loaded.text));
            down = words.collect::<Vec<_>>().join(" ");
            let up = servers.iter().find(|(_, at, _)| !is_down(at));
            if !is_status {
                code = up.map_or(503, |(_, at, is_encrypted)| match self.get(*at, *is_encrypted) {
                    Got::Status { code, .. } => code,
                    _ if self.is_searched(*at) => 200,
                    _ => 503,
                });
            }
        } else if let Some(returned) = loaded.returned().filter(|_| !is_status) {
            code = returned;
        } else if !is_status && !loaded.targets().is_empty() {
            let answers = |at: &Endpoint| matches!(self.get(*at, false), Got::Status { code, .. } if code < 500);
            code = if loaded.targets().iter().any(answers) { 200 } else { 502 };
        }
        let configuration = digest_in(&loaded.text).unwrap_or_default().to_owned();
        Got::Status { code, configuration, down }
    }

    /// `arping -U`: neighbours believe who says that it has an address.
    fn announce(&mut self, invocation: &Invocation<'_>) -> Outcome {
        let address = invocation.args.last().and_then(|word| word.parse().ok());
        if let Some((address, volume)) = address.zip(invocation.volume) {
            self.believed.insert(address, Believed::new(volume, invocation.now));
        }
        Outcome::ok("")
    }

    fn units_on(&self, volume: VolumeId) -> Option<(&BTreeMap<String, Loaded>, &Link)> {
        self.loaded.get(&volume).zip(self.links.get(&volume))
    }

    /// Lets gateways find out who holds which address.
    fn elect(&mut self, now: Duration) {
        self.now = now;
        let mut candidates: BTreeMap<(Ipv4Addr, String), BTreeMap<VolumeId, u32>> = BTreeMap::new();
        let mut let_go = BTreeSet::new();
        for volume in self.loaded.keys().copied() {
            let Some((units, link)) = self.units_on(volume) else { continue };
            if link.stopped {
                continue;
            }
            let runs = |unit: &str| link.units.contains(unit);
            let Some(vrrp) = units.get(haproxy::VRRP_UNIT) else { continue };
            for address in vrrp::addresses(&vrrp.text) {
                if runs(haproxy::VRRP_UNIT) && runs(haproxy::UNIT) {
                    let priority = vrrp::priority(&vrrp.text);
                    let password = vrrp::password(&vrrp.text).to_owned();
                    candidates.entry((address, password)).or_default().insert(volume, priority);
                } else {
                    let_go.insert((address, volume));
                }
            }
        }
        for one in candidates.keys() {
            self.elections.entry(one.clone()).or_default();
        }
        for (one, election) in &mut self.elections {
            let own = candidates.get(one).cloned().unwrap_or_default();
            let says_so = |volume| let_go.contains(&(one.0, volume));
            if let Some(volume) = election.advance(&own, says_so, now) {
                self.believed.insert(one.0, Believed::new(volume, now));
            }
        }
        let addresses: Vec<Ipv4Addr> = self.believed.keys().copied().collect();
        for address in addresses {
            let holders = self.holders(address);
            if let Some(believed) = self.believed.get_mut(&address) {
                believed.advance(&holders, now);
            }
        }
    }
}

impl Daemon for Network {
    fn provides(&self, unit: &str) -> bool {
        config_of(unit).is_some()
    }

    fn runs(&self, program: &str) -> bool {
        let checks = haproxy::CHECKS.iter().map(|(_, command)| command);
        let checks = checks.chain(Package::ALL.iter().map(|package| &package.check));
        let mut checks = checks.filter_map(|command| command.first());
        matches!(program, "curl" | "ab" | "arping") || checks.any(|known| *known == program)
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), String> {
        let loaded = load(start)?;
        self.loaded.entry(start.volume).or_default().insert(start.unit.to_owned(), loaded);
        if start.unit == haproxy::VRRP_UNIT {
            // It begins as one that holds nothing.
            for election in self.elections.values_mut() {
                election.leave(start.volume, start.now);
            }
        }
        Ok(())
    }

    fn reload(&mut self, start: &Start<'_>) -> Option<Result<(), String>> {
        let loaded = load(start);
        Some(loaded.map(|loaded| {
            self.loaded.entry(start.volume).or_default().insert(start.unit.to_owned(), loaded);
        }))
    }

    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>, now: Duration) {
        if self.links != *links {
            self.links.clone_from(links);
            self.elect(now);
        }
    }

    fn advance(&mut self, now: Duration) {
        self.elect(now);
    }

    fn run(&mut self, invocation: &Invocation<'_>) -> Outcome {
        if invocation.program == "arping" {
            return self.announce(invocation);
        }
        program::run(self, invocation)
    }

    fn addresses(&self, volume: VolumeId) -> Vec<Ipv4Addr> {
        let held = self.elections.iter().filter(|(_, one)| one.holders().contains(&volume));
        held.map(|((address, _), _)| *address).chain(self.fixed(volume)).collect()
    }

    fn hear(&mut self, roles: &BTreeMap<Ipv4Addr, Role>) {
        self.roles.clone_from(roles);
    }

    fn passages(&self) -> BTreeMap<Endpoint, Endpoint> {
        self.passages_to_databases()
    }

    fn listens(&self, at: Endpoint) -> bool {
        self.listener(at).is_some() || self.is_missed(at.address)
    }

    fn request(&mut self, contact: &Contact<'_>, _: &str, _: Duration) -> Result<(), String> {
        match self.get(contact.at, contact.encrypted) {
            Got::Status { code, .. } if code < 500 => Ok(()),
            Got::Status { code, .. } => Err(format!("HTTP {code}")),
            other => Err(format!("{other:?}")),
        }
    }

    fn send(
        &mut self,
        contact: &Contact<'_>,
        words: &[&str],
        now: Duration,
    ) -> Result<String, String> {
        self.request(contact, &words.join(" "), now).map(|()| String::new())
    }

    fn servers(&self) -> Vec<Facts> {
        Vec::new()
    }

    fn fingerprint(&self) -> u64 {
        0
    }

    fn value(&self, _: u32, _: &str) -> Option<&str> {
        None
    }
}

/// The text of a file in a guest.
fn text(files: &BTreeMap<String, File>, path: &str) -> Option<String> {
    files.get(path).map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
}
