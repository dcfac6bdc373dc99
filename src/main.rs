//! The executable; all code is in the library.

use std::process::ExitCode;

/// mimalloc: glibc malloc contends on cross-thread frees, which are common here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    candor::cli::main()
}
