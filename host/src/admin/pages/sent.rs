//! What a form sent: fields by name, in the order of the page, and at most one file.

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request};
use bytes::Bytes;
use http::{HeaderMap, header};

use crate::admin::{AdminState, params};
use crate::http::body::{self, BodyLimits};
use crate::http::problem::{Kind, Problem};
use crate::plugin::MAX_PLUGIN_FILE_BYTES;

/// More fields are no form of ours.
const MOST_FIELDS: usize = 5_000;

/// Whoever signs in is not known yet.
const LITTLE_BYTES: usize = 16 << 10;

/// What stands around a file.
const AROUND_BYTES: usize = 64 << 10;

/// The fields of a form.
#[derive(Debug, Default)]
pub(in crate::admin) struct Sent {
    fields: Vec<(String, String)>,
    pub(in crate::admin) file: Option<Bytes>,
}

/// What a form may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A name, a token.
    Little,
    /// Fields, a payload among them.
    Fields,
    /// A plugin's file too.
    File,
}

impl Sent {
    pub(super) async fn read(
        admin: &AdminState,
        takes: Takes,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, Problem> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let limits = &admin.live.load().server.limits;
        let is_upload = content_type.starts_with("multipart/form-data");
        let max_bytes = match takes {
            Takes::Little => LITTLE_BYTES,
            // A payload may be typed into a form, where each byte takes three.
            Takes::Fields => limits.max_body_bytes.saturating_mul(3).saturating_add(AROUND_BYTES),
            Takes::File => usize::try_from(MAX_PLUGIN_FILE_BYTES).unwrap_or(usize::MAX).saturating_add(AROUND_BYTES),
        };
        if is_upload && takes != Takes::File {
            return Err(Problem::new(Kind::UnsupportedMediaType, "This form brings no file."));
        }
        let read = BodyLimits { max_bytes, timeout: limits.body_timeout };
        let bytes = body::read(body, read).await.map_err(|error| params::unread(&error))?;
        if is_upload {
            return Self::of_parts(content_type, bytes).await;
        }
        let fields = url::form_urlencoded::parse(&bytes).into_owned().take(MOST_FIELDS + 1);
        Self::new(fields.collect(), None)
    }

    async fn of_parts(content_type: &str, bytes: Bytes) -> Result<Self, Problem> {
        let broken = |_| Problem::new(Kind::BadRequest, "What was sent is no form.");
        let request = Request::builder().header(header::CONTENT_TYPE, content_type).body(Body::from(bytes));
        let request = request.map_err(|_| Problem::new(Kind::BadRequest, "What was sent is no form."))?;
        let mut parts = Multipart::from_request(without_limit(request), &())
            .await
            .map_err(|_| Problem::new(Kind::BadRequest, "What was sent is no form."))?;
        let (mut fields, mut file) = (Vec::new(), None);
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            if fields.len() > MOST_FIELDS {
                break;
            }
            let name = part.name().unwrap_or_default().to_owned();
            if part.file_name().is_some() {
                file = Some(part.bytes().await.map_err(broken)?);
            } else {
                fields.push((name, part.text().await.map_err(broken)?));
            }
        }
        Self::new(fields, file)
    }

    fn new(mut fields: Vec<(String, String)>, file: Option<Bytes>) -> Result<Self, Problem> {
        if fields.len() > MOST_FIELDS {
            return Err(Problem::new(Kind::BadRequest, format!("A form has at most {MOST_FIELDS} fields.")));
        }
        // Browsers end the lines of a text with CR LF, whatever it had.
        for (_, value) in &mut fields {
            if value.contains('\r') {
                *value = value.replace("\r\n", "\n");
            }
        }
        Ok(Self { fields, file })
    }

    /// The first of this name; empty if there is none.
    pub(in crate::admin) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub(in crate::admin) fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Without white space around it; none if nothing is left.
    pub(in crate::admin) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty())
    }

    pub(in crate::admin) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(in crate::admin) fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[cfg(test)]
    pub(in crate::admin) fn of(fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { fields: fields.collect(), file: None }
    }
}

/// It was read within a limit of ours already.
fn without_limit(mut request: Request) -> Request {
    let unlimited = axum::extract::DefaultBodyLimit::disable();
    unlimited.apply(&mut request);
    request
}
