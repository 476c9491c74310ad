//! Bytes on the wire.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Chosen by the interface, counted up from 1; events answer with the id of the command they belong to.
/// 0 marks events that nobody asked for.
pub type RequestId = u32;

/// One message with the request it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message<T> {
    /// The request.
    pub id: RequestId,
    /// What is said.
    pub body: T,
}

/// Bytes that are no message of this version.
#[derive(Debug, thiserror::Error)]
#[error("the page and its engine are of different versions; load the page again ({0})")]
pub struct FrameError(#[from] postcard::Error);

/// A message as bytes.
pub fn encode<T: Serialize>(message: &Message<T>) -> Result<Vec<u8>, FrameError> {
    Ok(postcard::to_stdvec(message)?)
}

/// A message from bytes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<Message<T>, FrameError> {
    Ok(postcard::from_bytes(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Event, TrainSettings};

    #[test]
    fn a_message_comes_back_as_it_went() {
        let sent = Message { id: 7, body: Command::Train { settings: TrainSettings::default(), restart: true } };
        assert_eq!(decode::<Command>(&encode(&sent).unwrap()).unwrap(), sent);
    }

    #[test]
    fn bytes_that_are_no_message_are_refused() {
        let bytes = encode(&Message { id: 1, body: Event::Paused { paused: true } }).unwrap();
        assert!(decode::<Event>(&bytes[..bytes.len() - 1]).is_err());
        assert!(decode::<Event>(&[0, 255, 255, 255, 255, 15]).is_err());
    }
}
