//! `hostsplit import`: files that describe machines to host files.
#![expect(clippy::disallowed_methods, reason = "edge: reads the files it is given")]

mod show;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{CliError, Outcome, exit};
use super::ui::Format;
use crate::atomic_file;
use crate::ids::HostName;
use crate::report::host::{self, HostFile};
use crate::topology::Virtualization;
use crate::topology::import::{self, ImportError, Machine, Stated};
use crate::units::{BitsPerSecond, HumanUnit as _, Mebibytes};

/// Convert topology files of other programs into host files
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Output of virsh capabilities, lstopo --of xml, lscpu -p or lscpu -J, detected from the
    /// content; one machine per file, - for stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Host file, or directory for NAME.yaml files [default: stdout]
    #[arg(short, long, value_name = "DIR|FILE")]
    output: Option<PathBuf>,
    /// Name of the host [default: the machine's hostname, else the file's name]
    #[arg(long)]
    name: Option<HostName>,
    /// libvirt URI of the host
    #[arg(long)]
    uri: Option<String>,
    /// How the hosts run guests: kvm or qemu
    #[arg(long, value_name = "KIND", value_parser = super::discover::hypervisor)]
    hypervisor: Option<Virtualization>,
    /// Memory of each machine, divided equally among its NUMA nodes: 768GiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<Mebibytes>,
    /// NUMA nodes per socket; each socket is divided into as many parts
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    numa_per_socket: Option<u32>,
    /// Bridge that guests can be attached to; may be repeated
    #[arg(long, value_name = "BRIDGE")]
    bridge: Vec<String>,
    /// Bandwidth of the NIC behind the bridge: 25Gbit/s
    #[arg(long, value_name = "RATE", value_parser = rate)]
    network: Option<BitsPerSecond>,
    /// Storage pool and the space that plans may use: default=3TiB; may be repeated
    #[arg(long, value_name = "NAME=SIZE", value_parser = pool)]
    pool: Vec<(String, Mebibytes)>,
    /// Replace existing host files
    #[arg(long)]
    force: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn size(text: &str) -> Result<Mebibytes, String> {
    let size = Mebibytes::parse(text).map_err(|error| error.to_string())?;
    if size == Mebibytes::ZERO { Err("expected more than 0".to_owned()) } else { Ok(size) }
}

fn rate(text: &str) -> Result<BitsPerSecond, String> {
    let rate = BitsPerSecond::parse(text).map_err(|error| error.to_string())?;
    if rate == BitsPerSecond::ZERO { Err("expected more than 0".to_owned()) } else { Ok(rate) }
}

fn pool(text: &str) -> Result<(String, Mebibytes), String> {
    let (name, space) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("expected NAME=SIZE, such as default=3TiB")?;
    Ok((name.to_owned(), size(space)?))
}

/// A file that was read.
struct Imported {
    origin: String,
    machine: Machine,
    file: HostFile,
    path: Option<PathBuf>,
}

/// Runs the command. Nothing is written unless every file can be taken.
pub(super) fn run(args: &Args) -> Outcome {
    refuse_shared(args)?;
    let mut hosts: BTreeMap<HostName, Imported> = BTreeMap::new();
    for path in &args.files {
        let (name, host) = import(args, path)?;
        let origin = host.origin.clone();
        if let Some(other) = hosts.insert(name.clone(), host) {
            let message = format!("duplicate host name {name}: {} and {origin}", other.origin);
            return Err(CliError::new(message).hint("import one at a time, with --name"));
        }
    }
    if !args.force {
        hosts.values().try_for_each(refuse_differing)?;
    }
    hosts.values().try_for_each(write)?;
    show::show(args.format, &hosts)
}

/// Refuses options of one host for several.
fn refuse_shared(args: &Args) -> Result<(), CliError> {
    let is_file = args.output.as_deref().is_some_and(is_file);
    let flags = [("--name", args.name.is_some()), ("--uri", args.uri.is_some())];
    let one = flags.into_iter().chain([("an output that ends in .yaml", is_file)]);
    let one = one.filter(|(_, is_given)| *is_given).map(|(flag, _)| flag).next();
    if let (true, Some(flag)) = (args.files.len() > 1, one) {
        let message =
            format!("{flag} applies to one host, but {} files were given", args.files.len());
        return Err(CliError::new(message).code(exit::USAGE).hint("import one file at a time"));
    }
    let mut names: Vec<&str> = args.pool.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some([name, _]) = names.windows(2).find(|pair| matches!(pair, [a, b] if a == b)) {
        return Err(CliError::new(format!("duplicate pool {name}")).code(exit::USAGE));
    }
    Ok(())
}

fn import(args: &Args, path: &Path) -> Result<(HostName, Imported), CliError> {
    let origin = if path == Path::new("-") { "stdin".into() } else { path.display().to_string() };
    let refused = |error: ImportError| {
        let shown = CliError::new(error.in_file(&origin));
        CliError { hint: error.hint, ..shown }
    };
    let bytes =
        read(path).map_err(|error| CliError::new(format!("cannot read {origin}: {error}")))?;
    if bytes.len() as u64 > import::MAX_BYTES {
        return Err(refused(ImportError::too_large()));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let message = format!("{origin}: byte {valid} is not UTF-8");
        CliError::new(message).hint(import::EXPECTED)
    })?;
    let stated = Stated { memory: args.memory, numa_per_socket: args.numa_per_socket };
    let machine = import::read(&text, &stated).map_err(refused)?;
    let name = args.name.clone().or_else(|| name_of(&machine, path)).ok_or_else(|| {
        CliError::new(format!("{origin} contains no name for the host")).hint("pass one: --name h1")
    })?;
    let stated = host::Stated {
        uri: args.uri.clone(),
        hypervisor: args.hypervisor,
        bridges: args.bridge.clone(),
        pools: args.pool.clone(),
        network: args.network,
    };
    let file = host::imported_file(&name, &origin, &machine, &stated);
    let path = args.output.as_ref().map(|output| target(output, &name));
    Ok((name, Imported { origin, machine, file, path }))
}

/// Reads a file, at most one byte more than is accepted.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    let mut bytes = Vec::new();
    source.take(import::MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The machine's own name, else the file's.
fn name_of(machine: &Machine, path: &Path) -> Option<HostName> {
    let own = machine.hostname.as_deref().and_then(host::name_of);
    own.or_else(|| host::name_of(path.file_stem()?.to_str()?))
}

/// A name that ends in `.yaml` or `.yml` is a file, any other a directory.
fn is_file(output: &Path) -> bool {
    output.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn target(output: &Path, name: &HostName) -> PathBuf {
    if is_file(output) { output.to_owned() } else { output.join(format!("{name}.yaml")) }
}

/// Keeps a file that differs, unless forced: it may hold edits.
fn refuse_differing(host: &Imported) -> Result<(), CliError> {
    let Some(path) = &host.path else { return Ok(()) };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(CliError::new(format!("cannot read {}: {error}", path.display()))),
        Ok(old) if old == host.file.text => Ok(()),
        Ok(_) => {
            let message = format!("{} exists and differs; nothing was written", path.display());
            Err(CliError::new(message).hint("it may hold edits; pass --force to replace it"))
        }
    }
}

fn write(host: &Imported) -> Result<(), CliError> {
    let Some(path) = &host.path else { return Ok(()) };
    let cannot = |error| CliError::new(format!("cannot write {}: {error}", path.display()));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(cannot)?;
    }
    atomic_file::replace(path, host.file.text.as_bytes()).map_err(cannot)
}
