//! Names whose addresses change, or of which only some may be reached. 127.0.0.1 stands for the public internet, 127.0.0.2
//! for what is refused.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tower::Service as _;

use super::*;

/// Names with a script: one answer for each lookup, the last one for all that follow.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<Vec<SocketAddr>>>>,
    lookups: Arc<AtomicUsize>,
}

impl Script {
    fn of(answers: &[&[&str]]) -> Self {
        let address = |ip: &&str| SocketAddr::new(ip.parse().unwrap(), 0);
        let answers = answers.iter().map(|answer| answer.iter().map(address).collect()).collect();
        Self { answers: Arc::new(Mutex::new(answers)), lookups: Arc::default() }
    }

    fn names(&self) -> Names {
        let Self { answers, lookups } = self.clone();
        Arc::new(move |_: &str| {
            lookups.fetch_add(1, Ordering::SeqCst);
            let mut answers = answers.lock().unwrap();
            let next = answers.pop_front().unwrap();
            if answers.is_empty() {
                answers.push_back(next.clone());
            }
            Ok(next)
        })
    }

    fn egress(&self, allow: &[&str]) -> Egress {
        let allow: Vec<IpNet> = allow.iter().map(|net| net.parse().unwrap()).collect();
        Egress::asking(self.names(), &allow, super::FILE).unwrap()
    }

    fn lookups(&self) -> usize {
        self.lookups.load(Ordering::SeqCst)
    }
}

/// A receiver on one port of both addresses.
struct Receiver {
    port: u16,
    /// The address of each connection, when it is opened and when it has ended.
    opened: mpsc::UnboundedReceiver<SocketAddr>,
    ended: mpsc::UnboundedReceiver<SocketAddr>,
}

impl Receiver {
    /// `keep_alive`: connections stay open between requests.
    async fn start(keep_alive: bool) -> Self {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = first.local_addr().unwrap().port();
        let second = TcpListener::bind(("127.0.0.2", port)).await.unwrap();
        let (tell_opened, opened) = mpsc::unbounded_channel();
        let (tell_ended, ended) = mpsc::unbounded_channel();
        for listener in [first, second] {
            let (tell_opened, tell_ended) = (tell_opened.clone(), tell_ended.clone());
            tasks::spawn("test receiver", tasks::OnPanic::Log, async move {
                loop {
                    let (socket, _) = listener.accept().await.unwrap();
                    let address = socket.local_addr().unwrap();
                    let _ = tell_opened.send(address);
                    let tell_ended = tell_ended.clone();
                    tasks::spawn("test connection", tasks::OnPanic::Log, async move {
                        answer(socket, keep_alive).await;
                        let _ = tell_ended.send(address);
                    });
                }
            });
        }
        Self { port, opened, ended }
    }

    fn post(&self) -> Outgoing {
        post(&format!("http://name.example:{}/", self.port))
    }

    /// Where connections were opened since it was asked last.
    fn opened_at(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.opened.try_recv().ok()).map(|address| address.ip().to_string()).collect()
    }
}

async fn answer(mut socket: TcpStream, keep_alive: bool) {
    let mut request = [0; 4096];
    while socket.read(&mut request).await.is_ok_and(|read| read > 0) {
        let connection = if keep_alive { "keep-alive" } else { "close" };
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: {connection}\r\ncontent-length: 0\r\n\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() || !keep_alive {
            return;
        }
    }
}

/// The message of a refusal.
fn refusal(result: &AttemptResult) -> &str {
    match result {
        AttemptResult::Error { kind: SendErrorKind::Refused, message } => message,
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_changes_is_judged_by_the_lookup_that_it_is_connected_by() {
    let mut receiver = Receiver::start(false).await;
    let script = Script::of(&[&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"], &["::ffff:127.0.0.2"]]);
    let egress = script.egress(&["127.0.0.1/32"]);
    assert_eq!(kind(&egress.send(receiver.post()).await), None);
    assert_eq!((script.lookups(), receiver.opened_at()), (1, vec!["127.0.0.1".to_owned()]));
    for address in ["127.0.0.2", "169.254.169.254", "::ffff:127.0.0.2"] {
        let result = egress.send(receiver.post()).await;
        assert!(refusal(&result).contains(&format!("{address} is refused")), "{result:?}");
    }
    assert_eq!((script.lookups(), receiver.opened_at()), (4, vec![]), "one lookup each, and no connection");
}

/// The classic: a public address for whoever judges, loopback for whoever connects.
#[tokio::test]
async fn what_is_judged_is_what_is_handed_to_the_connector() {
    let script = Script::of(&[&["1.1.1.1"], &["127.0.0.1"]]);
    let mut resolver = PolicyResolver::new(Arc::new(Policy::new(&[], super::FILE)), script.names());
    let mut resolve = async || resolver.call("name.example".parse().unwrap()).await;
    let first: Vec<_> = resolve().await.unwrap().map(|address| address.ip().to_string()).collect();
    assert_eq!((first, script.lookups()), (vec!["1.1.1.1".to_owned()], 1));
    let second = resolve().await.expect_err("refused");
    assert!(matches!(second, ResolveError::Refused { .. }) && second.to_string().contains("127.0.0.1"), "{second}");
}

#[tokio::test]
async fn of_a_names_addresses_only_those_allowed_are_connected_to() {
    let mut receiver = Receiver::start(false).await;
    let mixed = Script::of(&[&["127.0.0.2", "10.0.0.1", "127.0.0.1", "169.254.169.254"]]);
    let egress = mixed.egress(&["127.0.0.1/32"]);
    assert_eq!(kind(&egress.send(receiver.post()).await), None);
    assert_eq!(receiver.opened_at(), ["127.0.0.1"]);

    let result = mixed.egress(&[]).send(receiver.post()).await;
    assert!(
        refusal(&result).starts_with("the name name.example resolves to an address that is not allowed: 127.0.0.2")
    );
    assert!(receiver.opened_at().is_empty());
}

#[tokio::test]
async fn an_open_connection_is_used_under_the_policy_it_was_opened_under_and_no_other() {
    let mut receiver = Receiver::start(true).await;
    let script = Script::of(&[&["127.0.0.1"]]);
    let opened = script.egress(&["127.0.0.0/8"]);
    for _ in 0..2 {
        assert_eq!(kind(&opened.send(receiver.post()).await), None);
    }
    assert_eq!((script.lookups(), receiver.opened_at().len()), (1, 1), "the connection is used again");

    // A reload that changes the policy makes another client.
    let closed = script.egress(&["10.0.0.0/8"]);
    assert!(refusal(&closed.send(receiver.post()).await).contains("127.0.0.1 is refused"));
    assert_eq!(receiver.opened_at().len(), 0);
    drop(opened);
    let ended = timeout(Duration::from_secs(10), receiver.ended.recv()).await.expect("idle connections end with it");
    assert_eq!(ended.unwrap().ip(), Ipv4Addr::LOCALHOST);
}
