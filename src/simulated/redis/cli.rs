//! Commands to a server and its answers: one command, or a session of them, that
//! may follow redirections.

use std::time::Duration;

use super::reply::{Answer, Form, Reply, words};
use super::{Endpoint, Login, Network, Server, Uid, config};
use crate::simulated::exec::Outcome;

/// Redirections of one command after which a client gives up.
const MOST_REDIRECTIONS: u32 = 16;

pub(super) fn error<T>(text: &str) -> Result<T, String> {
    Err(format!("ERR {text}"))
}

/// Who asks, and how.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) login: Login<'a>,
    /// Whether it follows redirections.
    pub(super) follow: bool,
    /// Whether its connections are encrypted.
    pub(super) encrypted: bool,
    /// How it shows answers.
    pub(super) form: Form,
    pub(super) now: Duration,
}

/// A connection of a client.
struct Talk {
    /// The server at its other end.
    at: Uid,
    /// Whether the next command may meet a slot that is being imported.
    asking: bool,
    /// The server that let it in already: who is in stays in, whatever becomes of the
    /// password.
    known: Option<Uid>,
    /// What the client says of redirections.
    notes: String,
}

impl Talk {
    const fn to(at: Uid) -> Self {
        Self { at, asking: false, known: None, notes: String::new() }
    }
}

/// Where a server sends a client instead of answering.
struct Redirection<'a> {
    slot: &'a str,
    place: &'a str,
    asking: bool,
}

impl<'a> Redirection<'a> {
    fn read(refusal: &'a str) -> Option<Self> {
        let (code, rest) = refusal.split_once(' ')?;
        let (slot, place) = rest.split_once(' ')?;
        matches!(code, "MOVED" | "ASK").then_some(Self { slot, place, asking: code == "ASK" })
    }

    fn endpoint(&self) -> Option<Endpoint> {
        let (address, port) = self.place.rsplit_once(':')?;
        Some(Endpoint { address: address.parse().ok()?, port: port.parse().ok()? })
    }
}

impl Network {
    /// Runs a command at a server, following redirections if asked to.
    pub(super) fn command(&mut self, uid: Uid, words: &[&str], caller: &Caller<'_>) -> Outcome {
        match self.say(&mut Talk::to(uid), words, caller) {
            None => Outcome::endless(),
            Some(Ok(reply)) => Outcome::ok(caller.form.reply(&reply)),
            Some(Err(text)) => Outcome::failed(1, format!("{text}\n")),
        }
    }

    /// Runs the commands of a session, a line each: it goes on after an error,
    /// and ends well.
    pub(super) fn session(&mut self, uid: Uid, lines: &str, caller: &Caller<'_>) -> Outcome {
        if self.is_stopped(uid) {
            return Outcome::endless();
        }
        let mut all = Outcome::default();
        let mut talk = Talk::to(uid);
        // What a transaction has been answered so far: nothing happens in between.
        let mut transaction: Option<String> = None;
        talk.known = self.admit(uid, &caller.login, &["PING"]).is_ok().then_some(uid);
        for line in lines.lines() {
            let Some(split) = words(line) else {
                all.stdout += "Invalid argument(s)\n";
                continue;
            };
            let split: Vec<&str> = split.iter().map(String::as_str).collect();
            if split.is_empty() {
                continue;
            }
            match (split.as_slice(), &mut transaction) {
                ([verb], None) if verb.eq_ignore_ascii_case("MULTI") => {
                    transaction = Some(String::new());
                    all.stdout += "OK\n";
                    continue;
                }
                ([verb], Some(answers)) if verb.eq_ignore_ascii_case("EXEC") => {
                    all.stdout += &std::mem::take(answers);
                    transaction = None;
                    continue;
                }
                _ => {}
            }
            let answer = self.say(&mut talk, &split, caller);
            all.stdout += &std::mem::take(&mut talk.notes);
            let out = match &mut transaction {
                Some(answers) => {
                    all.stdout += "QUEUED\n";
                    answers
                }
                None => &mut all.stdout,
            };
            match answer {
                None => return Outcome::endless(),
                Some(Ok(reply)) => *out += &caller.form.reply(&reply),
                // Where it was sent to is gone, and so are the answers that follow.
                Some(Err(text)) if text.starts_with("Could not connect") => {
                    all.stderr += &format!("{text}\n");
                    return all;
                }
                Some(Err(text)) => *out += &caller.form.error(&text),
            }
        }
        all
    }

