//! `sign` and `verify_signature`: signatures of RSA keys (PKCS#1 v1.5) and of keys on the curves P-256, P-384 and P-521
//! (ECDSA, in DER).

use enginebay_abi::Status;
use enginebay_host::ForeignCall;
use prost::Message;
use rsa::pkcs1v15::Pkcs1v15Sign;
use sha1::Sha1;
use sha2_11::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::keys::{PrivateKey, PublicKey, form};
use crate::messages::{SignArguments, SignResult, VerifySignatureArguments, VerifySignatureResult};

pub(crate) fn verify_signature(call: &mut ForeignCall<'_>) -> Status {
    let Ok(args) = VerifySignatureArguments::decode(call.arguments()) else {
        return Status::BadArgument;
    };
    let Some(form) = form(&args.public_key, &args.public_key_pem) else {
        return Status::BadArgument;
    };
    // The messages are Envoy's.
    let result = hash(&args.hash_function).and_then(|hash| {
        let key = PublicKey::read(&form).ok_or("Failed to initialize digest verify.")?;
        match key.verify(hash, &args.text, &args.signature) {
            true => Ok(()),
            // The code is what BoringSSL has for a signature that does not fit.
            false => Err("Failed to verify digest. Error code: 0".to_owned()),
        }
    });
    give(
        call,
        &VerifySignatureResult {
            result: result.is_ok(),
            error: result.err().unwrap_or_default(),
        },
    )
}

pub(crate) fn sign(call: &mut ForeignCall<'_>) -> Status {
    let Ok(args) = SignArguments::decode(call.arguments()) else {
        return Status::BadArgument;
    };
    let Some(form) = form(&args.private_key, &args.private_key_pem) else {
        return Status::BadArgument;
    };
    let signature = hash(&args.hash_function).and_then(|hash| {
        let key =
            PrivateKey::read(&form).ok_or("Invalid key type: private key required for signing operation.")?;
        let signature = key.sign(hash, &args.text);
        signature.ok_or_else(|| "Failed to sign.".to_owned())
    });
    let result = match signature {
        Ok(signature) => SignResult {
            result: true,
            signature,
            error: String::new(),
        },
        Err(error) => SignResult {
            result: false,
            signature: Vec::new(),
            error,
        },
    };
    give(call, &result)
}

fn hash(name: &str) -> Result<Hash, String> {
    Hash::of(name).ok_or_else(|| format!("{name} is not supported."))
}

fn give(call: &mut ForeignCall<'_>, message: &impl Message) -> Status {
    call.results().extend_from_slice(&message.encode_to_vec());
    Status::Ok
}

/// A hash function.
#[derive(Clone, Copy)]
pub(crate) enum Hash {
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn of(name: &str) -> Option<Hash> {
        const NAMES: [(&str, Hash); 5] = [
            ("sha1", Hash::Sha1),
            ("sha224", Hash::Sha224),
            ("sha256", Hash::Sha256),
            ("sha384", Hash::Sha384),
            ("sha512", Hash::Sha512),
        ];
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, hash)| *hash)
    }

    pub(crate) fn digest(self, text: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(text).to_vec(),
            Hash::Sha224 => Sha224::digest(text).to_vec(),
            Hash::Sha256 => Sha256::digest(text).to_vec(),
            Hash::Sha384 => Sha384::digest(text).to_vec(),
            Hash::Sha512 => Sha512::digest(text).to_vec(),
        }
    }

    /// The padding of RSA signatures, which names the hash function.
    pub(crate) fn padding(self) -> Pkcs1v15Sign {
        match self {
            Hash::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
            Hash::Sha224 => Pkcs1v15Sign::new::<Sha224>(),
            Hash::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            Hash::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            Hash::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        }
    }
}
