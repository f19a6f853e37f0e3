package cli

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/config"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestSilentNameServerOwnName: a name server that does not say what this host is
// called takes its time from that of the store, so that both together end in time;
// with --gone each has a second.
func TestSilentNameServerOwnName(t *testing.T) {
	const name = "web1"
	for _, c := range []struct {
		gone    bool
		timeout time.Duration
		left    time.Duration
	}{
		{false, 400 * time.Millisecond, 200 * time.Millisecond},
		{true, goneTimeout, goneTimeout},
	} {
		var talk bytes.Buffer
		g := &globals{}
		g.terms.Gone = c.gone
		settings := &config.Settings{Timeout: c.timeout}
		if got := fullName(t.Context(), term.Streams{Err: &talk}, g, settings, etcdtest.SilentNameServer(t), name); got != name {
			t.Errorf("gone %v: the host is %s", c.gone, got)
		}
		if settings.Timeout != c.left {
			t.Errorf("gone %v: %v are left for the store, want %v", c.gone, settings.Timeout, c.left)
		}
		if !strings.Contains(talk.String(), "the name server does not answer within") {
			t.Errorf("gone %v: nothing is said about the name server: %q", c.gone, talk.String())
		}
	}
}

// TestSilentNameServerFQDN: that no name server answers is an error, and that a
// host has no domain is none.
func TestSilentNameServerFQDN(t *testing.T) {
	if got, err := fqdn(t.Context(), etcdtest.SilentNameServer(t), "web1", 100*time.Millisecond); got != "web1" || err == nil {
		t.Errorf("a silent name server: %s, %v", got, err)
	}
	if got, err := fqdn(t.Context(), etcdtest.SilentNameServer(t), "web1.example.org", 100*time.Millisecond); got != "web1.example.org" || err != nil {
		t.Errorf("a name with its domain: %s, %v", got, err)
	}
	if got, err := fqdn(t.Context(), net.DefaultResolver, "localhost", time.Minute); err != nil {
		t.Errorf("localhost: %s, %v", got, err)
	}
}
