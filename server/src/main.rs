//! The `transferscope` program.

fn main() {}
