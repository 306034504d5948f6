//! Takes steps: requests to the API, and one start that founds a cluster.

use std::time::Duration;

use serde_json::json;

use super::api::{self, Request, send};
use super::observe::{ENABLE, EXCLUDE};
use super::steps::{Order, Step};
use super::target::Target;
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::guest_file::{GuestFile, Owner};
use crate::recipe::search::{OWN, POLICY, TEMPLATE, bootstrap};

/// How long systemd may take to start it: a JVM in an emulated guest.
const SYSTEMD: Duration = Duration::from_secs(600);

/// How large a shard grows before its index is followed by the next: what the plan counts with.
/// <https://www.elastic.co/docs/deploy-manage/production-guidance/optimize-performance/size-shards>
const LARGEST_SHARD_GIB: u64 = 50;

/// Takes steps, each with its answer.
pub(super) fn take_all<'s>(
    crew: &Crew<'_>,
    target: &Target,
    steps: &'s [Step],
) -> Result<Vec<(&'s Step, Answer)>, EngineError> {
    let answers = steps.iter().map(|step| match take(crew, target, step) {
        Ok(()) => Ok((step, Ok(String::new()))),
        Err(error) if error.is_of_command() => Ok((step, Err(error))),
        Err(error) => Err(error),
    });
    answers.collect()
}

/// Changes settings of the cluster; `null` takes one away.
pub(super) fn set(settings: &serde_json::Value) -> Request {
    let body = json!({ "persistent": settings, "transient": taken_away(settings) });
    send("PUT", "/_cluster/settings?master_timeout=10s", Some(body))
}

/// Transient settings would override these.
fn taken_away(settings: &serde_json::Value) -> serde_json::Value {
    let names = settings.as_object().into_iter().flatten().map(|(name, _)| name.clone());
    names.map(|name| (name, serde_json::Value::Null)).collect::<serde_json::Map<_, _>>().into()
}

fn take(crew: &Crew<'_>, target: &Target, step: &Step) -> Result<(), EngineError> {
    let guest = crew.guest(&step.at)?;
    let at = target.member(&step.at)?.door;
    let command = |request: &Request| api::command(&guest, at, request).map(drop);
    match &step.order {
        Order::Found => {
            let instance = crew.plan.instance(&step.at).ok_or_else(|| EngineError::Plan {
                instance: step.at.clone(),
                problem: "it is not in the plan".to_owned(),
            })?;
            guest.replace_files(&[&bootstrap(target.package, instance)])?;
            guest.run_ok(&["systemctl", "restart", target.package.unit()], SYSTEMD)?;
            Ok(())
        }
        Order::Remember(uuid) => {
            let file = GuestFile {
                path: target.package.membership(),
                text: format!("{uuid}\n"),
                mode: 0o644,
                owner: Owner { user: "root", group: "root" },
            };
            guest.replace_files(&[&file])?;
            Ok(())
        }
        Order::Allow => command(&set(&json!({ ENABLE: null }))),
        Order::Divide => command(&send(
            "PUT",
            format!("/_index_template/{TEMPLATE}?master_timeout=10s"),
            Some(json!({
                "index_patterns": ["*"],
                "priority": 0,
                "template": { "settings": {
                    "index.number_of_shards": target.shards,
                    "index.number_of_replicas": target.replicas,
                } },
            })),
        )),
        Order::Keep(kept) => {
            let policies = target.package.policies.unwrap_or_default();
            let rollover = json!({
                "max_age": kept.rolled_over,
                "max_primary_shard_size": format!("{LARGEST_SHARD_GIB}gb"),
            });
            let phases = json!({
                "hot": { "actions": { "rollover": rollover } },
                "delete": { "min_age": kept.removed, "actions": { "delete": {} } },
            });
            let path = format!("{policies}/{POLICY}?master_timeout=10s");
            command(&send("PUT", path, Some(json!({ "policy": { "phases": phases } }))))
        }
        Order::MakeIndex => command(&send(
            "PUT",
            format!("/{OWN}?master_timeout=10s&timeout=10s"),
            Some(json!({ "settings": {
                "index.number_of_shards": 1,
                "index.number_of_replicas": target.replicas,
                "index.hidden": true,
            } })),
        )),
        Order::Empty(addresses) => {
            let all: Vec<&str> = addresses.iter().map(String::as_str).collect();
            let value = (!all.is_empty()).then(|| all.join(","));
            command(&set(&json!({ EXCLUDE: value })))
        }
        Order::GiveVotes => command(&send(
            "DELETE",
            "/_cluster/voting_config_exclusions?wait_for_removal=false",
            None,
        )),
        Order::TakeVotes(names) => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let path = format!(
                "/_cluster/voting_config_exclusions?node_names={}&timeout=10s",
                names.join(",")
            );
            command(&send("POST", path, None))
        }
    }
}
