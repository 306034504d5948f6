//! `hostsplit backup`: copies the data of a service to this machine.

use std::path::PathBuf;

use super::error::{CliError, Outcome, exit};
use super::session::Session;
use super::ui;
use crate::deploy::{Backup, TakeError};
use crate::ids::ServiceName;
use crate::recipe;
use crate::report::backup::{taken_json, taken_text};
use crate::spec::Engine;
use crate::state::backup::BackupDirectory;

/// Copy the data of a database to this machine, while it serves
///
/// A replica that is in step copies its data, in its guest, to a disk that it is given for that
/// time, in the pool of its data; a server is started with the copy once, and its image is fetched
/// through libvirt. The same command again goes on where one was cut off. `hostsplit restore`
/// brings a backup back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file, as deployed
    plan: PathBuf,
    /// The service
    #[arg(value_parser = |name: &str| ServiceName::new(name))]
    service: ServiceName,
    /// Directory for backups; each is a directory in it, named after the service and the time
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// State directory with secrets [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: ui::Format,
}

/// Runs the command.
///
/// # Errors
/// No copy is whole; the pool or the directory has no room.
pub fn run(args: Args) -> Outcome {
    let Args { plan, service, to, state, format } = args;
    let session = Session::open(&plan, state, None)?;
    let hosts = session.connect()?;
    let context = session.context(&hosts);
    let service = super::service_of(&session.plan, &service)?;
    let backup = Backup::of(&context, service).map_err(refused)?;
    let directory =
        BackupDirectory::begin(&to, &session.plan.name, &service.name).map_err(CliError::new)?;
    let manifest = backup.take(&directory, &|line| ui::say(&line)).map_err(refused)?;
    match format {
        ui::Format::Text => ui::data(&taken_text(&manifest, directory.path()))?,
        ui::Format::Json => ui::data(&format!("{}\n", taken_json(&manifest, directory.path())))?,
    }
    Ok(exit::DONE)
}

fn refused(error: TakeError) -> CliError {
    let hint = match &error {
        TakeError::Unsupported { .. } => {
            let is_possible = |engine: &&Engine| {
                recipe::of(**engine).setup.is_some_and(|setup| setup.backup.is_some())
            };
            let known: Vec<String> =
                Engine::ALL.iter().filter(is_possible).map(ToString::to_string).collect();
            format!("backups are of services of {}", known.join(" and "))
        }
        TakeError::NoCopy { .. } => "`hostsplit status` says what ails them".to_owned(),
        TakeError::NoSpace { .. } => "make room in the pool".to_owned(),
        TakeError::Files(_)
        | TakeError::Step(_)
        | TakeError::Kept { .. }
        | TakeError::Ended { .. }
        | TakeError::Endless { .. } => "run the same command again to go on".to_owned(),
    };
    CliError::new(error).hint(hint)
}
