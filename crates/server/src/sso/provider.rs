//! The provider: its description and keys, the authorization code flow (with PKCE, state and nonce), and what an ID token has to prove.

use super::{
    config::{SsoConfig, is_safe},
    http::HttpClient,
};
use crate::limits::{SSO_METADATA_MS, SSO_RETRY_MS};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    AuthenticationContextClass, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    HttpRequest, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError,
    SignatureVerificationError, TokenResponse as _,
    core::{
        CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreIdTokenVerifier,
        CoreJwsSigningAlgorithm as Alg, CoreProviderMetadata,
    },
};
use serde_json::{Map, Value};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;
use url::Url;

/// Signatures that are accepted: by keys that the provider alone has. Never `none`, and never a client's secret, which is no key.
const ALGORITHMS: [Alg; 9] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EdDsa,
];
/// Longest name of an account, bytes (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT_BYTES: usize = 255;

/// Why nobody was signed in.
#[derive(Debug)]
pub(crate) enum SsoError {
    /// The provider does not answer, or not as one does: it may later.
    Unavailable(String),
    /// It does not say that somebody signed in, or its token proves something else.
    Refused(String),
}

/// A sign-in under way: where the browser is sent, and what its return is held to.
pub(crate) struct Redirect {
    /// The provider's page.
    pub url: String,
    /// Names the sign-in when the browser returns.
    pub state: String,
    /// What its return is held to.
    pub expected: Expected,
}

/// What the return of a sign-in is held to. It never leaves the server.
pub(crate) struct Expected {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    return_to: RedirectUrl,
}

#[derive(Default)]
struct Known {
    metadata: Option<(Arc<CoreProviderMetadata>, Instant)>,
    /// When it was last asked for, with or without success.
    asked: Option<Instant>,
}

/// The office's provider.
pub(crate) struct Provider {
    config: SsoConfig,
    http: Arc<HttpClient>,
    known: Mutex<Known>,
}

