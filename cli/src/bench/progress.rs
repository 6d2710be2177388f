//! How far a bench is: a bar on a terminal, log lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Elsewhere than on a terminal a line is written this often.
const LINE_EVERY: Duration = Duration::from_secs(2);

/// Progress of one step.
pub(crate) struct Step {
    name: &'static str,
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Step {
    /// A step of `total` parts; 0 is one that cannot tell how far it is.
    pub(crate) fn new(name: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| draw(name, total));
        if bar.is_none() {
            tracing::info!(total, "{name}");
        }
        Self { name, total, done: 0, bar, told: Instant::now() }
    }

    /// So many parts more are done.
    pub(crate) fn advance(&mut self, parts: u64) {
        self.done += parts;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.told.elapsed() >= LINE_EVERY => {
                self.told = Instant::now();
                tracing::info!(done = self.done, total = self.total, "{}", self.name);
            }
            None => {}
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn draw(name: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = match total {
        0 => "{msg} {spinner} {elapsed}",
        _ => "{msg} {bar:24} {human_pos}/{human_len}, {per_sec}, {eta} left",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━╌"));
    }
    bar.set_message(name);
    if total == 0 {
        bar.enable_steady_tick(Duration::from_millis(200));
    }
    bar
}
