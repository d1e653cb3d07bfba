//! A CA and a key that signs, as a control plane has them.

use aws_lc_rs::signature::Ed25519KeyPair;
use holdfast_report::Signer;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

pub(crate) struct Ca {
    pub(crate) certificate: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
            .distinguished_name
            .push(DnType::CommonName, "Holdfast CA");
        let certificate = params.self_signed(&key).expect("a certificate");
        let issuer = Issuer::new(params, key);
        Self {
            certificate: certificate.der().to_vec(),
            issuer,
        }
    }

    /// A key for reports.
    pub(crate) fn signer(&self) -> Signer {
        self.signer_for(ExtendedKeyUsagePurpose::Other(vec![
            1, 3, 6, 1, 5, 5, 7, 3, 36,
        ]))
    }

    /// A key for something.
    pub(crate) fn signer_for(&self, purpose: ExtendedKeyUsagePurpose) -> Signer {
        let pkcs8 = Ed25519KeyPair::generate().expect("a key");
        let pkcs8 = pkcs8.to_pkcs8v1().expect("its form");
        let key = KeyPair::try_from(pkcs8.as_ref()).expect("a key");
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "Holdfast reports");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2046, 1, 1);
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Signer::new(pkcs8.as_ref(), certificate.der().to_vec()).expect("they belong together")
    }
}
