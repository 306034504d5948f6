//! Servers as the real ones behave, without hosts and guests.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Network;
use crate::recipe::mysql::{
    CONFIG, Dialect, FILL, FILL_LOG, FILL_UNIT, FILLING, INITIALISE, Package, SECRETS, SEND,
    SEND_UNIT,
};
use crate::simulated::daemon::{
    Contact, Daemon, Endpoint, Invocation, Link, Start, VolumeId, Written,
};
use crate::simulated::exec::Outcome;
use crate::simulated::host::File;
use crate::simulated::observe::Server as Facts;

const ENGINES: [Dialect; 2] = [Dialect::Mysql, Dialect::Mariadb];

/// Servers of one engine, the guest of each with a volume and an address of its number.
struct Pair {
    network: Network,
    dialect: Dialect,
    files: BTreeMap<VolumeId, BTreeMap<String, File>>,
    links: BTreeMap<VolumeId, Link>,
    now: Duration,
}

fn address(number: VolumeId) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, u8::try_from(number).unwrap())
}

fn config(dialect: Dialect, number: VolumeId) -> String {
    let own = match dialect {
        Dialect::Mysql => {
            "super_read_only = ON\nskip_replica_start = ON\nrpl_semi_sync_replica_enabled = ON\n"
        }
        Dialect::Mariadb => {
            "gtid_strict_mode = ON\nskip_slave_start = ON\nrpl_semi_sync_slave_enabled = ON\n"
        }
    };
    format!("# one\n[mysqld]\nuser = mysql\nserver_id = {number}\nread_only = ON\n{own}")
}

const PASSWORDS: &str = "[client]\nuser = hostsplit\npassword = \"for-ourselves\"\n[app]\nuser = app\n\
                         password = \"for-all-clients\"\n[replica]\nuser = replica\npassword = \"for-ourselves\"\n";

impl Pair {
    fn new(dialect: Dialect, count: VolumeId) -> Self {
        let mut pair = Self {
            network: Network::default(),
            dialect,
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            now: Duration::from_secs(60),
        };
        for number in 1..=count {
            let file = |text: &str| File { bytes: text.as_bytes().to_vec(), ..File::default() };
            let files = [
                (CONFIG, config(dialect, number)),
                (SECRETS, PASSWORDS.to_owned()),
                (INITIALISE, "#!/bin/sh\n".to_owned()),
                (FILL, "#!/bin/sh\n".to_owned()),
            ];
            let files = files.map(|(path, text)| (path.to_owned(), file(&text)));
            pair.files.insert(number, files.into());
            pair.start(number).unwrap();
        }
        pair
    }

    /// A primary and replicas of it.
    fn formed(dialect: Dialect, count: VolumeId) -> Self {
        let mut pair = Self::new(dialect, count);
        pair.bootstrap(1);
        for number in 2..=count {
            pair.fill(number, 1);
            pair.wait(20);
            pair.follow(number, 1);
        }
        pair.root(
            1,
            pair.word(
                "SET GLOBAL rpl_semi_sync_source_enabled = ON;",
                "SET GLOBAL rpl_semi_sync_master_enabled = ON;",
            ),
        );
        pair
    }

