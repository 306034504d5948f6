//! The restricted master problem in integers, with the rows of `master_rows.rs`: which of the
//! patterns found are used how often.

use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::column_generation::ColumnGeneration;
use super::master_rows::{MasterRows, Pattern, count, max_per_domain};
use crate::model::{Program, Sum, Var};
use crate::sizing::Candidate;

/// A choice of layouts, and of patterns with how often each is used.
pub(super) type Chosen = (Vec<Option<usize>>, Vec<(Pattern, i64)>);

/// Returns the cheapest choice of patterns that is found.
pub(super) fn choose(generated: &ColumnGeneration, limits: &MipLimits) -> Option<Chosen> {
    let ColumnGeneration { rows, patterns, .. } = generated;
    let mut master = Master::new(rows, patterns);
    master.cover_rows();
    master.bin_rows();
    master.shared_rows();
    master.domain_rows();
    let costs = rows.packing.classes.iter().map(|class| class.cost);
    let cost: Sum = costs.zip(master.hosts.iter().copied()).collect();
    match minimise(&master.program, &cost, limits, None) {
        Ok(MipOutcome::Feasible { values, .. }) => Some(master.read(&values)),
        _ => None,
    }
}

/// The program with its variables.
struct Master<'a> {
    rows: &'a MasterRows<'a, 'a>,
    patterns: &'a [Pattern],
    program: Program,
    /// Hosts in use, by class.
    hosts: Vec<Var>,
    /// Chosen layouts, by part and candidate.
    layouts: Vec<Vec<Var>>,
    /// Bins filled by each pattern.
    uses: Vec<Var>,
}

impl<'a> Master<'a> {
    /// Adds the variables, and the choice of one layout per part.
    fn new(rows: &'a MasterRows, patterns: &'a [Pattern]) -> Self {
        let mut program = Program::default();
        let mut hosts = Vec::new();
        for (at, class) in rows.packing.classes.iter().enumerate() {
            let most = u64::try_from(class.hosts.len()).ok();
            hosts.push(program.variable(format!("hosts {at}"), most));
        }
        let mut layouts: Vec<Vec<Var>> = Vec::new();
        for part in &rows.packing.problem.parts {
            let all = 0..part.candidates.len();
            let name = |at: usize| format!("x {} {at}", part.name);
            layouts.push(all.map(|at| program.variable(name(at), Some(1))).collect());
        }
        let uses =
            (0..patterns.len()).map(|at| program.variable(format!("pattern {at}"), None)).collect();
        for choice in &layouts {
            program.equal(choice.iter().map(|var| (1, *var)).collect(), 1);
        }
        Self { rows, patterns, program, hosts, layouts, uses }
    }

    fn uses(&self) -> impl Iterator<Item = (&'a Pattern, Var)> {
        self.patterns.iter().zip(self.uses.iter().copied())
    }

    /// Adds what the chosen layout of a part makes of a number per candidate.
    fn add_layouts(&self, row: &mut Sum, part: usize, of: impl Fn(&Candidate) -> i64) {
        let entry = self.rows.packing.problem.parts.get(part);
        let candidates = entry.into_iter().flat_map(|part| &part.candidates);
        for (candidate, var) in candidates.zip(self.layouts.get(part).into_iter().flatten()) {
            row.add(of(candidate), *var);
        }
    }

    /// Each item is in as many patterns as the chosen layout has of it.
    fn cover_rows(&mut self) {
        let mut rows = vec![Sum::default(); self.rows.packing.items.len()];
        for (pattern, var) in self.uses() {
            for (item, count) in &pattern.counts {
                if let Some(row) = rows.get_mut(*item) {
                    row.add(-*count, var);
                }
            }
        }
        for (item, mut row) in self.rows.packing.items.iter().zip(rows) {
            self.add_layouts(&mut row, item.part, |one| count(one, item.size));
            self.program.at_most(row, 0);
        }
    }

    /// Bins of each type are those of the hosts in use.
    fn bin_rows(&mut self) {
        let mut rows = vec![Sum::default(); self.rows.packing.bin_types.len()];
        for (pattern, var) in self.uses() {
            if let Some(row) = rows.get_mut(pattern.bin_type) {
                row.add(1, var);
            }
        }
        for (bin, mut row) in self.rows.packing.bin_types.iter().zip(rows) {
            if let Some(var) = self.hosts.get(bin.class) {
                row.add(-bin.per_host, *var);
            }
            self.program.at_most(row, 0);
        }
    }

    /// Disk, I/O and bandwidth are those of the hosts in use.
    fn shared_rows(&mut self) {
        let packing = self.rows.packing;
        for (class, dimension) in &self.rows.shared {
            let mut row = Sum::default();
            for (pattern, var) in self.uses() {
                if self.rows.class_of(pattern) == *class {
                    row.add(packing.takes(*class, &pattern.counts, *dimension), var);
                }
            }
            let has = packing.classes.get(*class).and_then(|c| c.capacity.get(*dimension).copied());
            if let Some(var) = self.hosts.get(*class) {
                row.add(-has.unwrap_or(0), *var);
            }
            self.program.at_most(row, 0);
        }
    }

    /// No rack or site holds more of a part than its layout allows.
    fn domain_rows(&mut self) {
        let packing = self.rows.packing;
        for domain in &self.rows.domains {
            let mut row = Sum::default();
            for (pattern, var) in self.uses() {
                if domain.classes.contains(&self.rows.class_of(pattern)) {
                    row.add(packing.of_part(&pattern.counts, domain.part), var);
                }
            }
            let parts = &packing.problem.parts;
            let most = |one: &Candidate| -max_per_domain(parts, domain.part, one);
            self.add_layouts(&mut row, domain.part, most);
            self.program.at_most(row, 0);
        }
    }

    /// Reads the choice from an assignment.
    fn read(&self, values: &[i64]) -> Chosen {
        let value = |var: Var| values.get(var.index()).copied().unwrap_or(0);
        let layouts =
            self.layouts.iter().map(|all| all.iter().position(|var| value(*var) > 0)).collect();
        let used = self.uses().map(|(pattern, var)| (pattern.clone(), value(var)));
        (layouts, used.filter(|(_, times)| *times > 0).collect())
    }
}
