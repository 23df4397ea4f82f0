//! The search leaves nothing out: a plain search, in which every access is a step and no states are
//! merged but equal ones, comes to the same ends.

use fillgauge_search_tests::search::Settings;

use crate::pairs;

#[test]
fn a_plain_search_comes_to_the_same_ends() {
    let (mut states, mut plain_states) = (0, 0);
    // A prime number, so that all pairs, pasts and depths have their turn.
    for program in pairs::programs().iter().step_by(53) {
        let plain = Settings {
            most_states: 300_000,
            is_plain: true,
        };
        let searches = (
            program.search(plain),
            program.search(Settings::up_to(300_000)),
        );
        match searches {
            // Two corrections may have more states than that.
            (Ok(plain), _) if !plain.is_complete => {}
            (Ok(plain), Ok(counts)) => {
                assert_eq!(plain.ends, counts.ends, "{program:?}");
                states += counts.states;
                plain_states += plain.states;
            }
            (Err(plain), Err(failure)) => {
                assert_eq!(plain.broken.promise, failure.broken.promise, "{failure}");
            }
            (Err(failure), Ok(_)) => panic!("found by the plain search only: {failure}"),
            (Ok(_), Err(failure)) => panic!("not found by the plain search: {failure}"),
        }
    }
    println!("{states} states instead of {plain_states}");
}
