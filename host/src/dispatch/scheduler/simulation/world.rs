//! Webhooks, their receivers, and whatever may happen to them.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use super::super::{Admission, ClaimOrder, Limits, PATIENCE, Scheduler, Ticket};
use super::dice::Dice;
use super::rows::{Rows, Standing};
use crate::clock::Timestamp;
use crate::delivery::{AttemptResult, Next, Response, SendErrorKind};
use crate::dispatch::retry::{self, After};
use crate::ids::WebhookId;
use crate::store::Lane;
use crate::webhook::RateLimit;

const WEIGHT: usize = 1000;
const START: Timestamp = Timestamp::from_ms(1_700_000_000_000);

pub(super) struct World {
    dice: Dice,
    is_loud: bool,
    now: Timestamp,
    scheduler: Scheduler,
    hooks: Vec<Hook>,
    rows: Rows,
    /// Claims that were ordered and not answered yet.
    claims: Vec<ClaimOrder>,
}

struct Hook {
    id: WebhookId,
    limits: Limits,
    /// Values of its order's key; none: unordered.
    keys: usize,
    schedule: Vec<Duration>,
    mood: Mood,
    paused: bool,
    off: bool,
    /// What the host recorded of it.
    failing: Option<Timestamp>,
    /// In memory, waiting for its turn.
    line: VecDeque<usize>,
    sent: Vec<Sent>,
    /// When attempts began, since its rate was set.
    starts: Vec<Timestamp>,
}

/// An attempt under way.
struct Sent {
    row: usize,
    fence: u64,
    ticket: Ticket,
    until: Timestamp,
}

/// How a receiver takes what comes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    /// One in three fails.
    Shaky,
    Overloaded,
    Dead,
    Gone,
}

impl World {
    pub(super) fn new(seed: u64, is_loud: bool) -> Self {
        let mut dice = Dice::new(seed);
        let hooks = (0..=dice.below(4)).map(|index| Hook::new(&mut dice, index)).collect();
        let (scheduler, rows) = (Scheduler::default(), Rows::default());
        Self { dice, is_loud, now: START, scheduler, hooks, rows, claims: Vec::new() }
    }

