//! Certificates that others signed: what is in the text of a chain.

use std::net::Ipv4Addr;
use std::time::Duration;

use jiff::Timestamp;
use pem::{EncodeConfig, LineEnding, Pem};
use yasna::models::ObjectIdentifier;
use yasna::tags::TAG_UTCTIME;
use yasna::{ASN1Result, BERReader, BERReaderSeq, Tag};

use crate::digest::sha256;

/// Most certificates of a chain: a server's own, and those between it and one that clients know.
const MOST: usize = 10;

/// `subjectAltName`. <https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6>
const ALTERNATIVE_NAMES: [u64; 4] = [2, 5, 29, 17];

/// A day has so many seconds.
const DAY: i64 = 86_400;

/// A certificate is renewed by then: those who renew by themselves do so a month before its end,
/// and one that is left with less was forgotten.
const NOTICE: i64 = 21 * DAY;

/// A server's certificate, with those that vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// All certificates, the server's first, and nothing else.
    pem: String,
    names: Vec<String>,
    begins: i64,
    ends: i64,
    public_key: Vec<u8>,
}

/// How long a certificate is still valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Not yet.
    NotYet,
    /// For long enough.
    Valid,
    /// So short that it should have been renewed.
    EndsSoon {
        /// Whole days that are left.
        days: i64,
    },
    /// Not any more.
    Over,
}

impl Chain {
    /// Reads the certificates in a text: the server's own comes first, and each that follows
    /// vouches for the one before.
    ///
    /// # Errors
    /// What is wrong with it, in words that show nothing of it.
    pub fn read(text: &str) -> Result<Self, String> {
        let parts =
            pem::parse_many(text).map_err(|error| format!("it is no intact PEM: {error}"))?;
        if let Some(part) = parts.iter().find(|part| part.tag() != "CERTIFICATE") {
            return Err(match part.tag() {
                tag if tag.contains("PRIVATE KEY") => {
                    "it holds a private key; a key has a file of its own, of mode 0600".to_owned()
                }
                tag => format!("it holds {tag:?}; expected certificates alone"),
            });
        }
        if parts.len() < text.matches("-----BEGIN").count() {
            return Err("it is no intact PEM: a part of it has no end".to_owned());
        }
        if parts.len() > MOST {
            return Err(format!("it holds {} certificates; expected {MOST} at most", parts.len()));
        }
        let read = |part: &Pem| yasna::parse_der(part.contents(), certificate);
        let chain: Vec<Certificate> = parts
            .iter()
            .enumerate()
            .map(|(index, part)| {
                read(part).map_err(|error| of(index, &format!("cannot be read: {error}")))
            })
            .collect::<Result<_, _>>()?;
        for (index, pair) in chain.windows(2).enumerate() {
            if let [below, above] = pair
                && below.issuer != above.subject
            {
                return Err(of(
                    index + 1,
                    "did not sign the one before it; the server's own comes first, then the one \
                     that signed it, and so on",
                ));
            }
        }
        let ends = chain.iter().map(|one| one.ends).min();
        let first = chain.into_iter().next().zip(ends);
        let (first, ends) = first.ok_or("it holds no certificate in PEM")?;
        let Certificate { names, begins, public_key, .. } = first;
        if names.is_empty() {
            return Err(
                "it has no alternative name of a server, and clients look at no other".to_owned()
            );
        }
        let encoded = EncodeConfig::new().set_line_ending(LineEnding::LF);
        let pem = parts.iter().map(|part| {
            let plain = Pem::new(part.tag(), part.contents());
            pem::encode_config(&plain, encoded)
        });
        Ok(Self { pem: pem.collect(), names, begins, ends, public_key })
    }

    /// The certificates and nothing else, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The SHA-256 of [`Chain::pem`].
    #[must_use]
    pub fn digest(&self) -> String {
        sha256(self.pem.as_bytes())
    }

    /// The names and IPv4 addresses that it is for, in lower case and in its own order.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The public key of the server, as bits.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// When the first of its certificates ends, as people and programs write it.
    #[must_use]
    pub fn ends(&self) -> String {
        let second = Timestamp::from_second(self.ends);
        second.map_or_else(|_| "no date".to_owned(), |at| at.to_string())
    }

    /// When that is, in seconds since the beginning of 1970.
    #[must_use]
    pub const fn end(&self) -> i64 {
        self.ends
    }

