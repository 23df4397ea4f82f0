//! What a report says of a chain of stages.

use std::borrow::Cow;

use crate::event::Shown;

/// A chain of queues, from [`chain`](crate::chain()), and where it is slow.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct ChainReport {
    /// The name of the chain.
    pub name: String,
    /// Its stages, in the direction of the flow.
    pub stages: Vec<StageReport>,
    /// Where the chain is slow, as an index into `stages`: the first stage that is not near capacity
    /// behind one that is. What feeds it is slow. It is the number of stages if there is no such
    /// stage: what takes from the last one that is near capacity is slow. `None` if no stage is near
    /// capacity.
    pub bottleneck: Option<usize>,
    /// The same in one sentence, for people.
    pub text: String,
}

/// A stage of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct StageReport {
    /// The name of the limit of its gauge.
    pub name: Cow<'static, str>,
    /// The label of its gauge.
    pub label: Option<String>,
    /// The serial number of the registration of its gauge.
    pub instance: usize,
    /// How full it is; 0 if it is gone.
    pub fill_percent: usize,
    /// Whether it is near capacity: it has warned and is not armed again.
    pub warned: bool,
    /// Whether it has a bound. One without is never near capacity, and is passed over.
    pub bounded: bool,
    /// Whether its gauge is gone. Such a stage is passed over.
    pub gone: bool,
}

impl ChainReport {
    pub(crate) fn new(name: &str, stages: Vec<StageReport>) -> Self {
        let slow = Slow::of(&stages);
        Self {
            name: name.to_owned(),
            bottleneck: slow.map(|slow| slow.bottleneck),
            text: format!("{}: {}", Shown(name), sentence(&stages, slow)),
            stages,
        }
    }
}

/// Where a chain is slow.
#[derive(Clone, Copy)]
struct Slow {
    /// The stage that it takes from, which is near capacity.
    from: usize,
    /// The stage that it feeds, or the number of stages.
    bottleneck: usize,
}

impl Slow {
    fn of(stages: &[StageReport]) -> Option<Self> {
        let mut near = None;
        let can_tell = |(_, stage): &(usize, &StageReport)| stage.bounded && !stage.gone;
        for (index, stage) in stages.iter().enumerate().filter(can_tell) {
            if stage.warned {
                near = Some(index);
            } else if let Some(from) = near {
                let bottleneck = index;
                return Some(Self { from, bottleneck });
            }
        }
        let bottleneck = stages.len();
        near.map(|from| Self { from, bottleneck })
    }
}

fn sentence(stages: &[StageReport], slow: Option<Slow>) -> String {
    let stage = |index: usize| stages.get(index).map(StageReport::shown);
    let Some(slow) = slow else {
        return "no stage is near capacity".to_owned();
    };
    let from = stage(slow.from).unwrap_or_default();
    match stage(slow.bottleneck) {
        Some(to) => format!("what takes from {from} and feeds {to} is slow"),
        None => format!("what takes from {from} is slow"),
    }
}

impl StageReport {
    fn shown(&self) -> String {
        let name = Shown(&self.name);
        match &self.label {
            Some(label) => format!("{name} ({})", Shown(label)),
            None => name.to_string(),
        }
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    /// `w` is near capacity, `-` is not, `o` has no bound, `x` is gone.
    fn of(states: &str) -> ChainReport {
        let stages = states
            .chars()
            .zip(1..)
            .map(|(state, instance)| StageReport {
                name: Cow::Owned(format!("q{instance}")),
                label: None,
                instance,
                fill_percent: 0,
                warned: state == 'w',
                bounded: state != 'o',
                gone: state == 'x',
            });
        ChainReport::new("chain", stages.collect())
    }

    #[test]
    fn the_bottleneck_is_the_first_that_is_not_near_capacity_behind_one_that_is() {
        let table = [
            ("", None, "no stage is near capacity"),
            ("---", None, "no stage is near capacity"),
            ("w", Some(1), "what takes from q1 is slow"),
            ("w--", Some(1), "what takes from q1 and feeds q2 is slow"),
            ("ww-", Some(2), "what takes from q2 and feeds q3 is slow"),
            ("www", Some(3), "what takes from q3 is slow"),
            ("-w-", Some(2), "what takes from q2 and feeds q3 is slow"),
            ("--w", Some(3), "what takes from q3 is slow"),
            ("w-w", Some(1), "what takes from q1 and feeds q2 is slow"),
            ("wx-", Some(2), "what takes from q1 and feeds q3 is slow"),
            ("wxx", Some(3), "what takes from q1 is slow"),
            ("wo-", Some(2), "what takes from q1 and feeds q3 is slow"),
            ("wo", Some(2), "what takes from q1 is slow"),
            ("xw-", Some(2), "what takes from q2 and feeds q3 is slow"),
            ("x", None, "no stage is near capacity"),
        ];
        for (states, bottleneck, sentence) in table {
            let chain = of(states);
            assert_eq!(chain.bottleneck, bottleneck, "{states}");
            assert_eq!(chain.text, format!("chain: {sentence}"), "{states}");
        }
    }
}
