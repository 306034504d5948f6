//! `hostsplit discover`: reads the topology of hosts and writes host files.
#![expect(clippy::disallowed_methods, reason = "edge: reads the host files that are there")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::json;

use super::error::{CliError, Outcome, exit};
use super::ui::{self, Format};
use crate::atomic_file;
use crate::hypervisor::{Domain, HostReport, Hypervisor};
use crate::ids::HostName;
use crate::report::host::{self, HostFile};
use crate::topology;

/// Read the topology of libvirt hosts and write a host file for each, for a spec to
/// include
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// libvirt URIs, each optionally with a name for the host:
    /// h1=qemu+ssh://root@10.0.0.1/system
    #[arg(required = true, value_name = "[NAME=]URI")]
    hosts: Vec<String>,
    /// Directory for the host files
    #[arg(short, long, value_name = "DIR", default_value = "hosts")]
    output: PathBuf,
    /// How the hosts run guests: kvm or qemu [default: kvm where a host offers it]
    #[arg(long, value_name = "KIND", value_parser = hypervisor)]
    hypervisor: Option<topology::Virtualization>,
    /// Replace host files that differ from what the hosts report
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Reads `kvm` or `qemu`.
pub(super) fn hypervisor(text: &str) -> Result<topology::Virtualization, String> {
    [topology::Virtualization::Kvm, topology::Virtualization::Tcg]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| "expected kvm or qemu".to_owned())
}

/// A host to query.
struct Target<'a> {
    name: Option<HostName>,
    uri: &'a str,
}

/// A host that has answered.
struct Found<'a> {
    name: HostName,
    uri: &'a str,
    report: HostReport,
    domains: Vec<Domain>,
    file: HostFile,
    path: PathBuf,
    write: Write,
}

/// What happens to a host file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    New,
    Replace,
    /// It is the same, apart from values that change by themselves.
    Keep,
}

impl Write {
    const fn as_str(self) -> &'static str {
        match self {
            Self::New => "written",
            Self::Replace => "replaced",
            Self::Keep => "kept",
        }
    }
}

/// Runs the command. Nothing is written unless every host has answered and
/// every file may be written.
pub(super) fn run(args: &Args) -> Outcome {
    let targets = args.hosts.iter().map(|text| target(text)).collect::<Result<Vec<_>, _>>()?;
    let reports = query_all(&targets)?;
    let mut found = BTreeMap::new();
    for (target, report) in targets.into_iter().zip(reports) {
        let host = found_host(args, target, report)?;
        let (name, uri) = (host.name.clone(), host.uri);
        if let Some(other) = found.insert(name.clone(), host) {
            let message = format!("duplicate host name {name}: {} and {uri}", other.uri);
            return Err(CliError::new(message).hint("name them: NAME=URI"));
        }
    }
    refuse_differing(args, found.values())?;
    write_all(&args.output, found.values())?;
    show(args.format, found.values())
}

/// Splits `NAME=URI`. A URI has a colon before its first `=`, a name has none.
fn target(text: &str) -> Result<Target<'_>, CliError> {
    match text.split_once('=') {
        Some((name, uri)) if !name.contains(':') => {
            let name =
                HostName::new(name).map_err(|error| CliError::from(error).code(exit::USAGE))?;
            Ok(Target { name: Some(name), uri })
        }
        _ => Ok(Target { name: None, uri: text }),
    }
}

