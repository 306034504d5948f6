//! Numbers of engines whose instances are all alike and hold no data: Apache,
//! nginx.

use serde::Deserialize;

use super::Number;
use super::number::{listed, section};

/// What holds for a pool.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Work of a request, in requests for 1 KiB.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// Network need per request.
    pub network: Network,
}

impl Pool {
    /// Every number with its section.
    pub(super) fn numbers(&self) -> Vec<(String, &Number)> {
        let Self { work, memory, network } = self;
        let sections = [
            ("work", work.numbers()),
            ("memory", memory.numbers()),
            ("network", network.numbers()),
        ];
        listed("pool", sections)
    }

    /// Returns the first number that is out of range, and what is expected.
    pub(super) fn violation(&self) -> Option<(&'static str, &'static str)> {
        let expected = "expected at most 1: a response of 1 KiB is no less work than an empty one";
        (self.work.empty.default > 1.0).then_some(("pool.work.empty", expected))
    }
}

section! {
    /// Work of a request, in requests for 1 KiB.
    Work {
        /// A request without a body in its response.
        empty,
        /// Added for each KiB from 1 to 10.
        per_kib_to_10,
        /// Added for each KiB above 10; `fitted` is in bytes of the response.
        per_kib_above_10,
        /// Added by TLS to each request.
        tls,
        /// Added by TLS for each KiB of the response above the first.
        tls_per_kib,
        /// A TLS handshake.
        handshake,
        /// TLS handshakes per request.
        handshakes_per_request,
    }
}

section! {
    /// Memory of one instance.
    Memory {
        /// For the files' page cache, in MiB.
        files_mib,
        /// Workers for each virtual CPU.
        workers_per_vcpu,
        /// MiB of each.
        worker_mib,
        /// Workers of an application for each virtual CPU.
        application_workers_per_vcpu,
        /// MiB of each.
        application_worker_mib,
    }
}

section! {
    /// Network need per request.
    Network {
        /// Bytes on the wire besides the response's body.
        overhead_bytes,
    }
}
