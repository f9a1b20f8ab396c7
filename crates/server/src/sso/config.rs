//! The operator's file about the provider (`telcon serve --oidc`).

use serde::Deserialize;
use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};
use telcon_files::read_text_named;
use telcon_proto::Role;
use url::Url;

/// Version of the file.
const SSO_CONFIG_VERSION: u16 = 1;
/// Longest file, and longest secret, bytes.
const MAX_SSO_CONFIG_BYTES: u64 = 16 * 1024;
/// How long a sign-in at the provider is valid where the file says nothing, minutes: a working day.
const DEFAULT_MAX_AGE_MINUTES: u64 = 12 * 60;
/// The longest that it may say, minutes.
const MAX_MAX_AGE_MINUTES: u64 = 7 * 24 * 60;

/// Roles whose people sign in at the provider where the file names none: staff, but for note-takers, which are usually programs and
/// cannot open the provider's page.
const DEFAULT_ROLES: [Role; 6] =
    [Role::Scheduler, Role::DutyOfficer, Role::Interpreter, Role::SecurityOfficer, Role::RecordsOfficer, Role::Auditor];

/// The provider, and who signs in there.
#[derive(Clone)]
pub struct SsoConfig {
    pub(super) issuer: String,
    pub(super) client_id: String,
    pub(super) client_secret: Option<String>,
    roles: BTreeSet<Role>,
    pub(super) claim: String,
    pub(super) acr: Vec<String>,
    pub(super) amr: Vec<String>,
    max_age_ms: u64,
}

impl fmt::Debug for SsoConfig {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SsoConfig").field("issuer", &self.issuer).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Why the file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SsoConfigError(String);

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SsoFile {
    version: u16,
    issuer: String,
    client_id: String,
    #[serde(default)]
    client_secret_file: Option<PathBuf>,
    #[serde(default)]
    roles: Option<BTreeSet<Role>>,
    #[serde(default)]
    claim: Option<String>,
    #[serde(default)]
    acr: Vec<String>,
    #[serde(default)]
    amr: Vec<String>,
    #[serde(default)]
    max_age_minutes: Option<u64>,
}

impl SsoConfig {
    /// Reads the file, and the file with the client's secret that it names: below the same directory unless it is absolute.
    ///
    /// # Errors
    /// If one cannot be read, or the first has a value that cannot be used.
    pub fn read(path: &Path) -> Result<Self, SsoConfigError> {
        let read = |path: &Path| {
            let text = read_text_named(path, MAX_SSO_CONFIG_BYTES);
            text.map_err(|error| SsoConfigError(format!("cannot read {}: {error}", path.display())))
        };
        let dir = path.parent().unwrap_or_else(|| Path::new("."));
        Self::parse(&read(path)?, |secret| read(&dir.join(secret)))
    }

    /// Reads the text of the file; `secret` reads the file with the client's secret.
    ///
    /// # Errors
    /// If it has a value that cannot be used.
    pub fn parse(
        text: &str,
        secret: impl FnOnce(&Path) -> Result<String, SsoConfigError>,
    ) -> Result<Self, SsoConfigError> {
        let wrong = |text: String| Err(SsoConfigError(text));
        let file: SsoFile = serde_json::from_str(text).map_err(|error| SsoConfigError(error.to_string()))?;
        if file.version != SSO_CONFIG_VERSION {
            let version = file.version;
            return wrong(format!("it is of version {version}, and this server reads version {SSO_CONFIG_VERSION}"));
        }
        let issuer = Url::parse(&file.issuer).ok().filter(|url| is_safe(url, is_local(url)));
        if issuer.is_none_or(|url| url.query().is_some() || url.fragment().is_some()) {
            return wrong(
                "issuer is the provider's address: https, without query; http only on this machine".to_owned(),
            );
        }
        let max_age_minutes = file.max_age_minutes.unwrap_or(DEFAULT_MAX_AGE_MINUTES);
        if !(1..=MAX_MAX_AGE_MINUTES).contains(&max_age_minutes) {
            return wrong(format!("max_age_minutes is 1 to {MAX_MAX_AGE_MINUTES}"));
        }
        let roles = file.roles.unwrap_or_else(|| DEFAULT_ROLES.into_iter().collect());
        if roles.is_empty() {
            return wrong("roles has no role, so that nobody signs in there: omit it, or the file".to_owned());
        }
        if [&file.client_id, file.claim.as_ref().unwrap_or(&file.client_id)].iter().any(|text| text.is_empty()) {
            return wrong("client_id and claim are not empty".to_owned());
        }
        let client_secret = match file.client_secret_file {
            None => None,
            Some(path) => match secret(&path)?.trim_end_matches(['\r', '\n']) {
                "" => return wrong(format!("{} is empty: write the client's secret into it", path.display())),
                secret => Some(secret.to_owned()),
            },
        };
        Ok(Self {
            issuer: file.issuer,
            client_id: file.client_id,
            client_secret,
            roles,
            claim: file.claim.unwrap_or_else(|| "sub".to_owned()),
            acr: file.acr,
            amr: file.amr,
            max_age_ms: max_age_minutes * 60_000,
        })
    }

