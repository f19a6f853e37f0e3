package etcd

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"golang.org/x/net/dns/dnsmessage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// An error whose cause is certain takes a few milliseconds, and at most atOnce on a
// busy machine. That is less than patience, the default timeout of a store in these
// tests.
const (
	atOnce   = 30 * time.Second
	patience = 2 * time.Minute
)

// refusing returns an address that refuses connections.
func refusing(t *testing.T) string {
	t.Helper()
	l := listen(t)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// mute returns an address that accepts connections and sends nothing.
func mute(t *testing.T) string {
	t.Helper()
	return listen(t).Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// talking returns an address that answers every connection with a text.
func talking(t *testing.T, text string) string {
	t.Helper()
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte(text))
		}
	}()
	return l.Addr().String()
}

// TestCauses makes requests to stores that are unavailable for a certain cause: Read
// and Commit return it immediately.
func TestCauses(t *testing.T) {
	t.Parallel()
	ours, other := etcdtest.NewAuthority(t), etcdtest.NewAuthority(t)
	serve := func(name string, until time.Time, clients *etcdtest.Authority) string {
		cert, key := ours.Issue(t, name, until)
		return etcdtest.Start(t, etcdtest.TLS(t, cert, key, clients)).URL()
	}
	later, yesterday := time.Now().Add(time.Hour), time.Now().Add(-24*time.Hour)
	good, plain := serve("127.0.0.1", later, nil), etcdtest.Start(t).URL()
	asking := serve("127.0.0.1", later, ours)
	strangerCert, strangerKey := other.Issue(t, "stranger", later)
	refused, refusedToo := refusing(t), refusing(t)
	closing := strings.TrimPrefix(etcdtest.NewProxy(t, refused).URL(), "http://")
	for _, c := range []struct {
		name string
		cfg  Config
		want string // after the address
	}{
		{"refused", Config{Endpoints: []string{refused}}, "connection refused"},
		{"no such host", Config{Endpoints: []string{"http://nowhere.invalid:2379"}}, "no such host"},
		{"plain for TLS", Config{Endpoints: []string{strings.Replace(good, "https", "http", 1)}}, "the server speaks TLS, the address is to begin with https"},
		{"client certificates, without TLS", Config{Endpoints: []string{strings.Replace(asking, "https", "http", 1)}}, "the server speaks TLS, the address is to begin with https"},
		{"TLS for plain", Config{Endpoints: []string{strings.Replace(plain, "http", "https", 1)}, CACert: ours.File}, "the server does not speak TLS, the address is to begin with http"},
		{"dead behind a proxy", Config{Endpoints: []string{closing}}, "connection closed by the server"},
		{"dead behind a proxy, TLS", Config{Endpoints: []string{"https://" + closing}, CACert: ours.File}, "connection closed during the TLS handshake"},
		{"unknown authority", Config{Endpoints: []string{good}, CACert: other.File}, "certificate signed by unknown authority (ca_cert " + other.File + ")"},
		{"unknown to the system", Config{Endpoints: []string{good}}, "certificate signed by unknown authority (ca_cert the system's)"},
		{"expired", Config{Endpoints: []string{serve("127.0.0.1", yesterday, nil)}, CACert: ours.File},
			"certificate has expired or is not valid yet (valid " + yesterday.Add(-48*time.Hour).UTC().Format(time.DateOnly) + " to " + yesterday.UTC().Format(time.DateOnly) + ")"},
		{"other name", Config{Endpoints: []string{serve("conf.example.org", later, nil)}, CACert: ours.File}, "certificate is not for 127.0.0.1 but for conf.example.org"},
		{"no client certificate", Config{Endpoints: []string{asking}, CACert: ours.File}, "the server wants a client certificate that it accepts (cert, key)"},
		{"strange client certificate", Config{Endpoints: []string{asking}, CACert: ours.File, Cert: strangerCert, Key: strangerKey},
			"refused by the server: unknown certificate authority"},
		{"web server", Config{Endpoints: []string{talking(t, "HTTP/1.1 400 Bad Request\r\n\r\n")}}, "the server is not etcd"},
		{"other server", Config{Endpoints: []string{talking(t, "220 mail.example.org ESMTP\r\n")}}, "the server does not answer as etcd does"},
		{"TLS server", Config{Endpoints: []string{talking(t, "\x15\x03\x01\x00\x02\x02\x46")}}, "the server speaks TLS, the address is to begin with https"},
		{"several", Config{Endpoints: []string{refused, refusedToo}}, "connection refused; " + refusedToo + ": connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, c.cfg)
			s.resolver = nameServer(t, nil)
			want := "store unavailable: " + c.cfg.Endpoints[0] + ": " + c.want
			begun := time.Now()
			_, err := s.Read(t.Context(), "/k")
			took(t, begun, atOnce)
			wantText(t, err, want)
			begun = time.Now()
			_, err = s.Commit(t.Context(), store.Txn{Once: "/k", Writes: []store.Write{put("/k", "")}})
			took(t, begun, atOnce)
			wantText(t, err, want)
			for _, err := range s.Watch(t.Context(), 0, "/k") {
				wantText(t, err, want)
			}
			var unavailable *store.UnavailableError
			if !errors.As(err, &unavailable) || len(unavailable.Tried) != len(c.cfg.Endpoints) {
				t.Errorf("want an unavailable error of %d endpoints, got %T", len(c.cfg.Endpoints), err)
			}
		})
	}
	if _, err := open(t, Config{Endpoints: []string{good}, CACert: ours.File}).Read(t.Context(), "/k"); err != nil {
		t.Errorf("with the right authority: %v", err)
	}
	cert, key := ours.Issue(t, "operator", later)
	if _, err := open(t, Config{Endpoints: []string{asking}, CACert: ours.File, Cert: cert, Key: key}).Read(t.Context(), "/k"); err != nil {
		t.Errorf("with a client certificate: %v", err)
	}
}