    fn word(&self, mysql: &'static str, mariadb: &'static str) -> &'static str {
        match self.dialect {
            Dialect::Mysql => mysql,
            Dialect::Mariadb => mariadb,
        }
    }

    fn package(&self) -> &'static Package {
        Package::ALL.into_iter().find(|package| package.dialect == self.dialect).unwrap()
    }

    fn start(&mut self, number: VolumeId) -> Result<(), String> {
        let files = &self.files[&number];
        let unit = self.package().unit();
        self.network.start(&Start { volume: number, unit, files, content: &[], now: self.now })?;
        let link = Link {
            units: [unit.to_owned()].into(),
            address: address(number),
            stopped: false,
            full: false,
        };
        self.links.insert(number, link);
        self.connect();
        Ok(())
    }

    /// Takes the power of a guest away.
    fn cut(&mut self, number: VolumeId) {
        self.links.remove(&number);
        self.connect();
    }

    fn stop(&mut self, number: VolumeId, stopped: bool) {
        self.links.get_mut(&number).unwrap().stopped = stopped;
        self.connect();
    }

    fn connect(&mut self) {
        self.network.connect(&self.links, self.now);
        self.collect();
    }

    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now += Duration::from_millis(500);
            self.network.advance(self.now);
        }
        self.collect();
    }

    /// Keeps what programs have written.
    fn collect(&mut self) {
        for Written { volume, path, text } in self.network.take_written() {
            let files = self.files.get_mut(&volume).unwrap();
            match text {
                Some(text) => {
                    drop(files.insert(path, File { bytes: text.into(), ..File::default() }));
                }
                None => drop(files.remove(&path)),
            }
        }
    }

    fn run(&mut self, number: VolumeId, program: &str, args: &[&str], input: &str) -> Outcome {
        let local: &[VolumeId] = if self.links.contains_key(&number) { &[number] } else { &[] };
        let outcome = self.network.run(&Invocation {
            program,
            args,
            input,
            environment: &[],
            local,
            volume: Some(number),
            address: Some(address(number)),
            files: &self.files[&number],
            rate: 100_000,
            now: self.now,
        });
        self.collect();
        outcome
    }

    /// What root is answered.
    fn ask(&mut self, number: VolumeId, statements: &str) -> Outcome {
        let program = self.package().client;
        self.run(number, program, &["--no-defaults", "--vertical", "-uroot"], statements)
    }

    fn root(&mut self, number: VolumeId, statements: &str) -> String {
        let outcome = self.ask(number, statements);
        assert_eq!(outcome.stderr, "", "{statements}");
        outcome.stdout
    }

    /// The first value of a column.
    fn value(&mut self, number: VolumeId, statements: &str, column: &str) -> Option<String> {
        let text = self.root(number, statements);
        let mut lines = text.lines().filter_map(|line| line.trim_start().split_once(": "));
        lines.find(|(name, _)| *name == column).map(|(_, value)| value.to_owned())
    }

    fn bootstrap(&mut self, number: VolumeId) {
        let open = self.word(
            "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF;",
            "SET GLOBAL read_only = OFF;",
        );
        let clone = self.word(", BACKUP_ADMIN", "");
        let user = |name: &str, password: &str| {
            format!(
                "CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY '{password}';\n\
                 ALTER USER '{name}'@'%' IDENTIFIED BY '{password}';\n"
            )
        };
        let (replica, own, app) = (
            user("replica", "for-ourselves"),
            user("hostsplit", "for-ourselves"),
            user("app", "for-all-clients"),
        );
        let statements = format!(
            "{open}\n{replica}GRANT REPLICATION SLAVE{clone} ON *.* TO 'replica'@'%';\n\
             {own}GRANT ALL ON `hostsplit`.* TO 'hostsplit'@'%';\nCREATE DATABASE IF NOT EXISTS `app`;\n\
             {app}GRANT ALL ON `app`.* TO 'app'@'%';\nCREATE DATABASE IF NOT EXISTS `hostsplit`;\n\
             CREATE TABLE IF NOT EXISTS `hostsplit`.`numbers` (series VARCHAR(64) NOT NULL, number \
             BIGINT UNSIGNED NOT NULL, PRIMARY KEY (series, number)) ENGINE=InnoDB;\n\
             CREATE TABLE IF NOT EXISTS `hostsplit`.`proof` (id INT NOT NULL PRIMARY KEY, value \
             VARCHAR(64) NOT NULL) ENGINE=InnoDB;\n"
        );
        self.root(number, &statements);
    }

    fn follow(&mut self, number: VolumeId, source: VolumeId) {
        let at = address(source);
        let statements = match self.dialect {
            Dialect::Mysql => format!(
                "STOP REPLICA; RESET REPLICA ALL; CHANGE REPLICATION SOURCE TO SOURCE_HOST='{at}', \
                 SOURCE_PORT=3306, SOURCE_USER='replica', SOURCE_PASSWORD='for-ourselves', \
                 SOURCE_AUTO_POSITION=1, SOURCE_SSL=1; START REPLICA;"
            ),
            Dialect::Mariadb => format!(
                "STOP SLAVE; RESET SLAVE ALL; CHANGE MASTER TO MASTER_HOST='{at}', \
                 MASTER_PORT=3306, MASTER_USER='replica', MASTER_PASSWORD='for-ourselves', \
                 MASTER_USE_GTID=slave_pos, MASTER_SSL=0; START SLAVE;"
            ),
        };
        self.root(number, &statements);
    }

    fn fill(&mut self, number: VolumeId, donor: VolumeId) {
        let (from, to) = (address(donor).to_string(), address(number).to_string());
        assert_eq!(self.run(number, FILL, &[&from], "").status, 0);
        if self.dialect == Dialect::Mariadb {
            assert_eq!(self.run(donor, SEND, &[&to], "").status, 0);
        }
    }

    fn replica(&mut self, number: VolumeId, column: &str) -> Option<String> {
        let show = self.word("SHOW REPLICA STATUS;", "SHOW SLAVE STATUS;");
        let (role, word) = (self.word("Replica", "Slave"), self.word("Source", "Master"));
        let column = column.replace("ROLE", role).replace("SOURCE", word);
        self.value(number, show, &column)
    }

    fn status(&mut self, number: VolumeId, rest: &str) -> String {
        let name = format!("Rpl_semi_sync_{}_{rest}", self.word("source", "master"));
        let show = format!("SHOW GLOBAL STATUS WHERE Variable_name IN ('{name}');");
        self.value(number, &show, "Value").unwrap()
    }

    fn position(&mut self, number: VolumeId) -> String {
        let select = self.word(
            "SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '') AS position;",
            "SELECT @@GLOBAL.gtid_current_pos AS position;",
        );
        self.value(number, select, "position").unwrap_or_default()
    }

    fn prove(&mut self, number: VolumeId, value: &str) -> Outcome {
        self.ask(number, &format!("REPLACE INTO `hostsplit`.`proof` VALUES (1, '{value}');"))
    }

    fn proved(&mut self, number: VolumeId) -> Option<String> {
        self.value(number, "SELECT value FROM `hostsplit`.`proof` WHERE id = 1;", "value")
    }

    fn request(&mut self, number: VolumeId, key: &str) -> Result<(), String> {
        let at = Endpoint { address: address(number), port: 3306 };
        let contact = Contact { at, password: Some("for-all-clients"), encrypted: false };
        self.network.request(&contact, key, self.now)
    }

    fn facts(&self, number: VolumeId) -> Facts {
        let servers = self.network.servers();
        servers.into_iter().nth(usize::try_from(number - 1).unwrap()).unwrap()
    }

    fn file(&self, number: VolumeId, path: &str) -> Option<String> {
        let file = self.files[&number].get(path)?;
        Some(String::from_utf8_lossy(&file.bytes).into_owned())
    }
}

