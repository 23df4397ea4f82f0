//! How large a test is.

/// `native`, or under Miri, which is some thousand times slower, `miri`.
pub(crate) const fn native_or_miri(native: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { native }
}
