//! Receivers behind certificates that are wrong, and behind TLS that is none.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, date_time_ymd,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::acts::{answer_on, answers, until_hung_up};
use super::case::{Act, Case, act};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Who signs certificates: one that the host is told to trust, and one that it is not.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

type Chain = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for the receivers' address, changed in one respect.
    fn signs(&self, change: impl FnOnce(&mut CertificateParams)) -> Chain {
        let (params, key) = leaf(change);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (vec![certificate.der().clone()], key.into())
    }
}

fn leaf(change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    (params, KeyPair::generate().unwrap())
}

pub(super) fn cases(trusted: &Authority) -> Vec<Case> {
    let stranger = Authority::new("An authority that nobody trusts");
    let good = || trusted.signs(|_| ());
    let self_signed = || {
        let (params, key) = leaf(|_| ());
        (vec![params.self_signed(&key).unwrap().der().clone()], PrivateKeyDer::from(key))
    };
    let tls = |name, chain, words| Case::error(name, answers_by_tls(chain, OK, true), "tls", words).by_tls();
    vec![
        Case::delivered("tls-good", answers_by_tls(good(), OK, true), "ok").by_tls(),
        Case::delivered("tls-hangs-up-rudely", answers_by_tls(good(), OK, false), "ok").by_tls(),
        // Where the end is told by the connection, only TLS can tell an end from a cut.
        Case::broken(
            "tls-cut",
            answers_by_tls(good(), "HTTP/1.1 200 OK\r\n\r\nhalf", false),
            "without sending TLS close_notify",
        )
        .by_tls(),
        tls("tls-expired", trusted.signs(|it| it.not_after = date_time_ymd(2021, 1, 1)), "expired"),
        tls("tls-not-yet-valid", trusted.signs(|it| it.not_before = date_time_ymd(2110, 1, 1)), "not valid yet"),
        tls(
            "tls-wrong-name",
            trusted
                .signs(|it| it.subject_alt_names = vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())]),
            "not valid for name",
        ),
        tls(
            "tls-wrong-usage",
            trusted.signs(|it| it.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            "EkuError",
        ),
        tls("tls-self-signed", self_signed(), "UnknownIssuer"),
        tls("tls-unknown-authority", stranger.signs(|_| ()), "UnknownIssuer"),
        Case::error(
            "tls-wants-a-certificate",
            answers_by(acceptor_with(good(), Some(trusted)), OK, true),
            "tls",
            "CertificateRequired",
        )
        .by_tls(),
        Case::error("tls-port-speaks-http", answers_raw(OK), "tls", "does this port speak TLS?").by_tls(),
        Case::error(
            "tls-port-speaks-smtp",
            answers_raw("220 mail.example ESMTP\r\n"),
            "tls",
            "does this port speak TLS?",
        )
        .by_tls(),
        // handshake_failure, fatal.
        Case::error("tls-alert", answers_raw(b"\x15\x03\x03\0\x02\x02\x28".to_vec()), "tls", "HandshakeFailure")
            .by_tls(),
        Case::error("tls-1.1", answers_raw(server_hello([3, 2])), "tls", "ServerDoesNotSupportTls12Or13").by_tls(),
        Case::error("tls-closes-in-the-handshake", answers_raw(""), "connect", "tls handshake eof").by_tls(),
        Case::too_slow("tls-stops-in-the-handshake", act(|mut socket| async move { until_hung_up(&mut socket).await }))
            .by_tls(),
        // The other way round.
        Case::broken("http-port-speaks-tls", answers(b"\x15\x03\x03\0\x02\x02\x28".to_vec()), "invalid HTTP version"),
    ]
}

fn acceptor_with((chain, key): Chain, clients_of: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder =
        ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions().unwrap();
    let builder = match clients_of {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
            builder.with_client_cert_verifier(verifier)
        }
    };
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

fn answers_by_tls(chain: Chain, bytes: &'static str, politely: bool) -> Act {
    answers_by(acceptor_with(chain, None), bytes, politely)
}

fn answers_by(acceptor: TlsAcceptor, bytes: &'static str, politely: bool) -> Act {
    act(move |socket| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(socket).await else { return };
            answer_on(&mut stream, bytes.as_bytes()).await;
            if politely {
                let _ = stream.shutdown().await;
            }
        }
    })
}

/// Answers the first bytes of a handshake with these, and hangs up.
fn answers_raw(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    act(move |mut socket| {
        let bytes = bytes.clone();
        async move {
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            until_hung_up(&mut socket).await;
        }
    })
}

/// What a server of this version says first.
fn server_hello(version: [u8; 2]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]);
    // No session; TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let handshake = [&[2, 0, 0, length(&hello)][..], &hello].concat();
    [&[0x16, version[0], version[1], 0, length(&handshake)][..], &handshake].concat()
}
