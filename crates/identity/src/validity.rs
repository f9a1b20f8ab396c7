//! How long certificates and enrolment links are valid.

/// How long a device certificate is valid, seconds: a year, so that an unused device expires.
pub const DEVICE_VALIDITY_S: u64 = 365 * 24 * 60 * 60;
/// How long the authority's certificate is valid, seconds: ten years, longer than any office stays unchanged.
pub const AUTHORITY_VALIDITY_S: u64 = 10 * DEVICE_VALIDITY_S;
/// Longest life of an enrolment link, seconds: 30 days. Until it is used or expires, its holder can enrol a device.
pub const MAX_INVITATION_TTL_S: u64 = 30 * 24 * 60 * 60;
/// How far a certificate's start is backdated, seconds: tolerated difference between two clocks.
pub const CLOCK_TOLERANCE_S: u64 = 60;
