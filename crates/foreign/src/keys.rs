//! Keys as plugins pass them.

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{RsaPrivateKey, RsaPublicKey};

use crate::signature::Hash;

/// The longest key in bytes, in DER or PEM. An RSA key of 8,192 bits, the largest that is taken, is shorter.
const MAX_KEY: usize = 8 << 10;

/// A key that checks signatures.
pub(crate) enum PublicKey {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// A key that makes them.
pub(crate) enum PrivateKey {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

/// One of the two forms of a key.
pub(crate) enum Form<'a> {
    Der(&'a [u8]),
    Pem(&'a str),
}

/// The form that is there; both, or neither, is none.
pub(crate) fn form<'a>(der: &'a [u8], pem: &'a str) -> Option<Form<'a>> {
    match (der.is_empty(), pem.is_empty()) {
        (false, true) => Some(Form::Der(der)),
        (true, false) => Some(Form::Pem(pem)),
        _ => None,
    }
}

impl Form<'_> {
    fn len(&self) -> usize {
        match self {
            Form::Der(der) => der.len(),
            Form::Pem(pem) => pem.len(),
        }
    }
}

impl PublicKey {
    pub(crate) fn read(form: &Form<'_>) -> Option<PublicKey> {
        fn read<K: DecodePublicKey>(form: &Form<'_>) -> Option<K> {
            match form {
                Form::Der(der) => K::from_public_key_der(der).ok(),
                Form::Pem(pem) => K::from_public_key_pem(pem).ok(),
            }
        }
        if form.len() > MAX_KEY {
            return None;
        }
        read(form)
            .map(PublicKey::Rsa)
            .or_else(|| read::<p256::PublicKey>(form).map(|key| PublicKey::P256(key.into())))
            .or_else(|| read::<p384::PublicKey>(form).map(|key| PublicKey::P384(key.into())))
            .or_else(|| read::<p521::PublicKey>(form).map(|key| PublicKey::P521(key.into())))
    }

    pub(crate) fn verify(&self, hash: Hash, text: &[u8], signature: &[u8]) -> bool {
        let digest = hash.digest(text);
        match self {
            PublicKey::Rsa(key) => key.verify(hash.padding(), &digest, signature).is_ok(),
            PublicKey::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            PublicKey::P384(key) => p384::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
            PublicKey::P521(key) => p521::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify_prehash(&digest, &signature).is_ok()),
        }
    }
}

impl PrivateKey {
    pub(crate) fn read(form: &Form<'_>) -> Option<PrivateKey> {
        fn read<K: DecodePrivateKey>(form: &Form<'_>) -> Option<K> {
            match form {
                Form::Der(der) => K::from_pkcs8_der(der).ok(),
                Form::Pem(pem) => K::from_pkcs8_pem(pem).ok(),
            }
        }
        if form.len() > MAX_KEY {
            return None;
        }
        let key = read(form)
            .map(|key| PrivateKey::Rsa(Box::new(key)))
            .or_else(|| read::<p256::SecretKey>(form).map(|key| PrivateKey::P256(key.into())))
            .or_else(|| read::<p384::SecretKey>(form).map(|key| PrivateKey::P384(key.into())))
            .or_else(|| read::<p521::SecretKey>(form).map(|key| PrivateKey::P521(key.into())));
        match form {
            Form::Pem(pem) => key.or_else(|| PrivateKey::of_older_pem(pem)),
            Form::Der(_) => key,
        }
    }

    /// `RSA PRIVATE KEY` (PKCS#1) and `EC PRIVATE KEY` (SEC1).
    fn of_older_pem(pem: &str) -> Option<PrivateKey> {
        let rsa = RsaPrivateKey::from_pkcs1_pem(pem).ok();
        rsa.map(|key| PrivateKey::Rsa(Box::new(key)))
            .or_else(|| {
                p256::SecretKey::from_sec1_pem(pem)
                    .ok()
                    .map(|key| PrivateKey::P256(key.into()))
            })
            .or_else(|| {
                p384::SecretKey::from_sec1_pem(pem)
                    .ok()
                    .map(|key| PrivateKey::P384(key.into()))
            })
            .or_else(|| {
                p521::SecretKey::from_sec1_pem(pem)
                    .ok()
                    .map(|key| PrivateKey::P521(key.into()))
            })
    }

    pub(crate) fn sign(&self, hash: Hash, text: &[u8]) -> Option<Vec<u8>> {
        let digest = hash.digest(text);
        match self {
            PrivateKey::Rsa(key) => key.sign(hash.padding(), &digest).ok(),
            PrivateKey::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            PrivateKey::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
            PrivateKey::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).ok()?;
                Some(signature.to_der().as_bytes().to_vec())
            }
        }
    }
}