    /// How long it is still valid, `now` after the beginning of 1970.
    #[must_use]
    pub fn validity(&self, now: Duration) -> Validity {
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let left = self.ends.saturating_sub(now);
        // One that lives for days is not renewed weeks before.
        let notice = NOTICE.min(self.ends.saturating_sub(self.begins) / 4);
        match () {
            () if now < self.begins => Validity::NotYet,
            () if left <= 0 => Validity::Over,
            () if left < notice => Validity::EndsSoon { days: left / DAY },
            () => Validity::Valid,
        }
    }
}

/// Whether one of the names of a certificate is this one: a `*` is any first part.
/// <https://www.rfc-editor.org/rfc/rfc6125#section-6.4.3>
#[must_use]
pub fn covers(names: &[String], name: &str) -> bool {
    let name = name.to_lowercase();
    let behind = name.split_once('.').map(|(_, behind)| behind);
    let is_address = name.parse::<Ipv4Addr>().is_ok();
    names.iter().any(|own| match own.strip_prefix("*.") {
        Some(rest) => !is_address && behind == Some(rest),
        None => *own == name,
    })
}

fn of(index: usize, problem: &str) -> String {
    format!("certificate {} in it {problem}", index + 1)
}

/// What is read of a certificate. <https://www.rfc-editor.org/rfc/rfc5280#section-4.1>
struct Certificate {
    issuer: Vec<u8>,
    begins: i64,
    ends: i64,
    subject: Vec<u8>,
    public_key: Vec<u8>,
    names: Vec<String>,
}

fn certificate(reader: BERReader<'_, '_>) -> ASN1Result<Certificate> {
    reader.read_sequence(|parts| {
        let read = parts.next().read_sequence(signed)?;
        // The algorithm and the signature.
        parts.next().read_der()?;
        parts.next().read_der()?;
        Ok(read)
    })
}

/// The part that is signed.
fn signed(parts: &mut BERReaderSeq<'_, '_>) -> ASN1Result<Certificate> {
    let _version = tagged(parts, 0)?;
    let _serial_number = parts.next().read_der()?;
    let _algorithm = parts.next().read_der()?;
    let issuer = parts.next().read_der()?;
    let (begins, ends) =
        parts.next().read_sequence(|times| Ok((seconds(times.next())?, seconds(times.next())?)))?;
    let subject = parts.next().read_der()?;
    let public_key = parts.next().read_sequence(|key| {
        let _algorithm = key.next().read_der()?;
        Ok(key.next().read_bitvec_bytes()?.0)
    })?;
    for identifier in [1, 2] {
        parts.read_optional(|one| {
            one.read_tagged_implicit(Tag::context(identifier), |one| one.read_bitvec_bytes())
        })?;
    }
    let extensions = tagged(parts, 3)?;
    let names = extensions.map(|der| yasna::parse_der(&der, names)).transpose()?;
    let names = names.unwrap_or_default();
    Ok(Certificate { issuer, begins, ends, subject, public_key, names })
}

/// What is in a part that may be there.
fn tagged(parts: &mut BERReaderSeq<'_, '_>, number: u64) -> ASN1Result<Option<Vec<u8>>> {
    parts.read_optional(|one| one.read_tagged(Tag::context(number), |one| one.read_der()))
}

/// Seconds since the beginning of 1970.
fn seconds(time: BERReader<'_, '_>) -> ASN1Result<i64> {
    Ok(match time.lookahead_tag()? {
        TAG_UTCTIME => time.read_utctime()?.datetime().unix_timestamp(),
        _ => time.read_generalized_time()?.datetime().unix_timestamp(),
    })
}

/// The alternative names among extensions.
fn names(reader: BERReader<'_, '_>) -> ASN1Result<Vec<String>> {
    let alternative = ObjectIdentifier::from_slice(&ALTERNATIVE_NAMES);
    let mut names = Vec::new();
    reader.read_sequence_of(|extension| {
        let (identifier, value) = extension.read_sequence(|parts| {
            let identifier = parts.next().read_oid()?;
            let _is_critical = parts.read_optional(|one| one.read_bool())?;
            Ok((identifier, parts.next().read_bytes()?))
        })?;
        if identifier == alternative {
            yasna::parse_der(&value, |all| {
                all.read_sequence_of(|one| name(one).map(|found| names.extend(found)))
            })?;
        }
        Ok(())
    })?;
    Ok(names)
}

