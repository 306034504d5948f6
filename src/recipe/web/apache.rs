//! `apache2.conf`.
//! <https://httpd.apache.org/docs/2.4/mod/directives.html>

use serde::Serialize;

use super::{Common, Names, PAGE, quoted};
use crate::plan::{Instance, ServicePlan};
use crate::recipe::RecipeError;
use crate::spec::Serve;
use crate::template::{Template, template};

/// Names of its settings that are no directive of a line of their own.
pub(super) const NAMES: Names = Names {
    listen: "Listen",
    root: "DocumentRoot",
    servers: "BalancerMember",
    allow: "Require ip",
};

/// Modules that every configuration names, in the order in which they are loaded.
const MODULES: [&str; 8] =
    ["mpm_event", "authz_core", "authz_host", "alias", "dir", "headers", "mime", "status"];
/// Ends connections on which a request does not come to its end in time.
const TIMEOUTS: &str = "reqtimeout";
/// Modules that pass requests on.
const PROXY: [&str; 5] =
    ["slotmem_shm", "proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests"];
/// Modules that speak TLS.
const TLS: [&str; 2] = ["socache_shmcb", "ssl"];
/// Modules that authors of directives expect: those that Debian enables, and those that pages
/// about reverse proxies and redirections name.
const OWN: [&str; 11] = [
    "authn_core",
    "authn_file",
    "authz_user",
    "auth_basic",
    "deflate",
    "env",
    "expires",
    "filter",
    "negotiation",
    "rewrite",
    "setenvif",
];

static CONFIGURATION: Template = template!("apache/apache2.conf.hbs");

#[derive(Serialize)]
struct Values<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    modules: Vec<&'static str>,
    directives: Vec<String>,
    page: &'static str,
    scheme: &'static str,
}

/// The text of `apache2.conf`, without its digest.
pub(super) fn configuration(
    service: &ServicePlan,
    instance: &Instance,
) -> Result<String, RecipeError> {
    let common = Common::of(service, instance, &NAMES);
    let mut modules = MODULES.to_vec();
    modules.push(TIMEOUTS);
    if matches!(service.serve, Some(Serve::Proxy { .. } | Serve::Config { .. })) {
        modules.extend(PROXY);
    }
    if matches!(service.serve, Some(Serve::Config { .. })) {
        modules.extend(OWN);
    }
    if common.tls.is_some() {
        modules.extend(TLS);
    }
    let Names { listen, root, servers, allow } = NAMES;
    let elsewhere = [listen, root, servers, allow];
    let mut directives = Vec::new();
    for (name, value) in &instance.settings {
        if elsewhere.contains(&name.as_str()) {
            continue;
        }
        let is_name = name.starts_with(|c: char| c.is_ascii_uppercase())
            && name.chars().all(|c| c.is_ascii_alphanumeric());
        if !is_name {
            let (instance, name) = (instance.name.clone(), name.clone());
            return Err(RecipeError::Name { instance, name });
        }
        directives.push(format!("{name} {}", quoted(value)));
    }
    let scheme = if common.tls.is_some() { "https" } else { "http" };
    Ok(CONFIGURATION.render(&Values { common, modules, directives, page: PAGE, scheme })?)
}