/// Queries all hosts at once and reports all failures.
fn query_all(targets: &[Target<'_>]) -> Result<Vec<Answer>, CliError> {
    let answers: Vec<Result<Answer, CliError>> = thread::scope(|scope| {
        let asked: Vec<_> = targets.iter().map(|target| scope.spawn(|| query(target))).collect();
        let lost = |_| {
            Err(CliError::new(
                "internal error: the thread that queried a host panicked; please report this",
            ))
        };
        asked.into_iter().map(|answer| answer.join().unwrap_or_else(lost)).collect()
    });
    let mut reports = Vec::new();
    let mut failures = Vec::new();
    let mut hint = None;
    for answer in answers {
        match answer {
            Ok(report) => reports.push(report),
            Err(error) => {
                failures.push(error.message);
                hint = hint.or(error.hint);
            }
        }
    }
    if failures.is_empty() {
        return Ok(reports);
    }
    Err(CliError { code: exit::ERROR, message: failures.join("\n"), hint })
}

/// The report of a host and the domains on it.
type Answer = (HostReport, Vec<Domain>);

fn query(target: &Target<'_>) -> Result<Answer, CliError> {
    let label = target.name.as_ref().map_or(target.uri, HostName::as_str);
    let host = connect(label, target.uri)?;
    Ok((host.describe()?, host.domains()?))
}

#[cfg(feature = "libvirt")]
fn connect(label: &str, uri: &str) -> Result<Box<dyn Hypervisor>, CliError> {
    let host = crate::hypervisor::libvirt::LibvirtHost::open(label, uri).map_err(|error| {
        CliError::from(error).hint(format!("does `virsh -c '{uri}' version` work?"))
    })?;
    Ok(Box::new(host))
}

#[cfg(not(feature = "libvirt"))]
fn connect(_label: &str, uri: &str) -> Result<Box<dyn Hypervisor>, CliError> {
    let message = format!("cannot query {uri}: this hostsplit was built without libvirt");
    Err(CliError::new(message)
        .hint("build it with the feature `libvirt`, which is enabled by default"))
}

/// Makes the file of a host and compares it with the existing one.
fn found_host<'a>(
    args: &Args,
    target: Target<'a>,
    (report, domains): Answer,
) -> Result<Found<'a>, CliError> {
    let uri = target.uri;
    let name = target.name.or_else(|| host::name_of(&report.hostname)).ok_or_else(|| {
        let message =
            format!("{uri}: cannot derive a name from the hostname {:?}", report.hostname);
        CliError::new(message).hint("name it: NAME=URI")
    })?;
    let file = host::host_file(&name, uri, args.hypervisor, &report, &domains);
    let path = args.output.join(format!("{name}.yaml"));
    let write = match read(&path)? {
        None => Write::New,
        Some(old) if same(&old, &file.text) => Write::Keep,
        Some(_) => Write::Replace,
    };
    Ok(Found { name, uri, report, domains, file, path, write })
}

fn same(old: &str, new: &str) -> bool {
    host::without_fleeting_values(old) == host::without_fleeting_values(new)
}

fn read(path: &Path) -> Result<Option<String>, CliError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(CliError::new(format!("cannot read {}: {error}", path.display()))),
    }
}

/// Keeps a file that differs, unless forced: it may hold edits.
fn refuse_differing<'a>(
    args: &Args,
    hosts: impl Iterator<Item = &'a Found<'a>>,
) -> Result<(), CliError> {
    if args.force {
        return Ok(());
    }
    let mut message = String::new();
    for host in hosts.filter(|host| host.write == Write::Replace) {
        let old = read(&host.path)?.unwrap_or_default();
        message += &format!("{} differs from what the host reports:\n", host.path.display());
        message += &differences(&old, &host.file.text);
    }
    if message.is_empty() {
        return Ok(());
    }
    Err(CliError::new(message).hint("nothing was written; pass --force to replace the files"))
}

/// Lines of one text that the other lacks: `-` in the file, `+` from the host.
fn differences(old: &str, new: &str) -> String {
    let lacking = |sign: char, from: &str, other: &str| -> String {
        let other: Vec<&str> = other.lines().collect();
        let lines = from.lines().filter(|line| !line.starts_with('#') && !other.contains(line));
        lines.map(|line| format!("  {sign} {line}\n")).collect()
    };
    lacking('-', old, new) + &lacking('+', new, old)
}

fn write_all<'a>(
    output: &Path,
    hosts: impl Iterator<Item = &'a Found<'a>>,
) -> Result<(), CliError> {
    let cannot = |path: &Path, error: io::Error| {
        CliError::new(format!("cannot write {}: {error}", path.display()))
    };
    fs::create_dir_all(output).map_err(|error| cannot(output, error))?;
    for host in hosts.filter(|host| host.write != Write::Keep) {
        atomic_file::replace(&host.path, host.file.text.as_bytes())
            .map_err(|error| cannot(&host.path, error))?;
    }
    Ok(())
}