#[test]
fn answers_are_as_the_client_writes_them() {
    let mut pair = Pair::new(Dialect::Mysql, 1);
    pair.wait(12);
    let look = "SELECT @@GLOBAL.read_only AS read_only, @@GLOBAL.super_read_only AS \
                super_read_only, REPLACE(@@GLOBAL.gtid_executed, '\\n', '') AS executed;\n\
                SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Rpl_semi_sync_source_status');\n\
                SHOW REPLICA STATUS;\n\
                SHOW GLOBAL VARIABLES WHERE Variable_name IN ('user', 'server_id', 'skip_replica_start');\n\
                SELECT COUNT(*) AS formed FROM information_schema.tables WHERE table_schema = \
                'hostsplit' AND table_name = 'proof';\n\
                SELECT table_comment AS users FROM information_schema.tables WHERE table_schema = \
                'hostsplit' AND table_name = 'proof';\n";
    insta::assert_snapshot!(pair.root(1, look), @r"
    *************************** 1. row ***************************
          read_only: 1
    super_read_only: 1
           executed: 
    *************************** 1. row ***************************
    Variable_name: Rpl_semi_sync_source_status
            Value: OFF
    *************************** 2. row ***************************
    Variable_name: Uptime
            Value: 12
    *************************** 1. row ***************************
    Variable_name: server_id
            Value: 1
    *************************** 2. row ***************************
    Variable_name: skip_replica_start
            Value: ON
    *************************** 1. row ***************************
    formed: 0
    ");
    let refused =
        pair.ask(1, "SET GLOBAL max_connections = 200;\n\nCREATE DATABASE IF NOT EXISTS `a`;\nx;");
    assert_eq!(refused.status, 1);
    insta::assert_snapshot!(refused.stderr, @"ERROR 1290 (HY000) at line 3: The MySQL server is running with the --super-read-only option so it cannot execute this statement");
    insta::assert_snapshot!(pair.ask(1, "SET GLOBAL port = 1;").stderr, @"ERROR 1238 (HY000) at line 1: Variable 'port' is a read only variable");
    insta::assert_snapshot!(pair.ask(1, "SET GLOBAL no_such = 1;").stderr, @"ERROR 1193 (HY000) at line 1: Unknown system variable 'no_such'");
    insta::assert_snapshot!(pair.ask(1, "SHOW SLAVE STATUS;").stderr, @"ERROR 1064 (42000) at line 1: You have an error in your SQL syntax, or it is not simulated, near 'SLAVE STATUS'");
    pair.cut(1);
    insta::assert_snapshot!(pair.ask(1, "SHOW REPLICA STATUS;").stderr, @"ERROR 2002 (HY000): Can't connect to local server through socket '/run/mysqld/mysqld.sock' (2)");
}

#[test]
fn a_first_primary_is_made_once() {
    for dialect in ENGINES {
        let mut pair = Pair::new(dialect, 1);
        assert_eq!(pair.position(1), "");
        pair.bootstrap(1);
        let made = pair.position(1);
        assert!(made.ends_with("-10"), "{made}");
        pair.bootstrap(1);
        assert_eq!(pair.position(1), made);
        assert!(pair.facts(1).writable);
        assert_eq!(pair.request(1, "a"), Ok(()));
        // What was committed stays, and it boots read-only.
        pair.cut(1);
        assert_eq!(pair.request(1, "b"), Err("Connection refused".to_owned()));
        pair.start(1).unwrap();
        let refused = pair.request(1, "b").unwrap_err();
        assert!(
            refused.contains("ERROR 1290 ") && refused.contains("read-only option"),
            "{refused}"
        );
        let id = pair.facts(1).id;
        assert_eq!(pair.network.value(id, "a"), Some("at 60000 ms"));
        assert_eq!(pair.network.acknowledged().len(), 1);
    }
}

#[test]
fn a_copy_is_filled_and_has_every_further_write() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 3);
        for replica in [2, 3] {
            assert_eq!(pair.replica(replica, "ROLE_IO_Running").as_deref(), Some("Yes"));
            assert_eq!(pair.replica(replica, "Seconds_Behind_SOURCE").as_deref(), Some("0"));
        }
        let _ = pair.prove(1, "");
        assert_eq!(pair.prove(1, "x").takes, Duration::ZERO);
        assert_eq!(pair.status(1, "clients"), "2");
        assert_eq!(pair.status(1, "status"), "ON");
        let yes = match dialect {
            Dialect::Mysql => ("2", "0"),
            // The first after it was switched on is not waited for.
            Dialect::Mariadb => ("1", "1"),
        };
        assert_eq!((pair.status(1, "yes_tx").as_str(), pair.status(1, "no_tx").as_str()), yes);
        for replica in [2, 3] {
            assert_eq!(pair.proved(replica).as_deref(), Some("x"));
            assert_eq!(pair.position(replica), pair.position(1));
            assert!(pair.facts(replica).linked && !pair.facts(replica).writable);
            assert_eq!(pair.facts(replica).follows, Some(pair.facts(1).id));
        }
    }
}