impl Provider {
    /// Asks nothing of the provider yet: the office works without it until somebody has to sign in.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(config: SsoConfig) -> io::Result<Self> {
        let http = Arc::new(HttpClient::new(config.is_local())?);
        Ok(Self { config, http, known: Mutex::default() })
    }

    /// The operator's file.
    pub fn config(&self) -> &SsoConfig {
        &self.config
    }

    fn http(
        &self,
    ) -> impl Fn(HttpRequest) -> std::pin::Pin<Box<dyn Future<Output = io::Result<openidconnect::HttpResponse>> + Send>>
    + use<> {
        let http = self.http.clone();
        move |request| {
            let http = http.clone();
            Box::pin(async move { http.send(request).await })
        }
    }

    /// The provider's description and keys. `younger_than`: read anew if they are older.
    async fn metadata(&self, younger_than: Duration) -> Result<Arc<CoreProviderMetadata>, SsoError> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        let asked_lately = known.asked.is_some_and(|at| now.duration_since(at) < Duration::from_millis(SSO_RETRY_MS));
        if let Some((metadata, at)) = &known.metadata
            && (now.duration_since(*at) < younger_than || asked_lately)
        {
            return Ok(metadata.clone());
        }
        if asked_lately {
            return Err(SsoError::Unavailable("it did not answer a moment ago".to_owned()));
        }
        let issuer = IssuerUrl::new(self.config.issuer.clone()).map_err(|e| SsoError::Unavailable(e.to_string()))?;
        let found = CoreProviderMetadata::discover_async(issuer, &self.http()).await;
        known.asked = Some(Instant::now());
        let found = found.map_err(|error| SsoError::Unavailable(described(&error)))?;
        if !is_safe(found.authorization_endpoint().url(), self.config.is_local()) {
            return Err(SsoError::Unavailable("its page for signing in is not at an https address".to_owned()));
        }
        let found = Arc::new(found);
        known.metadata = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    /// Begins a sign-in. `return_to` is the page's own address, which the provider knows: nothing of a request is in it but the
    /// origin, which was compared with the office's.
    pub async fn begin(&self, return_to: &Url) -> Result<Redirect, SsoError> {
        let metadata = self.metadata(Duration::from_millis(SSO_METADATA_MS)).await?;
        let return_to = RedirectUrl::from_url(return_to.clone());
        let client =
            CoreClient::from_provider_metadata((*metadata).clone(), ClientId::new(self.config.client_id.clone()), None)
                .set_redirect_uri(return_to.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
            .set_pkce_challenge(challenge);
        for acr in &self.config.acr {
            request = request.add_auth_context_value(AuthenticationContextClass::new(acr.clone()));
        }
        let (url, state, nonce) = request.url();
        let expected = Expected { nonce, verifier, return_to };
        Ok(Redirect { url: url.to_string(), state: state.secret().clone(), expected })
    }

    /// Exchanges the code of a sign-in and verifies the ID token. Returns the name of the account. The tokens are dropped.
    pub async fn finish(&self, code: String, expected: Expected) -> Result<String, SsoError> {
        let Expected { nonce, verifier, return_to } = expected;
        let metadata = self.metadata(Duration::from_millis(SSO_METADATA_MS)).await?;
        let secret = self.config.client_secret.clone().map(ClientSecret::new);
        let client = CoreClient::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(self.config.client_id.clone()),
            secret,
        )
        .set_redirect_uri(return_to);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| SsoError::Unavailable(format!("it names no token endpoint: {error}")))?
            .set_pkce_verifier(verifier);
        let http = self.http();
        let answer = request.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::ServerResponse(answer) => {
                SsoError::Refused(format!("it refused the code: {}", refusal(answer.error())))
            }
            // Not the parser's words, nor the library's: they may quote the answer, which has the person's claims.
            RequestTokenError::Parse(..) => SsoError::Refused("its answer is not a token's".to_owned()),
            RequestTokenError::Request(error) => SsoError::Unavailable(described(&error)),
            RequestTokenError::Other(_) => SsoError::Unavailable("its answer is not one to a code".to_owned()),
        })?;
        let id_token = answer.id_token().ok_or_else(|| SsoError::Refused("its answer has no ID token".to_owned()))?;
        match self.verify(id_token, &metadata, &nonce) {
            // It has new keys.
            Err(Unverified::UnknownKey) => {
                let metadata = self.metadata(Duration::ZERO).await?;
                self.verify(id_token, &metadata, &nonce)
            }
            verified => verified,
        }
        .map_err(|unverified| match unverified {
            Unverified::UnknownKey => {
                SsoError::Refused("its token is signed with a key that it does not publish".to_owned())
            }
            Unverified::Other(why) => SsoError::Refused(why),
        })
    }

    fn verify(
        &self,
        id_token: &CoreIdToken,
        metadata: &CoreProviderMetadata,
        nonce: &Nonce,
    ) -> Result<String, Unverified> {
        let client = ClientId::new(self.config.client_id.clone());
        // As of a client without a secret: no signature is made with it.
        let verifier =
            CoreIdTokenVerifier::new_public_client(client, metadata.issuer().clone(), metadata.jwks().clone())
                .set_allowed_algs(ALGORITHMS);
        let claims = id_token.claims(&verifier, nonce).map_err(|error| match error {
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
                Unverified::UnknownKey
            }
            error => Unverified::Other(flaw(&error).to_owned()),
        })?;
        let wrong = |text: &str| Err(Unverified::Other(text.to_owned()));
        if claims.authorized_party().is_some_and(|party| **party != self.config.client_id) {
            return wrong("its token was issued to another client");
        }
        let acr = claims.auth_context_ref().map(|acr| acr.as_str());
        if !self.config.acr.is_empty() && !self.config.acr.iter().any(|allowed| acr == Some(allowed)) {
            return wrong("the person did not sign in as strictly as the office demands (acr)");
        }
        let mut amr = claims.auth_method_refs().into_iter().flatten();
        if !self.config.amr.is_empty() && !amr.any(|used| self.config.amr.iter().any(|allowed| *allowed == **used)) {
            return wrong("the person did not sign in with a method that the office demands (amr)");
        }
        match payload(id_token).get(&self.config.claim) {
            Some(Value::String(subject))
                if (1..=MAX_SUBJECT_BYTES).contains(&subject.len()) && !subject.contains('\0') =>
            {
                Ok(subject.clone())
            }
            _ => wrong("its token does not name the person: see claim in the file of --oidc"),
        }
    }
}

enum Unverified {
    UnknownKey,
    Other(String),
}

/// Why a code was refused, in the words of OAuth 2.0. A provider's own words may say whom it refused.
fn refusal(error: &CoreErrorResponseType) -> &str {
    match error {
        CoreErrorResponseType::Extension(_) => "for a reason of its own",
        known => known.as_ref(),
    }
}

/// What is wrong with a token. The library's words quote claims, which are about a person.
fn flaw(error: &ClaimsVerificationError) -> &'static str {
    use ClaimsVerificationError as E;
    match error {
        E::Expired(_) => "its token has expired: compare its clock with this machine's",
        E::InvalidAudience(_) => "its token is for another client",
        E::InvalidAuthContext(_) => "the person did not sign in as strictly as the office demands (acr)",
        E::InvalidAuthTime(_) => "the person signed in too long ago",
        E::InvalidIssuer(_) => "its token is another provider's",
        E::InvalidNonce(_) => "its token is of another sign-in (nonce)",
        E::InvalidSubject(_) => "its token is about somebody else",
        E::SignatureVerification(SignatureVerificationError::NoSignature) => "its token is not signed",
        E::SignatureVerification(SignatureVerificationError::DisallowedAlg(_)) => {
            "its token is signed with an algorithm that is not accepted"
        }
        E::SignatureVerification(_) => "its token's signature does not verify",
        _ => "its token is not one of OpenID Connect",
    }
}

/// All claims of a token whose signature was verified.
fn payload(id_token: &CoreIdToken) -> Map<String, Value> {
    let text = id_token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
}

/// An error with its causes: the library's outermost ones say little.
fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
