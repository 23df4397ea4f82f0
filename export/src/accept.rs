//! Which of both text formats a scraper asks for.

/// `q` in thousandths.
type Quality = u16;

/// Whether the values of `Accept` prefer OpenMetrics 1.0.0, or rank both formats equal.
///
/// Only a range that names OpenMetrics asks for it: a browser, which takes anything, gets text.
/// Ranges that are malformed are ignored.
pub(crate) fn wants_openmetrics<'value>(accept: impl IntoIterator<Item = &'value str>) -> bool {
    let mut openmetrics = None;
    // The range that says most about text decides: its type, any text, anything.
    let mut text = [None; 3];
    for range in accept.into_iter().flat_map(|value| split(value, ',')) {
        let mut parts = split(range, ';');
        let media_type = parts.next().unwrap_or_default();
        let Some((quality, version)) = parameters(parts) else {
            continue;
        };
        let is = |name: &str| media_type.eq_ignore_ascii_case(name);
        let is_version = |number| version.is_none_or(|version| version == number);
        let wanted = if is("application/openmetrics-text") && is_version("1.0.0") {
            &mut openmetrics
        } else if is("text/plain") && is_version("0.0.4") {
            &mut text[0]
        } else if is("text/*") {
            &mut text[1]
        } else if is("*/*") {
            &mut text[2]
        } else {
            continue;
        };
        *wanted = (*wanted).max(Some(quality));
    }
    let text = text.into_iter().flatten().next().unwrap_or(0);
    openmetrics.is_some_and(|quality| quality > 0 && quality >= text)
}

/// The quality and the version of a range. `None` if its `q` is malformed.
fn parameters<'range>(
    parts: impl Iterator<Item = &'range str>,
) -> Option<(Quality, Option<&'range str>)> {
    let (mut quality_found, mut version) = (1_000, None);
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.eq_ignore_ascii_case("q") {
            quality_found = quality(value)?;
        } else if name.eq_ignore_ascii_case("version") {
            version = Some(unquoted(value));
        }
    }
    Some((quality_found, version))
}

/// `0`, `0.5`, `1.000`: at most three digits, and at most 1.
fn quality(value: &str) -> Option<Quality> {
    let (whole, decimals) = value.split_once('.').unwrap_or((value, ""));
    let is_number = matches!(whole, "0" | "1")
        && decimals.len() <= 3
        && decimals.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number {
        return None;
    }
    let thousandths = format!("{whole}{decimals:0<3}").parse().ok()?;
    (thousandths <= 1_000).then_some(thousandths)
}

fn unquoted(value: &str) -> &str {
    let inner = value.strip_prefix('"');
    inner
        .and_then(|inner| inner.strip_suffix('"'))
        .unwrap_or(value)
}

/// The parts between separators that are not within quotes, without the spaces around them.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(move |character| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match character {
            '"' if !was_escaped => is_quoted = !is_quoted,
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            _ => {}
        }
        character == separator && !is_quoted
    });
    parts.map(|part| part.trim_matches([' ', '\t']))
}
