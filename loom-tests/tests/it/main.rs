//! The models, each with the one sentence that it proves, and their canaries: the same models of
//! gauges and registries that break a promise. A canary must fail.

mod budget;
mod corrections;
mod edges;
mod handover;
mod peaks;
mod probe;
mod registry;
mod settings;
mod waiter;
