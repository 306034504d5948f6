//! The templates of domains and seeds, embedded.

use crate::quote::{xml, yaml};
use crate::template::Template;

/// Domain XML.
pub(super) static DOMAIN: Template = Template {
    name: "domain.xml.hbs",
    text: include_str!("../../templates/domain.xml.hbs"),
    escape: xml,
};

/// Who the guest is, for cloud-init.
pub(super) static META_DATA: Template = Template {
    name: "seed/meta-data.hbs",
    text: include_str!("../../templates/seed/meta-data.hbs"),
    escape: yaml,
};

/// What the guest does at first boot, for cloud-init.
pub(super) static USER_DATA: Template = Template {
    name: "seed/user-data.hbs",
    text: include_str!("../../templates/seed/user-data.hbs"),
    escape: yaml,
};

/// The guest's address, for cloud-init.
pub(super) static NETWORK_CONFIG: Template = Template {
    name: "seed/network-config.hbs",
    text: include_str!("../../templates/seed/network-config.hbs"),
    escape: yaml,
};

/// Those of the seed: they are part of what a machine's disks are made from.
pub(super) static SEED: [&Template; 3] = [&META_DATA, &USER_DATA, &NETWORK_CONFIG];
