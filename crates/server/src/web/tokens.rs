//! Bearer tokens: each belongs to one open WebSocket and is revoked when it closes.

use axum::http::{HeaderMap, header};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use telcon_proto::{DeviceId, PersonId, Role};

/// Who presents a token.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    /// The device.
    pub device: DeviceId,
    /// Its person.
    pub person: PersonId,
    /// Their role.
    pub role: Role,
}

type Held = Arc<RwLock<HashMap<[u8; 32], Bearer>>>;

/// All valid tokens, as digests: a lookup leaks nothing through timing.
#[derive(Clone, Default)]
pub struct Tokens(Held);

/// Keeps a token valid until it is dropped.
pub struct TokenGuard {
    held: Held,
    digest: [u8; 32],
}

impl Tokens {
    /// Makes a token valid while the guard exists.
    pub fn hold(&self, token: &str, bearer: Bearer) -> TokenGuard {
        let digest = Sha256::digest(token).into();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(digest, bearer);
        TokenGuard { held: self.0.clone(), digest }
    }

    /// Revokes all tokens of a device, whose connections may take a while to close.
    pub fn revoke(&self, device: DeviceId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|_, bearer| bearer.device != device);
    }

    /// The bearer of the request's token, if it is valid.
    pub fn bearer(&self, headers: &HeaderMap) -> Option<Bearer> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let digest: [u8; 32] = Sha256::digest(token).into();
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&digest).copied()
    }
}

impl Drop for TokenGuard {
    fn drop(&mut self) {
        self.held.write().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_revoked_with_its_connection() {
        let tokens = Tokens::default();
        let bearer = Bearer {
            device: DeviceId::from_bytes([1; 16]),
            person: PersonId::from_bytes([1; 16]),
            role: Role::NoteTaker,
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "Bearer secret".parse().unwrap());
        assert!(tokens.bearer(&headers).is_none());
        let guard = tokens.hold("secret", bearer);
        assert_eq!(tokens.bearer(&headers).map(|b| b.role), Some(Role::NoteTaker));
        drop(guard);
        assert!(tokens.bearer(&headers).is_none());
    }

    #[test]
    fn the_tokens_of_a_revoked_device_end_before_its_connections() {
        let tokens = Tokens::default();
        let bearer = |n| Bearer {
            device: DeviceId::from_bytes([n; 16]),
            person: PersonId::from_bytes([1; 16]),
            role: Role::Principal,
        };
        let headers = |token: &str| {
            HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"))])
        };
        let _guards = [tokens.hold("revoked", bearer(1)), tokens.hold("other", bearer(2))];
        tokens.revoke(DeviceId::from_bytes([1; 16]));
        assert!(tokens.bearer(&headers("revoked")).is_none());
        assert!(tokens.bearer(&headers("other")).is_some());
    }
}