#[test]
fn a_source_without_replicas_waits_once_and_goes_on_alone() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        let _ = (pair.prove(1, "a"), pair.prove(1, "b"));
        let before = pair.status(1, "no_tx");
        pair.stop(2, true);
        assert_eq!(pair.status(1, "clients"), "1", "one that stopped is still connected");
        assert!(pair.ask(2, "SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime');").endless);
        assert_eq!(pair.prove(1, "c").takes, Duration::from_secs(10));
        assert_eq!(pair.prove(1, "d").takes, Duration::ZERO);
        assert_eq!(pair.status(1, "status"), "OFF");
        let alone =
            pair.status(1, "no_tx").parse::<u64>().unwrap() - before.parse::<u64>().unwrap();
        assert_eq!(alone, 2);
        pair.stop(2, false);
        assert_eq!(pair.proved(2).as_deref(), Some("d"));
        let _ = pair.prove(1, "e");
        assert_eq!(pair.status(1, "status"), "ON");
        // Counters begin anew with the server.
        pair.cut(1);
        pair.start(1).unwrap();
        assert_eq!(
            (pair.status(1, "yes_tx").as_str(), pair.status(1, "no_tx").as_str()),
            ("0", "0")
        );
        assert_eq!(pair.status(1, "status"), "OFF");
    }
}