    /// Whether people of this role sign in at the provider.
    pub(crate) fn concerns(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// Whether the provider is on this machine.
    pub(super) fn is_local(&self) -> bool {
        Url::parse(&self.issuer).is_ok_and(|url| is_local(&url))
    }

    /// The provider's issuer identifier.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// How long a sign-in at the provider is valid, milliseconds.
    pub(crate) fn max_age_ms(&self) -> u64 {
        self.max_age_ms
    }
}

/// Whether an address is on this machine.
fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Whether secrets may be sent there: over TLS; or without leaving this machine, if the provider is on it. Another one must not name
/// this machine's services as its own.
pub(super) fn is_safe(url: &Url, provider_is_local: bool) -> bool {
    url.scheme() == "https" && url.has_host() || url.scheme() == "http" && provider_is_local && is_local(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SsoConfig, SsoConfigError> {
        SsoConfig::parse(text, |path| match path.to_str() {
            Some("secret") => Ok("geheim\n".into()),
            Some("empty") => Ok("\n".into()),
            _ => Err(SsoConfigError("cannot read".into())),
        })
    }

    #[test]
    fn what_the_file_does_not_say_has_a_default() {
        let config = parse(r#"{"version":1,"issuer":"https://login.office.example","client_id":"telcon"}"#).unwrap();
        for role in Role::ALL {
            let expected = !matches!(role, Role::Principal | Role::Counterpart | Role::NoteTaker);
            assert_eq!(config.concerns(role), expected, "{role:?}");
        }
        assert_eq!((config.claim.as_str(), config.max_age_ms()), ("sub", 12 * 60 * 60 * 1000));
        assert_eq!(config.client_secret, None);
    }

    #[test]
    fn a_secret_is_in_a_file_of_its_own_and_in_no_debug_output() {
        let text = r#"{"version":1,"issuer":"https://x.example","client_id":"telcon","client_secret_file":"secret",
            "roles":["auditor"],"claim":"oid","amr":["mfa"],"max_age_minutes":60}"#;
        let config = parse(text).unwrap();
        assert_eq!(config.client_secret.as_deref(), Some("geheim"));
        assert!(config.concerns(Role::Auditor) && !config.concerns(Role::SecurityOfficer));
        assert!(!format!("{config:?}").contains("geheim"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_the_reason() {
        for (text, part) in [
            (r#"{"version":1,"issuer":"http://login.office.example","client_id":"t"}"#, "https"),
            (r#"{"version":1,"issuer":"https://x.example?a=b","client_id":"t"}"#, "without query"),
            (r#"{"version":1,"issuer":"login","client_id":"t"}"#, "https"),
            (r#"{"version":2,"issuer":"https://x.example","client_id":"t"}"#, "version 2"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":""}"#, "not empty"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","roles":[]}"#, "no role"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","roles":["president"]}"#, "president"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","max_age_minutes":0}"#, "1 to 10080"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","client_secret":"s"}"#, "client_secret"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","client_secret_file":"no"}"#, "cannot read"),
            (r#"{"version":1,"issuer":"https://x.example","client_id":"t","client_secret_file":"empty"}"#, "is empty"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(parse(r#"{"version":1,"issuer":"http://localhost:9/x","client_id":"t"}"#).is_ok());
    }

    /// The attacker is the provider, or whoever can change its description.
    #[test]
    fn only_a_provider_on_this_machine_is_spoken_to_without_tls() {
        for (issuer, local) in
            [("https://login.example", false), ("http://localhost:9", true), ("http://[::1]:9", true)]
        {
            let file = format!(r#"{{"version":1,"issuer":"{issuer}","client_id":"t"}}"#);
            assert_eq!(parse(&file).unwrap().is_local(), local, "{issuer}");
        }
        for (url, of_remote, of_local) in [
            ("https://login.example/token", true, true),
            ("http://login.example/token", false, false),
            ("http://localhost:6379/", false, true),
            ("http://127.0.0.1/", false, true),
            ("http://[::1]:9/", false, true),
            ("http://localhost.evil.example/", false, false),
            ("ftp://localhost/", false, false),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!((is_safe(&url, false), is_safe(&url, true)), (of_remote, of_local), "{url}");
        }
    }
}
