//! The searches. `budget`, `pairs`, `handover`, `panics`, `samplers`, `settings` and `sinks` are
//! tables of programs, `progress` is two of them, and `random` goes beyond them. `canaries` and
//! `stale` show that the search can fail, and `plain` that it leaves nothing out.

mod budget;
mod canaries;
mod handover;
mod pairs;
mod panics;
mod plain;
mod progress;
mod random;
mod samplers;
mod settings;
mod sinks;
mod stale;
