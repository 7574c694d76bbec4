//! On real sockets: what each kind of peer comes to.

mod names;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::tasks;

const FILE: &str = "config/server.json";

fn loopback() -> Egress {
    Egress::new(&["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], FILE).unwrap()
}

fn post(url: &str) -> Outgoing {
    Outgoing {
        method: Method::POST,
        url: url.parse::<Destination>().unwrap().into(),
        headers: HeaderMap::new(),
        body: Bytes::from_static(b"{}"),
        deadline: Duration::from_millis(500),
    }
}

/// A peer that reads something, answers these bytes and then does what `after` says.
async fn peer(answer: Vec<u8>, keep_open: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tasks::spawn("test peer", tasks::OnPanic::Log, async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let _ = socket.read(&mut request).await;
        let _ = socket.write_all(&answer).await;
        if keep_open {
            // Until the client hangs up.
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    });
    url
}

fn kind(result: &AttemptResult) -> Option<SendErrorKind> {
    match result {
        AttemptResult::Answered(_) => None,
        AttemptResult::Error { kind, .. } => Some(*kind),
    }
}

#[tokio::test]
async fn an_answer_is_kept_up_to_the_cap() {
    let mut long = b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-length: 40000\r\n\r\n".to_vec();
    long.resize(long.len() + 40_000, b'x');
    let AttemptResult::Answered(response) = loopback().send(post(&peer(long, false).await)).await else {
        panic!("expected an answer");
    };
    assert_eq!((response.status, response.body.len(), response.body_cut), (200, RESPONSE_CAPTURE_BYTES, true));
    assert!(response.headers.contains(&("x-a".to_owned(), "b".to_owned())));
}

#[test]
fn retry_after_is_kept_whatever_else_is_sent() {
    let mut headers = HeaderMap::new();
    headers.insert("x-long", "x".repeat(HEADERS_CAPTURE_BYTES).parse().unwrap());
    headers.insert("x-short", "y".parse().unwrap());
    headers.insert(RETRY_AFTER, "120".parse().unwrap());
    let kept = [("retry-after", "120"), ("x-short", "y")];
    assert_eq!(captured_headers(&headers), kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let answer = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let result = loopback().send(post(&peer(answer, false).await)).await;
    assert!(matches!(result, AttemptResult::Answered(Response { status: 302, .. })), "{result:?}");
}

#[tokio::test]
async fn one_deadline_spans_head_and_body() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        let result = loopback().send(post(&peer(answer.into(), true).await)).await;
        assert_eq!(kind(&result), Some(SendErrorKind::Timeout), "{answer:?}: {result:?}");
    }
}

/// Accepts connections for ever; each is answered once with these bytes, and ended at once, or when the client ends it.
async fn peers(answer: &'static [u8], hangs_up: bool) -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (tell_ended, ended) = mpsc::unbounded_channel();
    tasks::spawn("test peers", tasks::OnPanic::Log, async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(answer).await;
            if !hangs_up {
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
            drop(socket);
            let _ = tell_ended.send(());
        }
    });
    (url, ended)
}

#[tokio::test]
async fn a_connection_that_its_peer_ended_is_not_used_again() {
    let (url, mut ended) = peers(b"HTTP/1.1 204 No Content\r\n\r\n", true).await;
    let egress = loopback();
    for _ in 0..3 {
        let result = egress.send(post(&url)).await;
        assert_eq!(kind(&result), None, "{result:?}");
        ended.recv().await.unwrap();
        // So that the runtime hears of it, too.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_is_nobodys() {
    for late in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (tell_sent, mut sent) = mpsc::unbounded_channel();
        tasks::spawn("test peer", tasks::OnPanic::Log, async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                if late {
                    tokio::task::yield_now().await;
                }
                let _ = socket.write_all(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await;
                let _ = tell_sent.send(());
                let _ = socket.read_to_end(&mut Vec::new()).await;
            }
        });
        let egress = loopback();
        for _ in 0..3 {
            let result = egress.send(post(&url)).await;
            assert!(matches!(result, AttemptResult::Answered(Response { status: 204, .. })), "{late}: {result:?}");
            sent.recv().await.unwrap();
            // So that the runtime hears of it, too.
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_attempt_whose_answer_is_not_read_to_its_end_ends_its_connection() {
    let long = b"HTTP/1.1 200 OK\r\ncontent-length: 20000\r\n\r\n";
    for answer in [&b""[..], &long[..], &[&long[..], &vec![b'x'; 20_000]].concat()] {
        let (url, mut ended) = peers(answer.to_vec().leak(), false).await;
        let egress = loopback();
        egress.send(post(&url)).await;
        timeout(Duration::from_secs(10), ended.recv()).await.expect("nobody has it any more").unwrap();
    }
}

#[tokio::test]
async fn a_broken_answer_is_named_so() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(100_000));
    for answer in ["", "SSH-2.0-OpenSSH_9\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", &many_headers] {
        let result = loopback().send(post(&peer(answer.into(), false).await)).await;
        assert_eq!(kind(&result), Some(SendErrorKind::Broken), "{result:?}");
    }
}