    /// Sends a command, and again wherever it is sent to; `None` where nobody
    /// answers.
    fn say(&mut self, talk: &mut Talk, words: &[&str], caller: &Caller<'_>) -> Option<Answer> {
        for _ in 0..MOST_REDIRECTIONS {
            if self.is_stopped(talk.at) {
                return None;
            }
            let asking = std::mem::take(&mut talk.asking);
            let admitted = match self.servers.get(&talk.at) {
                Some(server) if talk.known == Some(talk.at) && caller.login.password.is_some() => {
                    server.users.permit(caller.login.user, words)
                }
                _ => self.admit(talk.at, &caller.login, words),
            };
            let answer = admitted.and_then(|()| self.answer(talk.at, words, asking, caller.now));
            talk.asking = matches!(words, [word] if word.eq_ignore_ascii_case("ASKING"));
            let Err(refusal) = &answer else { return Some(answer) };
            let redirection = Redirection::read(refusal).filter(|_| caller.follow);
            let Some(redirection) = redirection else { return Some(answer) };
            let Redirection { slot, place, asking } = redirection;
            let to = redirection.endpoint();
            let to = if caller.encrypted { self.encrypted(talk.at, to) } else { to };
            let next = to.and_then(|to| Some((self.at(to)?, to.port)));
            let is_open = |(next, port): &(Uid, u16)| self.takes(*next, *port, caller.encrypted);
            let Some((next, _)) = next.filter(is_open) else {
                let gone = format!("Could not connect to Redis at {place}: Connection refused");
                return Some(Err(gone));
            };
            talk.notes += &format!("-> Redirected to slot [{slot}] located at {place}\n");
            (talk.at, talk.asking) = (next, asking);
        }
        Some(error("too many redirections"))
    }

    /// Where a server sends those who come by encrypted connections instead.
    fn encrypted(&self, from: Uid, to: Option<Endpoint>) -> Option<Endpoint> {
        let mut known = self.servers.get(&from)?.view.values();
        let port = known.find(|peer| peer.endpoint == to)?.encrypted?;
        to.map(|at| Endpoint { port, ..at })
    }

    /// The answer of a server to somebody who was let in.
    fn answer(&mut self, uid: Uid, words: &[&str], asking: bool, now: Duration) -> Answer {
        let upper: Vec<String> = words.iter().map(|word| word.to_ascii_uppercase()).collect();
        let verbs: Vec<&str> = upper.iter().map(String::as_str).collect();
        match (verbs.as_slice(), words) {
            (["CLUSTER", ..], [_, verb, args @ ..]) => self.cluster(uid, verb, args, now),
            (["ACL", verb, ..], [_, _, args @ ..]) => self.acl(uid, verb, args),
            (["CONFIG", "SET", ..], [_, _, pairs @ ..]) => self.set(uid, pairs),
            (["CLIENT", "KILL", "TYPE", "REPLICA", "USER", _], [.., user]) => {
                Ok(Reply::Integer(self.disconnect(uid, user)))
            }
            (["MIGRATE", ..], [_, args @ ..]) => self.migrate(uid, args, now),
            (["GET" | "MGET" | "EXISTS" | "SET" | "DEL", ..], _) => {
                self.data(uid, words, asking, now)
            }
            _ => self.ask(uid, &verbs, words),
        }
    }

