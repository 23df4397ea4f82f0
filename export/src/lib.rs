#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

#[cfg(feature = "axum")]
mod accept;
#[cfg(feature = "axum")]
mod axum;
mod detail;
#[cfg(feature = "_exporter")]
mod exporter;
mod families;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "prometheus-client")]
mod prometheus_client;
#[cfg(feature = "metrics")]
mod publisher;
mod series;
#[cfg(feature = "serve")]
mod serve;
mod text;

pub use detail::Detail;
#[cfg(feature = "_exporter")]
pub use exporter::Exporter;
#[cfg(feature = "json")]
pub use json::{JSON_SCHEMA, json};
#[cfg(feature = "metrics")]
pub use publisher::Publisher;
#[cfg(feature = "serve")]
pub use serve::{Server, serve};
pub use text::{OPENMETRICS_TYPE, PROMETHEUS_TEXT_TYPE, openmetrics, prometheus_text};
