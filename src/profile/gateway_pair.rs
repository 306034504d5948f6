//! Numbers of gateways: HAProxy with keepalived.

use serde::Deserialize;

use super::Number;
use super::number::{listed, section};

/// What holds for a gateway pair.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayPair {
    /// Work of what goes through, in requests for nothing.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// Network need per request and transaction.
    pub network: Network,
}

impl GatewayPair {
    /// Every number with its section.
    pub(super) fn numbers(&self) -> Vec<(String, &Number)> {
        let Self { work, memory, network } = self;
        let sections = [
            ("work", work.numbers()),
            ("memory", memory.numbers()),
            ("network", network.numbers()),
        ];
        listed("gateway-pair", sections)
    }
}

section! {
    /// Work of what goes through, in requests for nothing.
    Work {
        /// Added for each KiB of responses.
        per_kib,
        /// Added by TLS to each request.
        tls,
        /// Added by TLS for each KiB of responses.
        tls_per_kib,
        /// A TLS handshake.
        handshake,
        /// TLS handshakes per request.
        handshakes_per_request,
        /// A transaction of a database that is passed on.
        transaction,
    }
}

section! {
    /// Memory of one instance.
    Memory {
        /// Seconds that a connection is open for each request: concurrent connections
        /// are requests per second times this.
        connection_s,
        /// KiB of a connection.
        kib_per_connection,
        /// KiB of a connection with TLS.
        kib_per_tls_connection,
    }
}

section! {
    /// Network need per request and transaction.
    Network {
        /// Bytes on the wire besides the response's body.
        overhead_bytes,
        /// Bytes of a transaction of a database.
        transaction_bytes,
    }
}
