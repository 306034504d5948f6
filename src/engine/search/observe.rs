//! What an instance reports of itself and of its cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::api::{self, Response, get};
use super::target::{Kept, Target};
use crate::engine::cluster::Observed as Answers;
use crate::engine::{Crew, EngineError};
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::search::{CONFIGURATION, OWN, POLICY, TEMPLATE};

/// What all instances report.
pub(super) type Observed = Answers<Seen>;

/// What an instance reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The digest of the configuration that it runs with.
    pub(super) runs_with: Option<String>,
    /// The cluster that it has belonged to, as a file on its data volume says.
    pub(super) membership: Option<String>,
    /// Its cluster, where that has a master.
    pub(super) cluster: Option<View>,
}

/// A cluster as one of its instances sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) uuid: String,
    pub(super) master: String,
    /// Everybody in it.
    pub(super) nodes: BTreeSet<String>,
    /// The version of each, by name.
    pub(super) versions: BTreeMap<String, String>,
    /// Those whose votes count; by number where they are not in it.
    pub(super) voters: BTreeSet<String>,
    /// Those whose votes were taken away.
    pub(super) voteless: BTreeSet<String>,
    /// Settings of the whole cluster, which override those of its nodes.
    pub(super) settings: BTreeMap<String, String>,
    /// Shards of new indices and further copies of each.
    pub(super) template: Option<(String, String)>,
    /// How long indices are kept that name the policy; `None` where servers know no policies.
    pub(super) kept: Option<Option<Kept>>,
    /// Whether it has the index in which writes are proved.
    pub(super) has_own: bool,
    pub(super) shards: Vec<Shard>,
    /// Why the cluster does not give a shard a place.
    pub(super) explanation: Option<String>,
    /// Whether that is that nobody else has the version with which the shard was written.
    pub(super) waits_for_version: bool,
    /// How far copies are that are being made.
    pub(super) progress: Vec<String>,
}

/// A copy of a shard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard {
    pub(super) index: String,
    pub(super) number: String,
    pub(super) is_primary: bool,
    /// `STARTED`, `INITIALIZING`, `RELOCATING`, `UNASSIGNED`.
    pub(super) state: String,
    pub(super) node: Option<String>,
}

/// The status of an answer about something that is not there.
const NO_POLICY: u16 = 404;
/// The state of a copy that has no place.
const UNASSIGNED: &str = "UNASSIGNED";
/// Who decides that a shard is given to no instance with an older version than its own.
const VERSION: &str = "node_version";

/// The setting that says of which shards copies are placed.
pub(super) const ENABLE: &str = "cluster.routing.allocation.enable";
/// The setting with the addresses of those that are to hold no shard.
pub(super) const EXCLUDE: &str = "cluster.routing.allocation.exclude._ip";

impl Shard {
    /// Whether it can be read.
    pub(super) fn serves(&self) -> bool {
        matches!(self.state.as_str(), "STARTED" | "RELOCATING")
    }

    fn is_of(&self, other: &Self) -> bool {
        self.index == other.index && self.number == other.number
    }
}

impl View {
    /// Why not everything is as many times there as it should be; `None` if it is. Where some
    /// are absent, what has one copy is enough.
    pub(super) fn ailment(&self, some_are_absent: bool) -> Option<String> {
        let lost: Vec<&Shard> =
            self.shards.iter().filter(|one| !one.serves() && one.is_primary).collect();
        let short: Vec<&Shard> = self.shards.iter().filter(|one| !one.serves()).collect();
        let (colour, what) = match (lost.first(), short.first()) {
            (Some(shard), _) => ("red", shard),
            (None, Some(shard)) if !some_are_absent && !self.waits_for_version(&short) => {
                ("yellow", shard)
            }
            _ => {
                let moving = self.shards.iter().find(|one| one.state == "RELOCATING");
                return moving.map(|one| format!("shard {} of {} moves", one.number, one.index));
            }
        };
        let Shard { index, number, state, .. } = what;
        let count = short.len();
        let why = match &self.explanation {
            Some(why) if state == "UNASSIGNED" => format!(": {why}"),
            _ => format!(": {}", state.to_lowercase()),
        };
        Some(format!(
            "{colour}: {count} shards lack a copy, such as shard {number} of {index}{why}"
        ))
    }

