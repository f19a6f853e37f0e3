package etcd

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// guardedServer starts a server with the users root, who may do everything, and
// operator, who may read and write the pools and read our own keys. Both have
// the password secret.
func guardedServer(t *testing.T, options ...etcdtest.Option) *etcdtest.Server {
	t.Helper()
	server := etcdtest.Start(t, options...)
	admin := client(t, server)
	ctx := t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(admin.UserAdd(ctx, "root", "secret"))
	must(admin.UserGrantRole(ctx, "root", "root"))
	must(admin.UserAdd(ctx, "operator", "secret"))
	must(admin.RoleAdd(ctx, "pools"))
	must(admin.RoleGrantPermission(ctx, "pools", "/conftool/v1/pools/", "/conftool/v1/pools0", clientv3.PermissionType(clientv3.PermReadWrite)))
	must(admin.RoleGrantPermission(ctx, "pools", "/conftool/.confctl/", "/conftool/.confctl0", clientv3.PermissionType(clientv3.PermRead)))
	must(admin.UserGrantRole(ctx, "operator", "pools"))
	must(admin.AuthEnable(ctx))
	return server
}

// TestDenied makes requests that the user has no permission for, and checks that the
// error names the missing permission.
func TestDenied(t *testing.T) {
	t.Parallel()
	server := guardedServer(t)
	const head, tail = "denied by the store for user operator, it takes the permission to ", ": permission denied"
	s := open(t, Config{Endpoints: server.URLs(), User: "operator", Password: "secret"})
	read := func(prefixes ...string) func() error {
		return func() error { _, err := s.Read(t.Context(), prefixes...); return err }
	}
	commit := func(guards []store.Guard, keys ...string) func() error {
		return func() error {
			txn := store.Txn{Once: keys[0], Guards: guards}
			for _, key := range keys {
				txn.Writes = append(txn.Writes, put(key, ""))
			}
			_, err := s.Commit(t.Context(), txn)
			return err
		}
	}
	for _, c := range []struct {
		what string
		do   func() error
		want string
	}{
		{"read", read("/conftool/v1/pools/"), ""},
		{"revision", read(), ""},
		{"read of another type", read("/conftool/v1/dnsdisc/"), head + "read /conftool/v1/dnsdisc/" + tail},
		{"read of all types", read("/conftool/v1/"), head + "read /conftool/v1/" + tail},
		{"read of several", read("/conftool/v1/pools/", "/conftool/v1/a/", "/other/key"), head + "read /conftool/v1/a/" + tail},
		{"list", func() error { _, err := s.List(t.Context(), "/conftool/v1/geo/", store.Page{Limit: 1}); return err }, head + "read /conftool/v1/geo/" + tail},
		{"commit of what is granted", commit(nil, "/conftool/v1/pools/a"), ""},
		{"commit", commit(nil, "/conftool/.confctl/journal/1", "/conftool/.confctl/outbox/irc/1", "/conftool/v1/pools/b"), head + "write /conftool/.confctl/journal/" + tail},
		{"commit of one key of ours", commit(nil, "/conftool/.confctl/journal/1", "/conftool/v1/pools/b"), head + "write /conftool/.confctl/journal/" + tail},
		{"guard", commit([]store.Guard{{Key: "/conftool/v1/geo/", Prefix: true}}, "/conftool/v1/pools/b"), head + "read /conftool/v1/geo/" + tail},
		{"watch", func() error {
			for _, err := range s.Watch(t.Context(), 0, "/conftool/v1/pools/", "/conftool/v1/z") {
				return err
			}
			return nil
		}, head + "read /conftool/v1/pools/" + tail},
	} {
		begun := time.Now()
		err := c.do()
		took(t, begun, atOnce)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
			continue
		}
		if !errors.As(err, new(*store.DeniedError)) {
			t.Errorf("%s: got %T", c.what, err)
		}
		wantText(t, err, c.want)
	}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{User: "operator", Password: "guess"}, "denied by the store for user operator: wrong user or password"},
		{Config{User: "nobody", Password: "guess"}, "denied by the store for user nobody: wrong user or password"},
		{Config{}, "denied by the store without a user: the store wants a user"},
	} {
		c.cfg.Endpoints = server.URLs()
		begun := time.Now()
		_, err := open(t, c.cfg).Read(t.Context(), "/conftool/v1/pools/")
		took(t, begun, atOnce)
		wantText(t, err, c.want)
		_, err = open(t, c.cfg).Commit(t.Context(), store.Txn{Writes: []store.Write{put("/k", "")}})
		wantText(t, err, c.want)
	}
}

