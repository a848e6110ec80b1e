use enginebay_abi::Status;
use proptest::prelude::*;
use prost::Message;

use crate::messages::{SignArguments, SignResult, VerifySignatureArguments, VerifySignatureResult};
use crate::testing::Vm;

const TEXT: &[u8] = b"hello, plugin";

/// A key with signatures that OpenSSL made: `testdata/README.md` says how.
struct Key {
    der: &'static [u8],
    pem: &'static str,
    private: &'static str,
    signatures: [(&'static str, &'static [u8]); 3],
}

macro_rules! key {
    ($name:literal) => {
        Key {
            der: include_bytes!(concat!("testdata/", $name, ".pub.der")),
            pem: include_str!(concat!("testdata/", $name, ".pub.pem")),
            private: include_str!(concat!("testdata/", $name, ".pem")),
            signatures: [
                ("sha1", include_bytes!(concat!("testdata/", $name, ".sha1.sig"))),
                (
                    "SHA256",
                    include_bytes!(concat!("testdata/", $name, ".sha256.sig")),
                ),
                (
                    "sha512",
                    include_bytes!(concat!("testdata/", $name, ".sha512.sig")),
                ),
            ],
        }
    };
}

const KEYS: [Key; 4] = [key!("rsa"), key!("p256"), key!("p384"), key!("p521")];

fn verify(args: &VerifySignatureArguments) -> Result<VerifySignatureResult, Status> {
    let bytes = Vm::default().call("verify_signature", args.encode_to_vec())?;
    Ok(VerifySignatureResult::decode(bytes.as_slice()).unwrap())
}

fn sign(args: &SignArguments) -> Result<SignResult, Status> {
    let bytes = Vm::default().call("sign", args.encode_to_vec())?;
    Ok(SignResult::decode(bytes.as_slice()).unwrap())
}

fn check(hash: &str, der: &[u8], signature: &[u8], text: &[u8]) -> VerifySignatureArguments {
    VerifySignatureArguments {
        hash_function: hash.to_owned(),
        public_key: der.to_vec(),
        signature: signature.to_vec(),
        text: text.to_vec(),
        public_key_pem: String::new(),
    }
}

#[test]
fn signatures_of_openssl_are_good() {
    for key in KEYS {
        for (hash, signature) in key.signatures {
            let mut args = check(hash, key.der, signature, TEXT);
            assert_eq!(
                verify(&args).unwrap(),
                VerifySignatureResult {
                    result: true,
                    error: String::new()
                },
                "{hash}"
            );
            args.public_key = Vec::new();
            args.public_key_pem = key.pem.to_owned();
            assert!(verify(&args).unwrap().result, "{hash}");
            args.text.push(b'!');
            let refused = verify(&args).unwrap();
            assert!(!refused.result);
            assert_eq!(refused.error, "Failed to verify digest. Error code: 0");
        }
    }
}

#[test]
fn what_is_signed_is_verified() {
    for key in KEYS {
        for hash in ["sha1", "sha224", "sha256", "SHA384", "sha512"] {
            let signed = sign(&SignArguments {
                hash_function: hash.to_owned(),
                private_key_pem: key.private.to_owned(),
                text: TEXT.to_vec(),
                private_key: Vec::new(),
            });
            let signed = signed.unwrap();
            assert!(signed.result && signed.error.is_empty(), "{hash}");
            assert!(
                verify(&check(hash, key.der, &signed.signature, TEXT))
                    .unwrap()
                    .result,
                "{hash}"
            );
            assert!(
                !verify(&check("sha256", key.der, &signed.signature, b""))
                    .unwrap()
                    .result
            );
        }
    }
}

/// PKCS#1 signatures have nothing random in them, so they are OpenSSL's to the byte.
#[test]
fn a_signature_is_the_one_that_openssl_makes_whatever_form_the_key_has() {
    let mut args = SignArguments {
        hash_function: "sha256".to_owned(),
        private_key: include_bytes!("testdata/rsa.der").to_vec(),
        text: TEXT.to_vec(),
        private_key_pem: String::new(),
    };
    let expected = include_bytes!("testdata/rsa.sha256.sig");
    assert_eq!(sign(&args).unwrap().signature, expected);
    args.private_key = Vec::new();
    for pem in [
        include_str!("testdata/rsa.pem"),
        include_str!("testdata/rsa.pkcs1.pem"),
    ] {
        args.private_key_pem = pem.to_owned();
        assert_eq!(sign(&args).unwrap().signature, expected);
    }
    args.private_key_pem = include_str!("testdata/p256.sec1.pem").to_owned();
    let signature = sign(&args).unwrap().signature;
    assert!(
        verify(&check("sha256", KEYS[1].der, &signature, TEXT))
            .unwrap()
            .result
    );
}

