//! The passwords of engines whose clients have one of their own.

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