#[test]
fn a_replica_says_why_it_is_not_connected() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        pair.stop(1, true);
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Yes"));
        pair.cut(1);
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Connecting"));
        assert_eq!(pair.replica(2, "Last_IO_Errno").as_deref(), Some("2003"));
        assert_eq!(pair.replica(2, "Seconds_Behind_SOURCE").as_deref(), Some("NULL"));
        pair.start(1).unwrap();
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Yes"));
        pair.bootstrap(1);
        pair.root(1, "ALTER USER 'replica'@'%' IDENTIFIED BY 'new';");
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Yes"), "who is in stays");
        pair.follow(2, 1);
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Connecting"));
        assert_eq!(pair.replica(2, "Last_IO_Errno").as_deref(), Some("1045"));
    }
}

#[test]
fn a_replica_goes_on_after_its_start_unless_its_file_says_otherwise() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        pair.cut(2);
        pair.start(2).unwrap();
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("No"));
        let text = config(dialect, 2).replace("skip_", "# skip_");
        pair.files.get_mut(&2).unwrap().get_mut(CONFIG).unwrap().bytes = text.into_bytes();
        pair.cut(2);
        let _ = pair.prove(1, "meanwhile");
        pair.start(2).unwrap();
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("Yes"));
        assert_eq!(pair.proved(2).as_deref(), Some("meanwhile"));
        pair.root(2, pair.word("STOP REPLICA IO_THREAD;", "STOP SLAVE IO_THREAD;"));
        assert_eq!(pair.replica(2, "ROLE_IO_Running").as_deref(), Some("No"));
        assert_eq!(pair.replica(2, "ROLE_SQL_Running").as_deref(), Some("Yes"));
        assert_eq!(pair.status(1, "clients"), "0");
    }
}

#[test]
fn a_replica_without_the_certificate_that_is_asked_for_does_not_come_in() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        pair.root(1, "ALTER USER 'replica'@'%' IDENTIFIED BY 'for-ourselves' REQUIRE X509;");
        pair.follow(2, 1);
        assert_eq!(pair.replica(2, "Last_IO_Errno").as_deref(), Some("1045"));
        // Nor does one that would be filled, where its program shows none.
        if dialect == Dialect::Mysql {
            pair.fill(2, 1);
            let said = pair.file(2, FILL_LOG).unwrap();
            assert!(said.contains("Clone Donor Error: 1045"), "{said}");
            assert_eq!(pair.position(2), pair.position(1), "it keeps what it holds");
        }
    }
}

