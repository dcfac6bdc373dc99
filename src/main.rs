//! The program: everything is in the library.

use std::process::ExitCode;

/// The system's own makes threads wait for each other: what one allocates for a request, another often frees.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    candor::cli::main()
}