fn show<'a>(format: Format, hosts: impl Iterator<Item = &'a Found<'a>>) -> Outcome {
    let text: String = match format {
        Format::Text => hosts.map(line).collect(),
        Format::Json => {
            let hosts: Vec<_> = hosts.map(value).collect();
            format!("{:#}\n", json!({ "hosts": hosts }))
        }
    };
    ui::data(&text)?;
    Ok(exit::DONE)
}

/// A host in one line, and what was assumed of it.
fn line(host: &Found<'_>) -> String {
    let report = &host.report;
    let cpus: usize = report.numa.iter().map(|node| node.cpus.len()).sum();
    let memory: u64 = report.numa.iter().map(|node| node.memory_kib >> 10).sum();
    let pools: Vec<&str> = report.pools.iter().map(|pool| pool.name.as_str()).collect();
    let mut out = format!(
        "{}  {}  {} in {} NUMA, {memory}MiB, pools [{}], bridges [{}]: {} {}\n    assumed: {}\n",
        host.name,
        host.file.hypervisor.as_str(),
        if cpus == 1 { "1 CPU".to_owned() } else { format!("{cpus} CPUs") },
        report.numa.len(),
        pools.join(", "),
        report.bridges.join(", "),
        host.path.display(),
        host.write.as_str(),
        host.file.assumed.join(", "),
    );
    let cpus = report.cpu_model.iter().map(|model| format!("CPUs: {model}"));
    let nics = report.nics.iter().map(|nic| format!("NIC {}", host::nic_words(nic)));
    let domains = host.domains.iter().map(|one| format!("domain {}", host::domain_words(one)));
    for text in cpus.chain(pages(report)).chain(nics).chain(domains) {
        out += &format!("    {text}\n");
    }
    out
}

/// Pools of huge pages, by NUMA node.
fn pages(report: &HostReport) -> impl Iterator<Item = String> {
    report.numa.iter().flat_map(|node| {
        let huge = node.pages.iter().filter(|(size, count)| *size > 4 && *count > 0);
        huge.map(move |(size, count)| {
            let free = node.free_pages.iter().find(|(known, _)| known == size);
            let free = free.map_or_else(String::new, |(_, free)| format!(", {free} free"));
            format!("pages of {size} KiB on NUMA node {}: {count}{free}", node.id)
        })
    })
}

fn value(host: &Found<'_>) -> serde_json::Value {
    json!({
        "name": host.name,
        "uri": host.uri,
        "hypervisor": host.file.hypervisor,
        "file": host.path,
        "result": host.write.as_str(),
        "assumed": host.file.assumed,
        "cpu_model": host.report.cpu_model,
        "nics": host.report.nics.iter().map(|nic| json!({
            "name": nic.name, "bits_per_s": nic.bits_per_s, "numa": nic.numa,
        })).collect::<Vec<_>>(),
        "pages": pages(&host.report).collect::<Vec<_>>(),
        "domains": host.domains.iter().map(|domain| json!({
            "name": domain.name,
            "uuid": domain.uuid,
            "running": domain.active,
            "memory_kib": domain.definition.memory_kib,
            "vcpu_pins": domain.definition.vcpu_pins,
            "deployment": domain.owner.as_ref().map(|owner| &owner.deployment),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_precedes_its_uri() {
        let split = |text| target(text).map(|target| (target.name.map(String::from), target.uri));
        assert_eq!(
            split("h1=qemu+unix:///system?socket=/run/h1").unwrap(),
            (Some("h1".to_owned()), "qemu+unix:///system?socket=/run/h1")
        );
        let bare = "qemu+unix:///system?socket=/run/h1";
        assert_eq!(split(bare).unwrap(), (None, bare));
        assert_eq!(split("H 1=test:///default").unwrap_err().code, exit::USAGE);
    }

    #[test]
    fn differences_name_the_lines_on_both_sides() {
        assert_eq!(differences("# a\nx: 1\ny: 2\n", "# b\nx: 1\ny: 3\n"), "  - y: 2\n  + y: 3\n");
    }
}
