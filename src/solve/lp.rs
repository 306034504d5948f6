//! Linear programs that grow by columns, in HiGHS.

use ::highs::{Col, ColProblem, HighsModelStatus, Model as HighsModel, Row, Sense};

use super::Deadline;

/// Rows that were given first, and columns so far.
pub(super) struct GrowingLp {
    model: Option<HighsModel>,
    rows: Vec<Row>,
    columns: Vec<Col>,
    /// Seconds of all runs.
    spent: f64,
}

/// An optimal solution.
pub(super) struct Optimum {
    /// Values by column.
    pub values: Vec<f64>,
    /// Dual values by row.
    pub duals: Vec<f64>,
    /// What is minimised.
    pub objective: f64,
}

impl GrowingLp {
    /// Returns a minimisation with these bounds of its rows and no column yet.
    pub(super) fn new(bounds: &[(f64, f64)]) -> Result<Self, String> {
        let mut problem = ColProblem::new();
        let rows = bounds.iter().map(|(low, high)| problem.add_row(*low..=*high)).collect();
        let model = problem.try_optimise(Sense::Minimise);
        let mut model = model.map_err(|status| format!("HiGHS: {status:?}"))?;
        for (name, value) in [("threads", 1), ("random_seed", 0)] {
            let set = model.try_set_option(name, value);
            set.map_err(|_| format!("HiGHS refused the option {name}"))?;
        }
        Ok(Self { model: Some(model), rows, columns: Vec::new(), spent: 0.0 })
    }

    /// Adds a column from 0 to `most` with factors by row. Returns its index.
    pub(super) fn add(
        &mut self,
        cost: f64,
        most: f64,
        factors: &[(usize, f64)],
    ) -> Result<usize, String> {
        let model = self.model.as_mut().ok_or("the program is lost")?;
        let of = |(row, factor): &(usize, f64)| Some((*self.rows.get(*row)?, *factor));
        let added: Result<Col, _> =
            model.try_add_column(cost, 0.0..=most, factors.iter().filter_map(of));
        self.columns.push(added.map_err(|status| format!("HiGHS: {status:?}"))?);
        Ok(self.columns.len() - 1)
    }

    /// Sets the bounds of a column.
    pub(super) fn bound(&mut self, column: usize, low: f64, high: f64) {
        if let (Some(model), Some(column)) = (&mut self.model, self.columns.get(column)) {
            model.change_column_bounds(*column, low..=high);
        }
    }

    /// Solves it; `None` if there is no optimum in time.
    pub(super) fn solve(&mut self, deadline: &Deadline) -> Result<Option<Optimum>, String> {
        let mut model = self.model.take().ok_or("the program is lost")?;
        let began = deadline.spent();
        // HiGHS counts the time of all its runs of a model.
        let _ = model.try_set_option("time_limit", self.spent + deadline.left());
        let solved = model.try_solve().map_err(|status| format!("HiGHS: {status:?}"))?;
        self.spent += deadline.spent() - began;
        let found = (solved.status() == HighsModelStatus::Optimal).then(|| {
            let solution = solved.get_solution();
            Optimum {
                values: solution.columns().to_vec(),
                duals: solution.dual_rows().to_vec(),
                objective: solved.objective_value(),
            }
        });
        self.model = Some(HighsModel::from(solved));
        Ok(found)
    }
}