// TestMute makes requests to servers that never answer.
func TestMute(t *testing.T) {
	t.Parallel()
	const timeout, attempt = time.Second, 300 * time.Millisecond
	addresses := []string{mute(t), "https://" + mute(t)}
	s := open(t, Config{Endpoints: addresses, Timeout: timeout, Attempt: attempt})
	begun := time.Now()
	_, err := s.Commit(t.Context(), store.Txn{Once: "/k", Writes: []store.Write{put("/k", "")}})
	took(t, begun, timeout+atOnce)
	wantText(t, err, "store unavailable: "+addresses[0]+": no answer within 1s; "+addresses[1]+": no answer within 1s")

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err = s.Read(ctx, "/k")
	wantText(t, err, "store unavailable: "+addresses[0]+": no answer within 300ms; "+addresses[1]+": no answer within 300ms")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error("the caller's own deadline is not found in the error")
	}
	canceled, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	begun = time.Now()
	if _, err = s.Read(canceled, "/k"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while connecting: %v", err)
	}
	took(t, begun, 50*time.Millisecond+atOnce)
}

// TestGoodAmongBad finds the one endpoint of three that answers.
func TestGoodAmongBad(t *testing.T) {
	t.Parallel()
	good := etcdtest.Start(t).URL()
	for name, bad := range map[string]string{"dead": refusing(t), "mute": mute(t), "mute, TLS": "https://" + mute(t)} {
		s := open(t, Config{Endpoints: []string{bad, bad, good}})
		begun := time.Now()
		_, err := s.Read(t.Context(), "/k")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		took(t, begun, atOnce)
	}
}

// TestSameEndpointTwice checks that an endpoint without a leader, configured twice,
// does not take the attempts of others.
func TestSameEndpointTwice(t *testing.T) {
	t.Parallel()
	alone := answering(t, codes.Unavailable, "etcdserver: no leader").URL()
	s := open(t, Config{Endpoints: []string{alone, alone + "/", etcdtest.Start(t).URL()}})
	begun := time.Now()
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Error(err)
	}
	took(t, begun, atOnce)
}

// TestOtherService makes requests to a gRPC server that is not etcd: it cannot have
// performed them.
func TestOtherService(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Endpoints: answering(t, codes.Unimplemented, "unknown service etcdserverpb.KV").URLs()})
	begun := time.Now()
	_, err := s.Commit(t.Context(), store.Txn{Once: "/k", Writes: []store.Write{put("/k", "")}})
	took(t, begun, atOnce)
	wantText(t, err, "refused by the store: unknown service etcdserverpb.KV")
}

// answering starts a server that answers every request except watches with an error.
func answering(t *testing.T, code codes.Code, text string) *etcdtest.Server {
	t.Helper()
	return etcdtest.Start(t, func(cfg *embed.Config) {
		cfg.GRPCAdditionalServerOptions = append(cfg.GRPCAdditionalServerOptions, grpc.ChainUnaryInterceptor(
			func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
				return nil, status.Error(code, text)
			}))
	})
}

