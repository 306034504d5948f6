//! What was deployed from a plan of an older format stays in hand: it is observed,
//! needs nothing, and goes without a trace.

use std::fs;
use std::path::Path;

use hostsplit::graph::Action;
use hostsplit::plan::{FORMAT, Plan};
use hostsplit::simulated::SimulatedWorld;
use hostsplit::spec::Image;

use super::fixture::{Purpose, inventory, plan, run};

#[test]
fn plans_of_every_format_are_deployed_observed_and_destroyed() {
    for format in 2..=FORMAT {
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
        #[expect(clippy::disallowed_methods, reason = "edge: reads a stored plan")]
        let text = fs::read_to_string(stored.join(format!("{format}.json"))).unwrap();
        let mut plan_of_then = Plan::from_text(&text).unwrap();
        // The files of its image are not stored.
        let Image { virtual_size_mib, .. } = plan_of_then.image.clone().unwrap();
        plan_of_then.image = Some(Image { virtual_size_mib, ..plan().image.unwrap() });
        let (plan, state) = (plan_of_then, tempfile::tempdir().unwrap());
        let world = SimulatedWorld::new(&plan.topology);

        let first = run(&plan, &world, state.path(), Purpose::Deploy);
        assert!(first.is_complete(), "format {format}: {}", first.story());
        let again = run(&plan, &world, state.path(), Purpose::Deploy);
        let changed: Vec<_> =
            again.actions.steps().filter(|(_, step)| step.action != Action::NoOp).collect();
        assert!(changed.is_empty(), "format {format}: {changed:?}");
        let gone = run(&plan, &world, state.path(), Purpose::Destroy { data: true });
        assert!(gone.is_complete(), "format {format}: {}", gone.story());
        assert_eq!(inventory(&plan, &world), Vec::<String>::new());
    }
}
