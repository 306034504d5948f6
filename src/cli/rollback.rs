//! `hostsplit rollback`: plans the image that was deployed before, on the same data.

use std::path::PathBuf;

use super::error::{CliError, Outcome, exit};
use super::plan::judged;
use super::session::Session;
use super::ui;
use crate::plan::{Instance, Plan, store};
use crate::spec::Image;

/// Go back to the image that was deployed before, on the same data
///
/// Writes the plan with the former image; deploy it to replace one failure domain after
/// the other. Everything else stays as it is planned now.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Plan file, as deployed
    plan: PathBuf,
    /// Plan file to write, replaced atomically [default: the plan file itself]
    #[arg(short, long)]
    output: Option<PathBuf>,
    /// State directory [default: .hostsplit/NAME beside the plan]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// No other image was deployed before; the plan cannot be written.
pub fn run(args: Args) -> Outcome {
    let Args { plan, output, state } = args;
    let session = Session::open(&plan, state, None)?;
    let former = store::read(&session.store.former_plan_path()).map_err(|error| {
        CliError::new(format!("no image is known that was deployed before this one: {error}"))
            .hint("put the former image back into the spec and plan again")
    })?;
    if former.image == session.plan.image {
        ui::say("the plan has the former image already");
        return Ok(exit::DONE);
    }
    let name = |plan: &Plan| plan.image.as_ref().map_or("none", |image| &image.name).to_owned();
    let (from, to) = (name(&session.plan), name(&former));
    let back = with_image(&session.plan, former.image);
    judged(&back, &back.profiles.resolve()?)?;
    let output = output.unwrap_or(plan);
    store::may_replace(&output)?;
    store::write(&output, &back.to_text()?)?;
    ui::say(&format!("image {from} -> {to}, written to {}", output.display()));
    ui::say(&format!("next: hostsplit deploy {}", output.display()));
    Ok(exit::DONE)
}

/// Returns the plan with another image, below roots of its size.
fn with_image(plan: &Plan, image: Option<Image>) -> Plan {
    let mut back = Plan { image, ..plan.clone() };
    let size = back.image.as_ref().map(|image| image.virtual_size_mib);
    let is_of_service = |one: &Instance| plan.service(&one.service).is_some();
    for instance in back.instances.iter_mut().filter(|one| is_of_service(one)) {
        if let (Some(root), Some(size)) = (&mut instance.root, size) {
            root.size_mib = size;
        }
    }
    back
}
