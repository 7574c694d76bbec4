//! Feeding a process and hearing what it says, all at once, on one thread and with a deadline.

use std::io::{self, ErrorKind, Read, Write as _};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use tokio_util::sync::CancellationToken;

const CHUNK_BYTES: usize = 64 << 10;
/// Between two looks at whether the host is to end.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Of what it complains about, for the log.
const MAX_COMPLAINT_BYTES: usize = 4 << 10;

/// What a process said until it closed its outputs, as it does at its end.
pub(super) struct Said {
    pub(super) output: Vec<u8>,
    pub(super) complaint: Vec<u8>,
}

/// Why the process is not listened to any further.
#[derive(Debug)]
pub(super) enum Stop {
    TooLong,
    Cancelled,
    TooMuch,
    System(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// How long the process is listened to.
pub(super) struct Patience<'a> {
    pub(super) deadline: Instant,
    pub(super) stop: &'a CancellationToken,
}

impl Patience<'_> {
    /// For one wait.
    fn left(&self) -> Result<Duration, Stop> {
        if self.stop.is_cancelled() {
            return Err(Stop::Cancelled);
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Stop::TooLong) } else { Ok(left.min(LONGEST_WAIT)) }
    }
}

/// Gives `child` everything in `input`, takes at most `max_bytes` from it, and ends when `patience` does.
/// The child must have been started with three pipes. A child that does not read all of its input is no error.
pub(super) fn pump(
    child: &mut Child,
    input: &[&[u8]],
    max_bytes: usize,
    patience: &Patience<'_>,
) -> Result<Said, Stop> {
    let mut feed = Feed { pipe: unblocked(child.stdin.take())?, input: input.to_vec() };
    let mut output = Hear { pipe: unblocked(child.stdout.take())?, said: Vec::new() };
    let mut complaint = Hear { pipe: unblocked(child.stderr.take())?, said: Vec::new() };
    let mut chunk = vec![0; CHUNK_BYTES];
    while output.pipe.is_some() || complaint.pipe.is_some() {
        wait(&feed, &output, &complaint, patience.left()?)?;
        feed.write()?;
        if !output.read(&mut chunk, max_bytes)? {
            return Err(Stop::TooMuch);
        }
        // The rest of a long complaint is read, so that the child does not wait, and forgotten.
        complaint.read(&mut chunk, MAX_COMPLAINT_BYTES)?;
    }
    Ok(Said { output: output.said, complaint: complaint.said })
}

/// A pipe that says so when there is nothing to do. The other end is not affected.
fn unblocked<P: AsFd>(pipe: Option<P>) -> io::Result<Option<P>> {
    if let Some(pipe) = &pipe {
        ioctl_fionbio(pipe, true)?;
    }
    Ok(pipe)
}

/// Until one of the pipes has something to do, or the time is over.
fn wait(
    feed: &Feed<'_>,
    output: &Hear<impl AsFd>,
    complaint: &Hear<impl AsFd>,
    left: Duration,
) -> Result<(), io::Error> {
    let mut pipes = Vec::with_capacity(3);
    pipes.extend(feed.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::OUT)));
    pipes.extend(output.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    pipes.extend(complaint.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut pipes, Some(&left)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the child still has to be told.
struct Feed<'a> {
    pipe: Option<ChildStdin>,
    input: Vec<&'a [u8]>,
}

impl Feed<'_> {
    /// As much as there is room for. At the end the pipe is closed.
    fn write(&mut self) -> io::Result<()> {
        while let (Some(pipe), Some(rest)) = (&mut self.pipe, self.input.first_mut()) {
            match pipe.write(&rest[..rest.len().min(CHUNK_BYTES)]) {
                Ok(written) => *rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It does not listen: its answer, or its end, says why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) => return Err(error),
            }
            self.input.retain(|rest| !rest.is_empty());
        }
        self.pipe = None;
        Ok(())
    }
}

/// What the child has said.
struct Hear<P> {
    pipe: Option<P>,
    said: Vec<u8>,
}

impl<P: Read> Hear<P> {
    /// As much as is there; what is beyond `max_bytes` is not kept. Answers whether all of it was.
    fn read(&mut self, chunk: &mut [u8], max_bytes: usize) -> io::Result<bool> {
        let mut all = true;
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(chunk) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let kept = read.min(max_bytes - self.said.len());
                    self.said.extend_from_slice(&chunk[..kept]);
                    all &= kept == read;
                    // Others have their turn.
                    break;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}