    /// Whether copies that are missing cannot be made before another instance has the version
    /// that some have already: that is done by going on.
    fn waits_for_version(&self, short: &[&Shard]) -> bool {
        let versions: BTreeSet<&String> = self.versions.values().collect();
        versions.len() > 1
            && self.waits_for_version
            && short.iter().all(|one| one.state == UNASSIGNED && !one.is_primary)
    }

    /// The shards that an instance holds.
    pub(super) fn held_by(&self, name: &str) -> impl Iterator<Item = &Shard> {
        self.shards.iter().filter(move |one| one.node.as_deref() == Some(name))
    }

    /// Whether an instance has a copy of something that nobody else has.
    pub(super) fn is_sole(&self, name: &str) -> bool {
        self.held_by(name).filter(|one| one.serves()).any(|one| {
            let others = self.shards.iter().filter(|other| other.is_of(one) && other.serves());
            others.filter(|other| other.node.as_deref() != Some(name)).count() == 0
        })
    }

    /// Whether the votes of the others are a majority.
    pub(super) fn elects_without(&self, name: &str) -> bool {
        let left = |one: &&String| self.nodes.contains(*one) && one.as_str() != name;
        2 * self.voters.iter().filter(left).count() > self.voters.len()
    }

    /// The addresses that are to hold no shard.
    pub(super) fn excluded(&self) -> BTreeSet<String> {
        let all = self.settings.get(EXCLUDE).map(String::as_str).unwrap_or_default();
        all.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect()
    }

    /// Whether copies are not made anew, as while an instance is restarted.
    pub(super) fn is_limited(&self) -> bool {
        self.settings.get(ENABLE).is_some_and(|value| value != "all")
    }
}

/// The cluster as its master sees it, else as the first sees it that has one.
pub(super) fn view(observed: &Observed) -> Option<&View> {
    let mut views =
        observed.seen.iter().filter_map(|(name, seen)| Some((name, seen.cluster.as_ref()?)));
    let first = views.clone().next().map(|(_, view)| view);
    views.find(|(name, view)| view.master == name.as_str()).map(|(_, view)| view).or(first)
}

/// Asks an instance for everything at once.
pub(super) fn look(
    crew: &Crew<'_>,
    target: &Target,
    instance: &Instance,
) -> Result<Seen, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let at = target.member(&instance.name)?.door;
    let questions = [
        get("/_nodes/_local?filter_path=nodes.*.attributes"),
        get(format!(
            "/_cluster/state/master_node,nodes,metadata/{OWN}?local=true&ignore_unavailable=true\
             &filter_path=cluster_uuid,master_node,nodes.*.name,metadata.cluster_coordination,\
             metadata.indices.*.state"
        )),
        get("/_cat/shards?format=json&h=index,shard,prirep,state,node"),
        get("/_cluster/settings?flat_settings=true&master_timeout=1s"),
        get(format!("/_index_template/{TEMPLATE}?master_timeout=1s")),
        // OpenSearch takes no word on how long it may wait for a master.
        get("/_cluster/allocation/explain").briefly(),
        get("/_cat/recovery?active_only=true&format=json&bytes=b\
             &h=index,shard,target_node,bytes_recovered,translog_ops_recovered"),
        // The state of the cluster has them in Elasticsearch alone.
        get("/_cat/nodes?format=json&h=name,version").briefly(),
    ];
    let policy = target.kept.as_ref().and(target.package.policies);
    let policy = policy.map(|at| get(format!("{at}/{POLICY}?master_timeout=1s")));
    let questions: Vec<_> = questions.into_iter().chain(policy).collect();
    let answers = api::ask(&guest, at, &questions)?;
    let [own, state, shards, settings, template, explanation, recovery, nodes, policy @ ..] =
        answers.as_slice()
    else {
        return Ok(Seen { runs_with: None, membership: None, cluster: None });
    };
    if own.is_locked() {
        let question = questions.first().ok_or_else(|| crew.refusal(own.reason()))?;
        return Err(api::refused(&guest, at, question, Some(own)));
    }
    let membership = guest.read_file(&target.package.membership())?;
    Ok(Seen {
        runs_with: configuration(own),
        membership: membership.map(|text| text.trim().to_owned()),
        cluster: cluster(state).map(|view| View {
            shards: rows(&shards.body).filter_map(shard).collect(),
            versions: rows(&nodes.body).filter_map(version).collect(),
            settings: standing(&settings.body),
            template: division(&template.body),
            kept: policy.first().and_then(kept),
            explanation: explanation.is_ok().then(|| sentence(&explanation.body)).flatten(),
            waits_for_version: deciders(&explanation.body).any(|(_, one)| one == VERSION),
            progress: rows(&recovery.body).map(ToString::to_string).collect(),
            ..view
        }),
    })
}

