//! `demand:` by the kind of cluster that the engine forms.

use crate::spec::diagnostic::{Mark, alternatives};
use crate::spec::read::form::Wire as _;
use crate::spec::read::scalar::Documents;
use crate::spec::read::scope::Scope;
use crate::spec::read::tree::{Node, Tree};
use crate::spec::wire::{
    GatewayDemand, RawDemand, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};
use crate::spec::{self, Cluster, Demand, Engine, FailoverMode, Persistence};
use crate::units::{Bytes, Days, Mebibytes, Microseconds, PerSecond, Percent};

// Larger than anything that is built: a value above is a slipped unit, and
// sums of values below cannot overflow.
pub(super) const MAX_RATE: PerSecond = PerSecond::new(1_000_000_000_000);
const MAX_SIZE: Mebibytes = Mebibytes::from_gib(1 << 20);
pub(super) const MAX_REQUESTS: PerSecond = PerSecond::new(1_000_000_000);
pub(super) const RESPONSES: std::ops::RangeInclusive<Bytes> = Bytes::ZERO..=Bytes::new(1 << 30);
pub(super) const DEFAULT_RESPONSE: Bytes = Bytes::new(10 << 10);
/// A request that computes for longer is a batch job.
const MAX_CPU: Microseconds = Microseconds::new(600_000_000);
const MAX_SHARDS: u32 = 10_000;
const MAX_COPIES: u32 = 10;

/// Redis refuses values above 512 MiB (`proto-max-bulk-len`).
const MAX_VALUE: Bytes = Bytes::new(512 << 20);
const DEFAULT_VALUE: Bytes = Bytes::new(512);

/// Elasticsearch refuses documents above 100 MB (`http.max_content_length`).
const MAX_DOCUMENT: Bytes = Bytes::new(100 << 20);
const DEFAULT_DOCUMENT: Bytes = Bytes::new(500);
/// Ten years.
const MAX_RETENTION: Days = Days::new(3_650);
/// A primary shard and one copy, Elasticsearch's own default.
const DEFAULT_COPIES: u32 = 2;

const RATES: std::ops::RangeInclusive<PerSecond> = PerSecond::ZERO..=MAX_RATE;
const SIZES: std::ops::RangeInclusive<Mebibytes> = Mebibytes::new(1)..=MAX_SIZE;

/// Reads the demand of a service that is not a gateway.
pub(super) fn demand(
    scope: &mut Scope<'_>,
    engine: Engine,
    asked: Option<&RawDemand>,
    owner: Mark,
) -> Option<Demand> {
    let Some(RawDemand(tree)) = asked else {
        let takes = known(engine.cluster()).join(", ");
        scope.missing_with("demand", owner, format!("{engine} takes {takes}"));
        return None;
    };
    let field = field(engine);
    belongs(scope, engine, tree);
    match engine.cluster() {
        Cluster::Sharded => sharded(scope, &field, tree).map(Demand::Sharded),
        Cluster::PrimaryReplica => relational(scope, &field, tree).map(Demand::PrimaryReplica),
        Cluster::Quorum => search(scope, &field, tree).map(Demand::Quorum),
        Cluster::Pool => web(scope, &field, tree).map(Demand::Pool),
        Cluster::GatewayPair => None,
    }
}

/// What a demand is called in messages.
pub(super) fn field(engine: Engine) -> String {
    format!("the demand of {engine}")
}

/// The engines that form a kind of cluster, as messages list them.
pub(super) fn engines(cluster: Cluster) -> String {
    alternatives(&Engine::forming(cluster).map(Engine::as_str).collect::<Vec<_>>())
}

/// The same of all kinds whose clients may come through a gateway.
pub(super) fn behind_gateways() -> String {
    let all = Engine::ALL.iter().filter(|engine| engine.cluster().is_behind_gateways());
    alternatives(&all.map(|engine| engine.as_str()).collect::<Vec<_>>())
}

/// Fields of the demand of a kind of cluster.
pub(super) const fn known(cluster: Cluster) -> &'static [&'static str] {
    match cluster {
        Cluster::Sharded => ShardedDemand::FIELDS,
        Cluster::PrimaryReplica => RelationalDemand::FIELDS,
        Cluster::Quorum => SearchDemand::FIELDS,
        Cluster::Pool => WebDemand::FIELDS,
        Cluster::GatewayPair => GatewayDemand::FIELDS,
    }
}

/// Adds a hint to each field that only other engines have: probably the engine is
/// wrong, and the hint names those that have the field.
pub(super) fn belongs(scope: &mut Scope<'_>, engine: Engine, tree: &Tree) {
    let Node::Map(entries) = &tree.node else { return };
    let own = known(engine.cluster());
    for entry in entries.iter().filter(|entry| !own.contains(&entry.key.as_str())) {
        let others: Vec<&str> = Engine::ALL
            .iter()
            .filter(|other| known(other.cluster()).contains(&entry.key.as_str()))
            .map(|other| other.as_str())
            .collect();
        if !others.is_empty() {
            scope.suggest(
                entry.mark,
                format!("`{}` is a field of {}", entry.key, others.join(", ")),
            );
        }
    }
}