#[test]
fn one_that_begins_anew_with_transactions_of_its_own_does_not_apply_them_twice() {
    let mut pair = Pair::formed(Dialect::Mariadb, 2);
    pair.root(2, "STOP SLAVE; RESET SLAVE ALL;");
    pair.bootstrap(2);
    let _ = pair.prove(2, "own");
    pair.root(2, "SET GLOBAL gtid_slave_pos = '';");
    pair.follow(2, 1);
    assert_eq!(pair.replica(2, "Slave_SQL_Running").as_deref(), Some("No"));
    assert_eq!(pair.replica(2, "Last_SQL_Errno").as_deref(), Some("1950"));
}

#[test]
fn a_password_that_is_retained_still_lets_in() {
    let mut pair = Pair::formed(Dialect::Mysql, 1);
    pair.root(1, "ALTER USER 'app'@'%' IDENTIFIED BY 'new' RETAIN CURRENT PASSWORD;");
    assert_eq!(pair.request(1, "a"), Ok(()));
    pair.root(1, "ALTER USER 'app'@'%' IDENTIFIED BY 'newer' RETAIN CURRENT PASSWORD;");
    assert!(pair.request(1, "a").unwrap_err().starts_with("ERROR 1045 (28000)"));
}

#[test]
fn a_replica_takes_over_and_the_former_primary_copies_it() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        let _ = pair.prove(1, "a");
        pair.root(1, pair.word("SET GLOBAL super_read_only = ON;", "SET GLOBAL read_only = ON;"));
        let position = pair.position(1);
        let wait = match dialect {
            Dialect::Mysql => {
                format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{position}', 10) AS waited;")
            }
            Dialect::Mariadb => format!("SELECT MASTER_GTID_WAIT('{position}', 10) AS waited;"),
        };
        assert_eq!(pair.value(2, &wait, "waited").as_deref(), Some("0"));
        pair.root(2, pair.word("STOP REPLICA; RESET REPLICA ALL;", "STOP SLAVE; RESET SLAVE ALL;"));
        pair.bootstrap(2);
        if dialect == Dialect::Mariadb {
            pair.root(1, &format!("STOP SLAVE; SET GLOBAL gtid_slave_pos = '{position}';"));
        }
        pair.follow(1, 2);
        let _ = pair.prove(2, "b");
        assert_eq!(pair.proved(1).as_deref(), Some("b"));
        assert_eq!(pair.position(1), pair.position(2));
        assert!(pair.facts(1).linked);
    }
}

#[test]
fn one_that_went_on_alone_is_found_out() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        pair.cut(2);
        let _ = pair.prove(1, "alone");
        pair.cut(1);
        pair.start(2).unwrap();
        pair.bootstrap(2);
        let _ = pair.prove(2, "other");
        pair.start(1).unwrap();
        if dialect == Dialect::Mariadb {
            let position = pair.position(1);
            pair.root(1, &format!("STOP SLAVE; SET GLOBAL gtid_slave_pos = '{position}';"));
        }
        pair.follow(1, 2);
        match dialect {
            // A source knows only of its own transactions which there are: it lets one in that
            // has others.
            Dialect::Mysql => {
                assert_eq!(pair.replica(1, "ROLE_IO_Running").as_deref(), Some("Yes"));
                assert_ne!(pair.position(1), pair.position(2));
            }
            Dialect::Mariadb => {
                assert_eq!(pair.replica(1, "ROLE_IO_Running").as_deref(), Some("No"));
                assert_eq!(pair.replica(1, "Last_IO_Errno").as_deref(), Some("1236"));
            }
        }
    }
}