    pub(super) fn step(&mut self) {
        let which = self.dice.below(self.hooks.len());
        match self.dice.below(100) {
            0..30 => self.accept(which),
            30..45 => self.order(),
            45..60 => self.answer_a_claim(),
            60..75 => _ = self.ask(which),
            75..87 => _ = self.hear(which),
            87..94 => self.wait(),
            94..96 => self.change_mood(which),
            96 => self.pause_or_resume(which),
            97 => self.switch(which),
            98 => self.configure(which),
            _ if self.dice.once_in(5) => self.crash(),
            _ => self.wait(),
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.is_loud {
            println!("{:>9} {}", self.now.since(START).as_millis(), what());
        }
    }

    fn accept(&mut self, which: usize) {
        let hook = &mut self.hooks[which];
        if hook.off {
            return;
        }
        let lane = hook.lane(self.dice.below(hook.keys.max(1)));
        let has_permit = self.scheduler.reserve(&lane, WEIGHT, self.now);
        let leased = has_permit && self.rows.is_free(&lane);
        let row = self.rows.append(lane.clone(), self.now, leased);
        self.say(|| format!("accepts {row} for {lane:?}, leased: {leased}"));
        if leased {
            self.hooks[which].line.push_back(row);
        } else if has_permit {
            self.scheduler.give_back(&lane.webhook, WEIGHT, None);
        } else if self.rows.ready(&lane).any(|index| index == row) {
            self.scheduler.wake(&lane, self.now);
        }
    }

    fn order(&mut self) {
        let most = 1 + self.dice.below(16);
        let orders = self.scheduler.orders(self.now, most);
        assert!(orders.len() <= most);
        self.claims.extend(orders);
    }

    fn answer_a_claim(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        let ClaimOrder { lane, limit, .. } = self.claims.swap_remove(self.dice.below(self.claims.len()));
        if self.dice.once_in(30) {
            self.say(|| format!("cannot claim from {lane:?}"));
            self.scheduler.claimed(&lane, std::iter::empty(), Some(self.now.after(Duration::from_secs(1))));
            return;
        }
        let (leased, next) = self.rows.claim(&lane, self.now, limit);
        self.say(|| format!("claims {leased:?} from {lane:?}, next {next:?}"));
        self.scheduler.claimed(&lane, leased.iter().map(|_| WEIGHT), next);
        let hook = self.hook_of(&lane);
        self.hooks[hook].line.extend(leased);
    }

    /// The first in line asks whether it may begin. True: something came of it.
    fn ask(&mut self, which: usize) -> bool {
        let hook = &mut self.hooks[which];
        let Some(row) = hook.line.front().copied() else { return false };
        let admission = self.scheduler.admit(&hook.id, &hook.limits, self.now);
        match admission {
            Admission::Full => false,
            Admission::NotBefore(Some(due)) if due.since(self.now) <= PATIENCE => false,
            Admission::NotBefore(due) => {
                hook.line.pop_front();
                assert!(due.is_some() || hook.paused, "only a pause has no end");
                self.release(which, row, due.unwrap_or(self.now));
                true
            }
            Admission::Go(ticket) => {
                hook.line.pop_front();
                assert!(!hook.paused, "nothing begins while paused");
                self.begin(which, row, ticket);
                true
            }
        }
    }

    fn begin(&mut self, which: usize, row: usize, ticket: Ticket) {
        let hook = &mut self.hooks[which];
        if hook.off {
            // The gate: what was switched off is held.
            self.finish(which, &ticket, None);
            self.rows.all[row].standing = Standing::Held;
            self.give_up(which, row);
            return;
        }
        hook.starts.push(self.now);
        hook.check_rate();
        let state = &self.rows.all[row];
        assert!(state.leased && state.standing == Standing::Waiting, "row {row} is not ours: {state:?}");
        assert!(hook.sent.iter().all(|sent| sent.row != row), "row {row} is sent twice at once");
        if state.lane.is_ordered() {
            assert_eq!(self.rows.of(&state.lane).first(), Some(&row), "{row} overtakes");
        }
        let until = self.now.after(Duration::from_millis(self.dice.next() % 3000));
        let hook = &mut self.hooks[which];
        hook.sent.push(Sent { row, fence: state.fence, ticket, until });
        let at_once = u32::try_from(hook.sent.len()).unwrap_or(u32::MAX);
        assert!(at_once <= hook.limits.concurrency.get(), "{at_once} at once");
        self.say(|| format!("sends {row}"));
    }

    /// A receiver answers, if it is time. True: one did.
    fn hear(&mut self, which: usize) -> bool {
        let hook = &mut self.hooks[which];
        let Some(index) = hook.sent.iter().position(|sent| sent.until <= self.now) else { return false };
        let Sent { row, fence, ticket, .. } = hook.sent.swap_remove(index);
        let result = hook.mood.answer(&mut self.dice);
        assert_eq!(self.rows.all[row].fence, fence, "somebody else leased {row} meanwhile");
        self.finish(which, &ticket, Some(&result));
        let (hook, state) = (&mut self.hooks[which], &mut self.rows.all[row]);
        state.attempts += 1;
        let attempts = state.attempts;
        let most = hook.schedule.len() + 1 + state.gone;
        assert!(usize::try_from(attempts).unwrap_or(usize::MAX) <= most, "attempt {attempts} of {most}");
        let after = retry::decide(&hook.schedule, attempts, &result, self.now, self.dice.share());
        if after == After::Gone {
            // Another URL gives it another attempt.
            state.gone += 1;
            hook.off = true;
        }
        self.say(|| format!("hears {result:?} of {row}: {after:?}"));
        if self.hooks[which].off {
            self.hold_all(which);
        }
        match after {
            After::Next(Next::RetryAt { due, .. } | Next::Released { due }) => {
                self.release(which, row, due);
                return true;
            }
            After::Gone => self.rows.all[row].standing = Standing::Held,
            After::Next(_) => self.rows.finish(row),
        }
        self.give_up(which, row);
        true
    }

    fn finish(&mut self, which: usize, ticket: &Ticket, result: Option<&AttemptResult>) {
        use super::super::{Change, Health};
        let hook = &mut self.hooks[which];
        let health = result.map_or(Health::Unknown, |result| retry::health(result, self.now));
        if health == Health::Unknown {
            hook.starts.pop();
        }
        let (change, _) = self.scheduler.finish(&hook.id, ticket, health, &hook.limits, self.now, self.dice.share());
        match change {
            None => {}
            Some(Change::Failing { since }) => hook.failing = Some(since),
            Some(Change::Recovered) => hook.failing = None,
            Some(Change::GiveUp { since }) => {
                let most = hook.limits.disable_after.expect("gives up only where that is configured");
                assert!(self.now.since(since) >= most);
                hook.off = true;
            }
        }
    }

    /// Back to disk, to be claimed at `due`.
    fn release(&mut self, which: usize, row: usize, due: Timestamp) {
        self.rows.all[row].due = due;
        self.give_up(which, row);
        let lane = self.rows.all[row].lane.clone();
        self.scheduler.wake(&lane, due);
    }

    /// Gives up lease and room; the next of its order may go.
    fn give_up(&mut self, which: usize, row: usize) {
        let state = &mut self.rows.all[row];
        state.leased = false;
        if state.lane.is_ordered() {
            let lane = state.lane.clone();
            self.scheduler.wake(&lane, self.now);
        }
        self.scheduler.give_back(&self.hooks[which].id, WEIGHT, None);
    }

    fn wait(&mut self) {
        let ms = if self.dice.once_in(10) { self.dice.ms(1, 400_000) } else { self.dice.ms(1, 2_000) };
        self.now = Timestamp::from_ms(self.now.as_ms() + ms);
    }

    fn change_mood(&mut self, which: usize) {
        let mood = match self.dice.below(12) {
            0..5 => Mood::Well,
            5..7 => Mood::Shaky,
            7..9 => Mood::Overloaded,
            9..11 => Mood::Dead,
            _ => Mood::Gone,
        };
        self.hooks[which].mood = mood;
        self.say(|| format!("webhook {which} is {mood:?}"));
    }

    fn pause_or_resume(&mut self, which: usize) {
        let hook = &mut self.hooks[which];
        hook.paused = !hook.paused;
        self.scheduler.pause(&hook.id, hook.paused, &hook.limits, self.now);
        let paused = hook.paused;
        self.say(|| format!("webhook {which}, paused: {paused}"));
    }

    fn switch(&mut self, which: usize) {
        let off = !self.hooks[which].off;
        self.say(|| format!("webhook {which}, off: {off}"));
        if off {
            self.hooks[which].off = true;
            self.hold_all(which);
        } else {
            self.enable(which);
        }
    }

    fn enable(&mut self, which: usize) {
        let hook = &mut self.hooks[which];
        (hook.off, hook.failing) = (false, None);
        self.scheduler.forgive(&hook.id, &hook.limits, self.now);
        for row in self.rows.all.iter_mut().filter(|row| row.lane.webhook == hook.id && row.standing == Standing::Held)
        {
            (row.standing, row.due) = (Standing::Waiting, self.now);
        }
        self.wake_all();
    }

    fn hold_all(&mut self, which: usize) {
        let id = &self.hooks[which].id;
        let waiting = |row: &&mut super::rows::Row| row.standing == Standing::Waiting && !row.leased;
        for row in self.rows.all.iter_mut().filter(|row| row.lane.webhook == *id).filter(waiting) {
            row.standing = Standing::Held;
        }
    }

    fn configure(&mut self, which: usize) {
        let hook = &mut self.hooks[which];
        let earlier = hook.limits;
        hook.limits = some_limits(&mut self.dice);
        if earlier.rate.map(|rate| rate.per) != hook.limits.rate.map(|rate| rate.per)
            || earlier.rate.is_some_and(|rate| hook.limits.rate.is_none_or(|now| now.count < rate.count))
        {
            hook.starts.clear();
        }
        let limits = hook.limits;
        self.scheduler.look_again(&hook.id, &limits, self.now);
        self.say(|| format!("webhook {which} has {limits:?}"));
    }

    /// The host dies and starts again: what was in memory is forgotten, leases are taken back.
    fn crash(&mut self) {
        self.say(|| "crashes".to_owned());
        (self.scheduler, self.claims) = (Scheduler::default(), Vec::new());
        for row in &mut self.rows.all {
            row.leased = false;
        }
        for hook in &mut self.hooks {
            hook.line.clear();
            hook.sent.clear();
            hook.starts.clear();
            if hook.paused {
                self.scheduler.pause(&hook.id, true, &hook.limits, self.now);
            }
            if let Some(since) = hook.failing {
                self.scheduler.set_failing(&hook.id, since, self.now);
            }
        }
        self.wake_all();
    }

    fn wake_all(&mut self) {
        let lanes: Vec<_> = self.rows.lanes().cloned().collect();
        for lane in lanes {
            if let Some(due) = self.rows.ready(&lane).map(|row| self.rows.all[row].due).min() {
                self.scheduler.wake(&lane, due);
            }
        }
    }

    /// Receivers heal, people let everything go: from here on the scheduler alone says what is done when. How many
    /// deliveries came to their end.
    pub(super) fn heal_and_finish(&mut self) -> usize {
        self.say(|| "all heal".to_owned());
        for which in 0..self.hooks.len() {
            self.hooks[which].mood = Mood::Well;
            if self.hooks[which].paused {
                self.pause_or_resume(which);
            }
            if self.hooks[which].off {
                self.enable(which);
            }
        }
        let mut turns = 0;
        while self.rows.all.iter().any(|row| row.standing == Standing::Waiting) {
            self.go_as_far_as_possible();
            self.check_nobody_starves();
            turns += 1;
            assert!(turns < 10_000, "{} deliveries are stuck", self.unfinished());
            let Some(next) = self.next_moment() else {
                assert_eq!(self.unfinished(), 0, "nothing will ever happen to them");
                break;
            };
            self.now = next.max(Timestamp::from_ms(self.now.as_ms() + 1));
        }
        self.rows.all.iter().filter(|row| row.standing == Standing::Finished).count()
    }

    fn go_as_far_as_possible(&mut self) {
        loop {
            let orders = self.scheduler.orders(self.now, 16);
            self.claims.extend(orders);
            let mut moved = !self.claims.is_empty();
            while !self.claims.is_empty() {
                self.answer_a_claim();
            }
            for which in 0..self.hooks.len() {
                while self.ask(which) {
                    moved = true;
                }
                while self.hear(which) {
                    moved = true;
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// Whoever has something due and may send it, has some of it in memory.
    fn check_nobody_starves(&self) {
        for hook in &self.hooks {
            let has_due = |lane: &&Lane| self.rows.ready(lane).any(|row| self.rows.all[row].due <= self.now);
            let mut lanes = self.rows.lanes().filter(|lane| lane.webhook == hook.id);
            let Some(lane) = lanes.find(has_due) else { continue };
            let mut governor = self.scheduler.governors.get(&hook.id).cloned().unwrap_or_default();
            let may_send = matches!(governor.admit(&hook.limits, self.now), Admission::Go(_));
            let has_its_share = !hook.line.is_empty() || !hook.sent.is_empty();
            // A claim that failed is repeated a second later.
            let soon = self.now.after(Duration::from_secs(1));
            let will_come = self.scheduler.next_due().is_some_and(|due| due <= soon);
            assert!(has_its_share || !may_send || will_come, "{lane:?} starves");
        }
    }

    fn next_moment(&self) -> Option<Timestamp> {
        let sent = self.hooks.iter().flat_map(|hook| &hook.sent).map(|sent| sent.until);
        let mut lines = self.hooks.iter().filter(|hook| !hook.line.is_empty());
        // Whoever waits in memory asks again when the governor said; within its patience.
        let asks = lines.next().map(|_| Timestamp::from_ms(self.now.as_ms() + 50));
        sent.chain(asks).chain(self.scheduler.next_due()).min()
    }

    fn unfinished(&self) -> usize {
        self.rows.all.iter().filter(|row| row.standing == Standing::Waiting).count()
    }

    fn hook_of(&self, lane: &Lane) -> usize {
        self.hooks.iter().position(|hook| hook.id == lane.webhook).expect("a lane of a webhook")
    }
}

impl Hook {
    fn new(dice: &mut Dice, index: usize) -> Self {
        Self {
            id: format!("w{index}").parse().expect("an id"),
            limits: some_limits(dice),
            keys: if dice.once_in(2) { 0 } else { 1 + dice.below(5) },
            schedule: (0..dice.below(6)).map(|_| Duration::from_millis(dice.next() % 100_000)).collect(),
            mood: Mood::Well,
            paused: false,
            off: false,
            failing: None,
            line: VecDeque::new(),
            sent: Vec::new(),
            starts: Vec::new(),
        }
    }

    fn lane(&self, key: usize) -> Lane {
        match self.keys {
            0 => Lane::unordered(self.id.clone()),
            _ => Lane { webhook: self.id.clone(), key: format!("={key}").into() },
        }
    }

    fn check_rate(&self) {
        let Some(rate) = self.limits.rate else { return };
        let count = usize::try_from(rate.count.get()).expect("small");
        if let Some(first) = self.starts.len().checked_sub(count + 1).map(|index| self.starts[index]) {
            let last = self.starts[self.starts.len() - 1];
            assert!(last.since(first) >= rate.per, "{} in {:?}", count + 1, last.since(first));
        }
    }
}

impl Mood {
    fn answer(self, dice: &mut Dice) -> AttemptResult {
        let answered = |status: u16, quiet: Option<u64>| {
            let headers = quiet.map(|quiet| ("retry-after".to_owned(), quiet.to_string())).into_iter().collect();
            AttemptResult::Answered(Response { status, headers, body: String::new(), body_cut: false })
        };
        match self {
            Self::Well => answered(204, None),
            Self::Shaky => match dice.below(6) {
                0 => answered(500, None),
                1 => answered(404, None),
                _ => answered(200, None),
            },
            Self::Overloaded => match dice.below(4) {
                0 => answered(204, None),
                1 => answered(429, Some(dice.next() % 1000)),
                2 => answered(503, None),
                _ => answered(502, None),
            },
            Self::Dead => AttemptResult::Error { kind: SendErrorKind::Timeout, message: String::new() },
            Self::Gone => answered(410, None),
        }
    }
}

fn some_limits(dice: &mut Dice) -> Limits {
    let count = |dice: &mut Dice, most: u64| {
        NonZeroU32::new(1 + u32::try_from(dice.next() % most).expect("small")).expect("not zero")
    };
    let rate =
        dice.once_in(3).then(|| RateLimit { count: count(dice, 5), per: Duration::from_secs(1 + dice.next() % 20) });
    let disable_after = dice.once_in(2).then(|| Duration::from_secs(60 + dice.next() % 3600));
    Limits { concurrency: count(dice, 6), rate, disable_after }
}
