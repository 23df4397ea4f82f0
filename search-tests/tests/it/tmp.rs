use fillgauge_search_tests::program::{Program, Sink};
use fillgauge_search_tests::subject::Op::*;
#[test]
fn tmp() {
    for d in [0, 1, 2, 3, 4, 5] {
        let program = Program {
            capacity: 8, thresholds: (75, 40), for_queue: true,
            before: vec![EnqueueN(d)],
            threads: vec![vec![DequeueN(3)], vec![Observe(2)]],
            sink: Sink::InPlace,
        };
        match program.search(1_000_000) {
            Ok(counts) => println!("{d} {counts:?}"),
            Err(failure) => println!("{failure}"),
        }
    }
}
#[test]
fn perf() {
        let program = Program {
            capacity: 10,
            thresholds: (80, 50),
            for_queue: false,
            before: vec![EnqueueN(7)],
            threads: vec![vec![Enqueue], vec![Dequeue],vec![EnqueueN(2)]],
            sink: Sink::InPlace,
        };
    let t = std::time::Instant::now();
        match program.search(1_000_000) {
            Ok(counts) => println!("{counts:?}"),
            Err(failure) => println!("{failure}"),
        }
    println!("{:?}", t.elapsed());
}
