//! lscpu's tables of CPUs: `lscpu -p[=COLUMNS]`, `lscpu -J -e`, `lscpu -J -p`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::dump::{CoreKey, Cpu, Dump, Numa, offline_note};
use super::siblings::{self, Beside};
use super::{ImportError, Place};

/// The columns of `lscpu -p` if nobody asks for others; the fifth is empty.
const DEFAULT_COLUMNS: &str = "CPU,Core,Socket,Node,,L1d,L1i,L2,L3";
const REMEDY: &str = "write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE";

/// A row: values by column, in lower case.
type Row = BTreeMap<String, String>;

/// Reads the lines of `lscpu -p`.
pub(super) fn from_table(text: &str) -> Result<Dump, ImportError> {
    let mut columns = DEFAULT_COLUMNS.to_owned();
    let mut has_header = false;
    let mut builder = Builder::default();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim();
        if let Some(comment) = line.strip_prefix('#') {
            let names: Vec<&str> = comment.split(',').map(str::trim).collect();
            if names.iter().any(|name| name.eq_ignore_ascii_case("cpu")) {
                columns = names.join(",");
                has_header = true;
                builder.has_node_column =
                    names.iter().any(|name| name.eq_ignore_ascii_case("node"));
            }
        } else if !line.is_empty() {
            let place = Place::Line(index + 1, 1);
            let row = pairs(columns.split(','), line.split(','), place)?;
            builder.row(&row, place)?;
        }
    }
    let mut dump = builder.done();
    if !has_header {
        let note = format!("The columns had no names: taken for {DEFAULT_COLUMNS}.");
        dump.notes.push(note);
    }
    Ok(dump)
}

/// Reads the rows of `lscpu -J -e`.
pub(super) fn from_json(rows: &Value) -> Result<Dump, ImportError> {
    let rows = rows
        .as_array()
        .ok_or_else(|| ImportError::new("\"cpus\" is not a list of CPUs").hint(REMEDY))?;
    let mut builder = Builder::default();
    for (index, value) in rows.iter().enumerate() {
        let place = Place::Row(index);
        let fields = value
            .as_object()
            .ok_or_else(|| ImportError::new("not an object with fields").at(place))?;
        let mut row = Row::new();
        for (name, value) in fields {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            builder.has_node_column |= name.eq_ignore_ascii_case("node");
            add(&mut row, name, &text);
        }
        builder.row(&row, place)?;
    }
    Ok(builder.done())
}

fn pairs<'a>(
    names: impl Iterator<Item = &'a str>,
    values: impl Iterator<Item = &'a str>,
    place: Place,
) -> Result<Row, ImportError> {
    let (names, values): (Vec<_>, Vec<_>) = (names.collect(), values.collect());
    // A machine without caches, or of fewer levels, leaves columns out.
    if values.len() > names.len() {
        let message = format!("{} values for {} columns", values.len(), names.len());
        return Err(ImportError::new(message).at(place).hint(REMEDY));
    }
    let mut row = Row::new();
    for (name, value) in names.into_iter().zip(values) {
        add(&mut row, name, value);
    }
    Ok(row)
}

/// Adds a value; one of several columns, `l1d:l1i:l2:l3`, for each of them.
fn add(row: &mut Row, name: &str, value: &str) {
    let mut values = value.split(':').map(str::trim);
    for name in name.to_ascii_lowercase().split(':') {
        let value = values.next().unwrap_or_default();
        // `-` means nothing, as do `?` and emptiness.
        if !name.is_empty() && !matches!(value, "" | "-" | "?") {
            row.insert(name.trim().to_owned(), value.to_owned());
        }
    }
}

#[derive(Default)]
struct Builder {
    dump: Dump,
    /// Caches beside each CPU of the dump.
    beside: Vec<Beside>,
    caches: BTreeMap<(u32, u32), usize>,
    sockets: BTreeSet<u32>,
    offline: Vec<u32>,
    nodeless: bool,
    has_node_column: bool,
}

impl Builder {
    fn row(&mut self, row: &Row, place: Place) -> Result<(), ImportError> {
        let number = |name: &str| match row.get(name) {
            None => Ok(None),
            Some(text) => text.parse::<u32>().map(Some).map_err(|_| {
                ImportError::new(format!("{name}: {text:?} is not a number")).at(place).hint(REMEDY)
            }),
        };
        let missing =
            |name: &str| ImportError::new(format!("no {name} is given")).at(place).hint(REMEDY);
        let id = number("cpu")?.ok_or_else(|| missing("CPU"))?;
        let online = row.get("online").map(|word| word.to_ascii_lowercase());
        let core = number("core")?;
        let is_off = matches!(online.as_deref(), Some("n" | "no" | "false" | "0"));
        // Of a CPU that is offline nothing else is known. If that is so of the
        // first as well, it is the columns that are missing.
        if is_off || (row.len() == 1 && !self.dump.cpus.is_empty()) {
            self.offline.push(id);
            return Ok(());
        }
        let socket = number("socket")?.unwrap_or(0);
        self.sockets.insert(socket);
        let numa = number("node")?;
        self.nodeless |= numa.is_none();
        if let Some(numa) = numa {
            self.dump.numa.entry(numa).or_default();
        }
        let l3 = number("l3")?.map(|l3| {
            let next = self.caches.len();
            *self.caches.entry((socket, l3)).or_insert(next)
        });
        self.beside.push(Beside { l1d: number("l1d")?, l1i: number("l1i")?, l2: number("l2")? });
        self.dump.cpus.push(Cpu {
            place,
            id,
            socket,
            die: 0,
            core: CoreKey { within: socket, number: core.ok_or_else(|| missing("core"))? },
            numa,
            l3,
        });
        Ok(())
    }

    fn done(mut self) -> Dump {
        if self.has_node_column && self.dump.numa.is_empty() && !self.dump.cpus.is_empty() {
            // A kernel that knows no NUMA nodes leaves the column empty: it has one.
            self.dump.numa.insert(0, Numa::default());
            self.dump.cpus.iter_mut().for_each(|cpu| cpu.numa = Some(0));
            self.nodeless = false;
        }
        self.dump.numa_listed = !self.nodeless && !self.dump.numa.is_empty();
        if !self.dump.numa_listed {
            self.dump.numa.clear();
            self.dump.cpus.iter_mut().for_each(|cpu| cpu.numa = None);
        }
        self.dump.caches_kib = vec![None; self.caches.len()];
        self.dump.notes.extend(offline_note(&self.offline));
        self.dump.notes.extend(siblings::separate(&mut self.dump.cpus, &self.beside));
        self.dump
    }
}
