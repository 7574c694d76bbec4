//! File descriptors: as many as the system gives, and not all of them for connections that come in.
//!
//! Usual limits are 1024 by default and far more on demand. Were every descriptor taken by connections of others,
//! nothing could be delivered and no file be read.

use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept free for deliveries, the store and the folders; half of all where there are fewer than twice as many.
const RESERVE: usize = 512;
/// Connections of the admin listener; fewer where descriptors are few.
const ADMIN_CONNECTIONS: usize = 128;

/// How many connections each listener takes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    pub(super) public: NonZeroUsize,
    pub(super) admin: NonZeroUsize,
}

impl Connections {
    /// Raises the limit as far as it goes without privileges, and shares out what there is. `asked` is
    /// `server.maxConnections`.
    pub(super) fn provide(asked: NonZeroUsize) -> Self {
        let limit = raise_limit();
        let connections = Self::within(limit, asked);
        if connections.public < asked {
            tracing::warn!(
                asked,
                taken = connections.public,
                limit,
                "server.maxConnections is more than the limit of open files allows, so fewer are taken; raise that \
                 limit (ulimit -n, LimitNOFILE= of systemd)"
            );
        }
        connections
    }

    fn within(limit: usize, asked: NonZeroUsize) -> Self {
        let room = limit - RESERVE.min(limit / 2);
        let admin = ADMIN_CONNECTIONS.min(room / 4);
        let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
        Self { public: asked.min(at_least_one(room - admin)), admin: at_least_one(admin) }
    }
}

/// The limit that is then in force.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // macOS has a lower one that it does not tell.
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            limit.current
        }
    };
    current.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(limit: usize, asked: usize) -> (usize, usize) {
        let connections = Connections::within(limit, NonZeroUsize::new(asked).unwrap());
        (connections.public.get(), connections.admin.get())
    }

    #[test]
    fn some_descriptors_stay_free_whatever_is_asked_for() {
        assert_eq!(within(usize::MAX, 65_536), (65_536, 128));
        assert_eq!(within(1 << 20, 1024), (1024, 128));
        assert_eq!(within(1024, 1024), (384, 128));
        assert_eq!(within(1024, 10), (10, 128));
        assert_eq!(within(64, 1024), (24, 8));
        assert_eq!(within(0, 1024), (1, 1));
    }

    #[test]
    fn the_limit_is_raised_to_the_hard_one() {
        let limit = raise_limit();
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
        assert_eq!(now.current, u64::try_from(limit).ok().filter(|_| limit != usize::MAX));
    }
}
