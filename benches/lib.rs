//! The benchmarks of fillgauge against its peers: `cargo bench --bench ratios`.
