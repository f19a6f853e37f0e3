package files

import (
	"crypto/x509"
	"fmt"
)

// MaxPEM is the size in bytes of the largest file of certificates. A system's
// bundle of authorities has 230 KB.
const MaxPEM = 1 << 20

// CertPool returns the certificates of authorities in a file in PEM format, of at
// most MaxPEM.
func CertPool(path string) (*x509.CertPool, error) {
	pem, err := Read(path, MaxPEM)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return pool, nil
}

// ReadKeyPair reads a certificate and its key, which are files in PEM format and may
// be the same one.
func ReadKeyPair(cert, key string) (certPEM, keyPEM []byte, err error) {
	if certPEM, err = Read(cert, MaxPEM); err != nil {
		return nil, nil, err
	}
	keyPEM, err = Read(key, MaxPEM)
	return certPEM, keyPEM, err
}
