package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/conftool/confctl/pkg/files"
)

// TLS returns a client configuration. Servers are verified with the authorities in
// caCert, or the system's if it is empty. A client certificate is used if cert and
// key are given. All are files in PEM format, which TLS reads before it returns.
func TLS(caCert, cert, key string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caCert != "" {
		pool, err := files.CertPool(caCert)
		if err != nil {
			return nil, fmt.Errorf("etcd: ca_cert: %w", err)
		}
		c.RootCAs = pool
	}
	if (cert == "") != (key == "") {
		return nil, errors.New("etcd: cert and key are only useful together")
	}
	if cert == "" {
		return c, nil
	}
	pair, err := keyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("etcd: cert %s with key %s: %w", cert, key, err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// keyPair is like tls.LoadX509KeyPair, but limits the size of the files.
func keyPair(cert, key string) (tls.Certificate, error) {
	certPEM, keyPEM, err := files.ReadKeyPair(cert, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(certPEM, keyPEM)
}
