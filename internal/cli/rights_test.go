package cli

import (
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestRightsByCluster: what works with the narrow rights of docs/etcd.md. Who may
// write one cluster changes nothing of another, also not by somebody's undo.
func TestRightsByCluster(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t)
	admin := etcdSite(t, server.URL())
	admin.ok("sync", "--directory", "data")
	const cluster, own = "/conftool/v1/pools/north/web/", "/conftool/.confctl/"
	server.Rights(t, map[string][]string{
		"web":   {own + "fence/node"},
		"hosts": {own + "fence/node", "/conftool/v1/pools/"},
	}, map[string][]string{
		"web":   {cluster, own + "journal/", own + "outbox/"},
		"hosts": {cluster, own + "journal/", own + "outbox/"},
	})
	as := func(user string) *site {
		s := etcdSite(t, server.URL())
		host, port, _ := strings.Cut(strings.TrimPrefix(server.URL(), "http://"), ":")
		s.file("etcdrc", "host: "+host+"\nport: "+port+"\nusername: "+user+"\npassword: "+etcdtest.Password+"\n")
		s.file("confctl.yaml", patient)
		return s
	}
	for user, c := range map[string]struct{ works, denied [][]string }{
		"web": {
			works: [][]string{
				{"select", "dc=north,cluster=web", "get"},
				{"select", "dc=north,cluster=web,service=http,name=web1.example", "set/weight=5"},
				{"undo", "last"},
				{"select", "dc=north,cluster=web,name=.*", "set/pooled=yes:weight=7"},
				{"undo", "last"},
				{"log", "-n", "1"},
			},
			denied: [][]string{
				{"select", "name=web1.example", "get"},
				{"select", "dc=north,name=web1.example", "set/weight=6"},
				{"depool", "--hostname", "web1.example"},
				{"select", "dc=south,cluster=web,service=http", "set/weight=6"},
				{"select", "dc=north,cluster=web,service=http,name=web1.example", "delete"},
			},
		},
		"hosts": {
			works: [][]string{
				{"select", "name=web1.example", "set/weight=5"},
				{"undo", "last"},
				{"depool", "--hostname", "web1.example"},
				{"undo", "last"},
			},
			denied: [][]string{
				{"depool", "--hostname", "web9.example"},
				{"select", "name=web3.example", "delete"},
			},
		},
	} {
		s := as(user)
		for _, words := range c.works {
			s.ok(unasked(words)...)
		}
		line := strings.Fields(s.ok("log", "-n", "1"))
		for _, words := range append(c.denied, []string{"log", "show", line[len(line)-1]}, []string{"log", "-o", "json"}) {
			_, stderr, code := s.run(unasked(words)...)
			if code != exitFailed || !strings.Contains(stderr, "denied by the store for user "+user) {
				t.Errorf("%s: %q: exit code %d\n%s", user, words, code, stderr)
			}
		}
	}
}

// unasked returns a command that asks nothing; log never asks.
func unasked(words []string) []string {
	if words[0] == "log" {
		return words
	}
	return append([]string{"--yes"}, words...)
}
