use fillgauge_search_tests::random::Programs;
use fillgauge_search_tests::search::Settings;

#[test]
fn plain_and_reduced_end_alike() {
    let t = std::time::Instant::now();
    let (mut n, mut s, mut ps, mut bad) = (0, 0, 0, 0);
    for program in Programs::from_seed(7) {
        if t.elapsed().as_secs() > 20 { break; }
        let plain = program.search(Settings { most_states: 60_000, is_plain: true });
        let reduced = program.search(Settings::up_to(60_000));
        match (plain, reduced) {
            (Ok(p), Ok(r)) => {
                if !p.is_complete || !r.is_complete { continue; }
                n += 1; s += r.states; ps += p.states;
                if p.ends != r.ends { println!("DIFFER {} {} {program:?}", p.ends.len(), r.ends.len()); }
            }
            (Err(a), Err(b)) => { bad += 1; if a.broken.promise != b.broken.promise { println!("PROMISE {} {} {program:?}", a.broken, b.broken);} else { println!("{} {program:?}", b.broken) } }
            (Ok(p), Err(e)) => if p.is_complete { println!("ONLY REDUCED {e}") },
            (Err(e), Ok(r)) => if r.is_complete { println!("ONLY PLAIN {e}") },
        }
    }
    println!("{n} {s} {ps} {bad}");
}
