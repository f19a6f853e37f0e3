// Package sitetest makes the files of a site that has the size and the shape of a
// production site: two large datacenters and five small ones, 190 pools of 1 to 260
// nodes, hosts with one service and with several, and eight types, of which two have
// defaults that their JSON schemas refuse. It is the same site each time.
package sitetest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the site has.
const (
	Types = 8 // node included
	Pools = 190
	Nodes = 1600
)

// Datacenters are those of the site, the large ones first.
func Datacenters() []string {
	return []string{"north", "south", "cape", "delta", "fjord", "isle", "oasis"}
}

// Site says where the files are.
type Site struct {
	Dir    string // of all
	Schema string // schema.yaml in it
	Data   string // conftool-data in it
}

// Write writes the site into a directory of its own.
func Write(t testing.TB) Site {
	t.Helper()
	dir := t.TempDir()
	s := Site{dir, filepath.Join(dir, "schema.yaml"), filepath.Join(dir, "conftool-data")}
	files := map[string]string{s.Schema: schema}
	for name, text := range jsonSchemas() {
		files[filepath.Join(dir, "json-schema", name)] = text
	}
	for name, text := range named() {
		files[filepath.Join(s.Data, name)] = text
	}
	for i, dc := range Datacenters() {
		files[filepath.Join(s.Data, "node", dc+".yaml")] = nodes(dc, [][]cluster{north(), south(), edge()}[min(i, 2)])
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// cluster is hosts that all have the same services: a pool for each.
type cluster struct {
	name     string
	hosts    int
	services string
}

func edge() []cluster {
	return []cluster{{"text", 8, "cdn backend"}, {"media", 8, "cdn backend"}, {"redirect", 2, "http"}, {"resolver", 2, "recurse answer update"}, {"clock", 1, "ntp time"}}
}

func north() []cluster {
	all := []cluster{
		{"worker", 260, "run"}, {"search", 54, "query query-tls"}, {"store", 27, "read write"}, {"text", 8, "cdn backend"}, {"media", 8, "cdn backend"},
		{"render", 15, "svg pdf math"}, {"queue", 11, "push pull"}, {"cache", 9, "get set purge"}, {"log", 8, "in out tail gelf syslog trace"},
		{"mail", 7, "smtp"}, {"api", 6, "rest rpc feed push batch admin"}, {"auth", 5, "login"}, {"proxy", 4, "http"},
	}
	return slices.Concat(all, small("trio", 4, 3, "http https"), small("pair", 6, 2, "http https admin metrics"), small("single", 8, 1, "http https"))
}

func south() []cluster {
	all := []cluster{
		{"worker", 255, "run"}, {"search", 54, "query query-tls"}, {"store", 27, "read write"}, {"text", 8, "cdn backend"}, {"media", 8, "cdn backend"},
		{"render", 15, "svg pdf math"}, {"cache", 9, "get set purge"}, {"log", 8, "in out tail gelf syslog"}, {"api", 6, "rest rpc feed push batch"},
	}
	return slices.Concat(all, small("trio", 3, 3, "http https"), small("pair", 4, 2, "http https admin metrics"), small("single", 13, 1, "http"))
}

// small returns a number of clusters that are alike.
func small(name string, n, hosts int, services string) []cluster {
	var all []cluster
	for i := range n {
		all = append(all, cluster{fmt.Sprintf("%s%d", name, i+1), hosts, services})
	}
	return all
}

// nodes is the file of a datacenter.
func nodes(dc string, clusters []cluster) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", dc)
	for _, c := range clusters {
		fmt.Fprintf(&b, "  %s:\n", c.name)
		for i := range c.hosts {
			fmt.Fprintf(&b, "    %s-%03d.%s.example: [%s]\n", c.name, i+1, dc, strings.ReplaceAll(c.services, " ", ", "))
		}
	}
	return b.String()
}

// named returns the files of all other types: names for each value of their tag.
func named() map[string]string {
	all := Datacenters()
	large := all[:2]
	discovery := lists("svc%02d", 83, large)
	maps.Copy(discovery, lists("lone%d", 6, all[:1]))
	instances, sections := map[string][]string{}, map[string][]string{}
	for i, dc := range large {
		instances[dc], sections[dc] = numbered("db%03d", 110+3*i), numbered("s%d", 23)
	}
	return map[string]string{
		"discovery/services.yaml":    text(discovery),
		"discovery/apps.yaml":        text(lists("app%d", 3, large)),
		"geodns/addresses.yaml":      text(lists("address%d", 4, all)),
		"setting/settings.yaml":      text(map[string][]string{"common": {"primary"}, "north": {"read-only", "databases"}, "south": {"read-only", "databases"}}),
		"db-instance/instances.yaml": text(instances),
		"db-section/sections.yaml":   text(sections),
		"network/networks.yaml":      text(map[string][]string{"trusted": numbered("office%d", 3), "blocked": numbered("list%d", 9)}),
		"feature/features.yaml":      text(map[string][]string{"live": numbered("feature%02d", 20), "test": numbered("feature%02d", 25)}),
	}
}

func numbered(format string, n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(format, i+1))
	}
	return all
}

// lists returns the same list for a number of tags.
func lists(format string, n int, of []string) map[string][]string {
	all := map[string][]string{}
	for _, tag := range numbered(format, n) {
		all[tag] = of
	}
	return all
}

func text(lists map[string][]string) string {
	var b strings.Builder
	for _, tag := range slices.Sorted(maps.Keys(lists)) {
		if len(lists[tag]) <= len(Datacenters()) {
			fmt.Fprintf(&b, "%s: [%s]\n", tag, strings.Join(lists[tag], ", "))
		} else {
			fmt.Fprintf(&b, "%s:\n  - %s\n", tag, strings.Join(lists[tag], "\n  - "))
		}
	}
	return b.String()
}
