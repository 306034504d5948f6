//! The part of the HTTP API that a deploy asks.

use serde_json::{Map, Value, json};

use super::Network;
use super::shards::State;
use crate::recipe::search::{CONFIGURATION, POLICY, TEMPLATE};
use crate::simulated::daemon::VolumeId;

/// Status and answer.
type Answer = (u16, Value);

fn refused(code: u16, reason: impl Into<String>) -> Answer {
    (code, json!({ "error": { "reason": reason.into() }, "status": code }))
}

/// The version of all nodes.
const VERSION: &str = "9.2.0";
/// What an index says that it made, and one whose name begins so.
const MADE_BY: &str = "9039001";
const ANCIENT: (&str, &str) = ("ancient", "8536000");

fn done() -> Answer {
    (200, json!({ "acknowledged": true }))
}

impl Network {
    /// Answers a request to a node.
    pub(super) fn answer(
        &mut self,
        node: VolumeId,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        if words == ["_nodes", "_local"] {
            let digest = self.nodes.get(&node).map(|node| node.digest.clone());
            return (
                200,
                json!({ "nodes": { id(node): { "attributes": { CONFIGURATION: digest } } } }),
            );
        }
        if let Err(why) = self.cluster_of(node) {
            return refused(503, format!("blocked by: [{why}]"));
        }
        let parsed = serde_json::from_str(body).unwrap_or(Value::Null);
        match (method, words.as_slice()) {
            ("GET", ["_cluster", "state", ..]) => self.state(node),
            ("GET", ["_cat", "shards"]) => (200, self.shards(node)),
            ("GET", ["_cat", "recovery"]) => (200, json!([])),
            ("GET", ["_cat", "nodes"]) => self.versions(node),
            ("GET", ["_cluster", "allocation", "explain"]) => self.explanation(node),
            ("GET", ["_all", "_settings", ..]) => self.makers(node),
            (_, ["_cluster", "settings"]) => self.settings(node, &parsed),
            (_, ["_ilm", "policy", POLICY]) => self.policy(node, method, &parsed),
            (_, ["_index_template", TEMPLATE]) => self.template(node, method, &parsed),
            ("POST", ["_flush"]) => done(),
            (_, ["_cluster", "voting_config_exclusions"]) => self.votes(node, method, query),
            (_, [index, "_doc", key]) => self.document(node, method, (index, key), &parsed),
            ("POST", [index, "_mget"]) => self.many(node, index, &parsed),
            ("POST", [index, "_bulk"]) => self.bulk(node, index, body),
            ("PUT", [index]) => {
                let number = |name: &str| {
                    let value = parsed.get("settings")?.get(name)?.as_u64()?;
                    usize::try_from(value).ok()
                };
                let division =
                    number("index.number_of_shards").zip(number("index.number_of_replicas"));
                let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
                if cluster.indices.contains_key(*index) {
                    return refused(400, format!("index [{index}] already exists"));
                }
                cluster.make(index, division);
                self.settle(self.now);
                done()
            }
            ("DELETE", [index]) => {
                let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
                cluster.indices.remove(*index);
                done()
            }
            _ => refused(405, format!("not simulated: {method} {path}")),
        }
    }

    fn state(&mut self, node: VolumeId) -> Answer {
        let number = self.nodes.get(&node).and_then(|one| one.cluster).unwrap_or_default();
        let Some(cluster) = self.clusters.get(number) else { return refused(503, "no master") };
        let name = |one: &VolumeId| self.nodes.get(one).map(|node| node.name.clone());
        let nodes: Map<String, Value> =
            cluster.nodes.iter().map(|one| (id(*one), json!({ "name": name(one) }))).collect();
        let voters: Vec<String> = cluster.voters.iter().map(|one| id(*one)).collect();
        let voteless = cluster.voteless.iter().map(|name| json!({ "node_name": name }));
        let indices: Map<String, Value> =
            cluster.indices.keys().map(|name| (name.clone(), json!({ "state": "open" }))).collect();
        (
            200,
            json!({
                "cluster_uuid": format!("cluster-{number}"),
                "master_node": cluster.master.map(id),
                "nodes": nodes,
                "metadata": {
                    "cluster_coordination": {
                        "last_committed_config": voters,
                        "voting_config_exclusions": voteless.collect::<Vec<_>>(),
                    },
                    "indices": indices,
                },
            }),
        )
    }

    fn shards(&mut self, node: VolumeId) -> Value {
        let names: std::collections::BTreeMap<VolumeId, String> =
            self.nodes.iter().map(|(volume, node)| (*volume, node.name.clone())).collect();
        let Ok(cluster) = self.cluster_of(node) else { return json!([]) };
        let mut rows = Vec::new();
        for (index, all) in &cluster.indices {
            for (number, shard) in all.shards.iter().enumerate() {
                let mut row = |prirep: &str, state: &str, node: Option<&String>| {
                    rows.push(json!({
                        "index": index, "shard": number.to_string(), "prirep": prirep,
                        "state": state, "node": node,
                    }));
                };
                let mut shown = 0;
                for copy in &shard.copies {
                    let prirep = if shard.primary == Some(copy.node) { "p" } else { "r" };
                    let state = match copy.state {
                        State::Started => "STARTED",
                        State::Initializing(_) => "INITIALIZING",
                        State::Relocating(..) => "RELOCATING",
                        State::Away(_) => continue,
                    };
                    row(prirep, state, names.get(&copy.node));
                    shown += 1;
                }
                for missing in shown..=all.replicas {
                    let is_primary = shard.primary.is_none() && missing == shown;
                    row(if is_primary { "p" } else { "r" }, "UNASSIGNED", None);
                }
            }
        }
        rows.into()
    }

