//! `policy:` and `network:`.

use super::*;

const RACKS: &str = "\
name: shop
policy: { survive: host }
hosts:
  - { name: h1, cores: 4, memory: 8GiB, labels: { rack: r1, site: s1 } }
  - { name: h2, cores: 4, memory: 8GiB, labels: { rack: r2, site: s2 } }
vms: [{ name: a, vcpus: 1, memory: 1GiB }]
";

fn policy(text: &str) -> Files {
    let files = Files(tempfile::tempdir().unwrap());
    files.put("spec.yaml", RACKS.replace("{ survive: host }", text));
    files
}

fn survives(text: &str) -> Vec<(Level, Quorum)> {
    let policy = policy(&format!("{{ survive: {text} }}")).load().unwrap().policy;
    policy.survive.iter().map(|survive| (survive.level, survive.quorum)).collect()
}

#[test]
fn levels_are_words_maps_or_lists_of_both() {
    let (automatic, manual) = (Quorum::Automatic, Quorum::Manual);
    assert_eq!(survives("none"), []);
    assert_eq!(survives("rack"), [(Level::Rack, automatic)]);
    assert_eq!(survives("[site, host]"), [(Level::Host, automatic), (Level::Site, automatic)]);
    assert_eq!(survives("{ level: host, quorum: manual }"), [(Level::Host, manual)]);
    assert_eq!(
        survives("[{ level: rack, quorum: manual }, host]"),
        [(Level::Host, automatic), (Level::Rack, manual)]
    );
    assert_eq!(policy("{}").load().unwrap().policy, Policy::surviving(Level::Host));
}

#[test]
fn levels_that_make_no_sense_are_refused() {
    let said = |text: &str| policy(&format!("{{ survive: {text} }}")).errors();
    insta::assert_snapshot!(said("[host, host]"), @"spec.yaml:2:27: policy.survive: duplicate level host");
    insta::assert_snapshot!(said("[host, rack, site]"), @"
    spec.yaml:2:20: policy.survive: 3 levels; expected at most 2
    hint: what survives a site need not name racks as well
    ");
    insta::assert_snapshot!(said("[]"), @"spec.yaml:2:20: policy.survive: an empty list; expected levels, or `none`");
    insta::assert_snapshot!(said("[none]"), @r#"spec.yaml:2:21: policy.survive: "none" is not known; expected host, rack or site"#);
    insta::assert_snapshot!(said("[[host]]"), @"spec.yaml:2:21: survive: found a list; expected host, rack, site or a map such as { level: host }");
    insta::assert_snapshot!(said("~"), @"spec.yaml:2:20: survive: found nothing; expected host, rack, site, none, a list such as [host, rack] or a map such as { level: host, quorum: manual }");
    insta::assert_snapshot!(said("{ levle: host }"), @r#"
    spec.yaml:2:22: unknown field "levle" in survive; expected level or quorum
    hint: did you mean "level"?
    "#);
    insta::assert_snapshot!(said("{ level: host, quorum: none }"), @r#"spec.yaml:2:43: policy.survive.quorum: "none" is not known; expected automatic or manual"#);
    let files = policy("{ survive: [rack, site] }");
    let spec =
        RACKS.replace("rack: r2", "rack: r1").replace("survive: host", "survive: [rack, site]");
    insta::assert_snapshot!(files.put("spec.yaml", spec).errors(), @r#"
    spec.yaml:2:27: policy.survive: rack "r1" is in site "s1" on h1 and in site "s2" on h2; expected one site per rack
    hint: two racks of one name? give them different ones, such as s1-r1 and s2-r1
    "#);
}

#[test]
fn objectives_keep_their_order_and_begin_with_unmet() {
    let objective = |text: &str| policy(&format!("{{ objective: {text} }}"));
    assert_eq!(
        objective("[unmet, balance]").load().unwrap().policy.objective,
        [Objective::Unmet, Objective::Balance]
    );
    assert_eq!(policy("{}").load().unwrap().policy.objective, Objective::ALL);
    insta::assert_snapshot!(objective("[cost]").errors(), @"
    spec.yaml:2:22: policy.objective: must begin with unmet
    hint: expected unmet, cost, moves, balance, in this order; all but unmet may be omitted
    ");
    insta::assert_snapshot!(objective("[unmet, moves, cost]").errors(), @"
    spec.yaml:2:37: policy.objective: cost must come before moves
    hint: expected unmet, cost, moves, balance, in this order; all but unmet may be omitted
    ");
    insta::assert_snapshot!(objective("[unmet, unmet]").errors(), @"
    spec.yaml:2:30: policy.objective: duplicate objective unmet
    hint: expected unmet, cost, moves, balance, in this order; all but unmet may be omitted
    ");
    insta::assert_snapshot!(objective("[unmet, costs]").errors(), @r#"
    spec.yaml:2:30: policy.objective: "costs" is not known; expected unmet, cost, moves or balance
    hint: did you mean "cost"?
    "#);
    insta::assert_snapshot!(objective("unmet").errors(), @r#"spec.yaml:2:22: objective: found "unmet"; expected a list such as [a, b]"#);
}

#[test]
fn addresses_of_one_machine_are_in_nobodys_way() {
    let said = |more: &str| changed("spec.yaml", "gateway: 10.77.0.1", more);
    insta::assert_snapshot!(said("gateway: 10.77.0.1, vip: 10.77.0.1"), @"
    spec.yaml:3:106: vip: 10.77.0.1 is the gateway's address
    hint: choose an unused address
    ");
    insta::assert_snapshot!(said("gateway: 10.77.0.1, vip: 10.77.0.60"), @"
    spec.yaml:3:106: vip: 10.77.0.60 lies in the instances' range 10.77.0.50-10.77.0.99
    hint: an instance would take the vip's address; shorten `addresses`
    ");
    insta::assert_snapshot!(said("vip: 10.78.0.1"), @"spec.yaml:3:86: vip: 10.78.0.1 is not an address in 10.77.0.0/24");
    insta::assert_snapshot!(changed("spec.yaml", "10.77.0.50-10.77.0.99", "10.77.0.50-10.77.0.56"), @"
    spec.yaml:3:58: addresses: 10.77.0.50-10.77.0.56 are 7 addresses; the services need at least 6 and the vms 2
    hint: widen the range to 8 or more
    ");
    insta::assert_snapshot!(changed("spec.yaml", "network: { bridge: br0, subnet: 10.77.0.0/24, addresses: 10.77.0.50-10.77.0.99, gateway: 10.77.0.1 }\n", ""), @r#"
    spec.yaml:1:1: the field "network" is missing
    hint: services have addresses: `network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199 }`
    "#);
}
