//! The public API of the original, used in every way that its callers use it. Each test is compiled
//! and run against the original and against this crate.

macro_rules! tests_of {
    ($module:ident, $($path:ident)::+) => {
        mod $module {
            use std::collections::HashSet;
            use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
            use std::sync::{Arc, Mutex};
            use std::time::Duration;

            use $($path)::+::{
                LimitCategory, LimitWarning, QueueGauge, QueueRegistry, QueueSnapshot,
                REARM_FILL_PERCENT, TrackedLimit, TrackedReceiver, TrackedSyncSender,
                WARN_FILL_PERCENT, log_queue_snapshot, queue_snapshot, register_limit,
                register_queue, set_limit_warning_handler, tracked_sync_channel,
                warn_limit_exhausted,
            };

            use crate::handler_turn;

            #[test]
            fn constants_categories_and_names() {
                const POINTS: [usize; 2] = [WARN_FILL_PERCENT, REARM_FILL_PERCENT];
                assert_eq!(POINTS, [80, 50]);
                let categories = [
                    (TrackedLimit::V8SessionFrames, LimitCategory::Queue, "queue"),
                    (TrackedLimit::VmOpenFds, LimitCategory::Resource, "resource"),
                    (TrackedLimit::V8HeapBytes, LimitCategory::Memory, "memory"),
                    (TrackedLimit::WasmFuelMs, LimitCategory::Cpu, "cpu"),
                ];
                let mut names: HashSet<TrackedLimit> = HashSet::new();
                for (limit, category, tag) in categories {
                    assert_eq!(limit.category(), category);
                    assert_eq!(category.as_str(), tag);
                    assert!(names.insert(limit));
                }
                let name: &'static str = TrackedLimit::VmOpenFds.as_str();
                assert_eq!(name, "vm_open_fds");
                assert_eq!(format!("{:?}", TrackedLimit::VmOpenFds), "VmOpenFds");
            }

            #[test]
            fn a_gauge_counts_and_saturates() {
                let gauge: Arc<QueueGauge> = register_queue(TrackedLimit::PendingWasmSignals, 10);
                gauge.record_enqueue();
                gauge.record_enqueue();
                assert_eq!((gauge.depth(), gauge.high_water()), (2, 2));
                gauge.record_dequeue();
                assert_eq!((gauge.depth(), gauge.high_water()), (1, 2));
                gauge.record_dequeue();
                gauge.record_dequeue();
                assert_eq!((gauge.depth(), gauge.capacity()), (0, 10));
                assert!(gauge.name() == TrackedLimit::PendingWasmSignals);
                assert_eq!(gauge.name().as_str(), "pending_wasm_signals");
                assert_eq!(gauge.category(), LimitCategory::Queue);
                assert!(!format!("{gauge:?}").is_empty());
            }

            #[test]
            fn a_registry_of_ones_own_lists_its_live_gauges() {
                let registry = QueueRegistry::default();
                let gauge: Arc<QueueGauge> = registry.register(TrackedLimit::VmSockets, 8);
                let clone = Arc::clone(&gauge);
                gauge.observe_depth(2);
                let snapshot: Vec<QueueSnapshot> = registry.snapshot();
                let [entry] = &snapshot[..] else { panic!("{snapshot:?}") };
                assert!(entry.name == TrackedLimit::VmSockets);
                assert_eq!(entry.category, LimitCategory::Resource);
                assert_eq!((entry.depth, entry.high_water), (2, 2));
                assert_eq!((entry.capacity, entry.fill_percent), (8, 25));
                assert_eq!(snapshot.clone(), snapshot);
                drop(gauge);
                assert_eq!(registry.snapshot().len(), 1);
                drop(clone);
                assert!(registry.snapshot().is_empty());
                // A gauge may outlive its registry.
                let gauge = registry.register(TrackedLimit::VmSockets, 8);
                drop(registry);
                gauge.record_enqueue();
                assert_eq!(gauge.depth(), 1);
            }

            #[test]
            fn a_channel_reports_to_the_global_registry_until_it_is_dropped() {
                let (sender, receiver): (TrackedSyncSender<u32>, TrackedReceiver<u32>) =
                    tracked_sync_channel(TrackedLimit::CompletedSidecarResponses, 4);
                sender.send(1).unwrap();
                sender.clone().send(2).unwrap();
                let is_ours =
                    |entry: &&QueueSnapshot| entry.name == TrackedLimit::CompletedSidecarResponses;
                let snapshot = queue_snapshot();
                let entry = snapshot.iter().find(is_ours).unwrap();
                assert_eq!((entry.depth, entry.high_water), (2, 2));
                assert_eq!((entry.capacity, entry.fill_percent), (4, 50));
                assert!(QueueRegistry::global().snapshot().iter().any(|entry| is_ours(&entry)));
                log_queue_snapshot();
                assert_eq!(receiver.recv(), Ok(1));
                let gauge: &Arc<QueueGauge> = sender.gauge();
                assert_eq!(gauge.depth(), 1);
                drop((sender, receiver));
                assert!(queue_snapshot().iter().all(|entry| !is_ours(&entry)));
            }

            #[test]
            fn a_channel_returns_the_errors_of_the_standard_library() {
                let (sender, receiver) = tracked_sync_channel(TrackedLimit::OutboundSidecarRequests, 1);
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                let timeout = receiver.recv_timeout(Duration::from_millis(1));
                assert_eq!(timeout, Err(RecvTimeoutError::Timeout));
                assert_eq!(sender.try_send('a'), Ok(()));
                assert_eq!(sender.try_send('b'), Err(TrySendError::Full('b')));
                assert_eq!(receiver.recv_timeout(Duration::from_secs(9)), Ok('a'));
                let other = sender.clone();
                drop(sender);
                other.send('c').unwrap();
                assert!(!format!("{other:?}{receiver:?}").is_empty());
                drop(other);
                assert_eq!(receiver.try_recv(), Ok('c'));
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                assert_eq!(receiver.recv(), Err(RecvError));

                let (sender, receiver) = tracked_sync_channel(TrackedLimit::OutboundSidecarRequests, 1);
                drop(receiver);
                assert_eq!(sender.send('d'), Err(SendError('d')));
                assert_eq!(sender.try_send('e'), Err(TrySendError::Disconnected('e')));
            }

            #[test]
            fn the_handler_is_called_once_a_crossing_and_on_exhaustion() {
                let _turn = handler_turn();
                let warnings: Arc<Mutex<Vec<LimitWarning>>> = Arc::default();
                let sink = Arc::clone(&warnings);
                set_limit_warning_handler(Box::new(move |warning: &LimitWarning| {
                    let ours = [TrackedLimit::VmPipes, TrackedLimit::V8CpuTimeMs];
                    if ours.iter().any(|limit| warning.name == *limit) {
                        sink.lock().unwrap().push(warning.clone());
                    }
                }));
                let gauge = register_limit(TrackedLimit::VmPipes, 10);
                gauge.observe_depth(7);
                assert!(warnings.lock().unwrap().is_empty());
                for depth in [9, 10, 6, 9, 5, 8] {
                    gauge.observe_depth(depth);
                }
                warn_limit_exhausted(TrackedLimit::V8CpuTimeMs, 30_000, 30_000);
                set_limit_warning_handler(Box::new(|_| {}));
                gauge.observe_depth(0);
                gauge.observe_depth(10);
                let seen: Vec<_> = warnings
                    .lock()
                    .unwrap()
                    .iter()
                    .map(|warning| {
                        let LimitWarning { observed, capacity, fill_percent, .. } = *warning;
                        (warning.name.as_str(), warning.category, observed, capacity, fill_percent)
                    })
                    .collect();
                assert_eq!(
                    seen,
                    [
                        ("vm_pipes", LimitCategory::Resource, 9, 10, 90),
                        ("vm_pipes", LimitCategory::Resource, 8, 10, 80),
                        ("v8_cpu_time_ms", LimitCategory::Cpu, 30_000, 30_000, 100),
                    ]
                );
            }
        }
    };
}

