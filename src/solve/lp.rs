//! Linear programs that grow by columns, in HiGHS.

use ::highs::{Col, ColProblem, HighsModelStatus, Model as HighsModel, Row, Sense};

/// Rows that were given first, and columns so far.
pub(super) struct GrowingLp {
    model: Option<HighsModel>,
    rows: Vec<Row>,
}

/// The dual solution.
pub(super) struct Duals {
    /// Dual values by row.
    pub rows: Vec<f64>,
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
        Ok(Self { model: Some(model), rows })
    }

    /// Adds a column from 0 to `most` with factors by row.
    pub(super) fn add(
        &mut self,
        cost: f64,
        most: f64,
        factors: &[(usize, f64)],
    ) -> Result<(), String> {
        let model = self.model.as_mut().ok_or("the program is lost")?;
        let of = |(row, factor): &(usize, f64)| Some((*self.rows.get(*row)?, *factor));
        let added: Result<Col, _> =
            model.try_add_column(cost, 0.0..=most, factors.iter().filter_map(of));
        added.map(|_| ()).map_err(|status| format!("HiGHS: {status:?}"))
    }

    /// Solves it; `None` if there is no optimum in time.
    pub(super) fn solve(&mut self, seconds: f64) -> Result<Option<Duals>, String> {
        let mut model = self.model.take().ok_or("the program is lost")?;
        // HiGHS counts the time of all its runs of a model.
        let _ = model.try_set_option("time_limit", seconds);
        let solved = model.try_solve().map_err(|status| format!("HiGHS: {status:?}"))?;
        let found = (solved.status() == HighsModelStatus::Optimal)
            .then(|| Duals { rows: solved.get_solution().dual_rows().to_vec() });
        self.model = Some(HighsModel::from(solved));
        Ok(found)
    }
}
