//! Who is who: the office authority, device certificates, signed rings. Signs and verifies; encrypts nothing.
