//! What `hostsplit profile` shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with tests that need files")]
#[path = "support/bench.rs"]
mod bench;

use crate::bench::Bench;

#[test]
fn all_profiles_are_listed() {
    insta::assert_snapshot!(Bench::new().run(&["profile"]), @"
    exit 0
    engine         version  kind             numbers: A  B  C  proposal  own
    redis          8        sharded          7           3  2  21        0
    valkey         8        sharded          7           3  2  21        0
    mysql          8.4      primary-replica  11          1  0  16        0
    mariadb        11.8     primary-replica  8           1  0  19        0
    elasticsearch  8        quorum           12          2  2  18        0
    opensearch     2        quorum           12          2  2  18        0
    apache         2.4      pool             8           2  4  11        0
    nginx          1.9      pool             5           0  7  13        0
    haproxy        2.4      gateway-pair     10          0  0  13        0

    unit of work:
      redis          plain reads per second, without pipelining
      valkey         plain reads per second, without pipelining
      mysql          read-only transactions per second, as sysbench's oltp_read_only (16 statements)
      mariadb        read-only transactions per second, as sysbench's oltp_read_only (16 statements)
      elasticsearch  documents of up to 128 B indexed per second
      opensearch     documents of up to 128 B indexed per second
      apache         requests per second
      nginx          requests per second
      haproxy        requests per second

    grades of evidence:
      A         primary source, read in full
      B         a vendor's or an author's page, the relevant part read
      C         quoted by a third party
      proposal  no published source: a default, measure your own
      own       your own, from a profile file or a spec
    ---
    ");
}

#[test]
fn a_profile_of_threads_is_shown() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "redis"]), @"
    exit 0
    redis 8: sharded, unit of work:
      plain reads per second, without pipelining

    one instance with an L3 domain of its own: ceiling, and usable rate after headroom

    two threads per core
      vCPU  cores  ceiling  low      high    usable   low      high
      1     1.0    133k/s   45.9k/s  171k/s  38.3k/s  13.2k/s  49.2k/s
      2     1.2    152k/s   52.7k/s  180k/s  52.2k/s  17.4k/s  66.0k/s
      4     2.4    179k/s   61.2k/s  218k/s  93.0k/s  31.1k/s  117k/s
      8     4.8    234k/s   78.7k/s  295k/s  151k/s   50.4k/s  195k/s

    one thread per core
      vCPU  cores  ceiling  low      high    usable   low      high
      1     1.0    133k/s   45.9k/s  171k/s  38.3k/s  13.2k/s  49.2k/s
      2     2.0    152k/s   61.2k/s  180k/s  72.6k/s  29.2k/s  86.0k/s
      4     4.0    206k/s   78.7k/s  257k/s  127k/s   48.5k/s  158k/s
      8     8.0    316k/s   104k/s   411k/s  227k/s   75.5k/s  295k/s

    * ceiling, o usable, . extrapolated ceiling; two threads per core, default values
      234k/s |                                                      *        *
             |                                             *
             |
             |                           *        *
             |         *        *                                   o        o
             |*
      117k/s |                                             o
             |                           o        o
             |                  o
             |         o
             |o
             |
         0/s |
             +----------------------------------------------------------------
              1                                                              8 vCPU

    numbers
                                   low    default  high    fitted range  evidence
      threads.one_thread           72000  160000   180000                devhands-2024 (B)
      threads.gain_per_io_thread   0.143  0.18     0.214   1 to 8        devhands-2024 (B)
      threads.io_threads_max       6      8        8                     devhands-2024 (B)
      threads.interrupt_share      0.05   0.125    0.25                  proposal-interrupts
      placement.virtualisation     0.85   0.95     1                     proposal-virtualisation
      placement.smt_gain           0.15   0.2      0.3                   netflix-headroom (A)
      placement.shared_l3          0.63   0.85     1                     proposal-l3
      placement.several_l3         0.8    0.93     1                     proposal-l3
      headroom.factor              0.712  0.712    0.712                 netflix-headroom (A)
      headroom.exponent            0.448  0.448    0.448                 netflix-headroom (A)
      guest.base_mib               160    256      512                   proposal-guest
      guest.rounding_mib           64     64       64                    proposal-guest
      guest.minimum_mib            384    512      1024                  proposal-guest
      work.write                   1      1.1      1.3                   proposal-write
      work.write_per_replica       0.1    0.25     0.5                   proposal-write
      work.write_rdb               0      0.05     0.2                   proposal-write
      work.write_aof               0.1    0.25     0.5                   proposal-write
      work.free_value_bytes        1000   1024     1460                  redis-benchmarks (A)
      work.per_further_kib         0.05   0.1      0.3     10 to 1024    proposal-payload
      memory.fragmentation         0.05   0.15     0.5                   proposal-fragmentation
      memory.copy_on_write_rdb     0.1    0.5      1                     proposal-copy-on-write
      memory.copy_on_write_aof     0.1    0.5      1                     proposal-copy-on-write
      memory.backlog_mib           1      32       256                   proposal-guest
      memory.data_per_process_mib  11920  23841    23841                 redis-13-years (C)
      disk.rdb_factor              2      2        3                     proposal-disk
      disk.aof_factor              2      3        4                     proposal-disk
      disk.minimum_mib             512    1024     4096                  proposal-disk
      disk.iops_aof                0      0.01     0.1                   proposal-disk
      network.overhead_bytes       80     150      250                   proposal-network
      cluster.slots                16384  16384    16384                 redis-cluster-spec (A)
      cluster.masters_min          3      3        3                     redis-cluster-spec (A)
      cluster.processes_max        500    1000     1000                  redis-cluster-spec (A)
      cluster.node_timeout_ms      5000   15000    30000                 redis-conf (C)
      shapes.vcpus: 1, 2, 4, 8; azure-redis

    evidence
      azure-redis: grade A
        https://github.com/MicrosoftDocs/azure-docs/blob/main/articles/azure-cache-for-redis/cache-best-practices-performance.md
        Azure Cache for Redis, 1 KB GET
        one process: 38,000 on 1 vCPU to 126,000 on 8 (Standard); 400,000 on 8 and the same on 32
        (Premium, 50 pipelined)
      devhands-2024: grade B
        https://prog.world/million-rps-with-a-thimble-in-the-ointment
        Redis and Valkey 8, DevHands R&D benchmark, 2024
        about 160,000 requests/s with one I/O thread, 2 to 2.5 times that with more, nothing gained
        above 8; the low end is 72,144 SET/s of https://github.com/redis/redis-doc
        (docs/management/optimization/benchmarks). Not fitted to: 40 processes on c6gn.16xlarge did 4.74
        million requests/s (https://redis.io/blog/redis-architecture-13-years-later/), the default is 5
        % below; with 50 commands pipelined Azure's figures lie above the high end, up to 4.6 times the
        default, for the unit is a read without pipelining
      netflix-headroom: grade A
        https://github.com/Netflix-Skunkworks/service-capacity-modeling
        commit dc69307, models/headroom_strategy.py and models/common.py
        reserved headroom 0.712 / cores^0.448 from Erlang-C staffing with P(wait) = 30 %; a hardware
        thread counts as 0.6 of a core, so two make 1.2
      proposal-copy-on-write: proposal
        half of the data; the high end is https://github.com/redis/redis-doc (docs/management/admin.md):
        up to twice the memory while saving under many writes
      proposal-disk: proposal
        a rewrite keeps the old file until the new one is complete
      proposal-fragmentation: proposal
        jemalloc under mixed sizes
      proposal-guest: proposal
        a minimal Debian guest with cloud-init and the guest agent
      proposal-interrupts: proposal
        one core of eight; the high end is what https://github.com/valkey-io/valkey-io.github.io
        (content/blog/2025-10-20-1-billion-rps) reports at a million requests/s: 2 of 8 cores
      proposal-l3: proposal
        the low end of sharing is dCat (EuroSys 2018,
        https://research.ibm.com/publications/dcat-dynamic-cache-management-for-efficient-performance-sensitive-infrastructure-as-a-service):
        a noisy neighbour on the cache can cost Redis 37 %; crossing a chiplet costs less than the 16 to
        22 % of another socket
      proposal-network: proposal
        Ethernet, IP and TCP headers of request and reply, a key of 20 to 40 bytes
      proposal-payload: proposal
        copying a KiB against handling a command; no published measurement
      proposal-virtualisation: proposal
        pinned, huge pages, virtio with queues
      proposal-write: proposal
        the high end of a write is GET 508,388/s against SET 403,063/s of
        https://github.com/redis/redis-doc (docs/management/optimization/benchmarks); feeding one
        replica; appending with a flush every second; forking for snapshots
      redis-13-years: grade C
        https://redis.io/blog/redis-architecture-13-years-later/
        Redis Ltd, design rules
        one process holds at most 25 GB
      redis-benchmarks: grade A
        https://github.com/redis/redis-doc/blob/master/docs/management/optimization/benchmarks/index.md
        redis-benchmark, 50 clients
        10, 100 and 1000 B have almost the same throughput
      redis-cluster-spec: grade A
        https://github.com/redis/redis-doc/blob/master/docs/reference/cluster-spec.md
        Redis Cluster specification
        16384 slots, at most about 1000 processes suggested; fewer than 3 masters have no majority after
        a loss
      redis-conf: grade C
        https://github.com/redis/redis/blob/unstable/redis.conf
        cluster-node-timeout
        15000 is the value of the shipped file, read in copies of it
    ---
    ");
}

#[test]
fn a_profile_of_a_law_is_shown() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "mysql"]), @"
    exit 0
    mysql 8.4: primary-replica, unit of work:
      read-only transactions per second, as sysbench's oltp_read_only (16 statements)

    one instance with an L3 domain of its own: ceiling, and usable rate after headroom

    two threads per core
      vCPU  cores  ceiling  low      high     usable   low      high
      2     1.2    1.2k/s   761/s    1.8k/s   433/s    252/s    676/s
      4     2.4    2.5k/s   1.5k/s   3.6k/s   1.3k/s   773/s    1.9k/s
      8     4.8    5.0k/s   3.0k/s   7.3k/s   3.2k/s   1.9k/s   4.8k/s
      12    7.2    7.5k/s   4.4k/s   11.0k/s  5.3k/s   3.1k/s   7.9k/s
      16    9.6    9.9k/s   5.8k/s   14.6k/s  7.3k/s   4.3k/s   11.0k/s
      24    14.4   14.7k/s  8.4k/s   21.8k/s  11.5k/s  6.6k/s   17.3k/s
      32    19.2   19.2k/s  10.8k/s  28.9k/s  15.5k/s  8.7k/s   23.6k/s
      48    28.8   27.1k/s  14.8k/s  42.2k/s  22.8k/s  12.4k/s  35.8k/s
      64    38.4   33.5k/s  17.5k/s  54.4k/s  28.8k/s  15.1k/s  47.1k/s

    one thread per core
      vCPU  cores  ceiling  low      high     usable   low      high
      2     2.0    2.0k/s   1.3k/s   2.8k/s   1.0k/s   631/s    1.3k/s
      4     4.0    4.1k/s   2.6k/s   5.6k/s   2.5k/s   1.6k/s   3.4k/s
      8     8.0    8.3k/s   5.1k/s   11.3k/s  5.9k/s   3.6k/s   8.1k/s
      12    12.0   12.3k/s  7.4k/s   16.9k/s  9.4k/s   5.7k/s   12.9k/s
      16    16.0   16.2k/s  9.6k/s   22.4k/s  12.9k/s  7.6k/s   17.8k/s
      24    24.0   23.3k/s  13.4k/s  33.1k/s  19.3k/s  11.1k/s  27.4k/s
      32    32.0   29.4k/s  16.2k/s  43.2k/s  25.0k/s  13.8k/s  36.7k/s
      48    48.0   38.2k/s  19.6k/s  61.2k/s  33.4k/s  17.1k/s  53.5k/s  !
      64    64.0   42.8k/s  20.7k/s  75.7k/s  38.1k/s  18.4k/s  67.4k/s  !

    ! extrapolated: the curve was fitted over 1.2 to 38.4 cores

    * ceiling, o usable, . extrapolated ceiling; two threads per core, default values
      33.5k/s |                                                            ****
              |                                                    ********
              |                                              ******    oooooooo
              |                                        ******    oooooo
              |                                  ******  oooooooo
              |                              ****  oooooo
      16.7k/s |                        ******oooooo
              |                    ****  oooo
              |               *****oooooo
              |          *****ooooo
              |      ****oooo
              |  ****ooo
          0/s |.*oo
              +----------------------------------------------------------------
               1                                                             64 vCPU

    numbers
                                low     default  high     fitted range   evidence
      usl.lambda                736     1050     1418     1.2 to 38.4    percona-2021-m6 (A)
      usl.sigma                 0       0        0.003    1.2 to 38.4    percona-2021-m6 (A)
      usl.kappa                 4.9e-5  1.41e-4  2.11e-4  1.2 to 38.4    percona-2021-m6 (A)
      placement.virtualisation  0.9     1        1                       proposal-virtualisation
      placement.smt_gain        0.15    0.2      0.3                     netflix-headroom (A)
      placement.shared_l3       0.75    0.9      1                       proposal-l3
      placement.several_l3      0.8     0.93     1                       proposal-l3
      headroom.factor           0.712   0.712    0.712                   netflix-headroom (A)
      headroom.exponent         0.448   0.448    0.448                   netflix-headroom (A)
      guest.base_mib            512     768      1536                    proposal-guest
      guest.rounding_mib        64      64       64                      proposal-guest
      guest.minimum_mib         1024    2048     4096                    proposal-guest
      work.write                1.8     2        2.4                     percona-2026-metrics (A)
      work.apply                0.2     0.4      0.8                     proposal-apply
      work.semi_sync            0.05    0.075    0.1                     semi-sync (B)
      memory.pool_share         0.7     0.75     0.8                     proposal-memory
      memory.cold_share         0       0.02     0.1                     proposal-memory
      io.read_only_reads        16.8    18       19.6     0.083 to 1.34  percona-2026-metrics (A)
      io.read_write_reads       23.4    24.6     27.6     0.083 to 1.34  percona-2026-metrics (A)
      io.write_writes           0.9     5        12                      percona-2026-metrics (A)
      io.unstated_per_s         10000   30000    100000                  percona-2026-metrics (A)
      disk.data_factor          1.1     1.3      2                       proposal-disk
      disk.binlog_bytes         500     1500     4000                    proposal-disk
      disk.binlog_hours         1       4        24                      proposal-disk
      disk.minimum_mib          1024    2048     8192                    proposal-disk
      network.read_bytes        1000    10000    42000                   proposal-network
      network.write_bytes       500     10000    42000                   proposal-network
      cluster.copies_max        3       6        10                      proposal-cluster
      shapes.vcpus: 2, 4, 8, 12, 16, 24, 32, 48, 64; percona-2021-m6

    evidence
      netflix-headroom: grade A
        https://github.com/Netflix-Skunkworks/service-capacity-modeling
        commit dc69307, models/headroom_strategy.py and models/common.py
        reserved headroom 0.712 / cores^0.448 from Erlang-C staffing with P(wait) = 30 %; a hardware
        thread counts as 0.6 of a core, so two make 1.2
      percona-2021-m6: grade A
        https://github.com/Percona-Lab-results/2021_10_arm_cpu_comparison_m6
        commit a6decfe, test_scripts/analysis/oltp_test_result.csv: MySQL 8.0 of Ubuntu on EC2, 2 to 64
        vCPU, sysbench oltp_read_only, one table of 100,000 rows (cached), client on the same VM, best
        of 1 to 128 threads
        Per vCPU, which on these CPUs is a thread of a core, and in queries of 16 a transaction.
        Converted: a vCPU is 0.6 of a core (see netflix-headroom), so 2 to 64 vCPU are 1.2 to 38.4
        cores. The law was then fitted to ln(transactions/s) by least squares: the default to m5
        (Cascade Lake and Skylake; within 6 %), the low end of lambda and the high end of kappa to m5a
        (EPYC 7571), the other ends to m6i (Ice Lake). Sigma is 0 in every fit; its high end is a
        proposal. Held against what nothing was fitted to: m6a (EPYC 7R13) lies within the interval at
        every size, the default 15 to 25 % below it. On m6g (Graviton2, a vCPU is a core of 646
        transactions/s) the default is 18 to 76 % too high, and at 2 and 4 vCPU even the low end is:
        lower lambda for such cores. On two Xeon Gold 6230 with 24 GB of cached data
        (https://github.com/Percona-Lab-results/2026-interactive-metrics) MySQL 8.4.8 did 25,824
        transactions/s: the default is 38 % above it, and 77 % above the 10,066 read-write ones of MySQL
        8.0.45 on a SATA SSD; so for data that does not fit the CPU's caches count on the lower half of
        the interval
      percona-2026-metrics: grade A
        https://github.com/Percona-Lab-results/2026-interactive-metrics
        commit cd87256, benchmark logs: MySQL 8.4.8, two Xeon Gold 6230 (40 cores, 80 threads), 24 GB in
        20 tables, uniform access, durable, SATA SSD, remote client; NVMe runs in
        https://github.com/Percona-Lab-results/2026-mariadb-threadpool (commit 1bee1b3)
        write: cached, 13,641 read-only against 6,605 read-write transactions/s at 64 threads (2.07),
        10,500 against 4,322 at 32 (2.43), 25,824 against 12,781 at 512 (2.02); the low end is a
        proposal. Page reads by iostat over the last three quarters of each run: k · (1 - pool/data)
        with k = 18 read-only and 24.6 read-write holds within 12 % at a pool of 2, 12 and 32 GB; below
        a twelfth of the data it is extrapolated. Writes: 11.5 a transaction at one client, 0.9 at 512
        (group commit). A SATA SSD gave 30,800 reads/s; an NVMe drive 80,000 to 106,000 reads/s beside
        42,000 to 62,000 writes/s. Throughput collapses beyond 64 to 128 busy clients where the pool is
        far smaller than the data: limit their number
      proposal-apply: proposal
        row events need no parsing and no reads of other rows, but every replica applies all of them; no
        published measurement was found
      proposal-cluster: proposal
        the primary sends each replica its own copy of the binary log, and every replica repeats all
        writes
      proposal-disk: proposal
        four changed rows of 200 bytes before and after; a replica that was away for hours still catches
        up; the largest table can be rebuilt
      proposal-guest: proposal
        a minimal Debian guest with cloud-init and the guest agent, mysqld with performance_schema and
        some hundred connections
      proposal-l3: proposal
        between the 12 % of Elasticsearch and the 37 % of Redis that dCat (EuroSys 2018,
        https://research.ibm.com/publications/dcat-dynamic-cache-management-for-efficient-performance-sensitive-infrastructure-as-a-service)
        measured beside a noisy neighbour; most of a database's accesses miss the cache anyway
      proposal-memory: proposal
        the usual 70 to 80 % of memory for the pool; what the working set leaves out is touched now and
        then
      proposal-network: proposal
        the high end is oltp_read_only itself, which returns 300 rows of 120 bytes and ten single ones;
        applications fetch less
      proposal-virtualisation: proposal
        the curve was measured in virtual machines already; virtio disks without queues of their own
        cost the rest
      semi-sync: grade B
        https://www.alibabacloud.com/help/en/polardb/polardb-for-mysql/user-guide/semi-synchronous-data-replication
        PolarDB for MySQL, many clients;
        https://dev.mysql.com/blog-archive/semi-synchronous-replication-performance-in-mysql-5-7/ for
        5.7
        about 10 % less than asynchronous replication at high concurrency; since 5.7 the difference is
        small because acknowledgements are pipelined, the low end. One client alone loses far more: it
        waits for each answer
    ---
    ");
}

#[test]
fn every_screen_fits_100_columns() {
    let bench = Bench::new();
    for engine in ["redis", "valkey", "mysql", "mariadb"] {
        for line in bench.run(&["profile", engine]).lines() {
            let is_link = line.trim_start().starts_with("https://");
            assert!(line.chars().count() <= 100 || is_link, "{engine}: {line}");
        }
    }
}

#[test]
fn an_engine_that_is_not_known_is_a_mistake_of_the_command_line() {
    insta::assert_snapshot!(Bench::new().run(&["profile", "cobol"]), @r#"
    exit 2
    ---
    error: unknown engine "cobol"
    hint: expected one of: redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx, haproxy
    "#);
}

#[test]
fn programs_get_the_same() {
    let bench = Bench::new();
    let json = |args: &[&str]| {
        let shown = bench.run(args);
        let text = shown.strip_prefix("exit 0\n").unwrap().strip_suffix("---\n").unwrap();
        serde_json::from_str::<serde_json::Value>(text).unwrap()
    };
    let list = json(&["profile", "--format", "json"]);
    insta::assert_snapshot!(format!("{:#}", list["profiles"][0]), @r#"
    {
      "cluster": "sharded",
      "engine": "redis",
      "numbers": {
        "A": 7,
        "B": 3,
        "C": 2,
        "own": 0,
        "proposal": 21
      },
      "unit": "plain reads per second, without pipelining",
      "version": "8"
    }
    "#);
    let mysql = json(&["profile", "mysql", "--format", "json"]);
    insta::assert_snapshot!(format!("{:#}", mysql["two_threads_per_core"][8]), @r#"
    {
      "ceiling_per_s": {
        "default": 33530,
        "high": 54480,
        "low": 17595
      },
      "effective_cores": 38.4,
      "extrapolated": false,
      "usable_per_s": {
        "default": 28872,
        "high": 47179,
        "low": 15104
      },
      "vcpus": 64
    }
    "#);
    insta::assert_snapshot!(format!("{:#}", mysql["numbers"][0]), @r#"
    {
      "default": 1050.0,
      "evidence": "percona-2021-m6",
      "fitted": [
        1.2,
        38.4
      ],
      "high": 1418.0,
      "low": 736.0,
      "name": "usl.lambda"
    }
    "#);
    assert_eq!(mysql["evidence"].as_array().unwrap().len(), 12);
}
