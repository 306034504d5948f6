//! Graphs and actions as people see them.

use hostsplit::graph::{Graph, decide, dot, text};
use hostsplit::hypervisor::simulated::SimulatedWorld;
use hostsplit::plan::Plan;
use hostsplit::report::graph::actions_text;
use hostsplit::report::status::status_text;

use crate::fixture::{Purpose, look, plan, run};

/// The plan's first group, and the fixed machine.
fn small() -> Plan {
    let mut plan = plan();
    plan.instances.retain(|one| one.group.is_none_or(|group| group == 0));
    plan.services[0].groups.truncate(1);
    plan
}

#[test]
fn the_graph_as_text() {
    insta::assert_snapshot!(text(&Graph::of(&small())), @"");
}

#[test]
fn the_graph_for_graphviz() {
    let mut plan = small();
    plan.instances.pop();
    plan.image = None;
    insta::assert_snapshot!(dot(&Graph::of(&plan)), @"");
}

#[test]
fn every_vertex_comes_after_what_it_needs() {
    let graph = Graph::of(&plan());
    let order: Vec<_> = graph.vertices().collect();
    for (number, vertex) in order.iter().enumerate() {
        for need in graph.needs(vertex) {
            assert!(order[..number].contains(&need), "{need} after {vertex}");
            assert!(graph.dependants(need).contains(vertex));
        }
    }
}

#[test]
fn the_actions_of_a_first_deploy() {
    let plan = small();
    let world = SimulatedWorld::new(&plan.topology);
    insta::assert_snapshot!(actions_text(&decide(&plan, &look(&plan, &world))), @"");
}

#[test]
fn a_status() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    world.power_cut(&hostsplit::ids::HostName::new("h2").unwrap());
    insta::assert_snapshot!(status_text(&plan, &look(&plan, &world), None), @"");
}