#[test]
fn an_unknown_hash_function_is_an_error_in_the_result() {
    let error = "md5 is not supported.";
    let (_, signature) = KEYS[0].signatures[0];
    let result = verify(&check("md5", KEYS[0].der, signature, TEXT)).unwrap();
    assert_eq!((result.result, result.error.as_str()), (false, error));
    let args = SignArguments {
        hash_function: "md5".to_owned(),
        private_key_pem: KEYS[0].private.to_owned(),
        ..SignArguments::default()
    };
    let result = sign(&args).unwrap();
    assert_eq!((result.result, result.error.as_str()), (false, error));
    assert!(result.signature.is_empty());
}

#[test]
fn one_key_is_to_be_there() {
    for (der, pem) in [(&b""[..], ""), (KEYS[0].der, KEYS[0].pem)] {
        let args = VerifySignatureArguments {
            public_key_pem: pem.to_owned(),
            ..check("sha256", der, b"", TEXT)
        };
        assert_eq!(verify(&args), Err(Status::BadArgument));
        let args = SignArguments {
            hash_function: "sha256".to_owned(),
            private_key: der.to_vec(),
            private_key_pem: pem.to_owned(),
            text: Vec::new(),
        };
        assert_eq!(sign(&args), Err(Status::BadArgument));
    }
    for name in ["sign", "verify_signature"] {
        assert_eq!(Vm::default().call(name, b"\xff"), Err(Status::BadArgument));
        assert_eq!(Vm::default().call(name, b""), Err(Status::BadArgument));
    }
}

#[test]
fn what_is_no_key_is_an_error_in_the_result() {
    let args = |der: &[u8], pem: &str| VerifySignatureArguments {
        public_key_pem: pem.to_owned(),
        ..check("sha256", der, b"", TEXT)
    };
    let long = "x".repeat(1 << 20);
    for (der, pem) in [
        (&b"no key"[..], ""),
        (&KEYS[0].der[..100], ""),
        (b"", "no key"),
        (b"", KEYS[0].private),
        (b"", &long),
    ] {
        let result = verify(&args(der, pem)).unwrap();
        assert_eq!(result.error, "Failed to initialize digest verify.");
        assert!(!result.result);
        let sign_args = SignArguments {
            hash_function: "sha256".to_owned(),
            private_key: der.to_vec(),
            private_key_pem: pem.replace("PRIVATE", "PUBLIC"),
            text: Vec::new(),
        };
        let result = sign(&sign_args).unwrap();
        assert_eq!(
            result.error,
            "Invalid key type: private key required for signing operation."
        );
        assert!(!result.result && result.signature.is_empty());
    }
}

/// What is before a key in PEM is no part of it, but of what is read.
#[test]
fn a_key_of_more_than_8_kib_is_none() {
    let (_, signature) = KEYS[0].signatures[0];
    for (size, good) in [(8 << 10, true), ((8 << 10) + 1, false)] {
        let padded = |pem: &str| format!("{}\n{pem}", "x".repeat(size - pem.len() - 1));
        let args = VerifySignatureArguments {
            public_key_pem: padded(KEYS[0].pem),
            ..check("sha1", b"", signature, TEXT)
        };
        assert_eq!(verify(&args).unwrap().result, good, "{size}");
        let args = SignArguments {
            hash_function: "sha1".to_owned(),
            private_key_pem: padded(KEYS[0].private),
            text: TEXT.to_vec(),
            ..SignArguments::default()
        };
        assert_eq!(sign(&args).unwrap().result, good, "{size}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        at in 0usize..294,
        value: u8,
    ) {
        for name in ["sign", "verify_signature", "set_envoy_filter_state", "declare_property"] {
            let _ = Vm::default().call(name, &bytes);
        }
        let mut der = KEYS[0].der.to_vec();
        der[at] = value;
        let _ = verify(&check("sha256", &der, &bytes, TEXT));
        let _ = sign(&SignArguments {
            hash_function: "sha256".to_owned(),
            private_key: bytes,
            ..SignArguments::default()
        });
    }
}