#[test]
fn an_empty_copy_does_not_get_what_its_source_was_filled_with() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        pair.root(2, pair.word("STOP REPLICA; RESET REPLICA ALL;", "STOP SLAVE; RESET SLAVE ALL;"));
        let mut more = Pair::new(dialect, 3);
        pair.files.append(&mut more.files.split_off(&3));
        pair.start(3).unwrap();
        pair.follow(3, 2);
        assert_eq!(pair.replica(3, "ROLE_IO_Running").as_deref(), Some("No"));
        let code = pair.replica(3, "Last_IO_Errno");
        assert_eq!(code.as_deref(), Some(pair.word("13114", "1236")));
        let error = pair.replica(3, "Last_IO_Error").unwrap();
        assert!(error.contains("fatal error 1236"), "{error}");
    }
}

#[test]
fn a_filling_takes_a_while_and_says_so() {
    for dialect in ENGINES {
        let mut pair = Pair::new(dialect, 2);
        pair.bootstrap(1);
        pair.fill(2, 1);
        assert!(pair.network.works(2, FILL_UNIT));
        assert_eq!(pair.network.works(1, SEND_UNIT), dialect == Dialect::Mariadb);
        assert_eq!(pair.network.is_off(2), dialect == Dialect::Mariadb);
        assert_eq!(pair.file(2, FILLING).is_some(), dialect == Dialect::Mariadb);
        let answers = pair.ask(2, "SELECT @@GLOBAL.read_only AS closed;").status == 0;
        assert_eq!(answers, dialect == Dialect::Mysql);
        pair.wait(5);
        assert!(!pair.network.works(2, FILL_UNIT) && !pair.network.works(1, SEND_UNIT));
        assert_eq!(pair.ask(2, "SELECT @@GLOBAL.read_only AS closed;").status, 1, "it starts anew");
        pair.wait(2);
        assert_eq!(pair.position(2), pair.position(1));
        assert_eq!(pair.replica(2, "SOURCE_Host"), None);
        assert_eq!(pair.file(2, FILLING), None);
        assert_eq!(pair.file(2, FILL_LOG).as_deref(), Some(""));
        assert!(!pair.facts(2).writable);
        if dialect == Dialect::Mariadb {
            let logged = pair.value(2, "SELECT @@GLOBAL.gtid_binlog_pos AS logged;", "logged");
            assert_eq!(logged.as_deref(), Some(""), "its own log is empty");
        }
    }
}

#[test]
fn a_filling_ends_with_its_donor_or_with_its_guest() {
    for dialect in ENGINES {
        let mut pair = Pair::new(dialect, 2);
        pair.bootstrap(1);
        pair.bootstrap(2);
        let before = pair.position(2);
        pair.fill(2, 1);
        pair.wait(2);
        pair.cut(1);
        pair.wait(3);
        assert!(!pair.network.works(2, FILL_UNIT));
        assert!(!pair.file(2, FILL_LOG).unwrap().is_empty());
        // MySQL gives up first what it holds.
        let left = match dialect {
            Dialect::Mysql => String::new(),
            Dialect::Mariadb => before,
        };
        assert_eq!(pair.position(2), left);
        pair.start(1).unwrap();
        pair.fill(2, 1);
        pair.wait(1);
        pair.cut(2);
        pair.start(2).unwrap();
        pair.wait(10);
        assert!(!pair.network.works(2, FILL_UNIT) && pair.position(2) == left);
    }
}

#[test]
fn both_ends_of_a_stream_have_to_run() {
    let mut pair = Pair::new(Dialect::Mariadb, 2);
    pair.bootstrap(1);
    let (from, to) = (address(1).to_string(), address(2).to_string());
    let _ = pair.run(1, SEND, &[&to], "");
    pair.wait(40);
    assert!(!pair.network.works(1, SEND_UNIT), "it has given up");
    let _ = pair.run(2, FILL, &[&from], "");
    pair.wait(600);
    assert!(pair.network.works(2, FILL_UNIT));
    let _ = pair.run(1, SEND, &[&to], "");
    pair.wait(20);
    assert_eq!(pair.position(2), pair.position(1));
}

