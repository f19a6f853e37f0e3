package cli

import (
	"maps"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestRequests counts what etcd is asked: a get is one request, a set two until
// its answer and one for the delivery.
func TestRequests(t *testing.T) {
	server := etcdtest.Start(t)
	s := etcdSite(t, server.URL())
	bot := newBot(t)
	s.file("config.yaml", "driver_options: {etcd_config_file: etcdrc}\n"+bot.config())
	s.ok("sync", "--directory", "data")
	<-bot.messages
	for _, c := range []struct {
		args     []string
		announce bool
		want     map[string]int
	}{
		{[]string{"select", "name=.*", "get"}, false, map[string]int{"/etcdserverpb.KV/Range": 1}},
		{[]string{"--yes", "select", "dc=north", "set/weight=5"}, true, map[string]int{"/etcdserverpb.KV/Txn": 3}},
		{[]string{"--quiet", "depool", "--hostname", "web1.example"}, false, map[string]int{"/etcdserverpb.KV/Txn": 2}},
		{[]string{"--quiet", "depool", "--hostname", "web1.example"}, false, map[string]int{"/etcdserverpb.KV/Txn": 1}},
		{[]string{"sync", "--directory", "data"}, false, map[string]int{"/etcdserverpb.KV/Txn": 1}},
	} {
		server.Calls() // from here on
		s.ok(c.args...)
		if c.announce {
			<-bot.messages
		}
		if got := server.Calls(); !maps.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.args, got, c.want)
		}
	}
}

// TestEtcdDown: one line with the endpoint and the cause, which is not how long was
// waited, and nothing for a reader of the results.
func TestEtcdDown(t *testing.T) {
	s := newSite(t, "driver_options: {etcd_config_file: etcdrc}\n")
	s.file("etcdrc", "host: 127.0.0.1\nport: 9\n")
	for _, args := range [][]string{
		{"select", "name=.*", "get"},
		{"select", "name=x", "set/weight=1"},
		{"depool", "--hostname", "x"},
		{"sync", "--directory", "data"},
	} {
		stdout, stderr, code := s.run(args...)
		if stdout != "" || code != exitUnavailable {
			t.Errorf("%q: exit code %d, %q", args, code, stdout)
		}
		want := "confctl: the store at http://127.0.0.1:9 is unavailable: connection refused\n"
		if args[2] != "get" {
			want += "  nothing was written\n"
		}
		if stderr != want {
			t.Errorf("%q: %q, want %q", args, stderr, want)
		}
	}
}

// TestHostsOfTheConfiguration are used when no etcdrc names a host.
func TestHostsOfTheConfiguration(t *testing.T) {
	server := etcdtest.Start(t)
	s := newSite(t, "hosts: ['"+server.URL()+"']\ndriver_options: {etcd_config_file: etcdrc}\n")
	s.file("etcdrc", "allow_reconnect: true\n")
	s.ok("sync", "--directory", "data")
	if got := s.ok("select", "name=web9.example", "get"); !strings.Contains(got, "web9.example") {
		t.Error(got)
	}
}
