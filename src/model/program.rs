//! An integer program as a value: variables with bounds, rows with integer
//! coefficients. It knows nothing of what it is about, nor of a solver.

/// Index of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Var(usize);

impl Var {
    /// Returns the index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// An integer variable from 0 to `upper`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name, for people.
    pub name: String,
    /// Upper bound, if there is one.
    pub upper: Option<i64>,
}

/// A sum of variables with integer coefficients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum(Vec<(Var, i64)>);

impl Sum {
    /// Adds `factor · var`.
    pub fn add(&mut self, factor: i64, var: Var) {
        if factor != 0 {
            self.0.push((var, factor));
        }
    }

    /// Adds `factor · other`.
    pub fn add_sum(&mut self, factor: i64, other: &Self) {
        for (var, by) in &other.0 {
            self.add(factor.saturating_mul(*by), *var);
        }
    }

    /// Returns the terms, in the order in which they were added.
    pub fn terms(&self) -> impl Iterator<Item = (Var, i64)> {
        self.0.iter().copied()
    }

    /// Whether there is no term.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the value under an assignment; a variable that it lacks counts 0.
    #[must_use]
    pub fn value(&self, values: &[i64]) -> i64 {
        self.terms().fold(0i64, |sum, (Var(index), factor)| {
            let value = values.get(index).copied().unwrap_or(0);
            sum.saturating_add(factor.saturating_mul(value))
        })
    }
}

impl FromIterator<(i64, Var)> for Sum {
    fn from_iter<I: IntoIterator<Item = (i64, Var)>>(terms: I) -> Self {
        let mut sum = Self::default();
        for (factor, var) in terms {
            sum.add(factor, var);
        }
        sum
    }
}

/// How a sum relates to its right side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// Not above.
    AtMost,
    /// Equal.
    Equal,
}

/// A constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Left side.
    pub sum: Sum,
    /// Relation.
    pub sense: Sense,
    /// Right side.
    pub right: i64,
}

impl Row {
    /// Whether an assignment keeps to it.
    #[must_use]
    pub fn holds(&self, values: &[i64]) -> bool {
        let left = self.sum.value(values);
        match self.sense {
            Sense::AtMost => left <= self.right,
            Sense::Equal => left == self.right,
        }
    }
}

/// Variables and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The variables, by index.
    pub variables: Vec<Variable>,
    /// The constraints.
    pub rows: Vec<Row>,
}

impl Program {
    /// Adds a variable.
    pub fn variable(&mut self, name: String, upper: Option<u64>) -> Var {
        self.variables.push(Variable { name, upper: upper.map(int) });
        Var(self.variables.len() - 1)
    }

    /// Fixes a variable at 0 from here on.
    pub fn fix_at_zero(&mut self, var: Var) {
        if let Some(variable) = self.variables.get_mut(var.0) {
            variable.upper = Some(0);
        }
    }

    /// Whether a variable can only be 0.
    #[must_use]
    pub fn is_fixed_at_zero(&self, var: Var) -> bool {
        self.variables.get(var.0).is_some_and(|variable| variable.upper == Some(0))
    }

    /// Adds `sum <= right`.
    pub fn at_most(&mut self, sum: Sum, right: i64) {
        self.rows.push(Row { sum, sense: Sense::AtMost, right });
    }

    /// Adds `sum = right`.
    pub fn equal(&mut self, sum: Sum, right: i64) {
        self.rows.push(Row { sum, sense: Sense::Equal, right });
    }
}

/// Returns a quantity as a coefficient; saturates.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