// TestCertificateUser checks that the user is the name in the certificate.
func TestCertificateUser(t *testing.T) {
	t.Parallel()
	a := etcdtest.NewAuthority(t)
	cert, key := a.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	server := etcdtest.Start(t, etcdtest.TLS(t, cert, key, a))
	cert, key = a.Issue(t, "operator", time.Now().Add(time.Hour))
	s := open(t, Config{Endpoints: server.URLs(), CACert: a.File, Cert: cert, Key: key})
	if s.user != "operator" {
		t.Errorf("the user is %q", s.user)
	}
	server.Calls()
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Fatal(err)
	}
	if got := server.Calls(); !maps.Equal(got, map[string]int{"/etcdserverpb.KV/Range": 1}) {
		t.Errorf("without a password, the server was sent %v", got)
	}
}

// TestLoginAgain makes the server forget its tokens, and enables authentication on a
// server in use.
func TestLoginAgain(t *testing.T) {
	t.Parallel()
	server := guardedServer(t)
	cfg := clientv3.Config{Endpoints: server.URLs(), Username: "root", Password: "secret", Logger: zap.NewNop()}
	admin, err := clientv3.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close() })
	enable := func(on bool) {
		t.Helper()
		var err error
		if on {
			_, err = client(t, server).AuthEnable(t.Context())
		} else {
			_, err = admin.AuthDisable(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for what, forget := range map[string]func(s *Store){
		"another password": func(*Store) {
			if _, err := admin.UserChangePassword(t.Context(), "operator", "secret"); err != nil {
				t.Fatal(err)
			}
		},
		"no more of passwords, and then again": func(s *Store) {
			enable(false)
			defer enable(true)
			s.retire(s.current, -1)
			if _, err := s.Read(t.Context(), "/conftool/v1/pools/"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		s := open(t, Config{Endpoints: server.URLs(), User: "operator", Password: "secret"})
		if _, err := s.Read(t.Context(), "/conftool/v1/pools/"); err != nil {
			t.Fatal(err)
		}
		forget(s)
		if _, err := s.Read(t.Context(), "/conftool/v1/pools/"); err != nil {
			t.Errorf("read after %s: %v", what, err)
		}
		forget(s)
		if _, err := s.Commit(t.Context(), store.Txn{Writes: []store.Write{put("/conftool/v1/pools/a", "")}}); err != nil {
			t.Errorf("commit after %s: %v", what, err)
		}
		forget(s)
		for _, err := range s.Watch(t.Context(), 0, "/conftool/v1/pools/") {
			if err != nil {
				t.Errorf("watch after %s: %v", what, err)
			}
			break
		}
		if _, err := s.Read(t.Context(), "/conftool/v1/pools/"); err != nil {
			t.Fatal(err)
		}
		server.Calls()
		for range 3 {
			if _, err := s.Read(t.Context(), "/conftool/v1/pools/"); err != nil {
				t.Error(err)
			}
		}
		if got := server.Calls(); !maps.Equal(got, map[string]int{"/etcdserverpb.KV/Range": 3}) {
			t.Errorf("once logged in, the server was sent %v", got)
		}
	}
}

// TestCertificatesReplaced checks that a long-lived store uses the certificate files
// as they are when it connects, and the previous ones if they are unusable.
func TestCertificatesReplaced(t *testing.T) {
	t.Parallel()
	a, other := etcdtest.NewAuthority(t), etcdtest.NewAuthority(t)
	cert, key := a.Issue(t, "127.0.0.1", time.Now().Add(time.Hour))
	server := etcdtest.Start(t, etcdtest.TLS(t, cert, key, a))
	dir := t.TempDir()
	place := func(name, from string) string {
		t.Helper()
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.WriteFile(to, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return to
	}
	client := func(issuer *etcdtest.Authority) (cert, key string) {
		t.Helper()
		cert, key = issuer.Issue(t, "operator", time.Now().Add(time.Hour))
		return place("cert.pem", cert), place("key.pem", key)
	}
	ca := place("ca.pem", other.File)
	cert, key = client(other)
	s := open(t, Config{Endpoints: server.URLs(), CACert: ca, Cert: cert, Key: key})
	s.opened = time.Time{} // as if it was opened long ago
	reads := func(want string) {
		t.Helper()
		_, err := s.Read(t.Context(), "/k")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	reads("authority")
	place("ca.pem", a.File)
	reads("certificate")
	client(a)
	reads("")
	place("key.pem", a.File)
	s.retire(s.current, -1)
	reads("") // with the previous certificates
	place("ca.pem", other.File)
	s.retire(s.current, -1)
	reads("")
	s.tlsMu.Lock()
	s.tls = s.tls.Clone()
	s.tls.RootCAs = nil // as if the server's certificate had changed, too
	s.tlsMu.Unlock()
	s.retire(s.current, -1)
	reads("with the certificates from before, since those that are there cannot be used: etcd: cert " + filepath.Join(dir, "cert.pem"))
}
