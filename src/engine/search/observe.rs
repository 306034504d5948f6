//! What an instance reports of itself and of its cluster.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::api::{self, Response, get};
use super::target::Target;
use crate::engine::cluster::Observed as Answers;
use crate::engine::{Crew, EngineError};
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::search::{CONFIGURATION, OWN, TEMPLATE};

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
    /// Those whose votes count; by number where they are not in it.
    pub(super) voters: BTreeSet<String>,
    /// Those whose votes were taken away.
    pub(super) voteless: BTreeSet<String>,
    /// Settings of the whole cluster, which override those of its nodes.
    pub(super) settings: BTreeMap<String, String>,
    /// Shards of new indices and further copies of each.
    pub(super) template: Option<(String, String)>,
    /// Whether it has the index in which writes are proved.
    pub(super) has_own: bool,
    pub(super) shards: Vec<Shard>,
    /// Why the cluster does not give a shard a place.
    pub(super) explanation: Option<String>,
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
            (None, Some(shard)) if !some_are_absent => ("yellow", shard),
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
    ];
    let answers = api::ask(&guest, at, &questions)?;
    let [own, state, shards, settings, template, explanation, recovery] = answers.as_slice() else {
        return Ok(Seen { runs_with: None, membership: None, cluster: None });
    };
    let membership = guest.read_file(&target.package.membership())?;
    Ok(Seen {
        runs_with: configuration(own),
        membership: membership.map(|text| text.trim().to_owned()),
        cluster: cluster(state).map(|view| View {
            shards: rows(&shards.body).filter_map(shard).collect(),
            settings: standing(&settings.body),
            template: division(&template.body),
            explanation: explanation.is_ok().then(|| sentence(&explanation.body)).flatten(),
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

/// Why the cluster does not place a shard, in a sentence: what the first node says that refuses
/// it, or what the cluster says of itself.
fn sentence(body: &Value) -> Option<String> {
    let decisions = body.get("node_allocation_decisions").and_then(Value::as_array);
    let mut reasons: Vec<String> = Vec::new();
    for node in decisions.into_iter().flatten() {
        let deciders = node.get("deciders").and_then(Value::as_array).into_iter().flatten();
        // Each node holds a copy of its own, which is why the others are asked.
        let telling = deciders.filter_map(|one| {
            let is_trivial = one.get("decider")?.as_str()? == "same_shard";
            let said = one.get("explanation")?.as_str()?;
            (!is_trivial).then_some(said)
        });
        let name = node.get("node_name").and_then(Value::as_str).unwrap_or_default();
        reasons.extend(telling.map(|said| format!("{name} refuses it: {said}")));
    }
    let whole = body.get("allocate_explanation").and_then(Value::as_str).map(str::to_owned);
    reasons.into_iter().next().or(whole)
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

    #[test]
    fn why_a_shard_has_no_place_is_a_sentence() {
        let body = answer(
            r#"{"index":"orders","shard":0,"allocate_explanation":"not allowed to any node",
            "node_allocation_decisions":[{"node_name":"search-0","deciders":[
            {"decider":"same_shard","explanation":"a copy is on this node"}]},
            {"node_name":"search-1","deciders":[
            {"decider":"enable","explanation":"replica allocations are forbidden"}]}]}"#,
        )
        .body;
        let said = sentence(&body).unwrap();
        assert_eq!(said, "search-1 refuses it: replica allocations are forbidden");
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
