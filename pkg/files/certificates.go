package files

import (
	"crypto/x509"
	"fmt"
)

// MaxPEM is the size in bytes of the largest PEM file that is read. For
// comparison, a system's bundle of certificate authorities has 230 KB.
const MaxPEM = 1 << 20

// CertPool returns the certificates in a PEM file of at most MaxPEM bytes. A file
// without a certificate is an error.
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

// ReadKeyPair reads the files of a certificate and its key, each of at most MaxPEM
// bytes. They may be the same file. It does not check that the content is PEM.
func ReadKeyPair(cert, key string) (certPEM, keyPEM []byte, err error) {
	if certPEM, err = Read(cert, MaxPEM); err != nil {
		return nil, nil, err
	}
	keyPEM, err = Read(key, MaxPEM)
	return certPEM, keyPEM, err
}
