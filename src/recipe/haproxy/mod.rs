//! HAProxy, and keepalived beside it, which moves the address that clients use within a
//! site. Between sites a person does.
//!
//! A gateway alone, and the active one of two sites, have the address from keepalived as well,
//! as a fixed one: VRRP without a peer to send to falls back to multicast, which would reach
//! routers that do not belong to it. So each gateway runs the same units, and a second one
//! makes no other machine of the first.
//! <https://docs.haproxy.org/3.0/configuration.html>
//! <https://www.keepalived.org/manpage.html>

mod databases;
mod files;
mod settings;

use std::net::Ipv4Addr;

pub use self::databases::{DatabaseFront, databases, groups};

use super::{Recipe, Setup};
use crate::guest_file::Owner;
use crate::plan::{Plan, ServicePlan};
use crate::secret::{Secret, SecretNeed, ServiceSecrets};
use crate::spec::{Cluster, GATEWAY_STATUS_PORT};

/// The unit of HAProxy, without `.service`.
pub const UNIT: &str = "haproxy";
/// The unit of keepalived.
pub const VRRP_UNIT: &str = "keepalived";
/// Both, in the order of their start: who takes the address can serve at it.
pub const UNITS: &[&str] = &[UNIT, VRRP_UNIT];

/// The configuration of HAProxy.
pub const CONFIG: &str = "/etc/haproxy/haproxy.cfg";
/// The configuration of keepalived.
pub const VRRP_CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// What the unit of keepalived does besides; systemd reads a new one once it reloads units.
pub const VRRP_UNIT_CONFIG: &str = "/etc/systemd/system/keepalived.service.d/91-hostsplit.conf";
/// The file that both do not start without. It says nothing: the package of HAProxy brings a
/// configuration along, so that this one cannot be its.
pub const GATE: &str = "/etc/haproxy/hostsplit";
/// The certificate of who signed those of gateways and members.
pub const AUTHORITY: &str = "/etc/haproxy/ca.crt";
/// A gateway's own certificate, with its key behind it.
pub const CERTIFICATE: &str = "/etc/haproxy/server.pem";
/// How the key behind the certificate begins, whichever kind it is.
pub const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY";
/// Where each gateway is asked through its own frontends, and nobody else asks it: the address
/// of clients is the other's at times.
pub const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// The socket of its administration.
pub const ADMIN_SOCKET: &str = "/run/haproxy/admin.sock";

/// Configuration files, and the commands that judge each, whose path ends them.
pub const CHECKS: [(&str, &[&str]); 2] =
    [(CONFIG, &["haproxy", "-c", "-q", "-f"]), (VRRP_CONFIG, &["keepalived", "-t", "-f"])];

/// The port at which a gateway says how it is, at its own address: `/healthz`, `/metrics`
/// for Prometheus, `/configuration` as web servers have it, and statistics for people.
pub const STATUS_PORT: u16 = GATEWAY_STATUS_PORT;

/// The password of the statistics, for the user `admin`.
pub const STATISTICS: SecretNeed = SecretNeed { name: "statistics", for_clients: false };
/// The password by which gateways know each other's advertisements: its first characters.
pub const VRRP: SecretNeed = SecretNeed { name: "vrrp", for_clients: false };

const ROOT: Owner = Owner { user: "root", group: "root" };

/// Each gateway listens at an address that only one of them has, and has a port of its own for
/// each connection to a member.
/// <https://docs.kernel.org/networking/ip-sysctl.html>
const SYSCTLS: &[&str] = &[
    "net.ipv4.ip_nonlocal_bind = 1",
    "net.ipv4.ip_local_port_range = 10240 65535",
    "net.core.somaxconn = 65535",
];

static SETUP: Setup = Setup {
    units: UNITS,
    gate: GATE,
    data: "/var/lib/haproxy",
    owner: ROOT,
    sysctls: SYSCTLS,
    tmpfiles: &[],
    secrets: &[STATISTICS, VRRP],
    plain: files::plain,
    mask: files::mask,
    backup: None,
    closed: files::closed,
};

/// HAProxy with keepalived.
pub(super) static HAPROXY: Recipe = Recipe {
    settings: settings::settings,
    main: &["nbthread", "maxconn", "vrrp.virtual_ipaddress", "vrrp.priority"],
    setup: Some(&SETUP),
};

/// The secrets in the files of a gateway, of haproxy.cfg and keepalived.conf; `None` where one
/// is not there. Of the password of VRRP it is the part that is used.
#[must_use]
pub fn secrets_in(haproxy: &str, keepalived: &str) -> Option<ServiceSecrets> {
    let after = |text: &str, before: &str| {
        let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(before));
        lines.next().map(|secret| Secret::from(secret.trim().to_owned()))
    };
    let statistics = after(haproxy, "stats auth admin:")?;
    // One gateway alone has none to show to another.
    let vrrp = after(keepalived, "auth_pass ").or_else(|| Secret::generate().ok())?;
    Some([(STATISTICS.name, statistics), (VRRP.name, vrrp)].into_iter().collect())
}

/// What a gateway does with the connections of a pool's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It reads requests.
    Http,
    /// It ends TLS and reads requests.
    Https,
    /// It passes bytes on: members end TLS, and it does not.
    Tcp,
}

impl Mode {
    fn of(gateway: &ServicePlan, pool: &ServicePlan) -> Self {
        match (gateway.access.tls.is_offered(), pool.access.tls.is_offered()) {
            (true, _) => Self::Https,
            (false, true) => Self::Tcp,
            (false, false) => Self::Http,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
        }
    }

    /// Whether it speaks TLS to the members itself.
    const fn verifies(self, pool: &ServicePlan) -> bool {
        matches!(self, Self::Https) && pool.access.tls.is_offered()
    }
}

/// Where clients of a pool, or of a search engine, ask a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frontend<'a> {
    /// The pool.
    pub pool: &'a ServicePlan,
    /// The port.
    pub port: u16,
    /// Whether connections are encrypted, by the gateway or by the members.
    pub encrypted: bool,
}

fn frontend<'a>(gateway: &ServicePlan, pool: &'a ServicePlan) -> Frontend<'a> {
    let port = pool.access.front_port(&gateway.access);
    Frontend { pool, port, encrypted: Mode::of(gateway, pool) != Mode::Http }
}

/// Where clients of pools ask a gateway, in the order of the pools behind it.
#[must_use]
pub fn frontends<'a>(plan: &'a Plan, gateway: &ServicePlan) -> Vec<Frontend<'a>> {
    let behind = plan.services.iter().filter(|one| one.gateway.as_ref() == Some(&gateway.name));
    let pools =
        behind.filter(|one| matches!(one.engine.cluster(), Cluster::Pool | Cluster::Quorum));
    pools.map(|pool| frontend(gateway, pool)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_again_in_the_files_that_hold_them() {
        let haproxy = "frontend _status\n    stats auth admin:for-statistics\n";
        let keepalived = "authentication {\n    auth_pass for-vrrp\n}\n";
        let found = secrets_in(haproxy, keepalived).unwrap();
        let shown = |need: SecretNeed| found.get(need.name).map(Secret::expose);
        assert_eq!(shown(STATISTICS), Some("for-statistics"));
        assert_eq!(shown(VRRP), Some("for-vrrp"));
        assert!(secrets_in("", keepalived).is_none(), "a guest that was given none");
        assert!(secrets_in(haproxy, "").is_some(), "one gateway alone");
    }
}
