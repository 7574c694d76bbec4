//! Events about files of the media library.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Envelope, Id, subject};
use crate::{Delivery, Result};

/// An event about a file: `media.create`, `media.update`, `media.delete`. What [`Delivery::media_event`] reads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MediaEvent<T = MediaFile> {
    /// `media.create`, …: the payload's word, else the delivery's event type.
    pub event: String,
    /// When the CMS sent it, as it wrote it: `createdAt`, in version 3 `created_at`.
    pub created_at: Option<String>,
    /// `/media`.
    pub media: T,
    /// All other members of the payload.
    pub extra: Map<String, Value>,
}

/// A file of the media library.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct MediaFile {
    /// The file's `id`.
    pub id: Option<Id>,
    /// Stays the same over the file's life; since version 5.
    pub document_id: Option<String>,
    /// What the file was called when it was uploaded, or was renamed to: `dot.png`.
    pub name: String,
    /// Where it is served: a path on the CMS (`/uploads/…`), or a whole address with other providers.
    pub url: String,
    /// A smaller picture that stands for it.
    pub preview_url: Option<String>,
    /// For who cannot see it.
    pub alternative_text: Option<String>,
    /// What stands below it.
    pub caption: Option<String>,
    /// Of a picture, in pixels.
    pub width: Option<f64>,
    /// Of a picture, in pixels.
    pub height: Option<f64>,
    /// `.png`.
    pub ext: Option<String>,
    /// `image/png`.
    pub mime: Option<String>,
    /// In kilobytes.
    pub size: Option<f64>,
    /// Who stores it: `local`, …
    pub provider: Option<String>,
    /// The same picture in other sizes, by their names: `thumbnail`, …
    pub formats: Option<Map<String, Value>>,
    /// When it was uploaded, as the CMS wrote it.
    #[serde(alias = "created_at")]
    pub created_at: Option<String>,
    /// When it was last changed, as the CMS wrote it.
    #[serde(alias = "updated_at")]
    pub updated_at: Option<String>,
    /// All other members.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Delivery {
    /// The payload as an event about a file, [`MediaFile`] or a type of the plugin's own.
    ///
    /// # Errors
    /// Permanent, when the payload is not JSON, has no object at `/media`, or one that does not fit `T`.
    /// ```
    /// use hookwright_sdk::{Delivery, MediaFile, json};
    ///
    /// let delivery = Delivery::example("media.create", json!({
    ///     "event": "media.create", "createdAt": "2026-11-23T20:41:18.737Z",
    ///     "media": {"id": 1, "name": "dot.png", "url": "/uploads/dot.png", "mime": "image/png", "focalPoint": null},
    /// }));
    /// let event = delivery.media_event::<MediaFile>()?;
    /// assert_eq!((event.media.url.as_str(), event.media.mime.as_deref()), ("/uploads/dot.png", Some("image/png")));
    /// assert!(event.media.extra.contains_key("focalPoint"));
    /// # Ok::<(), hookwright_sdk::Failure>(())
    /// ```
    pub fn media_event<T: DeserializeOwned>(&self) -> Result<MediaEvent<T>> {
        let envelope = Envelope::read(self, &["media"])?;
        Ok(MediaEvent {
            event: envelope.event,
            created_at: envelope.created_at,
            media: subject(envelope.name, envelope.subject)?,
            extra: envelope.extra,
        })
    }
}