/// The name of a server, or an IPv4 address.
fn name(one: BERReader<'_, '_>) -> ASN1Result<Option<String>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._*".contains(c);
    let tag = one.lookahead_tag()?;
    if tag == Tag::context(2) {
        let text = one.read_tagged_implicit(tag, |one| one.read_ia5_string())?;
        let is_plain = !text.is_empty() && text.chars().all(plain);
        return Ok(is_plain.then(|| text.to_lowercase()));
    }
    if tag == Tag::context(7) {
        let bytes = one.read_tagged_implicit(tag, |one| one.read_bytes())?;
        let four = <[u8; 4]>::try_from(bytes).ok();
        return Ok(four.map(|bytes| Ipv4Addr::from(bytes).to_string()));
    }
    one.read_der().map(|_| None)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    fn params(names: &[&str]) -> CertificateParams {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 4, 1);
        params
    }

    /// A server's certificate and its issuer's.
    fn chain(names: &[&str]) -> [String; 2] {
        let (key, own) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(rcgen::DnType::CommonName, "an authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let above = authority.self_signed(&key).unwrap();
        let issuer = Issuer::new(authority, key);
        [params(names).signed_by(&own, &issuer).unwrap().pem(), above.pem()]
    }

    fn day(days: i64) -> Duration {
        // The beginning of 2026.
        Duration::from_secs(u64::try_from(1_767_225_600 + days * DAY).unwrap())
    }

    #[test]
    fn a_chain_is_read_and_nothing_besides_is_kept() {
        let [own, above] = chain(&["Shop.example.com", "*.example.com", "10.20.0.10"]);
        let text = format!("subject: shop\r\n{}\r\n# {above}", own.replace('\n', "\r\n"));
        let read = Chain::read(&text).unwrap();
        assert_eq!(read.names(), ["shop.example.com", "*.example.com", "10.20.0.10"]);
        assert_eq!(read.ends(), "2026-04-01T00:00:00Z");
        assert_eq!(Chain::read(read.pem()).unwrap(), read);
        assert_eq!(read, Chain::read(&format!("{own}{above}")).unwrap());
        assert!(read.pem().starts_with("-----BEGIN") && !read.pem().contains('#'));
    }

    #[test]
    fn what_is_no_chain_is_refused_in_words() {
        let [own, above] = chain(&["shop.example.com"]);
        let key = KeyPair::generate().unwrap().serialize_pem();
        let nameless = CertificateParams::default();
        let nameless = nameless.self_signed(&KeyPair::generate().unwrap()).unwrap().pem();
        let torn = own.replace("-----END CERTIFICATE-----\n", "");
        for (text, problem) in [
            ("", "no certificate"),
            ("shop", "no certificate"),
            (&format!("{own}{key}"), "private key"),
            (&format!("{above}{own}"), "did not sign"),
            (&format!("{own}{own}"), "certificate 2 in it did not sign"),
            (&nameless, "no alternative name"),
            (&torn, "no intact PEM"),
            (&own.replacen("MII", "MIA", 1), "certificate 1 in it"),
            (&format!("{own}-----BEGIN CERTIFICATE-----\nMII"), "no intact PEM"),
        ] {
            let why = Chain::read(text).unwrap_err();
            assert!(why.contains(problem), "{problem}: {why}");
        }
    }

    #[test]
    fn names_cover_what_clients_would_take_them_for() {
        let names = ["shop.example.com", "*.example.org", "10.20.0.10"].map(str::to_owned);
        for name in ["shop.example.com", "SHOP.example.com", "a.example.org", "10.20.0.10"] {
            assert!(covers(&names, name), "{name}");
        }
        for name in ["example.com", "example.org", "a.b.example.org", "10.20.0.11", "", "*"] {
            assert!(!covers(&names, name), "{name}");
        }
        assert!(!covers(&["*.20.0.10".to_owned()], "10.20.0.10"));
    }

    #[test]
    fn the_end_is_announced_three_weeks_before() {
        let [own, _] = chain(&["shop.example.com"]);
        let read = Chain::read(&own).unwrap();
        for (days, validity) in [
            (-1, Validity::NotYet),
            (0, Validity::Valid),
            (68, Validity::Valid),
            (70, Validity::EndsSoon { days: 20 }),
            (89, Validity::EndsSoon { days: 1 }),
            (90, Validity::Over),
        ] {
            assert_eq!(read.validity(day(days)), validity, "{days}");
        }
        let week = Chain { ends: read.begins + 7 * DAY, ..read };
        assert_eq!(week.validity(day(5)), Validity::Valid);
        assert_eq!(week.validity(day(6)), Validity::EndsSoon { days: 1 });
    }
}
