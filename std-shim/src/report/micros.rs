//! Times as whole microseconds: a JavaScript number holds them exactly, until the year 2255.

use std::time::{Duration, SystemTime};

/// A length of time.
pub(crate) mod length {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Duration;

    pub(crate) fn serialize<S: Serializer>(
        length: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        micros.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_micros)
    }
}

/// A moment, since the beginning of 1970. One before is negative.
pub(crate) mod moment {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Duration, SystemTime};

    pub(crate) fn serialize<S: Serializer>(
        moment: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        moment.map(micros).serialize(serializer)
    }

    fn micros(moment: SystemTime) -> i64 {
        let limited = |length: Duration| i64::try_from(length.as_micros()).unwrap_or(i64::MAX);
        match moment.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => limited(since),
            Err(before) => -limited(before.duration()),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let Some(micros) = Option::<i64>::deserialize(deserializer)? else {
            return Ok(None);
        };
        let length = Duration::from_micros(micros.unsigned_abs());
        let moment = if micros < 0 {
            SystemTime::UNIX_EPOCH.checked_sub(length)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(length)
        };
        let outside = || D::Error::custom(format!("no moment of this system: {micros} us"));
        moment.map(Some).ok_or_else(outside)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_moment_before_1970_is_negative() {
            let of = |micros| SystemTime::UNIX_EPOCH - Duration::from_micros(micros);
            assert_eq!(micros(of(0)), 0);
            assert_eq!(micros(of(1_500_000)), -1_500_000);
            let later = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_999);
            assert_eq!(micros(later), 1);
        }
    }
}