fn sharded(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<spec::ShardedDemand> {
    let wire = ShardedDemand::read(scope, field, tree)?;
    let owner = tree.mark;
    let reads = scope.required_within("reads", &wire.reads, owner, &RATES);
    let writes = scope.required_within("writes", &wire.writes, owner, &RATES);
    let value = scope.within("value", &wire.value, &(Bytes::new(1)..=MAX_VALUE));
    let data = scope.required_within("data", &wire.data, owner, &SIZES);
    let persistence = scope.optional("persistence", &wire.persistence);
    let copies = scope.within("copies", &wire.copies, &(1..=MAX_COPIES));
    let demand = spec::ShardedDemand {
        reads_per_s: reads?,
        writes_per_s: writes?,
        value_bytes: value.unwrap_or(DEFAULT_VALUE),
        data_mib: data?,
        persistence: persistence.unwrap_or(Persistence::Aof),
        copies,
    };
    something(scope, owner, [("reads", demand.reads_per_s), ("writes", demand.writes_per_s)])?;
    Some(demand)
}

fn relational(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<spec::RelationalDemand> {
    let wire = RelationalDemand::read(scope, field, tree)?;
    let owner = tree.mark;
    let reads = scope.required_within("reads", &wire.reads, owner, &RATES);
    let writes = scope.required_within("writes", &wire.writes, owner, &RATES);
    let data = scope.required_within("data", &wire.data, owner, &SIZES);
    let parts = Percent::new(1)..=Percent::new(100);
    let working_set = scope.within("working_set", &wire.working_set, &parts);
    let shards = scope.within("shards", &wire.shards, &(1..=MAX_SHARDS));
    let percent = working_set.unwrap_or(Percent::new(100)).get();
    let demand = spec::RelationalDemand {
        reads_per_s: reads?,
        writes_per_s: writes?,
        data_mib: data?,
        working_set_percent: u32::try_from(percent).unwrap_or(100),
        shards: shards.unwrap_or(1),
        failover: FailoverMode::default(),
    };
    something(scope, owner, [("reads", demand.reads_per_s), ("writes", demand.writes_per_s)])?;
    Some(demand)
}

fn search(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<spec::SearchDemand> {
    let wire = SearchDemand::read(scope, field, tree)?;
    let owner = tree.mark;
    let rates = Documents(PerSecond::ZERO)..=Documents(MAX_RATE);
    let index = scope.required_within("index", &wire.index, owner, &rates);
    let queries = scope.required_within("queries", &wire.queries, owner, &RATES);
    let retention = scope.within("retention", &wire.retention, &(Days::new(1)..=MAX_RETENTION));
    let data = match (&wire.data, &wire.retention) {
        (None, Some(_)) => None,
        (data, _) => Some(scope.required_within("data", data, owner, &SIZES)?),
    };
    let copies = scope.within("copies", &wire.copies, &(1..=MAX_COPIES));
    let document = scope.within("document", &wire.document, &(Bytes::new(1)..=MAX_DOCUMENT));
    let shards = scope.within("shards_per_query", &wire.shards_per_query, &(1..=MAX_SHARDS));
    let document = document.unwrap_or(DEFAULT_DOCUMENT);
    let index = index?.0;
    let data = match (data, retention) {
        (None, Some(days)) => kept(scope, wire.retention.as_ref()?.mark, (index, document, days))?,
        (data, _) => data?,
    };
    let demand = spec::SearchDemand {
        index_per_s: index,
        queries_per_s: queries?,
        data_mib: data,
        copies: copies.unwrap_or(DEFAULT_COPIES),
        document_bytes: document,
        shards_per_query: shards,
        retention_days: retention.and_then(|days| u32::try_from(days.get()).ok()),
    };
    something(scope, owner, [("index", demand.index_per_s), ("queries", demand.queries_per_s)])?;
    Some(demand)
}

/// What is indexed in so many days, and until the index is removed that holds it, as if it were
/// at that rate all the time.
fn kept(
    scope: &mut Scope<'_>,
    mark: Mark,
    (index, document, days): (PerSecond, Bytes, Days),
) -> Option<Mebibytes> {
    let further = u32::try_from(days.get()).map(spec::SearchDemand::rollover_days);
    let all = days.get().saturating_add(further.unwrap_or_default().into());
    let seconds = u128::from(all) * 86_400;
    let bytes = u128::from(index.get()) * u128::from(document.get()) * seconds;
    let mib = u64::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u64::MAX);
    let data = Mebibytes::new(mib.max(1));
    if !SIZES.contains(&data) {
        let message = format!(
            "retention: {index} documents of {document} in {days} are {data}; expected at most {}",
            SIZES.end()
        );
        let hint = "`data:` states how much is kept, where less is indexed most of the time";
        scope.error_with(mark, message, hint.to_owned());
        return None;
    }
    Some(data)
}

fn web(scope: &mut Scope<'_>, field: &str, tree: &Tree) -> Option<spec::WebDemand> {
    let wire = WebDemand::read(scope, field, tree)?;
    let rates = PerSecond::new(1)..=MAX_REQUESTS;
    let requests = scope.required_within("requests", &wire.requests, tree.mark, &rates);
    let response = scope.within("response", &wire.response, &RESPONSES);
    let cpu = scope.within("cpu", &wire.cpu, &(Microseconds::ZERO..=MAX_CPU));
    let tls = scope.optional("tls", &wire.tls);
    Some(spec::WebDemand {
        requests_per_s: requests?,
        response_bytes: response.unwrap_or(DEFAULT_RESPONSE),
        cpu_us: cpu.unwrap_or(Microseconds::ZERO).get(),
        tls: tls.unwrap_or(false),
    })
}

/// Reports a demand whose rates are all zero.
fn something(scope: &mut Scope<'_>, owner: Mark, rates: [(&str, PerSecond); 2]) -> Option<()> {
    let [(first, _), (second, _)] = rates;
    if rates.iter().all(|(_, rate)| *rate == PerSecond::ZERO) {
        scope.error(owner, format!("demand: {first} and {second} are both zero"));
        return None;
    }
    Some(())
}
