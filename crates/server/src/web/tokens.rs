//! Bearer tokens: each belongs to one open WebSocket and is revoked when it closes.

use crate::digest::sha256;
use axum::http::{HeaderMap, header};
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use telcon_proto::{DeviceId, PersonId, Role, device_policy::DeviceKind};

/// Who presents a token.
#[derive(Clone, Copy, Debug)]
pub struct Bearer {
    /// The device.
    pub device: DeviceId,
    /// Its person.
    pub person: PersonId,
    /// Their role.
    pub role: Role,
    /// What kind of program it is.
    pub kind: DeviceKind,
}

/// SHA-256 of a token.
type TokenDigest = [u8; 32];

/// The valid tokens, and an index of them by device: every sign-in takes this lock, so nothing under it scans.
#[derive(Default)]
struct Valid {
    bearers: HashMap<TokenDigest, Bearer>,
    by_device: HashMap<DeviceId, Vec<TokenDigest>>,
    /// Entries that [`Valid::revoke`] has visited, for the cost test.
    #[cfg(test)]
    visited: usize,
}

type Held = Arc<RwLock<Valid>>;

impl Valid {
    fn insert(&mut self, digest: TokenDigest, bearer: Bearer) {
        self.bearers.insert(digest, bearer);
        self.by_device.entry(bearer.device).or_default().push(digest);
    }

    fn remove(&mut self, digest: &TokenDigest) {
        let Some(bearer) = self.bearers.remove(digest) else { return };
        // A device has one connection, and for a moment the one that it replaces.
        if let Some(of_device) = self.by_device.get_mut(&bearer.device) {
            of_device.retain(|other| other != digest);
            if of_device.is_empty() {
                self.by_device.remove(&bearer.device);
            }
        }
    }

    fn revoke(&mut self, device: DeviceId) {
        for digest in self.by_device.remove(&device).unwrap_or_default() {
            self.bearers.remove(&digest);
            #[cfg(test)]
            {
                self.visited += 1;
            }
        }
    }
}

/// All valid tokens, as digests: a lookup leaks nothing through timing.
#[derive(Clone, Default)]
pub struct Tokens(Held);

/// Keeps a token valid until it, or a copy of it, is dropped.
#[derive(Clone)]
pub struct TokenGuard {
    held: Held,
    digest: TokenDigest,
}

impl Tokens {
    /// Makes a token valid while the guard exists.
    pub fn hold(&self, token: &str, bearer: Bearer) -> TokenGuard {
        let digest: TokenDigest = *sha256(token.as_bytes()).as_bytes();
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(digest, bearer);
        TokenGuard { held: self.0.clone(), digest }
    }

    /// Revokes all tokens of a device, whose connections may take a while to close.
    pub fn revoke(&self, device: DeviceId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).revoke(device);
    }

    /// Whether a device is connected.
    pub fn is_connected(&self, device: &DeviceId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_device.contains_key(device)
    }

    /// The devices that are connected.
    pub fn connected(&self) -> Vec<DeviceId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_device.keys().copied().collect()
    }

    /// The bearer of the request's token, if it is valid.
    pub fn bearer(&self, headers: &HeaderMap) -> Option<Bearer> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
        let digest: TokenDigest = *sha256(token.as_bytes()).as_bytes();
        self.0.read().unwrap_or_else(PoisonError::into_inner).bearers.get(&digest).copied()
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
            kind: DeviceKind::Native,
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
            kind: DeviceKind::Native,
        };
        let headers = |token: &str| {
            HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {token}").parse().expect("a header"))])
        };
        let _guards = [tokens.hold("revoked", bearer(1)), tokens.hold("other", bearer(2))];
        tokens.revoke(DeviceId::from_bytes([1; 16]));
        assert!(tokens.bearer(&headers("revoked")).is_none());
        assert!(tokens.bearer(&headers("other")).is_some());
    }

    #[test]
    fn revoking_a_device_visits_its_own_tokens_only() {
        let tokens = Tokens::default();
        let bearer = |n: u32| {
            let mut id = [0; 16];
            id[..4].copy_from_slice(&n.to_be_bytes());
            Bearer {
                device: DeviceId::from_bytes(id),
                person: PersonId::from_bytes(id),
                role: Role::Principal,
                kind: DeviceKind::Native,
            }
        };
        let mut guards: Vec<_> = (0..5_000).map(|n| tokens.hold(&format!("token {n}"), bearer(n))).collect();
        guards.push(tokens.hold("replaces it", bearer(7)));
        tokens.revoke(bearer(7).device);
        let held = || tokens.0.read().unwrap();
        assert_eq!((held().visited, held().bearers.len()), (2, 4_999));
        drop(guards);
        assert!(held().bearers.is_empty() && held().by_device.is_empty(), "the indexes are emptied together");
    }
}
