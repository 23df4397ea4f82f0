//! The limits of the sidecar that the idea of this crate comes from: it runs guests in virtual
//! machines, V8 isolates and WebAssembly.

fillgauge::limit_catalog! {
    #[doc = include_str!("../limits.md")]
    pub enum TrackedLimit {
        /// Events from the JavaScript engine to the host.
        JavascriptEventChannel = "javascript_event_channel": Queue,
        /// Frames between the host and a V8 session.
        V8SessionFrames = "v8_session_frames": Queue,
        /// Frames that wait to be read from the standard input of the sidecar.
        SidecarStdinFrames = "sidecar_stdin_frames": Queue,
        /// Frames that wait to be written to the standard output of the sidecar.
        SidecarStdoutFrames = "sidecar_stdout_frames": Queue,
        /// Responses of the sidecar that are complete and not yet collected.
        CompletedSidecarResponses = "completed_sidecar_responses": Queue,
        /// Events of guest processes that are not yet delivered.
        PendingProcessEvents = "pending_process_events": Queue,
        /// Bytes in the pending process events.
        PendingProcessEventBytes = "pending_process_event_bytes": Queue { unit: Bytes },
        /// Events of guest executions that are not yet delivered.
        PendingExecutionEvents = "pending_execution_events": Queue,
        /// Bytes in the pending execution events.
        PendingExecutionEventBytes = "pending_execution_event_bytes": Queue { unit: Bytes },
        /// Bytes written to the standard input of a guest and not yet read.
        PendingKernelStdinBytes = "pending_kernel_stdin_bytes": Queue { unit: Bytes },
        /// Signals that wait for a WebAssembly guest.
        PendingWasmSignals = "pending_wasm_signals": Queue,
        /// Requests to the sidecar that wait for their response.
        PendingSidecarResponses = "pending_sidecar_responses": Queue,
        /// Requests of the sidecar to its host that are not yet answered.
        OutboundSidecarRequests = "outbound_sidecar_requests": Queue,
        /// Processes of a virtual machine.
        VmProcesses = "vm_processes": Resource,
        /// Open file descriptors of a virtual machine.
        VmOpenFds = "vm_open_fds": Resource,
        /// Pipes of a virtual machine.
        VmPipes = "vm_pipes": Resource,
        /// Pseudo-terminals of a virtual machine.
        VmPtys = "vm_ptys": Resource,
        /// Sockets of a virtual machine.
        VmSockets = "vm_sockets": Resource,
        /// Connections of a virtual machine.
        VmConnections = "vm_connections": Resource,
        /// Bytes buffered in the sockets of a virtual machine.
        VmSocketBufferedBytes = "vm_socket_buffered_bytes": Resource { unit: Bytes },
        /// Datagrams queued at a socket of a virtual machine.
        VmSocketDatagramQueueLen = "vm_socket_datagram_queue_len": Resource,
        /// Bytes in the file system of a virtual machine.
        VmFilesystemBytes = "vm_filesystem_bytes": Resource { unit: Bytes },
        /// Inodes in the file system of a virtual machine.
        VmInodes = "vm_inodes": Resource,
        /// Directory levels of one recursive file-system operation.
        VmRecursiveFsDepth = "vm_recursive_fs_depth": Resource,
        /// Entries of one recursive file-system operation.
        VmRecursiveFsEntries = "vm_recursive_fs_entries": Resource,
        /// Heap of a V8 isolate.
        V8HeapBytes = "v8_heap_bytes": Memory { unit: Bytes },
        /// Array buffers of a V8 isolate.
        V8ArrayBufferBytes = "v8_array_buffer_bytes": Memory { unit: Bytes },
        /// Memory held outside its heap by a V8 isolate.
        V8ExternalMemoryBytes = "v8_external_memory_bytes": Memory { unit: Bytes },
        /// Processor time of a V8 execution, in milliseconds.
        V8CpuTimeMs = "v8_cpu_time_ms": Cpu,
        /// Wall-clock time of a V8 execution, in milliseconds.
        V8WallClockMs = "v8_wall_clock_ms": Cpu,
        /// Fuel of a WebAssembly guest, in milliseconds of processor time.
        WasmFuelMs = "wasm_fuel_ms": Cpu,
        /// Linear memory of a WebAssembly guest.
        WasmMemoryBytes = "wasm_memory_bytes": Memory { unit: Bytes },
    }
}

fillgauge::limit_catalog! {
    /// The limits that other releases of the sidecar have beside those of [`TrackedLimit`].
    #[non_exhaustive]
    pub enum SidecarLimit {
        /// Synchronous calls of guests that are not yet answered.
        PendingSyncRpcCalls = "pending_sync_rpc_calls": Queue,
        /// File-system calls of Python guests that are not yet answered.
        PendingPythonVfsRpcCalls = "pending_python_vfs_rpc_calls": Queue,
        /// Synchronous child processes that have not yet ended.
        PendingChildProcessSyncCount = "pending_child_process_sync_count": Queue,
        /// Bytes of output kept for synchronous child processes.
        PendingChildProcessSyncBytes = "pending_child_process_sync_bytes": Queue { unit: Bytes },
        /// Completions of asynchronous calls that are not yet delivered.
        AsyncCompletionCount = "async_completion_count": Queue,
        /// Bytes in the pending asynchronous completions.
        AsyncCompletionBytes = "async_completion_bytes": Queue { unit: Bytes },
        /// Bytes of one positioned read.
        VmPreadBytes = "vm_pread_bytes": Resource { unit: Bytes },
        /// Bytes of one write to a file descriptor.
        VmFdWriteBytes = "vm_fd_write_bytes": Resource { unit: Bytes },
        /// Bytes in the arguments of a process.
        VmProcessArgvBytes = "vm_process_argv_bytes": Resource { unit: Bytes },
        /// Bytes in the environment of a process.
        VmProcessEnvBytes = "vm_process_env_bytes": Resource { unit: Bytes },
        /// Entries of one directory listing.
        VmReaddirEntries = "vm_readdir_entries": Resource,
        /// Time that one read may block, in milliseconds.
        VmBlockingReadMs = "vm_blocking_read_ms": Cpu,
        /// Wall-clock time of a WebAssembly execution, in milliseconds.
        WasmWallClockMs = "wasm_wall_clock_ms": Cpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_table_is_the_catalogue() {
        let rows: Vec<[&str; 3]> = include_str!("../limits.md")
            .lines()
            .filter(|line| line.starts_with("| `"))
            .map(|line| {
                let mut cells = line
                    .split('|')
                    .skip(1)
                    .map(|cell| cell.trim().trim_matches('`'));
                std::array::from_fn(|_| cells.next().unwrap_or_default())
            })
            .collect();
        let names: Vec<String> = TrackedLimit::ALL
            .iter()
            .map(|limit| format!("{limit:?}"))
            .collect();
        let catalogue: Vec<[&str; 3]> = TrackedLimit::ALL
            .iter()
            .zip(&names)
            .map(|(limit, variant)| [variant, limit.as_str(), limit.category().as_str()])
            .collect();
        assert_eq!(rows, catalogue);
    }

    #[test]
    fn names_are_unique_and_the_variants_in_snake_case() {
        let mut seen = std::collections::HashSet::new();
        let tracked = TrackedLimit::ALL.iter();
        let tracked = tracked.map(|limit| (limit.as_str(), format!("{limit:?}")));
        let others = SidecarLimit::ALL.iter();
        let others = others.map(|limit| (limit.as_str(), format!("{limit:?}")));
        for (name, variant) in tracked.chain(others) {
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(name.replace('_', ""), variant.to_lowercase());
        }
    }
}