/// The digest that an instance says it runs with.
pub(super) fn configuration(answer: &Response) -> Option<String> {
    let nodes = answer.body.get("nodes")?.as_object()?;
    let attributes = nodes.values().next()?.get("attributes")?;
    Some(attributes.get(CONFIGURATION)?.as_str()?.to_owned())
}

/// Master, members and votes; `None` without a master.
fn cluster(answer: &Response) -> Option<View> {
    let body = &answer.body;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let nodes: BTreeMap<&str, String> = body
        .get("nodes")?
        .as_object()?
        .iter()
        .filter_map(|(id, node)| Some((id.as_str(), text(node.get("name")?)?)))
        .collect();
    let master = nodes.get(body.get("master_node")?.as_str()?)?.clone();
    let coordination = body.pointer("/metadata/cluster_coordination");
    let listed = |name: &str| {
        let list = coordination.and_then(|one| one.get(name)).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    let named = |id: &Value| {
        let id = id.as_str()?;
        Some(nodes.get(id).cloned().unwrap_or_else(|| id.to_owned()))
    };
    Some(View {
        uuid: text(body.get("cluster_uuid")?)?,
        master,
        voters: listed("last_committed_config").filter_map(named).collect(),
        voteless: listed("voting_config_exclusions")
            .filter_map(|one| text(one.get("node_name")?))
            .collect(),
        has_own: body.pointer(&format!("/metadata/indices/{OWN}")).is_some(),
        nodes: nodes.into_values().collect(),
        ..View::default()
    })
}

fn rows(body: &Value) -> impl Iterator<Item = &Value> {
    body.as_array().into_iter().flatten()
}

fn version(row: &Value) -> Option<(String, String)> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("name")?, text("version")?))
}

fn shard(row: &Value) -> Option<Shard> {
    let text = |name: &str| row.get(name).and_then(Value::as_str);
    Some(Shard {
        index: text("index")?.to_owned(),
        number: text("shard")?.to_owned(),
        is_primary: text("prirep")? == "p",
        state: text("state")?.to_owned(),
        // One that moves is shown with where it moves to.
        node: text("node").and_then(|node| node.split_whitespace().next()).map(str::to_owned),
    })
}