#[tokio::test]
async fn closed_ports_unknown_names_and_plain_peers_are_told_apart() {
    let egress = loopback();
    assert_eq!(kind(&egress.send(post("http://127.0.0.1:1/")).await), Some(SendErrorKind::Connect));
    assert_eq!(kind(&egress.send(post("http://nowhere.invalid/")).await), Some(SendErrorKind::Dns));
    let url = peer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), false).await;
    assert_eq!(kind(&egress.send(post(&url.replace("http:", "https:"))).await), Some(SendErrorKind::Tls));
}

/// The limit is that of the whole process, so this runs in one of its own.
#[test]
fn a_host_without_descriptors_does_not_blame_the_receiver() {
    const ALONE: &str = "HOOKWRIGHT_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return without_descriptors();
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
    let output = alone.args(["--exact", &name]).env(ALONE, "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::main(flavor = "current_thread")]
async fn without_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let egress = loopback();
    setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..getrlimit(Resource::Nofile) }).unwrap();
    for url in ["http://127.0.0.1:1/", "http://nowhere.invalid/"] {
        let result = egress.send(post(url)).await;
        assert_eq!(kind(&result), Some(SendErrorKind::Exhausted), "{url}: {result:?}");
    }
}

#[tokio::test]
async fn special_addresses_are_refused_before_a_byte_is_sent() {
    let closed = Egress::new(&[], FILE).unwrap();
    for url in [
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "http://localhost./",
    ] {
        let result = closed.send(post(url)).await;
        assert_eq!(kind(&result), Some(SendErrorKind::Refused), "{url}: {result:?}");
    }
    let metadata = loopback().send(post("http://169.254.169.254/")).await;
    assert_eq!(kind(&metadata), Some(SendErrorKind::Refused));
}

#[test]
fn an_address_is_refused_whatever_its_spelling_in_a_url() {
    let closed = Egress::new(&[], FILE).unwrap();
    let opened = Egress::new(&["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()], FILE).unwrap();
    for (host, is_metadata) in [
        ("0", false),
        ("0x7f.1", false),
        ("0177.0.0.1", false),
        ("017700000001", false),
        ("127.0.0.1.", false),
        ("127.0x0.1", false),
        ("%31%32%37.0.0.1", false),
        ("１２７.０.０.１", false),
        ("①②⑦.⓪.⓪.①", false),
        ("127。0。0。1", false),
        ("user:secret@127.0.0.1", false),
        ("1.1.1.1@127.0.0.1:80", false),
        ("[0:0:0:0:0:0:0:1]", false),
        ("[::127.0.0.1]", false),
        ("[0:0:0:0:0:ffff:7f00:1]", false),
        ("[64:ff9b::127.0.0.1]", false),
        ("[2002:7f00:1::]", false),
        ("LOCALHOST", false),
        ("loc%61lhost", false),
        ("ｌocalhost", false),
        ("app.localhost", false),
        ("app.LocalHost.", false),
        ("2852039166", true),
        ("0xa9fea9fe", true),
        ("0251.0376.0251.0376", true),
        ("169.254.43518", true),
        ("[::ffff:a9fe:a9fe]", true),
        ("[64:ff9b::169.254.169.254]", true),
        ("[2002:a9fe:a9fe::1]", true),
        ("[fd00:ec2:0:0:0:0:0:254]", true),
    ] {
        let url: Url = format!("http://{host}/").parse().unwrap();
        assert!(closed.judge(&url).is_err(), "{host} is {:?}", url.host());
        assert_eq!(opened.judge(&url).is_err(), is_metadata, "{host} is {:?}", url.host());
    }
    // What is no address is no URL either, and so never asked for.
    for host in ["256.1", "0x100000000", "1.2.3.4.5", "[::1%25lo]", "[127.0.0.1]", "127.0.0.1%00"] {
        assert!(Url::parse(&format!("http://{host}/")).is_err(), "{host}");
    }
}
