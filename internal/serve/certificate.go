package serve

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/conftool/confctl/pkg/files"
)

// certificate is a certificate that is reloaded when its files change. A new one
// that cannot be used does not replace the current one.
type certificate struct {
	cert, key string // files
	warn      func(string)

	mu      sync.Mutex
	current *tls.Certificate
	pems    [2][]byte // contents of the files of current
	checked time.Time
	failed  string // why the files cannot be used, to report it only once
}

// get returns the certificate for a handshake. It reads the files at most once a
// second.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && time.Since(c.checked) < time.Second {
		return c.current, nil
	}
	c.checked = time.Now()
	switch err := c.load(); {
	case err == nil:
		c.failed = ""
	case c.current == nil:
		return nil, err
	case err.Error() != c.failed:
		c.failed = err.Error()
		c.warn(c.failed + "; the one from before stays in use")
	}
	return c.current, nil
}

// load reads the files and uses them if they have changed. It accepts a
// certificate that has expired or is not valid yet, because clients can decide
// themselves.
func (c *certificate) load() error {
	pair, pems, err := c.read()
	if err != nil {
		return fmt.Errorf("certificate %s with key %s: %w", absolute(c.cert), absolute(c.key), err)
	}
	if pair == nil {
		return nil
	}
	if now := time.Now(); now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter) {
		c.warn(fmt.Sprintf("certificate %s is valid from %s to %s, and not now: clients will refuse it",
			absolute(c.cert), pair.Leaf.NotBefore.Format(time.RFC3339), pair.Leaf.NotAfter.Format(time.RFC3339)))
	}
	c.current, c.pems = pair, pems
	return nil
}

// read returns the certificate and the contents of the files. The certificate is
// nil if they have not changed.
func (c *certificate) read() (*tls.Certificate, [2][]byte, error) {
	cert, key, err := files.ReadKeyPair(c.cert, c.key)
	if err != nil {
		return nil, [2][]byte{}, err
	}
	if c.current != nil && bytes.Equal(cert, c.pems[0]) && bytes.Equal(key, c.pems[1]) {
		return nil, c.pems, nil
	}
	pair, err := tls.X509KeyPair(cert, key)
	return &pair, [2][]byte{cert, key}, err
}

// absolute returns the absolute form of a path.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