#[test]
fn a_client_by_the_network_needs_the_password() {
    for dialect in ENGINES {
        let mut pair = Pair::formed(dialect, 2);
        let (program, to) = (pair.package().client, address(1).to_string());
        let args = [
            "--defaults-file=/etc/mysql/hostsplit.cnf",
            "--vertical",
            "--connect-timeout=5",
            "-h",
            &to,
            "hostsplit",
        ];
        let write = "INSERT INTO `hostsplit`.`numbers` VALUES ('s', 10);\nINSERT INTO numbers VALUES ('s', 9);\n\
                     SELECT number FROM `hostsplit`.`numbers` WHERE series = 's';\n";
        let said = pair.run(2, program, &args, write);
        let numbers: Vec<&str> =
            said.stdout.lines().filter_map(|line| line.strip_prefix("number: ")).collect();
        assert_eq!(numbers, ["9", "10"], "{said:?}");
        assert!(
            pair.run(2, program, &args, write).stderr.starts_with("ERROR 1062 (23000) at line 1")
        );
        let forget = "DELETE FROM `hostsplit`.`numbers` WHERE series = 's';\n\
                      SELECT number FROM `hostsplit`.`numbers` WHERE series = 's';\n";
        assert_eq!(pair.run(2, program, &args, forget).stdout, "");
        let foreign = "CREATE DATABASE IF NOT EXISTS `b`;";
        assert!(pair.run(2, program, &args, foreign).stderr.starts_with("ERROR 1227 (42000)"));
        let foreign = "SELECT name FROM app.requests;";
        assert!(pair.run(2, program, &args, foreign).stderr.starts_with("ERROR 1044 (42000)"));
        pair.stop(1, true);
        let silent = pair.run(2, program, &args, forget);
        assert_eq!((silent.status, silent.takes), (1, Duration::from_secs(5)));
        pair.stop(1, false);
        pair.root(1, "ALTER USER 'hostsplit'@'%' IDENTIFIED BY 'new';");
        let refused = pair.run(2, program, &args, forget).stderr;
        assert!(refused.starts_with("ERROR 1045 (28000): Access denied"), "{refused}");
        pair.cut(1);
        assert!(
            pair.run(2, program, &args, forget).stderr.starts_with("ERROR 2003 (HY000): Can't")
        );
    }
}

#[test]
fn a_configuration_that_a_server_does_not_know_keeps_it_off() {
    for (dialect, line) in [
        (Dialect::Mysql, "rpl_semi_sync_master_enabled = ON\n"),
        (Dialect::Mariadb, "rpl_semi_sync_source_enabled = ON\n"),
        (Dialect::Mysql, "nonsense = 1\n"),
    ] {
        let mut pair = Pair::new(dialect, 1);
        let file = pair.files.get_mut(&1).unwrap().get_mut(CONFIG).unwrap();
        file.bytes.extend(line.as_bytes());
        let refused = pair.start(1).unwrap_err();
        assert!(refused.starts_with("unknown variable"), "{refused}");
        pair.files.get_mut(&1).unwrap().remove(SECRETS);
        pair.files.get_mut(&1).unwrap().remove(CONFIG);
        assert!(pair.start(1).unwrap_err().contains("my.cnf: No such file"));
    }
}

#[test]
fn a_load_takes_as_long_as_the_rate_of_the_world_says() {
    let mut pair = Pair::formed(Dialect::Mysql, 2);
    let to = address(1).to_string();
    let args = [
        "--defaults-file=/etc/mysql/hostsplit.cnf",
        "-h",
        &to,
        "--csv",
        "--create-schema=hostsplit",
        "--number-of-queries=400000",
        "--query=BEGIN;SELECT number FROM numbers WHERE series='load' AND number=0;SELECT \
         SUM(number) FROM numbers WHERE series='load' AND number BETWEEN 0 AND 99;COMMIT",
    ];
    let said = pair.run(2, "mysqlslap", &args, "");
    assert_eq!(said.stdout, ",mixed,1.000,1.000,1.000,1,100000\n", "{said:?}");
}
