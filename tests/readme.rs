//! What the README shows is so: its links lead somewhere, and every command of its
//! planning part runs, in its order, on the spec and the host that it shows. The
//! commands that need hosts are run by the end-to-end test, the two of the quick
//! start by whoever reads it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "other tests list what was written")]
mod bench;

use std::path::Path;

use crate::bench::Bench;

const README: &str = include_str!("../README.md");

/// The lines of the console blocks of a part, without comments.
fn commands(part: &str) -> Vec<String> {
    let begin = README.find(part).unwrap();
    let end = README[begin + 3..].find("\n##").map_or(README.len(), |end| begin + 3 + end);
    let blocks = README[begin..end].split("```console\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let commands = lines.filter_map(|line| line.strip_prefix("$ "));
    commands.map(|line| line.split(" #").next().unwrap().trim().to_owned()).collect()
}

/// Words as a shell splits them, quotes taken off.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in command.split('"').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for link in README.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(link.starts_with("https://") || root.join(link).exists(), "{link}");
    }
}

#[test]
fn the_planning_part_runs() {
    let bench = Bench::new();
    let blocks = README.split("```yaml\n").skip(1);
    let spec = blocks
        .map(|block| block.split("```").next().unwrap())
        .find(|block| block.starts_with("name: shop"))
        .unwrap();
    // Eight such hosts: one is too small for all that the example asks for.
    let mut all = String::new();
    for cpu in 0..64 {
        all.push_str(&format!("{cpu},{cpu},0,0,,{cpu},{cpu},{cpu},{}\n", cpu / 8));
    }
    let lscpu = format!("# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n{all}");
    let spec: String =
        spec.lines().filter(|line| !line.starts_with("image:")).collect::<Vec<_>>().join("\n");
    bench.put("spec.yaml", &spec).put("h1.txt", &lscpu);
    let mut ran = 0;
    for command in commands("### Planning, without any host") {
        let words = words(command.split(" > ").next().unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some(("hostsplit", args)) = words.split_first().map(|(first, rest)| (*first, rest))
        else {
            assert_eq!(words[0], "lscpu");
            continue;
        };
        let said = bench.run(args);
        assert!(said.starts_with("exit 0\n"), "{command}\n{said}");
        ran += 1;
        if args[0] == "import" {
            let host = bench.read("hosts/h1.yaml").unwrap();
            for number in 2..9 {
                let name = format!("name: h{number}");
                bench.put(&format!("hosts/h{number}.yaml"), &host.replace("name: h1", &name));
            }
        }
    }
    assert_eq!(ran, 12);
}

#[test]
fn the_first_screen_is_what_is_planned() {
    let expected = include_str!("../examples/four-services/expected/plan.txt");
    let begin = README.find("$ hostsplit plan examples/four-services/spec.yaml").unwrap();
    let screen = README[begin..].split("```").next().unwrap();
    for line in screen.lines().skip(1).filter(|line| *line != "...") {
        assert!(expected.lines().any(|other| other == line), "{line}");
    }
}
