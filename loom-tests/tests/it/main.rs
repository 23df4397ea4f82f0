//! The models. Each says in one sentence what it proves, and has a canary: the same model of a tempting wrong version.

mod corrections;
mod gauge;
mod registry;
