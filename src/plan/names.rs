//! Identities that follow from names alone, so that the same deployment always
//! gets the same ones.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::{DeploymentName, InstanceName, ServiceName};

/// Namespace of all UUIDs of domains: a random UUID, made once for this program.
/// Changing it would make every running domain a stranger.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f2d_1c0e_93b4_4a57_8d1e_5b7a_40c9_e216);

/// UUIDv5 of `{deployment}/{instance}`.
#[must_use]
pub fn uuid(deployment: &DeploymentName, instance: &InstanceName) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{deployment}/{instance}").as_bytes())
}

/// UUIDv5 of `{deployment}/{service}/{group}`: the name of a group whose members elect.
#[must_use]
pub fn group_uuid(deployment: &DeploymentName, service: &ServiceName, group: u32) -> Uuid {
    Uuid::new_v5(&NAMESPACE, format!("{deployment}/{service}/{group}").as_bytes())
}

/// `52:54:00`, QEMU's prefix, and three bytes of the SHA-256 of
/// `{deployment}/{instance}`. If another instance has the address already, of
/// `{deployment}/{instance}/1`, `/2` and so on.
pub fn mac(
    deployment: &DeploymentName,
    instance: &InstanceName,
    taken: &mut BTreeSet<String>,
) -> String {
    let text = format!("{deployment}/{instance}");
    let mut found = address(&text);
    let mut attempt: u32 = 0;
    while !taken.insert(found.clone()) {
        attempt = attempt.saturating_add(1);
        found = address(&format!("{text}/{attempt}"));
    }
    found
}

fn address(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let bytes = digest.iter().take(3).map(|byte| format!(":{byte:02x}"));
    format!("52:54:00{}", bytes.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_never_change() {
        let (shop, one) =
            (DeploymentName::new("shop").unwrap(), InstanceName::new("cache-0").unwrap());
        let mut taken = BTreeSet::new();
        let first = mac(&shop, &one, &mut taken);
        insta::assert_snapshot!(
            format!("{} {first}", uuid(&shop, &one)),
            @"5ba0ac2d-7bcc-50fc-8d63-47899bfa7fc1 52:54:00:36:0e:6e"
        );
        assert_ne!(mac(&shop, &one, &mut taken), first);
        let orders = ServiceName::new("orders").unwrap();
        insta::assert_snapshot!(group_uuid(&shop, &orders, 0), @"ed56ebdc-24a4-5fa8-b429-2b0450d02db1");
    }
}
