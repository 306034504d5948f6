//! The statements of Group Replication.
//! <https://dev.mysql.com/doc/refman/8.4/en/group-replication-configuring-instances.html>

use crate::engine::mysql::sql::text;
use crate::recipe::Credentials;
use crate::recipe::mysql::{OWN, REPLICA};

/// Seconds that transactions may go on for when another member becomes the primary; then they
/// are ended.
const RUNNING_S: u32 = 5;
/// A member without data that lacks more transactions than that copies the data of another one
/// as a whole. It holds until the server starts anew: one that comes back is not copied anew.
const COPIED_WHOLE: u32 = 10_000;

/// Whether a member is the first of a group: it says so only while it starts one.
const FLAG: &str = "group_replication_bootstrap_group";

/// Everything that is asked of a server, in one go.
pub(super) fn look(options: &[&str]) -> String {
    let names: Vec<String> = options.iter().map(|name| text(name)).collect();
    format!(
        "SELECT @@GLOBAL.server_uuid AS id, @@GLOBAL.super_read_only AS super_read_only, \
         @@GLOBAL.offline_mode AS offline_mode, @@GLOBAL.{FLAG} AS founds, \
         REPLACE(@@GLOBAL.gtid_executed, '\\n', '') AS executed;\n\
         SELECT member_id, member_host, member_state, member_role FROM \
         performance_schema.replication_group_members;\n\
         SELECT SUM(data) AS copied FROM performance_schema.clone_progress;\n\
         SHOW GLOBAL VARIABLES WHERE Variable_name IN ({});\n\
         SELECT COUNT(*) AS formed FROM information_schema.tables WHERE table_schema = '{OWN}' AND \
         table_name = 'proof';\n\
         SELECT table_comment AS users FROM information_schema.tables WHERE table_schema = '{OWN}' \
         AND table_name = 'proof';\n",
        names.join(", ")
    )
}

/// How a member comes in at another one whose transactions it lacks.
pub(super) fn way(credentials: &Credentials) -> String {
    format!(
        "CHANGE REPLICATION SOURCE TO SOURCE_USER='{REPLICA}', SOURCE_PASSWORD={} FOR CHANNEL \
         'group_replication_recovery';",
        text(credentials.of_replicas().expose())
    )
}

/// Starts a group of which the server, which is in none, is the first member. What follows has to see to it that it
/// is said once only: [`no_more`].
pub(super) fn found(credentials: &Credentials) -> String {
    format!(
        "{}\nSET GLOBAL {FLAG} = ON; START GROUP_REPLICATION; {}\n{}\n",
        way(credentials),
        no_more(),
        admit()
    )
}

/// Whatever starts next joins a group that is there.
pub(super) fn no_more() -> String {
    format!("SET GLOBAL {FLAG} = OFF;")
}

/// Lets a server join the group of those that its configuration names.
pub(super) fn join(credentials: &Credentials, is_empty: bool) -> String {
    let threshold = match is_empty {
        true => format!("SET GLOBAL group_replication_clone_threshold = {COPIED_WHOLE};\n"),
        false => String::new(),
    };
    format!(
        "{} STOP GROUP_REPLICATION;\n{}\n{threshold}START GROUP_REPLICATION;\n{}\n",
        no_more(),
        way(credentials),
        admit()
    )
}

/// Lets clients in again: one that gives up waiting for the others lets nobody in.
pub(super) const fn admit() -> &'static str {
    "SET GLOBAL offline_mode = OFF;"
}

/// Lets a server leave its group, and try no more to come back.
pub(super) const fn leave() -> &'static str {
    "STOP GROUP_REPLICATION;"
}

/// Makes the member with an identity the primary; whoever is asked.
pub(super) fn lead(id: &str) -> String {
    format!("SELECT group_replication_set_as_primary({}, {RUNNING_S}) AS said;", text(id))
}
