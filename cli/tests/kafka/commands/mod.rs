//! What people do by hand.

mod dead_letters;
mod replay;
mod topics;

use std::process::Output;

use crate::support::World;

/// How a command has ended.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl World {
    /// Runs the binary to its end.
    fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// Runs the binary to its end, which is a good one; what it has printed.
    fn succeed(&self, arguments: &[&str]) -> String {
        let Ran { code, out, err } = self.run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {out}{err}");
        out
    }
}
