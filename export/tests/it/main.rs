//! What is exported, through the public API.

#[cfg(feature = "json")]
mod json;
mod sidecar;
mod text;
