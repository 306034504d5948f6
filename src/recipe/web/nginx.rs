//! `nginx.conf`.
//! <https://nginx.org/en/docs/dirindex.html>

use serde::Serialize;

use super::{Common, Names, quoted};
use crate::plan::{Instance, ServicePlan, Setting};
use crate::recipe::RecipeError;
use crate::template::{Template, template};

/// Names of its settings that are no directive of a line of their own.
pub(super) const NAMES: Names =
    Names { listen: "listen", root: "root", servers: "upstream", allow: "allow" };

/// `reuseport` of `listen`.
const REUSEPORT: &str = "reuseport";

/// Directives outside of all blocks.
const MAIN: [&str; 3] = ["worker_cpu_affinity", "worker_processes", "worker_rlimit_nofile"];
/// Directives of the block `events`.
const EVENTS: [&str; 1] = ["worker_connections"];
/// Directives of the block `http`.
const HTTP: [&str; 1] = ["keepalive_timeout"];

static CONFIGURATION: Template = template!("nginx/nginx.conf.hbs");

#[derive(Serialize)]
struct Values<'a> {
    #[serde(flatten)]
    common: Common<'a>,
    main: Vec<String>,
    events: Vec<String>,
    http: Vec<String>,
}

/// The text of `nginx.conf`, without its digest.
pub(super) fn configuration(
    service: &ServicePlan,
    instance: &Instance,
) -> Result<String, RecipeError> {
    let mut common = Common::of(service, instance, &NAMES);
    if common.tls.is_some() {
        common.listen.push_str(" ssl");
    }
    if instance.settings.get(REUSEPORT) == Some(&Setting::Switch(true)) {
        common.listen.push_str(" reuseport");
    }
    let Names { listen, root, servers, allow } = NAMES;
    let elsewhere = [listen, root, servers, allow, REUSEPORT];
    let (mut main, mut events, mut http) = (Vec::new(), Vec::new(), Vec::new());
    for (name, value) in &instance.settings {
        let line = format!("{name} {}", quoted(value));
        match name.as_str() {
            name if MAIN.contains(&name) => main.push(line),
            name if EVENTS.contains(&name) => events.push(line),
            name if HTTP.contains(&name) => http.push(line),
            name if elsewhere.contains(&name) => {}
            _ => {
                let (instance, name) = (instance.name.clone(), name.clone());
                return Err(RecipeError::Name { instance, name });
            }
        }
    }
    Ok(CONFIGURATION.render(&Values { common, main, events, http })?)
}
