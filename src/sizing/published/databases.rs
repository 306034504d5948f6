//! Ceilings held against published measurements that no parameter was fitted to.
//!
//! Each row has what was measured, what the profile says at the low end, by
//! default and at the high end of its intervals, and the error of the default. A
//! measurement outside the interval is a finding: it is marked `miss` here and
//! reported in the evidence of the profile.

use crate::plan::L3Use;
use crate::profile::{Estimate, Profiles, Rules, real};
use crate::sizing::{Ceiling, CpuPlacement};
use crate::spec::Engine;

/// One measurement.
struct Case {
    what: &'static str,
    engine: Engine,
    /// Instances that share the work.
    instances: u32,
    vcpus: u32,
    placement: CpuPlacement,
    /// Transactions that write, instead of read-only ones.
    writes: bool,
    measured: f64,
}

const fn on(cores: u32, l3: L3Use) -> CpuPlacement {
    CpuPlacement { cores, l3 }
}

/// Virtual CPUs and queries per second.
type Sizes = [(u32, u32); 7];

/// sysbench's queries per second on EC2, of which 16 are a transaction; a vCPU
/// is a thread, or a core on m6g.
const GRID: [(&str, u32, Sizes); 2] = [
    (
        "m6a",
        2,
        [
            (2, 24_531),
            (4, 53_112),
            (8, 107_400),
            (16, 211_681),
            (32, 387_936),
            (48, 568_841),
            (64, 634_304),
        ],
    ),
    (
        "m6g",
        1,
        [
            (2, 19_109),
            (4, 38_888),
            (8, 89_829),
            (16, 171_103),
            (32, 328_445),
            (48, 465_647),
            (64, 583_091),
        ],
    ),
];

/// Two Xeon Gold 6230 of 20 cores, cached data, best of 1 to 512 threads.
fn gold_6230(what: &'static str, engine: Engine, writes: bool, measured: f64) -> Case {
    let placement = on(40, L3Use::Several);
    Case { what, engine, instances: 1, vcpus: 80, placement, writes, measured }
}

fn relational() -> Vec<Case> {
    let grid = GRID.into_iter().flat_map(|(what, threads, sizes)| {
        sizes.into_iter().map(move |(vcpus, queries)| Case {
            what,
            engine: Engine::Mysql,
            instances: 1,
            vcpus,
            placement: on(vcpus / threads, L3Use::Own),
            writes: false,
            measured: f64::from(queries) / 16.0,
        })
    });
    let metal = [
        gold_6230("MySQL 8.4.8, 6230", Engine::Mysql, false, 25_824.0),
        gold_6230("MySQL 8.4.8 rw, 6230, NVMe", Engine::Mysql, true, 14_836.0),
        gold_6230("MySQL 8.0.45 rw, 6230, SATA", Engine::Mysql, true, 10_066.0),
        gold_6230("MariaDB 11.8.6 rw, 6230, NVMe", Engine::Mariadb, true, 17_908.0),
    ];
    grid.chain(metal).collect()
}

fn sharded() -> Vec<Case> {
    let case = |what, engine, instances, vcpus, placement, measured| Case {
        what,
        engine,
        instances,
        vcpus,
        placement,
        writes: false,
        measured,
    };
    let own = |cores| on(cores, L3Use::Own);
    let (redis, valkey) = (Engine::Redis, Engine::Valkey);
    vec![
        // Not sustained: an upper bound.
        case("Redis 8.0, c8g.2xlarge, below", redis, 1, 8, own(8), 1_000_000.0),
        case("Azure Premium, 50 pipelined", redis, 1, 8, own(4), 400_000.0),
        case("Azure Premium, 50 pipelined", redis, 1, 32, own(16), 400_000.0),
        case("Azure E10 sharded, 50 pipelined", redis, 2, 2, own(1), 1_400_000.0),
        case("Azure E50 sharded, 50 pipelined", redis, 8, 2, own(1), 3_000_000.0),
        case("40 shards on c6gn.16xlarge", redis, 40, 1, on(1, L3Use::Shared), 4_740_000.0),
        case("Valkey 8.0, c7g.4xlarge, SET", valkey, 1, 16, own(16), 1_190_000.0),
        case("Valkey 9, r7g.2xlarge, SET", valkey, 1, 8, own(8), 1_000_000.0),
    ]
}