// TestOpen checks that Open refuses configurations that cannot work, and sends
// nothing.
func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.pem")
	a := etcdtest.NewAuthority(t)
	cert, key := a.Issue(t, "x", time.Now().Add(time.Hour))
	at := []string{"localhost"}
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "etcd: neither an endpoint nor an SRV domain is given"},
		{Config{Endpoints: []string{"ftp://localhost"}}, `etcd: endpoint "ftp://localhost": scheme ftp is neither http nor https`},
		{Config{Endpoints: []string{"http://"}}, `etcd: endpoint "http://": no host`},
		{Config{Endpoints: []string{"localhost:x"}}, `etcd: endpoint "localhost:x": invalid port ":x" after host`},
		{Config{Endpoints: []string{"localhost:70000"}}, `etcd: endpoint "localhost:70000": port 70000 is none`},
		{Config{Endpoints: []string{"localhost/v2"}}, `etcd: endpoint "localhost/v2": only a scheme, a host and a port are allowed`},
		{Config{Endpoints: at, CACert: missing}, "etcd: ca_cert: open " + missing + ": no such file or directory"},
		{Config{Endpoints: at, CACert: key}, "etcd: ca_cert: " + key + " holds no certificate"},
		{Config{Endpoints: at, Cert: cert}, "etcd: cert and key are only useful together"},
		{Config{Endpoints: at, Cert: missing, Key: key}, "etcd: cert " + missing + " with key " + key + ": open " + missing + ": no such file or directory"},
		{Config{Endpoints: at, User: "u"}, "etcd: user u is given without a password"},
		{Config{Endpoints: at, Password: "p"}, "etcd: a password is given without a user"},
	} {
		_, err := Open(c.cfg)
		wantText(t, err, c.want)
	}
	for address, want := range map[string]string{
		"localhost": "localhost:2379 false", "https://h": "h:2379 true", "[::1]": "[::1]:2379 false", "http://h:1/": "h:1 false",
	} {
		s := open(t, Config{Endpoints: []string{address}})
		e := s.endpoints[0]
		if got := e.target + map[bool]string{true: " true", false: " false"}[e.secure]; got != want {
			t.Errorf("endpoint %s is %s, want %s", address, got, want)
		}
	}
	if s := open(t, Config{Endpoints: at, CACert: a.File}); !s.endpoints[0].secure {
		t.Error("an endpoint without a scheme does not use TLS although there is a ca_cert")
	}
}

// TestSRV finds endpoints by SRV records, or checks the error that names the missing
// records.
func TestSRV(t *testing.T) {
	t.Parallel()
	url := strings.TrimPrefix(etcdtest.Start(t).URL(), "http://127.0.0.1:")
	s := open(t, Config{SRVDomain: "example.org"})
	s.resolver = nameServer(t, map[string]string{"_etcd-client._tcp.example.org.": url})
	if _, err := s.Read(t.Context(), "/k"); err != nil {
		t.Error(err)
	}
	s = open(t, Config{SRVDomain: "example.net"})
	s.resolver = nameServer(t, nil)
	begun := time.Now()
	_, err := s.Read(t.Context(), "/k")
	wantText(t, err, "store unavailable: example.net: no SRV record _etcd-client-ssl._tcp, _etcd-client._tcp or _etcd._tcp")
	took(t, begun, atOnce)

	s = open(t, Config{SRVDomain: "example.org", CACert: etcdtest.NewAuthority(t).File})
	s.resolver = nameServer(t, map[string]string{"_etcd-client._tcp.example.org.": url})
	_, err = s.Read(t.Context(), "/k")
	wantText(t, err, "store unavailable: example.org: no SRV record _etcd-client-ssl._tcp or _etcd._tcp")

	s = open(t, Config{SRVDomain: "example.org"})
	s.resolver = nameServer(t, map[string]string{"_etcd-client-ssl._tcp.example.org.": failing, "_etcd-client._tcp.example.org.": url})
	_, err = s.Read(t.Context(), "/k")
	wantText(t, err, "store unavailable: example.org: name lookup failed: server misbehaving")
}

// failing marks a name whose lookup fails temporarily.
const failing = "failing"

// nameServer returns a resolver that knows SRV records, which ports maps by name to a
// port on this host, and otherwise only names that need no lookup.
func nameServer(t *testing.T, ports map[string]string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			n, from, err := socket.ReadFrom(buffer)
			if err != nil {
				return
			}
			if answer := answerName(buffer[:n], ports); answer != nil {
				_, _ = socket.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func answerName(query []byte, ports map[string]string) []byte {
	var m dnsmessage.Message
	if m.Unpack(query) != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.Additionals = true, nil
	port, known := ports[q.Name.String()]
	switch {
	case port == failing:
		m.RCode = dnsmessage.RCodeServerFailure
	case known && q.Type == dnsmessage.TypeSRV:
		n, _ := net.LookupPort("tcp", port)
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
			Body:   &dnsmessage.SRVResource{Port: uint16(n), Target: dnsmessage.MustNewName("localhost.")},
		}}
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}
