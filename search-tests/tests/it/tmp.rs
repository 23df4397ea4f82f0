use fillgauge_search_tests::program::{Program, Sink};
use fillgauge_search_tests::subject::{Op, Op::*};
use fillgauge_search_tests::wrong::{Fault, Twin, Flag};
use std::sync::atomic::{AtomicUsize, Ordering};

const FAULTS: &[Fault] = &[Fault::TwoAtATime, Fault::NoSecondLook, Fault::TornReading, Fault::SwappedReading, Fault::EvidenceOfAnotherState,
 Fault::LatchByStore, Fault::StraysByAddition, Fault::ClearByAddition, Fault::ClearOfWhatIsOwed, Fault::MarkByStore, Fault::MarkOfDeficit,
 Fault::ObserverDoesNotLook, Fault::OldBound, Fault::ObserverKeepsDeficit, Fault::OldEvidence];

#[test]
fn find() {
    let ops: &[Op] = &[Enqueue, Dequeue, EnqueueN(2), DequeueN(2), Clear, Observe(0), Observe(1), Observe(2)];
    let befores: &[&[Op]] = &[&[], &[Enqueue], &[EnqueueN(2)], &[EnqueueN(3)], &[Observe(2)]];
    let mut shapes: Vec<Vec<Vec<Op>>> = vec![];
    for a in ops { for b in ops { shapes.push(vec![vec![*a], vec![*b]]); } }
    for a in ops { for b in ops { for c in ops { shapes.push(vec![vec![*a, *b], vec![*c]]); } } }
    for a in ops { for b in ops { for c in ops { for d in ops { shapes.push(vec![vec![*a, *b], vec![*c, *d]]); } } } }
    let next = AtomicUsize::new(0);
    std::thread::scope(|s| { for _ in 0..2 { s.spawn(|| {
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i > FAULTS.len() { return; }
            let start = std::time::Instant::now();
            let mut found = 0;
            'all: for threads in &shapes {
                for (capacity, thresholds) in [(2, (80, 50)), (10, (20, 10))] { for before in befores { for for_queue in [false, true] {
                    if start.elapsed().as_secs() > 40 { break 'all; }
                    let p = Program { capacity, thresholds, for_queue, before: before.to_vec(), threads: threads.clone(), sink: Sink::InPlace };
                    let r = if i == FAULTS.len() { p.search_on(20_000, |a, b| Box::new(Flag::new(a, b))) } else { p.search_on(20_000, |a, b| Box::new(Twin::with(FAULTS[i])(a, b))) };
                    if let Err(f) = r {
                        if f.trace.is_empty() { continue; }
                        if let Err(_) = p.search_on(100_000, |a, b| Box::new(Twin::with(Fault::None)(a, b))) { continue; }
                        println!("{:?}: {} {:?}", FAULTS.get(i), f.broken, p);
                        found += 1; if found == 4 {break 'all;}
                    }
                } } }
            }
            println!("{:?} end {found} {:?}", FAULTS.get(i), start.elapsed());
        }
    }); } });
}