/// The rate that a profile predicts at a place of its intervals.
fn predicted(case: &Case, profiles: &Profiles, estimate: Estimate) -> f64 {
    let profile = profiles.of(case.engine).unwrap();
    let cost = match &profile.rules {
        Rules::PrimaryReplica(rules) if case.writes => match estimate {
            Estimate::Low => rules.work.write.high,
            Estimate::Default => rules.work.write.default,
            Estimate::High => rules.work.write.low,
        },
        _ => 1.0,
    };
    let ceiling = Ceiling::of(&profile.at(estimate), case.vcpus, case.placement, cost).ceiling;
    real(ceiling.get()) * f64::from(case.instances)
}

fn table(cases: &[Case]) -> String {
    let profiles = Profiles::builtin().unwrap();
    let head =
        "what                               vCPU  measured      low  default     high  error\n";
    let rows = cases.iter().map(|case| {
        let [low, default, high] =
            Estimate::ALL.map(|estimate| predicted(case, &profiles, estimate));
        let error = (default / case.measured - 1.0) * 100.0;
        // Where a rate was not reached, the interval has to end below it.
        let is_bound = case.what.ends_with("below");
        let is_in = if is_bound { high < case.measured } else { (low..=high).contains(&case.measured) };
        let miss = if is_in { "" } else { " miss" };
        format!(
            "{:<32} {:>2} x {:>2} {:>9.0} {low:>8.0} {default:>8.0} {high:>8.0} {error:>+5.0}%{miss}\n",
            case.what, case.instances, case.vcpus, case.measured
        )
    });
    std::iter::once(head.to_owned()).chain(rows).collect()
}

#[test]
fn relational_ceilings_against_what_was_published() {
    insta::assert_snapshot!(table(&relational()), @"
    what                               vCPU  measured      low  default     high  error
    m6a                               1 x  2      1533      761     1259     1843   -18%
    m6a                               1 x  4      3320     1516     2518     3686   -24%
    m6a                               1 x  8      6712     3004     5027     7365   -25%
    m6a                               1 x 16     13230     5856     9964    14676   -25%
    m6a                               1 x 32     24246    10884    19213    28910   -21%
    m6a                               1 x 48     35553    14806    27172    42289   -24%
    m6a                               1 x 64     39644    17595    33530    54480   -15%
    m6g                               1 x  2      1194     1320     2099     2835   +76% miss
    m6g                               1 x  4      2430     2619     4192     5668   +72% miss
    m6g                               1 x  8      5614     5130     8334    11312   +48%
    m6g                               1 x 16     10694     9673    16250    22424   +52%
    m6g                               1 x 32     20528    16276    29476    43272   +44%
    m6g                               1 x 48     29103    19662    38236    61288   +31%
    m6g                               1 x 64     36443    20783    42843    75780   +18%
    MySQL 8.4.8, 6230                 1 x 80     25824    15508    35560    65256   +38%
    MySQL 8.4.8 rw, 6230, NVMe        1 x 80     14836     6462    17780    36253   +20%
    MySQL 8.0.45 rw, 6230, SATA       1 x 80     10066     6462    17780    36253   +77%
    MariaDB 11.8.6 rw, 6230, NVMe     1 x 80     17908     6462    17780    44485    -1%
    ");
}

#[test]
fn sharded_ceilings_against_what_was_published() {
    insta::assert_snapshot!(table(&sharded()), @"
    what                               vCPU  measured      low  default     high  error
    Redis 8.0, c8g.2xlarge, below     1 x  8   1000000   104958   316160   411120   -68%
    Azure Premium, 50 pipelined       1 x  8    400000    78703   234080   295560   -41% miss
    Azure Premium, 50 pipelined       1 x 32    400000   104958   343520   449640   -14%
    Azure E10 sharded, 50 pipelined   2 x  2   1400000   105570   304000   360000   -78% miss
    Azure E50 sharded, 50 pipelined   8 x  2   3000000   422280  1216000  1440000   -59% miss
    40 shards on c6gn.16xlarge       40 x  1   4740000  1156680  4522000  6840000    -5%
    Valkey 8.0, c7g.4xlarge, SET      1 x 16   1190000   214200   851048  1126080   -28% miss
    Valkey 9, r7g.2xlarge, SET        1 x  8   1000000   214200   751184   889560   -25% miss
    ");
}