    fn ask(&self, uid: Uid, verbs: &[&str], words: &[&str]) -> Answer {
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        match (verbs, words) {
            (["PING"], _) => Ok(Reply::Status("PONG")),
            (["ASKING"], _) => Ok(Reply::Status("OK")),
            (["ECHO", _], [_, text]) => Ok(Reply::Text((*text).to_owned())),
            (["DBSIZE"], _) => Ok(Reply::Integer(server.keys.len())),
            (["INFO", ..], _) => Ok(Reply::Text(self.info(server))),
            (["CONFIG", "GET", ..], [_, _, names @ ..]) => {
                let set =
                    |name: &&str| Some([(*name).to_owned(), server.config.get(*name)?.clone()]);
                Ok(Reply::List(names.iter().filter_map(set).flatten().collect()))
            }
            _ => error(&format!("unknown command '{}'", words.join(" "))),
        }
    }

    /// Whether a server lets somebody in for a command.
    pub(super) fn admit(&self, uid: Uid, login: &Login<'_>, words: &[&str]) -> Result<(), String> {
        let Some(server) = self.servers.get(&uid) else { return error("gone") };
        let is_protected = server.config.get("protected-mode").is_some_and(|set| set == "yes");
        if is_protected && server.users.is_open() {
            return Err("DENIED Redis is running in protected mode".to_owned());
        }
        server.users.admit(login, words)
    }

    pub(super) fn is_stopped(&self, uid: Uid) -> bool {
        self.servers.get(&uid).is_some_and(|server| server.stopped.is_some())
    }

    fn acl(&mut self, uid: Uid, verb: &str, args: &[&str]) -> Answer {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        match (verb, args) {
            ("LIST", []) => return Ok(Reply::List(server.users.list())),
            ("SETUSER", [user, rules @ ..]) => server.users.set(user, rules),
            ("DELUSER", [user]) => server.users.delete(user)?,
            _ => return error(&format!("unknown subcommand '{verb}'")),
        }
        Ok(Reply::Status("OK"))
    }

    /// Ends the connections of replicas to a master that came in as a user; returns how many.
    fn disconnect(&mut self, uid: Uid, user: &str) -> usize {
        let link = Some((uid, user.to_owned()));
        let connected = self.servers.values_mut().filter(|server| server.link == link);
        connected.map(|server| server.link = None).count()
    }

    fn set(&mut self, uid: Uid, pairs: &[&str]) -> Answer {
        let Some(server) = self.servers.get_mut(&uid) else { return error("gone") };
        config::set(&mut server.config, pairs)?;
        server.timeout = config::node_timeout(&server.config);
        // It listens at another port at once.
        self.place();
        Ok(Reply::Status("OK"))
    }

    fn info(&self, server: &Server) -> String {
        let offset = server.offset;
        let Some(master) = server.follows() else {
            return format!("role:master\r\nmaster_repl_offset:{offset}\r\n");
        };
        // Since when is not modelled, but whether it ever was since it was started.
        let link = match (self.is_linked(server, master), server.synced == Some(master)) {
            (true, _) => "up",
            (false, true) => "down\r\nmaster_link_down_since_seconds:1",
            (false, false) => "down\r\nmaster_link_down_since_seconds:-1",
        };
        let port = if server.astray { 0 } else { 6379 };
        format!(
            "role:slave\r\nmaster_port:{port}\r\nmaster_link_status:{link}\r\nslave_repl_offset:{offset}\r\n\
             master_repl_offset:{offset}\r\n"
        )
    }

    /// Whether a replica is in step with its master, which runs.
    pub(super) fn is_linked(&self, replica: &Server, master: Uid) -> bool {
        let runs = self.servers.get(&master).is_some_and(|master| master.online.is_some());
        let is_connected = replica.link.as_ref().is_some_and(|(to, _)| *to == master);
        runs && replica.synced == Some(master) && is_connected
    }
}
