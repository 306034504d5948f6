//! Graphs and actions as people see them.

use hostsplit::graph::{Graph, decide, dot, dot_of, text, text_of};
use hostsplit::report::graph::{actions_text, graph_json};
use hostsplit::report::status::{Status, status_text};
use hostsplit::simulated::SimulatedWorld;

use crate::fixture::{Purpose, look, plan, reviewed, run, small};

#[test]
fn the_graph_as_text() {
    insta::assert_snapshot!(text(&Graph::of(&small())), @r"
    image disk in default @h1
    image kernel in default @h1
    image initrd in default @h1
    image disk in default @h2
    image kernel in default @h2
    image initrd in default @h2
    data cache-0 @h1
    root cache-0 @h1 <- image disk in default, data cache-0
    seed cache-0 @h1 <- root cache-0
    domain cache-0 @h1 <- image kernel in default, image initrd in default, data cache-0, root cache-0, seed cache-0
    running cache-0 @h1 <- domain cache-0
    ready cache-0 @h1 <- running cache-0
    configured cache-0 @h1 <- ready cache-0
    data cache-1 @h2
    root cache-1 @h2 <- image disk in default, data cache-1
    seed cache-1 @h2 <- root cache-1
    domain cache-1 @h2 <- image kernel in default, image initrd in default, data cache-1, root cache-1, seed cache-1
    running cache-1 @h2 <- domain cache-1
    ready cache-1 @h2 <- running cache-1
    configured cache-1 @h2 <- ready cache-1
    root box-0 @h1 <- image disk in default
    seed box-0 @h1 <- root box-0
    domain box-0 @h1 <- image kernel in default, image initrd in default, root box-0, seed box-0
    running box-0 @h1 <- domain box-0
    ready box-0 @h1 <- running box-0
    cluster cache <- configured cache-0, configured cache-1
    ");
}

#[test]
fn the_graph_for_graphviz() {
    let mut plan = small();
    plan.instances.pop();
    plan.image = None;
    insta::assert_snapshot!(dot(&Graph::of(&plan)), @r#"
    digraph hostsplit {
      rankdir=LR;
      node [shape=box];
      v14 [label="cluster cache"];
      subgraph cluster_1 {
        label="h1";
        v0 [label="data cache-0"];
        v1 [label="root cache-0"];
        v2 [label="seed cache-0"];
        v3 [label="domain cache-0"];
        v4 [label="running cache-0"];
        v5 [label="ready cache-0"];
        v6 [label="configured cache-0"];
      }
      subgraph cluster_2 {
        label="h2";
        v7 [label="data cache-1"];
        v8 [label="root cache-1"];
        v9 [label="seed cache-1"];
        v10 [label="domain cache-1"];
        v11 [label="running cache-1"];
        v12 [label="ready cache-1"];
        v13 [label="configured cache-1"];
      }
      v0 -> v1;
      v1 -> v2;
      v0 -> v3;
      v1 -> v3;
      v2 -> v3;
      v3 -> v4;
      v4 -> v5;
      v5 -> v6;
      v7 -> v8;
      v8 -> v9;
      v7 -> v10;
      v8 -> v10;
      v9 -> v10;
      v10 -> v11;
      v11 -> v12;
      v12 -> v13;
      v6 -> v14;
      v13 -> v14;
    }
    "#);
}

#[test]
fn the_graph_with_actions_and_reasons() {
    let (mut plan, state) = (small(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    plan.instances[0].mac = "52:54:00:00:00:99".to_owned();
    world.power_cut(&hostsplit::ids::HostName::new("h2").unwrap());
    let actions = decide(&plan, &look(&plan, &world));
    insta::assert_snapshot!(text_of(&actions), @r"
    =   image disk in default @h1 (as planned)
    =   image kernel in default @h1 (as planned)
    =   image initrd in default @h1 (as planned)
    ?   image disk in default @h2 (host unreachable)
    ?   image kernel in default @h2 (host unreachable)
    ?   image initrd in default @h2 (host unreachable)
    ?   data cache-1 @h2 (host unreachable)
    ?   root cache-1 @h2 <- image disk in default, data cache-1 (host unreachable)
    ?   seed cache-1 @h2 <- root cache-1 (host unreachable)
    ?   domain cache-1 @h2 <- image kernel in default, image initrd in default, data cache-1, root cache-1, seed cache-1 (host unreachable)
    ?   running cache-1 @h2 <- domain cache-1 (host unreachable)
    ?   ready cache-1 @h2 <- running cache-1 (host unreachable)
    ?   configured cache-1 @h2 <- ready cache-1 (host unreachable)
    =   root box-0 @h1 <- image disk in default (as planned)
    =   seed box-0 @h1 <- root box-0 (as planned)
    =   domain box-0 @h1 <- image kernel in default, image initrd in default, root box-0, seed box-0 (as planned)
    =   running box-0 @h1 <- domain box-0 (as planned)
    =   ready box-0 @h1 <- running box-0 (as planned)
    =   data cache-0 @h1 (as planned)
    -/+ root cache-0 @h1 <- image disk in default, data cache-0 (digest differs from the plan)
    -/+ seed cache-0 @h1 <- root cache-0 (digest differs from the plan)
    -/+ domain cache-0 @h1 <- image kernel in default, image initrd in default, data cache-0, root cache-0, seed cache-0 (digest differs from the plan)
    ~   running cache-0 @h1 <- domain cache-0 (a dependency changes)
    ~   ready cache-0 @h1 <- running cache-0 (a dependency changes)
    ~   configured cache-0 @h1 <- ready cache-0 (a dependency changes)
    ~   rejoined cache-0 @h1 <- configured cache-0 (back in its cluster before the next is replaced)
    ~   cluster cache <- configured cache-0, rejoined cache-0 (a dependency changes)
    ");
    let json = graph_json(actions.graph(), Some(&actions));
    assert_eq!(json["vertices"].as_array().unwrap().len(), actions.graph().vertices().count());
    insta::assert_snapshot!(format!("{:#}", json["vertices"][19]), @r#"
    {
      "action": "replace",
      "host": "h1",
      "kind": "root",
      "needs": [
        {
          "host": "h1",
          "vertex": "image disk in default"
        },
        {
          "host": "h1",
          "vertex": "data cache-0"
        }
      ],
      "reason": "digest differs from the plan",
      "vertex": "root cache-0"
    }
    "#);
    let dot = dot_of(&actions);
    for line in [
        r#"v18 [label="= data cache-0\nas planned" color=gray];"#,
        r#"v19 [label="-/+ root cache-0\ndigest differs from the plan" color=blue];"#,
        r#"v7 [label="? root cache-1\nhost unreachable" style=dashed];"#,
    ] {
        assert!(dot.contains(line), "{line} in\n{dot}");
    }
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
    insta::assert_snapshot!(actions_text(&decide(&plan, &look(&plan, &world))), @r"
    h1
      +   image disk in default    missing
      +   image kernel in default  missing
      +   image initrd in default  missing
      +   data cache-0             missing
      +   root cache-0             missing
      +   seed cache-0             missing
      +   domain cache-0           missing
      +   running cache-0          missing
      +   ready cache-0            missing
      +   configured cache-0       missing
      +   root box-0               missing
      +   seed box-0               missing
      +   domain box-0             missing
      +   running box-0            missing
      +   ready box-0              missing
    h2
      +   image disk in default    missing
      +   image kernel in default  missing
      +   image initrd in default  missing
      +   data cache-1             missing
      +   root cache-1             missing
      +   seed cache-1             missing
      +   domain cache-1           missing
      +   running cache-1          missing
      +   ready cache-1            missing
      +   configured cache-1       missing
    clusters
      +   cluster cache            missing

    Plan: 26 to create, 0 to update, 0 to replace, 0 to delete.
    ");
}

/// Members have ids by chance.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| word.len() == 40 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = |word| if is_id(word) { "ID" } else { word };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_status() {
    let (plan, state) = (plan(), tempfile::tempdir().unwrap());
    let world = SimulatedWorld::new(&plan.topology);
    assert!(run(&plan, &world, state.path(), Purpose::Deploy).is_complete());
    world.power_cut(&hostsplit::ids::HostName::new("h2").unwrap());
    let (seen, found) = reviewed(&plan, &world);
    let status = Status { plan: &plan, world: &seen, found: &found, holder: None, last: None };
    assert!(!status.is_ok());
    let text = status_text(&status);
    insta::assert_snapshot!(without_ids(&text), @"
    instance  role     host  address      domain            state    guest  engine
    cache-0   master   h1    10.20.0.10   as planned        running  ready  master
    cache-1   replica  h2    10.20.0.11   host unreachable  -        -      -
    cache-2   master   h2    10.20.0.12   host unreachable  -        -      -
    cache-3   replica  h3    10.20.0.13   as planned        running  ready  replica (1 difference)
    cache-4   master   h3    10.20.0.14   as planned        running  ready  master
    cache-5   replica  h1    10.20.0.15   as planned        running  ready  replica
    box-0     fixed    h1    10.20.0.100  as planned        running  ready  -
    h2 is unreachable: no route to host; cache group 0: 1 of 2 copies, cache-0 leads; cache group 1: 1 of 2 copies, nobody leads; 3 more differences follow; bring it back, or go on without it: hostsplit deploy --without h2
    ");
}
