//! JSON that has to be an object.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use std::{fmt, marker::PhantomData};

/// A value whose JSON has to be an object, as documented: serde also reads structs and tagged enumerations from arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Map(PhantomData))
    }
}

struct Map<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Map<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClientMessage, ServerMessage, http::EnrolRequest, message::RefusalCode, node::ToNode};
    use serde::de::DeserializeOwned;

    fn reads<T: DeserializeOwned>(text: &str) -> bool {
        serde_json::from_str::<Object<T>>(text).is_ok()
    }

    #[test]
    fn an_array_is_no_message() {
        assert!(reads::<ClientMessage>(r#" {"log_size":1,"type":"ping"} "#));
        assert!(!reads::<ClientMessage>(r#"["ping",1]"#));
        assert!(reads::<ServerMessage>(r#"{"type":"challenge","nonce":""}"#));
        assert!(!reads::<ServerMessage>(r#"["challenge","",0]"#));
        assert!(reads::<ToNode>(r#"{"type":"remove_leg","leg":1}"#) && !reads::<ToNode>(r#"["remove_leg",1]"#));
        assert!(reads::<EnrolRequest>(r#"{"chain":[]}"#) && !reads::<EnrolRequest>(r#"[[]]"#));
        for text in ["[]", "1", "null", r#""ping""#, "{}", ""] {
            assert!(!reads::<ClientMessage>(text), "{text}");
        }
    }

    #[test]
    fn an_object_is_read_as_without_the_wrapper() {
        let message = ServerMessage::Refused { call: None, code: RefusalCode::TooMany, message: "text".into() };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Object<ServerMessage>>(&text).unwrap(), Object(message));
        let extra = r#"{"type":"ping","log_size":1,"also":1}"#;
        let error = serde_json::from_str::<Object<ClientMessage>>(extra).unwrap_err();
        assert!(error.is_data() && error.to_string().contains("also"), "{error}");
        assert!(serde_json::from_str::<Object<ClientMessage>>("{").unwrap_err().is_eof());
        assert!(serde_json::from_str::<Object<ClientMessage>>(r#"{"type":"available"} {}"#).unwrap_err().is_syntax());
    }
}
