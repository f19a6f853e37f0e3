package etcd

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestSilentNameServer checks that the error for a silent name server names it as the
// cause, and not the store.
func TestSilentNameServer(t *testing.T) {
	t.Parallel()
	const named = "http://conf1001.example.org:2379"
	address := "http://" + mute(t)
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Endpoints: []string{named}}, named + ": name lookup failed: no answer from the name server"},
		{Config{Endpoints: []string{named, address}}, named + ": name lookup failed: no answer from the name server; " + address + ": no answer within 500ms"},
		{Config{SRVDomain: "example.org"}, "example.org: name lookup failed: no answer from the name server"},
	} {
		c.cfg.Timeout, c.cfg.Attempt = 500*time.Millisecond, 200*time.Millisecond
		s := open(t, c.cfg)
		s.resolver = etcdtest.SilentNameServer(t)
		_, err := s.Read(t.Context(), "/k")
		wantText(t, err, "store unavailable: "+c.want)
		_, err = s.Commit(t.Context(), store.Txn{Once: "/k", Writes: []store.Write{put("/k", "")}})
		wantText(t, err, "store unavailable: "+c.want)
		if !errors.As(err, new(*store.UnavailableError)) {
			t.Errorf("%v is a %T", err, err)
		}
	}
}

// TestSRVOfPythonLibrary finds endpoints by the records that python-etcd looks up.
// They say nothing about TLS, so the configuration decides.
func TestSRVOfPythonLibrary(t *testing.T) {
	t.Parallel()
	ours := etcdtest.NewAuthority(t)
	cert, key := ours.Issue(t, "localhost", time.Now().Add(time.Hour))
	port := func(url string) string { return url[strings.LastIndexByte(url, ':')+1:] }
	plain := port(etcdtest.Start(t).URL())
	secure := port(etcdtest.Start(t, etcdtest.TLS(t, cert, key, nil)).URL())
	const record = "_etcd._tcp.example.org."
	for _, c := range []struct {
		name string
		cfg  Config
		port string
		want string // the error; empty for none
	}{
		{"plain", Config{}, plain, ""},
		{"TLS, by an authority", Config{CACert: ours.File}, secure, ""},
		{"TLS, by the protocol", Config{Secure: true}, secure, "store unavailable: https://localhost:" + secure + ": certificate signed by unknown authority (ca_cert the system's)"},
	} {
		c.cfg.SRVDomain = "example.org"
		s := open(t, c.cfg)
		s.resolver = nameServer(t, map[string]string{record: c.port})
		_, err := s.Read(t.Context(), "/k")
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" {
			wantText(t, err, c.want)
		}
	}
	// etcd's own records take precedence, and if TLS is configured, records for plain
	// connections are never used.
	s := open(t, Config{SRVDomain: "example.org"})
	s.resolver = nameServer(t, map[string]string{"_etcd-client._tcp.example.org.": plain, record: failing})
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Error(err)
	}
	s = open(t, Config{SRVDomain: "example.org", Secure: true})
	s.resolver = nameServer(t, map[string]string{"_etcd-client._tcp.example.org.": plain})
	_, err := s.Read(t.Context(), "/k")
	wantText(t, err, "store unavailable: example.org: no SRV record _etcd-client-ssl._tcp or _etcd._tcp")
	if slices.ContainsFunc(s.endpoints, func(e *endpoint) bool { return !e.secure }) {
		t.Error("a plain endpoint was found where TLS was asked for")
	}
}
