//! `hostsplit restore`: brings a backup back.

use std::path::PathBuf;
use std::time::Duration;

use super::deploy;
use super::error::{CliError, Outcome};
use super::run::confirm;
use super::session::Session;
use super::ui;
use crate::deploy::{Restore, RestoreError};
use crate::ids::ServiceName;
use crate::plan::Instance;
use crate::report::backup::taken_line;
use crate::state::backup::BackupDirectory;
use crate::state::journal::Entry;
use crate::state::store::Recorder as _;
use crate::units;

/// Replace the data of a database by that of a backup
///
/// The machines of the service are removed with all that they hold, which takes
/// --allow-data-loss where they hold anything; the backup becomes the data of each planned primary,
/// and a deploy makes the machines anew, with the passwords of this deployment. The service is
/// down meanwhile. The backup is read and checked before anything is removed. The same command
/// again begins anew where one was cut off.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file, as deployed
    plan: PathBuf,
    /// The service
    #[arg(value_parser = |name: &str| ServiceName::new(name))]
    service: ServiceName,
    /// The directory of the backup, which holds its backup.json
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Give up the data that the service has
    #[arg(long)]
    allow_data_loss: bool,
    /// Proceed without confirmation
    #[arg(long, short)]
    yes: bool,
    /// State directory with lock, journal and secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Base directory of the image's relative paths [default: that of the plan]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Time limit for a guest to boot, such as 90s or 1.5h; a bare number is in seconds
    /// [default: 15m]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<Duration>,
}

/// Runs the command.
///
/// # Errors
/// The backup is damaged or does not fit the plan; the service holds data; a host does not answer.
pub fn run(args: Args) -> Outcome {
    replace(&args)?;
    deploy::run(deploy::Args::of(args.plan, args.state, args.images, args.timeout))
}

/// Brings the data to the hosts.
fn replace(args: &Args) -> Result<(), CliError> {
    let mut session = Session::open(&args.plan, args.state.clone(), args.images.clone())?;
    let (directory, manifest) = BackupDirectory::open(&args.from).map_err(|error| {
        CliError::new(error).hint("--from is the directory that `hostsplit backup` has named")
    })?;
    let lock = session.lock("restore")?;
    session.let_commands_run(args.yes)?;
    let hosts = session.connect()?;
    let service = super::service_of(&session.plan, &args.service)?;
    let context = session.context(&hosts);
    ui::say(&format!("checking {}", directory.path().display()));
    let restore = Restore::of(&context, service, (&directory, &manifest)).map_err(refused)?;
    let holding = restore.holding().map_err(refused)?;
    let names: Vec<&str> = holding.iter().map(|one: &&Instance| one.name.as_str()).collect();
    // A run that was cut off was allowed to.
    let is_resumed = session.store.restoring()?.contains(&service.name);
    if !names.is_empty() && !args.allow_data_loss && !is_resumed {
        return Err(CliError::new(format!(
            "{}: {} would lose all data that {} now",
            service.name,
            names.join(" and "),
            if names.len() == 1 { "it holds" } else { "they hold" }
        ))
        .hint("back it up first, if it may be needed; then add --allow-data-loss"));
    }
    ui::say(&taken_line(&manifest));
    ui::say(&match names.as_slice() {
        [] => format!("{} holds nothing yet", service.name),
        names => format!(
            "{} is down from now until it is deployed again; {} and all that they hold are removed",
            service.name,
            names.join(" and ")
        ),
    });
    confirm("Replace the data?", args.yes)?;
    let journal = session.store.journal(&lock)?;
    journal.write(Entry::Started {
        command: "restore".to_owned(),
        plan: session.digest(),
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        actions: 1,
    })?;
    session.store.begin_restore(&service.name)?;
    let ended = restore.bring_back(&|line| ui::say(&line)).map_err(refused);
    let failed = usize::from(ended.is_err());
    journal.write(Entry::Finished { done: 1 - failed, failed, skipped: 0 })?;
    ended?;
    Ok(session.store.end_restore(&service.name)?)
}

fn refused(error: RestoreError) -> CliError {
    let hint = match &error {
        RestoreError::Step(_) => "run the same command again; it begins anew",
        RestoreError::Files(_) => "the backup is damaged: take another one",
        RestoreError::Engine { .. } | RestoreError::Groups { .. } => {
            "plan the service as it was when it was backed up"
        }
        RestoreError::Size { .. } => "plan the service with more data",
        RestoreError::Version { .. } => "plan with an image of that version, or a later one",
        RestoreError::Away { .. } => "bring the host back, or plan without it",
    };
    CliError::new(error).hint(hint)
}
