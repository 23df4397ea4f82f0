//! What is exported: which registries, and in which detail.

use fillgauge_std::{QueueRegistry, Report};

use crate::detail::Detail;

/// The registries that are exported whenever somebody asks, and the detail of their metrics.
///
/// ```
/// use fillgauge_export::Exporter;
/// use fillgauge_std::{QueueRegistry, track};
///
/// let sessions = QueueRegistry::new("sessions");
/// let _frames = track("frames").capacity(16).registry(&sessions).gauge();
///
/// let exporter = Exporter::global().and(&sessions);
/// assert_eq!(exporter.reports()[1].limits[0].name, "frames");
/// ```
#[derive(Clone, Debug)]
pub struct Exporter {
    registries: Vec<QueueRegistry>,
    pub(crate) detail: Detail,
    scraper: Option<String>,
}

impl Exporter {
    /// The registry of the process.
    #[must_use]
    pub fn global() -> Self {
        Self::of(QueueRegistry::global())
    }

    /// A registry of your own alone.
    #[must_use]
    pub fn of(registry: &QueueRegistry) -> Self {
        Self {
            registries: vec![registry.clone()],
            detail: Detail::default(),
            scraper: None,
        }
    }

    /// And another registry. One that is there already is not exported twice.
    #[must_use]
    pub fn and(mut self, registry: &QueueRegistry) -> Self {
        if !self.registries.contains(registry) {
            self.registries.push(registry.clone());
        }
        self
    }

    /// Whether a metric has one series for each limit, as by default, or one for each gauge.
    #[must_use]
    pub fn detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// Names who scrapes. Then there are peaks: the greatest depths since its scrape before, see
    /// [`QueueRegistry::report_for`]. Without a name there are none. Two scrapers of one exporter,
    /// such as two readers of OpenTelemetry, would share the peaks: give each an exporter.
    ///
    /// ```
    /// use fillgauge_export::Exporter;
    ///
    /// let exporter = Exporter::global().scraper("prometheus");
    /// # let _ = exporter;
    /// ```
    #[must_use]
    pub fn scraper(self, name: impl Into<String>) -> Self {
        Self {
            scraper: Some(name.into()),
            ..self
        }
    }

    /// The report of each registry.
    #[must_use]
    pub fn reports(&self) -> Vec<Report> {
        self.reports_for(None)
    }

    /// The same for a scraper that says who it is.
    pub(crate) fn reports_for(&self, scraper: Option<&str>) -> Vec<Report> {
        let scraper = scraper.or(self.scraper.as_deref());
        let registries = self.registries.iter();
        let report = |registry: &QueueRegistry| match scraper {
            Some(scraper) => registry.report_for(scraper),
            None => registry.report(),
        };
        registries.map(report).collect()
    }
}

/// [`Exporter::global`].
impl Default for Exporter {
    fn default() -> Self {
        Self::global()
    }
}
