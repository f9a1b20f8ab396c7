//! Random numbers of the operating system.

/// 32 random bytes: a secret, a nonce or a name that nobody guesses.
///
/// # Errors
/// If the operating system has none.
pub fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
