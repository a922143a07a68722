//! The parts of `sensocto demo`: nodes as processes, the measurement of propagation, and the verdict.

pub(crate) mod nodes;
pub(crate) mod ports;
pub(crate) mod probe;
pub(crate) mod screen;
pub(crate) mod verdict;