    fn explanation(&mut self, node: VolumeId) -> Answer {
        let shards = self.shards(node);
        let unassigned =
            shards.as_array().into_iter().flatten().any(|one| one["state"] == "UNASSIGNED");
        if unassigned {
            let why = "Elasticsearch isn't allowed to allocate this shard to any of the nodes";
            return (200, json!({ "allocate_explanation": why }));
        }
        refused(400, "There are no unassigned shards in this cluster")
    }

    /// The version of each node.
    fn versions(&mut self, node: VolumeId) -> Answer {
        let number = self.nodes.get(&node).and_then(|one| one.cluster).unwrap_or_default();
        let inside = self.nodes.values().filter(|one| one.cluster == Some(number));
        let row = |one: &super::Node| json!({ "name": one.name, "version": VERSION });
        (200, inside.map(row).collect::<Vec<_>>().into())
    }

    /// The version that made each index.
    fn makers(&mut self, node: VolumeId) -> Answer {
        let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
        let index = |name: &String| {
            let is_ancient = name.starts_with(ANCIENT.0);
            let maker = if is_ancient { ANCIENT.1 } else { MADE_BY };
            (name.clone(), json!({ "settings": { "index.version.created": maker } }))
        };
        (200, cluster.indices.keys().map(index).collect::<Map<_, _>>().into())
    }

    fn settings(&mut self, node: VolumeId, body: &Value) -> Answer {
        let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
        if let Some(changes) = body.get("persistent").and_then(Value::as_object) {
            for (name, value) in changes {
                match value.as_str() {
                    Some(value) => drop(cluster.settings.insert(name.clone(), value.to_owned())),
                    None => drop(cluster.settings.remove(name)),
                }
            }
        }
        let answer = (200, json!({ "persistent": cluster.settings, "transient": {} }));
        self.settle(self.now);
        answer
    }

    fn template(&mut self, node: VolumeId, method: &str, body: &Value) -> Answer {
        let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
        if method == "PUT" {
            let number = |name: &str| {
                let value = body.pointer("/template/settings")?.get(name)?.as_u64()?;
                usize::try_from(value).ok()
            };
            cluster.template =
                number("index.number_of_shards").zip(number("index.number_of_replicas"));
            return done();
        }
        let Some((shards, replicas)) = cluster.template else {
            return refused(404, "index template matching [hostsplit] not found");
        };
        let index = json!({
            "number_of_shards": shards.to_string(), "number_of_replicas": replicas.to_string(),
        });
        let template = json!({ "template": { "settings": { "index": index } } });
        (200, json!({ "index_templates": [{ "name": TEMPLATE, "index_template": template }] }))
    }

    fn policy(&mut self, node: VolumeId, method: &str, body: &Value) -> Answer {
        let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
        if method == "PUT" {
            cluster.policy = body.get("policy").cloned();
            return done();
        }
        match &cluster.policy {
            Some(policy) => (200, json!({ POLICY: { "version": 1, "policy": policy } })),
            None => refused(404, "Lifecycle policy not found: hostsplit"),
        }
    }

    fn votes(&mut self, node: VolumeId, method: &str, query: &str) -> Answer {
        let Ok(cluster) = self.cluster_of(node) else { return refused(503, "no master") };
        if method == "DELETE" {
            cluster.voteless.clear();
        } else {
            let names = query.split('&').find_map(|one| one.strip_prefix("node_names="));
            let names = names.unwrap_or_default().split(',').map(str::to_owned);
            cluster.voteless.extend(names);
        }
        self.settle(self.now);
        (200, Value::Null)
    }

    fn document(
        &mut self,
        node: VolumeId,
        method: &str,
        (index, key): (&str, &str),
        body: &Value,
    ) -> Answer {
        let done = match method {
            "PUT" => {
                let value = body.get("value").and_then(Value::as_str).unwrap_or_default();
                self.put(node, (index, key), value).map(|()| (201, json!({ "result": "created" })))
            }
            "DELETE" => {
                self.remove(node, index, key).map(|()| (200, json!({ "result": "deleted" })))
            }
            _ => self.read(node, index, key).map(|found| match found {
                Some(value) => (200, json!({ "found": true, "_source": { "value": value } })),
                None => (404, json!({ "found": false })),
            }),
        };
        done.unwrap_or_else(|why| refused(503, why))
    }

    fn remove(&mut self, node: VolumeId, index: &str, key: &str) -> Result<(), String> {
        let up: Vec<VolumeId> = self.nodes.keys().copied().filter(|one| self.is_up(*one)).collect();
        let cluster = self.cluster_of(node)?;
        cluster.indices.get_mut(index).ok_or("no such index")?.write(key, None, &up)
    }

    fn many(&mut self, node: VolumeId, index: &str, body: &Value) -> Answer {
        let ids = body.get("ids").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut docs = Vec::new();
        for id in ids.iter().filter_map(Value::as_str) {
            match self.read(node, index, id) {
                Ok(found) => docs.push(json!({ "_id": id, "found": found.is_some() })),
                Err(why) => return refused(503, why),
            }
        }
        (200, json!({ "docs": docs }))
    }

    /// Removals alone.
    fn bulk(&mut self, node: VolumeId, index: &str, body: &str) -> Answer {
        for line in body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let id = line.pointer("/delete/_id").and_then(Value::as_str);
            if let Some(Err(why)) = id.map(|id| self.remove(node, index, id)) {
                return refused(503, why);
            }
        }
        (200, json!({ "errors": false }))
    }
}

fn id(node: VolumeId) -> String {
    format!("n{node}")
}
