//! What crosses the wire: answers compressed for those who asked, and bodies that no honest server sends.

use std::convert::Infallible;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use flate2::write::GzEncoder;
use flate2::{Compress, Compression, Crc, FlushCompress};
use http::HeaderMap;
use http::HeaderValue;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, VARY};
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::faults::effects::Passage;
use crate::model::Response;

/// Shorter bodies are not worth compressing, as either vendor's edge sees it.
const WORTH_COMPRESSING: usize = 2_048;
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const MEBIBYTE: usize = 1 << 20;

/// A body on its way out.
#[derive(Debug)]
pub(super) enum Wire {
    /// As it is, its length known.
    Whole(Bytes),
    /// As it is, whatever length the head claims. What there is goes out before the end is told, which breaks the
    /// connection when more was claimed.
    Claimed { body: Bytes, sent: bool },
    /// Followed by blanks without end.
    Endless(Bytes),
    /// Byte by byte, with a wait before each.
    Dripping {
        rest: Bytes,
        every: Duration,
        wait: Option<Pin<Box<Sleep>>>,
    },
}

/// Puts an answer on the wire, the way its passage says.
pub(super) fn put(response: Response, passage: Passage, asked: &HeaderMap) -> http::Response<Wire> {
    match passage {
        Passage::Plain | Passage::After(_) => compressed(response, asked).map(Wire::Whole),
        Passage::Endless => response.map(Wire::Endless),
        Passage::Dripping(every) => response.map(|rest| Wire::Dripping {
            rest,
            every,
            wait: None,
        }),
        Passage::Bomb(mebibytes) => {
            let mut response = response.map(|_| Wire::Whole(bomb(mebibytes)));
            response.headers_mut().insert(CONTENT_ENCODING, GZIP);
            response
        }
        Passage::Claiming(length) => {
            let mut response = response.map(|body| Wire::Claimed { body, sent: false });
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
    }
}

/// Both vendors compress for a client that accepts it.
fn compressed(mut response: Response, asked: &HeaderMap) -> Response {
    let headers = response.headers();
    let text = mentions(headers, &CONTENT_TYPE, "json")
        || mentions(headers, &CONTENT_TYPE, "text")
        || mentions(headers, &CONTENT_TYPE, "xml");
    if !text
        || response.body().len() < WORTH_COMPRESSING
        || headers.contains_key(CONTENT_ENCODING)
        || !mentions(asked, &ACCEPT_ENCODING, "gzip")
    {
        return response;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(response.body()).and_then(|()| encoder.finish());
    if let Ok(packed) = packed {
        *response.body_mut() = Bytes::from(packed);
        response.headers_mut().insert(CONTENT_ENCODING, GZIP);
        let asked_for = HeaderValue::from_static("accept-encoding");
        response.headers_mut().insert(VARY, asked_for);
    }
    response
}

/// A request's body as the service reads it: unpacked, if its client packed it, up to `limit` bytes.
pub(super) fn unpacked(headers: &mut HeaderMap, body: Bytes, limit: usize) -> io::Result<Bytes> {
    if !mentions(headers, &CONTENT_ENCODING, "gzip") {
        return Ok(body);
    }
    headers.remove(CONTENT_ENCODING);
    headers.remove(CONTENT_LENGTH);
    let mut unpacked = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut decoder = flate2::read::MultiGzDecoder::new(body.as_ref()).take(most.saturating_add(1));
    decoder.read_to_end(&mut unpacked)?;
    if unpacked.len() > limit {
        return Err(io::Error::other("the body is too large unpacked"));
    }
    Ok(Bytes::from(unpacked))
}

fn mentions(headers: &HeaderMap, name: &HeaderName, what: &str) -> bool {
    let mut values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values.any(|value| value.contains(what))
}

/// So many MiB of blanks as gzip: one packed MiB, again and again.
fn bomb(mebibytes: u32) -> Bytes {
    let blanks = vec![b' '; MEBIBYTE];
    let mut packed = Vec::with_capacity(MEBIBYTE);
    // A full flush ends at a byte's edge and refers to nothing before it, so that what it made can be repeated.
    let made =
        Compress::new(Compression::best(), false).compress_vec(&blanks, &mut packed, FlushCompress::Full);
    let mut whole = BytesMut::from(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..]);
    let (mut one, mut sum) = (Crc::new(), Crc::new());
    one.update(&blanks);
    if made.is_ok() {
        for _ in 0..mebibytes {
            whole.extend_from_slice(&packed);
            sum.combine(&one);
        }
    }
    // An empty last block, and what the format asks to be checked.
    whole.extend_from_slice(&[3, 0]);
    whole.extend_from_slice(&sum.sum().to_le_bytes());
    whole.extend_from_slice(&sum.amount().to_le_bytes());
    whole.freeze()
}

impl Body for Wire {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let some = |data: Bytes| (!data.is_empty()).then(|| Ok(Frame::data(data)));
        match &mut *self {
            Self::Claimed { body, sent: false } if body.is_empty() => {
                self.set(Self::Claimed {
                    body: Bytes::new(),
                    sent: true,
                });
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::Endless(first) if first.is_empty() => {
                Poll::Ready(some(Bytes::from_static(&[b' '; 16 << 10])))
            }
            Self::Whole(body) | Self::Claimed { body, .. } | Self::Endless(body) => {
                Poll::Ready(some(std::mem::take(body)))
            }
            Self::Dripping { rest, .. } if rest.is_empty() => Poll::Ready(None),
            Self::Dripping { rest, every, wait } => {
                let sleep = wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(*every)));
                std::task::ready!(sleep.as_mut().poll(context));
                *wait = None;
                Poll::Ready(some(rest.split_to(1)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => SizeHint::with_exact(u64::try_from(body.len()).unwrap_or(u64::MAX)),
            _ => SizeHint::default(),
        }
    }
}
