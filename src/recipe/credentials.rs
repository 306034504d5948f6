//! The passwords of engines whose clients have one of their own.

use crate::digest::sha256;
use crate::secret::{Secret, SecretNeed, ServiceSecrets};

/// The password of clients.
pub(super) const CLIENT: SecretNeed = SecretNeed { name: "client", for_clients: true };
/// The password of hostsplit and of replicas.
pub(super) const INTERNAL: SecretNeed = SecretNeed { name: "internal", for_clients: false };

/// The passwords of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// For clients.
    pub client: Secret,
    /// For hostsplit and for replicas; clients never get it.
    pub internal: Secret,
}

impl Credentials {
    /// Says which passwords these are, and with what else users were made, to nobody who does not
    /// know [`Self::internal`]: that is long, and made at random.
    #[must_use]
    pub fn mark(&self, rest: &str) -> String {
        let known = [self.internal.expose(), self.client.expose(), rest].join("\0");
        sha256(known).chars().take(32).collect()
    }

    /// The password by which replicas come in: the first 32 characters of [`Self::internal`],
    /// since MySQL takes no longer one for them (`ER_CHANGE_SOURCE_PASSWORD_LENGTH`). Of one that
    /// hostsplit made these are 128 bits.
    #[must_use]
    pub fn of_replicas(&self) -> Secret {
        self.internal.expose().chars().take(32).collect::<String>().into()
    }

    /// Returns the passwords among a service's secrets, where both are known.
    #[must_use]
    pub fn of(secrets: &ServiceSecrets) -> Option<Self> {
        let get = |need: SecretNeed| secrets.get(need.name).cloned();
        Some(Self { client: get(CLIENT)?, internal: get(INTERNAL)? })
    }
}

impl From<Credentials> for ServiceSecrets {
    fn from(Credentials { client, internal }: Credentials) -> Self {
        [(CLIENT.name, client), (INTERNAL.name, internal)].into_iter().collect()
    }
}
