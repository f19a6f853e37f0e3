package readers_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
)

// secure serves the index of a revision over TLS. The file ca has its certificate
// authority.
func secure(t *testing.T, config *tls.Config) (url, ca string) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) > 0 {
			t.Error("a client certificate was sent")
		}
		fmt.Fprint(w, leaf(1))
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = config
	server.StartTLS()
	t.Cleanup(server.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, ca
}

// The certificates of readers are verified by the authorities that are declared for
// them, and by no others.
func TestAuthorities(t *testing.T) {
	url, ca := secure(t, nil)
	strict, strictCA := secure(t, &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS12})
	dir := t.TempDir()
	empty, missing := filepath.Join(dir, "empty.pem"), filepath.Join(dir, "missing.pem")
	if err := os.WriteFile(empty, []byte("-----BEGIN x-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	s.put("a", ago(time.Hour), "mwconfig", "common/A", `{"val": 1}`)
	for _, c := range []struct {
		url, declared, given string
		level                readers.Level
		words                string
	}{
		{url, "", "", readers.Unknown, "an authority that this host does not know"},
		{url, ca, "", readers.OK, ""},
		{url, "", ca, readers.OK, ""},
		{url, ca, strictCA + "x", readers.OK, ""},
		{url, missing, ca, readers.Unknown, "ca: " + missing + ": no such file or directory"},
		{url, "", empty, readers.Unknown, "ca: " + empty + " holds no certificate"},
		{url, dir, "", readers.Unknown, "ca: " + dir + ": is a directory"},
		{strict, strictCA, "", readers.Unknown, "wants a client certificate"},
		{says(t, "%s", leaf(1)), "", missing, readers.OK, ""}, // without TLS
	} {
		declared := "[{kind: index, url: '" + c.url + "'}]"
		if c.declared != "" {
			declared = "[{kind: index, url: '" + c.url + "', ca: " + c.declared + "}]"
		}
		check := s.check(s.declare("mwconfig", declared))
		check.CA = c.given
		expect(t, s.only(check), c.level, c.words)
	}
	// another site's authority
	other, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(other)
	block.Bytes = issue(t)
	if err := os.WriteFile(ca, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	expect(t, s.only(s.check(s.declare("mwconfig", "[{kind: index, url: '"+url+"', ca: "+ca+"}]"))), readers.Unknown, "signed by none of the authorities in "+ca)
}

// issue returns the certificate of an authority that has not signed anything.
func issue(t *testing.T) []byte {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour)}
	text, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
