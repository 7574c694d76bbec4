//! How much of an event's deliveries one answer holds: there may be a thousand of them, each with attempts that hold
//! what the receiver said, and runs that hold what plugins logged.
//!
//! Cuts as the deliveries are read, so that memory is bounded too. Facts in a line (states, statuses, reasons,
//! times) always stay.

use crate::delivery::{Attempt, AttemptResult, DeliveryView};

/// The last attempts of a delivery that are shown: as many as the longest schedule makes.
const ATTEMPTS_SHOWN: usize = 31;

/// Bodies and headers of answers, and logs of plugins.
const BULK_BYTES: usize = 2 << 20;

pub(super) struct Budget {
    left: usize,
    cut: bool,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: BULK_BYTES, cut: false }
    }

    /// Whether anything was left out so far.
    pub(super) fn cut(&self) -> bool {
        self.cut
    }

    /// Leaves out of a delivery what is too much.
    pub(super) fn trim(&mut self, view: &mut DeliveryView, attempts: &mut Vec<Attempt>) {
        let surplus = attempts.len().saturating_sub(ATTEMPTS_SHOWN);
        self.cut |= surplus > 0;
        attempts.drain(..surplus);
        for run in view.chain.iter_mut().flat_map(|chain| &mut chain.runs) {
            let logs: usize = run.logs.iter().map(|line| line.message.len()).sum();
            if !self.takes(logs + run.backtrace.iter().map(String::len).sum::<usize>()) {
                run.logs.clear();
                run.backtrace.clear();
                run.logs_cut = true;
            }
        }
        for attempt in attempts {
            self.trim_attempt(attempt);
        }
    }

    fn trim_attempt(&mut self, attempt: &mut Attempt) {
        if !self.takes(length(&attempt.request_headers)) {
            attempt.request_headers.clear();
        }
        let AttemptResult::Answered(response) = &mut attempt.result else { return };
        if !self.takes(length(&response.headers) + response.body.len()) {
            response.headers.clear();
            response.body.clear();
            response.body_cut = true;
        }
    }

    fn takes(&mut self, bytes: usize) -> bool {
        let rest = self.left.checked_sub(bytes);
        self.left = rest.unwrap_or(self.left);
        self.cut |= rest.is_none();
        rest.is_some()
    }
}

fn length(headers: &[(String, String)]) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::delivery::{ChainRecord, LogLine, PluginRun, Response, State};
    use crate::ids::{DeliveryId, EventId};

    fn view(log_bytes: usize) -> DeliveryView {
        let line = LogLine { level: "info".to_owned(), message: "l".repeat(log_bytes) };
        let run = PluginRun { logs: vec![line], ..PluginRun::example("redact") };
        DeliveryView {
            id: DeliveryId::from_bytes([2; 16]),
            event: EventId::from_bytes([1; 16]),
            webhook: "site".parse().expect("an id"),
            state: State::Failed,
            created: Timestamp::from_ms(0),
            changed: Timestamp::from_ms(0),
            due: None,
            attempts: 1,
            runs: 1,
            reason: None,
            held_for: None,
            chain: Some(ChainRecord { runs: vec![run], ..ChainRecord::untouched() }),
            window: None,
            replay_of: None,
        }
    }

    fn attempts(count: u32, body_bytes: usize) -> Vec<Attempt> {
        let body = "b".repeat(body_bytes);
        let response = Response { status: 500, headers: vec![], body, body_cut: false };
        let attempt = |number| Attempt {
            number,
            started: Timestamp::from_ms(0),
            micros: 1,
            url: "https://build.example/hook".to_owned(),
            request_headers: vec![],
            result: AttemptResult::Answered(response.clone()),
        };
        (1..=count).map(attempt).collect()
    }

    #[test]
    fn what_a_delivery_usually_holds_is_shown_whole() {
        let (mut view, mut attempts) = (view(100), attempts(31, 16 << 10));
        let before = (view.clone(), attempts.clone());
        let mut budget = Budget::new();
        budget.trim(&mut view, &mut attempts);
        assert!(!budget.cut() && (view, attempts) == before);
    }

    #[test]
    fn the_last_attempts_are_shown() {
        let mut attempts = attempts(40, 1);
        let mut budget = Budget::new();
        budget.trim(&mut view(1), &mut attempts);
        assert_eq!((budget.cut(), attempts.len(), attempts[0].number), (true, 31, 10));
    }

    #[test]
    fn of_many_deliveries_the_later_ones_lose_their_bulk_and_keep_their_facts() {
        let mut budget = Budget::new();
        let mut kept_bytes = 0;
        for _ in 0..1000 {
            let (mut view, mut attempts) = (view(2 << 10), attempts(2, 16 << 10));
            budget.trim(&mut view, &mut attempts);
            kept_bytes +=
                view.chain.iter().flat_map(|chain| &chain.runs[0].logs).map(|l| l.message.len()).sum::<usize>();
            for attempt in attempts {
                let AttemptResult::Answered(response) = attempt.result else { panic!("answered") };
                assert_eq!((response.status, response.body_cut), (500, response.body.is_empty()));
                kept_bytes += response.body.len();
            }
        }
        assert!(budget.cut() && kept_bytes <= BULK_BYTES && kept_bytes > BULK_BYTES / 2, "{kept_bytes}");
    }
}
