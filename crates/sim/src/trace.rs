//! What happened in a run: always as one number, and as lines where somebody wants to read it.

/// Lines that are kept of a run; the last ones tell what went wrong.
const LINES_MAX: usize = 4_000;

/// The trace of one run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<std::collections::VecDeque<String>>,
}

impl Trace {
    pub(crate) fn new(with_lines: bool) -> Trace {
        Trace { hash: 0x9e37_79b9_7f4a_7c15, lines: with_lines.then(Default::default) }
    }

    /// Takes a number in.
    pub(crate) fn number(&mut self, number: u64) {
        self.hash = (self.hash ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(29);
    }

    /// Takes bytes in.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.number(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.number(u64::from(*byte));
        }
    }

    /// Adds a line for readers, if there are any.
    pub(crate) fn line(&mut self, now: u64, line: impl FnOnce() -> String) {
        let Some(lines) = &mut self.lines else { return };
        if lines.len() >= LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(format!("{:>10}.{:03} ms  {}", now / 1_000, now % 1_000, line()));
    }

    pub(crate) fn end(self) -> (u64, Vec<String>) {
        (self.hash, self.lines.unwrap_or_default().into())
    }
}
