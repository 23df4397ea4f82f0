//! The sequential oracle: a gauge and a registry in plain integers, histories of operations, and
//! the comparison of the real thing with the reference after each of them. The property tests and
//! the fuzz targets share it.

mod gauge;
mod held_budget;
pub(crate) mod history;
mod registry;
mod side_by_side;
