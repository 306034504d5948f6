//! What is said of services that are emulated in software.

use super::plan::ServiceSummary;

/// What takes the place of a rate that nothing is known of.
pub(super) const NO_PROMISE: &str = "no promise: software emulation (hypervisor: qemu)";

/// Why nothing is promised, with the hosts.
pub(super) fn no_promise(service: &ServiceSummary) -> String {
    let hosts: Vec<&str> = service.emulated_on.iter().map(|host| host.as_str()).collect();
    format!("{NO_PROMISE} on {}", hosts.join(", "))
}
