//! How long certificates and enrolment links are valid.

/// How long a device certificate is valid, seconds: a year, so that an unused device expires.
pub const DEVICE_VALIDITY_S: u64 = 365 * 24 * 60 * 60;
/// How long the authority's certificate is valid, seconds: ten years, longer than any office stays unchanged.
pub const AUTHORITY_VALIDITY_S: u64 = 10 * DEVICE_VALIDITY_S;
/// How long a registrar may enrol devices, seconds: a year, as its own device. The authority appoints it again after that.
pub const REGISTRAR_VALIDITY_S: u64 = DEVICE_VALIDITY_S;
/// How long after a registrar issued a certificate the log may take it, seconds: a device is enrolled at once, or not with it.
pub const CERTIFIED_TO_LOGGED_S: u64 = 60 * 60;
/// Longest life of an enrolment link, seconds: 30 days. Until it is used or expires, its holder can enrol a device.
pub const MAX_INVITATION_TTL_S: u64 = 30 * 24 * 60 * 60;
/// How far a certificate's start is backdated, seconds: tolerated difference between two clocks.
pub const CLOCK_TOLERANCE_S: u64 = 60;