/// Settings of the cluster: transient ones override persistent ones.
fn standing(body: &Value) -> BTreeMap<String, String> {
    let of = |kind: &str| body.get(kind).and_then(Value::as_object).into_iter().flatten();
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    of("persistent")
        .chain(of("transient"))
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

/// Shards and further copies of each that a template gives to new indices.
fn division(body: &Value) -> Option<(String, String)> {
    let index = body.pointer("/index_templates/0/index_template/template/settings/index")?;
    let text = |name: &str| index.get(name).and_then(Value::as_str).map(str::to_owned);
    Some((text("number_of_shards")?, text("number_of_replicas")?))
}

/// How long indices are kept that name the policy.
fn kept(answer: &Response) -> Option<Option<Kept>> {
    if answer.code == NO_POLICY {
        return Some(None);
    }
    let phases = answer.body.get(POLICY)?.pointer("/policy/phases")?;
    let text = |at: &str| phases.pointer(at).and_then(Value::as_str).map(str::to_owned);
    let rolled_over = text("/hot/actions/rollover/max_age");
    let removed = text("/delete/min_age");
    Some(rolled_over.zip(removed).map(|(rolled_over, removed)| Kept { rolled_over, removed }))
}

/// Who refuses a shard that has no place, with the name of the rule: instance and rule.
fn deciders(body: &Value) -> impl Iterator<Item = (&str, &str)> {
    let nodes = body.get("node_allocation_decisions").and_then(Value::as_array);
    nodes.into_iter().flatten().flat_map(|node| {
        let name = node.get("node_name").and_then(Value::as_str).unwrap_or_default();
        let deciders = node.get("deciders").and_then(Value::as_array).into_iter().flatten();
        deciders.filter_map(move |one| Some((name, one.get("decider")?.as_str()?)))
    })
}

/// Why the cluster does not place a shard, in a sentence: by the first rule that has one, else
/// as the first instance says that refuses it, else as the cluster does.
fn sentence(body: &Value) -> Option<String> {
    if body.get("can_allocate").and_then(Value::as_str) == Some("no_valid_shard_copy") {
        return Some("its data is on instances that are not there; it comes with them".to_owned());
    }
    // Each node holds a copy of its own, which is why the others are asked.
    let all: Vec<(&str, &str)> = deciders(body).filter(|(_, one)| *one != "same_shard").collect();
    let of = |rule: &str| all.iter().find(|(_, one)| *one == rule).map(|(name, _)| *name);
    if let Some(name) = of("disk_threshold") {
        return Some(format!("the data volume of {name} is too full to take another shard"));
    }
    if of("max_retry").is_some() {
        let why = body.pointer("/unassigned_info/details").and_then(Value::as_str);
        let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
        return Some(format!(
            "it has failed too often to be tried again{why}; once the cause is gone, \
             `POST /_cluster/reroute?retry_failed=true` does"
        ));
    }
    let known = [
        (VERSION, "no other instance has the version that wrote it yet"),
        ("awareness", "the failure domains that are left have their part already"),
        ("enable", "copies wait while an instance is restarted"),
    ];
    if let Some((_, said)) = known.iter().find(|(rule, _)| of(rule).is_some()) {
        return Some((*said).to_owned());
    }
    let nodes = body.get("node_allocation_decisions").and_then(Value::as_array);
    let telling = nodes.into_iter().flatten().find_map(|node| {
        let deciders = node.get("deciders")?.as_array()?;
        let other = |one: &&Value| one.get("decider").and_then(Value::as_str) != Some("same_shard");
        let said = deciders.iter().find(other)?.get("explanation")?.as_str()?;
        Some(format!("{} refuses it: {said}", node.get("node_name")?.as_str()?))
    });
    telling.or_else(|| Some(body.get("allocate_explanation")?.as_str()?.to_owned()))
}

/// Those that look at one another see the same cluster.
pub(super) fn uuids(observed: &Observed) -> BTreeMap<&str, &InstanceName> {
    let mut all = BTreeMap::new();
    for (name, seen) in &observed.seen {
        if let Some(view) = &seen.cluster {
            all.entry(view.uuid.as_str()).or_insert(name);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> Response {
        Response { code: 200, body: serde_json::from_str(text).unwrap() }
    }

    /// As Elasticsearch 9.2.0 answers.
    #[test]
    fn a_cluster_is_read_as_it_says() {
        let seen = cluster(&answer(
            r#"{"cluster_uuid":"nBl","master_node":"E0","nodes":{"E0":{"name":"search-0"},
            "Le":{"name":"search-2"}},"metadata":{"cluster_coordination":{"term":1,
            "last_committed_config":["E0","Le","gone"],"last_accepted_config":["E0"],
            "voting_config_exclusions":[{"node_id":"Le","node_name":"search-2"}]},
            "indices":{"hostsplit":{"state":"open"}}}}"#,
        ))
        .unwrap();
        assert_eq!((seen.uuid.as_str(), seen.master.as_str()), ("nBl", "search-0"));
        assert!(seen.has_own && seen.voteless.contains("search-2"));
        assert_eq!(seen.voters.len(), 3);
        assert!(!seen.elects_without("search-2") && seen.elects_without("search-9"));
        let blocked = r#"{"error":{"reason":"blocked"},"status":503}"#;
        assert_eq!(cluster(&answer(blocked)), None);
    }

    /// While versions differ, what the newer one wrote waits for the next instance that has it.
    #[test]
    fn a_copy_that_waits_for_a_version_is_no_reason_to_wait() {
        let body = answer(
            r#"{"can_allocate":"no","node_allocation_decisions":[{"node_name":"search-1",
            "deciders":[{"decider":"node_version","explanation":"older"}]}]}"#,
        )
        .body;
        let shard = |is_primary, state: &str| Shard {
            index: "orders".to_owned(),
            number: "0".to_owned(),
            is_primary,
            state: state.to_owned(),
            node: (state == "STARTED").then(|| "search-0".to_owned()),
        };
        let versions = [("search-0", "9.2.0"), ("search-1", "8.19.0")];
        let versions = versions.map(|(name, one)| (name.to_owned(), one.to_owned()));
        let mut view = View {
            shards: vec![shard(true, "STARTED"), shard(false, "UNASSIGNED")],
            explanation: sentence(&body),
            waits_for_version: deciders(&body).any(|(_, one)| one == VERSION),
            versions: versions.into(),
            ..View::default()
        };
        assert_eq!(view.ailment(false), None);
        assert!(view.is_sole("search-0"), "who holds it alone is not taken away");
        view.versions.remove("search-1");
        assert!(view.ailment(false).unwrap().ends_with("the version that wrote it yet"));
    }

    #[test]
    fn why_a_shard_has_no_place_is_a_sentence() {
        let body = answer(
            r#"{"index":"orders","shard":0,"allocate_explanation":"not allowed to any node",
            "node_allocation_decisions":[{"node_name":"search-0","deciders":[
            {"decider":"same_shard","explanation":"a copy is on this node"}]},
            {"node_name":"search-1","deciders":[
            {"decider":"filter","explanation":"node does not match"}]}]}"#,
        )
        .body;
        let said = sentence(&body).unwrap();
        assert_eq!(said, "search-1 refuses it: node does not match");
        let shard = |is_primary, state: &str| Shard {
            index: "orders".to_owned(),
            number: "0".to_owned(),
            is_primary,
            state: state.to_owned(),
            node: (state == "STARTED").then(|| "search-0".to_owned()),
        };
        let mut view = View {
            shards: vec![shard(true, "STARTED"), shard(false, "UNASSIGNED")],
            explanation: Some(said),
            ..View::default()
        };
        let yellow = view.ailment(false).unwrap();
        assert!(
            yellow.starts_with("yellow: 1 shards lack a copy, such as shard 0 of orders: search-1")
        );
        assert_eq!(view.ailment(true), None);
        assert!(view.is_sole("search-0"));
        view.shards[0].state = "UNASSIGNED".to_owned();
        assert!(view.ailment(true).unwrap().starts_with("red: 2"));
    }
}
