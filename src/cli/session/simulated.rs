//! A session whose hosts are simulated. It touches neither the state directory nor
//! the secrets of a real deployment.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::Session;
use crate::cli::error::CliError;
use crate::recipe;
use crate::secret::SecretStore;
use crate::simulated::{SimulatedWorld, StandInImages, stand_in};
use crate::state::store::Store;

/// The world of a simulated session and its state directory.
pub(super) struct Simulation {
    pub(super) world: SimulatedWorld,
    directory: PathBuf,
}

impl Simulation {
    fn new(world: SimulatedWorld) -> Result<Self, CliError> {
        let name = format!("hostsplit-simulated-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::DirBuilder::new().mode(0o700).create(&directory).map_err(|error| {
            let path = directory.display();
            CliError::new(format!(
                "cannot make a state directory for the simulation, {path}: {error}"
            ))
            .hint("set TMPDIR to a directory that can be written to")
        })?;
        Ok(Self { world, directory })
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // What cannot be removed is left in the directory for temporary files.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Session {
    /// Reads a plan and makes its hosts in memory, all switched on and empty.
    ///
    /// # Errors
    /// As [`Session::read`]; there is no directory for temporary files.
    pub fn simulated(file: &Path) -> Result<Self, CliError> {
        let session = Self::read_alone(file, None, None)?;
        let plan = stand_in(&session.plan);
        let simulation = Simulation::new(SimulatedWorld::new(&plan.topology))?;
        let directory = &simulation.directory;
        Ok(Self {
            text: plan.to_text()?,
            store: Store::new(directory.clone()),
            secret_store: SecretStore::new(directory, directory, recipe::secret_needs),
            images: Box::new(StandInImages),
            clock: Box::new(simulation.world.clock()),
            simulation: Some(simulation),
            plan,
            ..session
        })
    }

    /// Whether the hosts are simulated.
    #[must_use]
    pub const fn is_simulated(&self) -> bool {
        self.simulation.is_some()
    }
}
