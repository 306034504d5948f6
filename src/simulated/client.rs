//! Ordinary clients of a service, outside all guests: what they are refused
//! while a deployment is changed.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::State;
use super::daemon::{Contact, Endpoint};

/// A client such as an application has: it knows some addresses, goes to the
/// first that accepts its connection, and follows redirections. One that cannot serve it is
/// left for the next, as client libraries look for another seed or for a primary.
#[derive(Clone, Debug)]
pub struct Client {
    /// Addresses and ports that it knows.
    pub contacts: Vec<(Ipv4Addr, u16)>,
    /// The password for clients, if there is one.
    pub password: Option<String>,
    /// Whether its connections are encrypted.
    pub encrypted: bool,
}

/// What became of the requests of a client, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many were answered.
    pub answered: u64,
    /// Why the others were refused, in their order.
    pub refused: Vec<String>,
}

impl State {
    /// Sends a request of a client: a value is written and read back.
    pub(super) fn request(
        &mut self,
        client: &Client,
        key: &str,
        now: Duration,
    ) -> Result<(), String> {
        let password = client.password.as_deref();
        let mut last = "Connection refused".to_owned();
        for &(address, port) in &client.contacts {
            let at = Endpoint { address, port };
            let Some(daemon) = self.daemons.at(at) else { continue };
            let contact = Contact { at, password, encrypted: client.encrypted };
            match daemon.request(&contact, key, now) {
                Err(why) if daemon.sends_elsewhere(&why) => last = why,
                answer => return answer,
            }
        }
        Err(last)
    }

    /// Sends a request of each client that is attached; keys take turns, so that
    /// all parts of a service get some.
    pub(super) fn serve_clients(&mut self, now: Duration) {
        for client in std::mem::take(&mut self.clients) {
            let number = self.requests.answered + self.requests.refused.len() as u64;
            match self.request(&client, &format!("client:{number}"), now) {
                Ok(()) => self.requests.answered += 1,
                Err(why) => self.requests.refused.push(why),
            }
            self.clients.push(client);
        }
    }
}