tests_of!(of_the_original, agentos_bridge::queue_tracker);
tests_of!(of_this_crate, fillgauge_std::queue_tracker);

/// Every limit that the original has, by its variant.
#[test]
fn the_catalogue_has_every_limit_of_the_original() {
    macro_rules! check {
        ($($variant:ident)+) => {
            $(
                let theirs = agentos_bridge::queue_tracker::TrackedLimit::$variant;
                let ours = fillgauge_std::TrackedLimit::$variant;
                assert_eq!(ours.as_str(), theirs.as_str());
                assert_eq!(ours.category().as_str(), theirs.category().as_str());
            )+
            // Exhaustive, so that a new release of the original with more variants does not
            // compile.
            let _ = |limit| match limit {
                $(agentos_bridge::queue_tracker::TrackedLimit::$variant => {})+
            };
        };
    }
    check!(
        JavascriptEventChannel V8SessionFrames SidecarStdinFrames SidecarStdoutFrames
        CompletedSidecarResponses PendingProcessEvents PendingProcessEventBytes
        PendingExecutionEvents PendingExecutionEventBytes PendingKernelStdinBytes PendingWasmSignals
        PendingSidecarResponses OutboundSidecarRequests VmProcesses VmOpenFds VmPipes VmPtys
        VmSockets VmConnections VmSocketBufferedBytes VmSocketDatagramQueueLen VmFilesystemBytes
        VmInodes VmRecursiveFsDepth VmRecursiveFsEntries V8HeapBytes V8ArrayBufferBytes
        V8ExternalMemoryBytes V8CpuTimeMs V8WallClockMs WasmFuelMs WasmMemoryBytes
    );
}
