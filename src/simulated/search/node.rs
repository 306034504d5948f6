//! A node as it was started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use crate::recipe::search::{BOOTSTRAP, CONFIGURATION, Package};
use crate::simulated::host::File;

/// A node.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    pub(super) seeds: Vec<Ipv4Addr>,
    pub(super) votes: bool,
    pub(super) holds_data: bool,
    pub(super) digest: String,
    /// Its attributes by which copies are spread, and all values that there are to be.
    pub(super) spread: Vec<(String, usize)>,
    /// Whether it was started to found a cluster.
    pub(super) founds: bool,
    /// Whom it lets in; `None` where it lets everybody in.
    pub(super) closed: Option<Closed>,
    /// The cluster that it belongs to, as its disk knows.
    pub(super) cluster: Option<usize>,
}

/// What a node reads of who is let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Closed {
    /// Users with hashes of their passwords.
    pub(super) users: String,
    /// Who vouches for it.
    pub(super) authority: String,
}

impl Closed {
    /// Reads what a node with encryption cannot do without.
    pub(super) fn read(package: &Package, files: &BTreeMap<String, File>) -> Result<Self, String> {
        let security = package.security.as_ref().ok_or("no such setting")?;
        let read = |path: &str| {
            let file = files.get(path).ok_or_else(|| format!("{path}: No such file"))?;
            let (group, user) = (package.owner.group, package.owner.user);
            let is_readable = (file.owner == format!("root:{group}") && file.mode & 0o040 != 0)
                || (file.owner == format!("{user}:{group}") && file.mode & 0o400 != 0);
            let text = String::from_utf8_lossy(&file.bytes).into_owned();
            if is_readable { Ok(text) } else { Err(format!("{path}: Permission denied")) }
        };
        let _ = (read(security.tls.certificate)?, read(security.tls.key)?, read(security.roles)?);
        let _ = read(security.users_roles)?;
        Ok(Self { users: read(security.users)?, authority: read(security.tls.authority)? })
    }
}

/// A word that no engine here understands.
const NONSENSE: &str = "nonsense";

impl Node {
    /// Reads what a node is started with.
    pub(super) fn read(package: &Package, files: &BTreeMap<String, File>) -> Result<Self, String> {
        let text = |path: &str| {
            let file = files.get(path);
            file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned())
        };
        let config =
            text(package.config).ok_or_else(|| format!("{}: No such file", package.config))?;
        let value = |name: &str| {
            let mut lines = config.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(known, _)| *known == name).map(|(_, value)| value.trim_matches('"'))
        };
        let words = |name: &str| -> Vec<String> {
            let list = value(name).unwrap_or_default().trim_matches(['[', ']']);
            let all = list.split(", ").map(|word| word.trim_matches('"').to_owned());
            all.filter(|word| !word.is_empty()).collect()
        };
        if let Some(line) = config.lines().find(|line| line.contains(NONSENSE)) {
            return Err(format!("unknown setting [{line}]"));
        }
        let has_heap = text(package.jvm).is_some_and(|options| options.contains("-Xmx"));
        if !has_heap {
            return Err("no heap".to_owned());
        }
        let roles = words("node.roles");
        let name = value("node.name").ok_or("no node.name")?.to_owned();
        let levels = words("cluster.routing.allocation.awareness.attributes");
        let spread = levels.iter().filter_map(|level| {
            let all: BTreeSet<String> =
                words(&format!("cluster.routing.allocation.awareness.force.{level}.values"))
                    .into_iter()
                    .collect();
            Some((value(&format!("node.attr.{level}"))?.to_owned(), all.len().max(1)))
        });
        let told = text(BOOTSTRAP).unwrap_or_default();
        let is_closed = value("xpack.security.enabled") == Some("true");
        let closed = if is_closed { Some(Closed::read(package, files)?) } else { None };
        Ok(Self {
            closed,
            founds: told.trim().ends_with(&format!("-E{}={name}", package.founds)),
            address: value("network.host").and_then(|one| one.parse().ok()).ok_or("no address")?,
            seeds: words("discovery.seed_hosts")
                .iter()
                .filter_map(|one| one.parse().ok())
                .collect(),
            votes: roles.iter().any(|role| role == package.votes),
            holds_data: roles.iter().any(|role| role == "data"),
            digest: value(&format!("node.attr.{CONFIGURATION}")).unwrap_or_default().to_owned(),
            spread: spread.collect(),
            name,
            cluster: None,
        })
    }
}
