package cli

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/pkg/store/etcd/etcdtest"
)

// TestSyncAsksOnATerminal: what would happen is shown, and nothing is done
// without a yes.
func TestSyncAsksOnATerminal(t *testing.T) {
	s := newSite(t, localConfig)
	for _, c := range []struct {
		typed string
		code  int
	}{{"n\n", exitDeclined}, {"\x04", exitDeclined}, {"y\n", exitDone}} {
		term := s.terminal("sync", "--directory", "data")
		term.Expect("+ node north/web/http/web1.example")
		term.Expect("14 objects would be created")
		term.Expect("Ok to continue? [y/N]\r\nconfctl>")
		term.Type(c.typed)
		term.end(c.code)
		if got := s.ok("select", "name=.*", "get"); (got != "") != (c.code == exitDone) {
			t.Errorf("after %q: %q", c.typed, got)
		}
	}
	s.file("data/node/east.yaml", "east: {web: {web5.example: [http]}}\n")
	s.terminal("--yes", "sync", "--directory", "data").end(exitDone)
	term := s.terminal("sync", "--directory", "data")
	term.end(exitDone) // nothing to do, so nothing to ask
	term.Expect("no change")
}

// TestSyncTellsHowFarItIs: who watches a sync too large for one commit sees
// each part, and nobody else does.
func TestSyncTellsHowFarItIs(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	var hosts strings.Builder
	hosts.WriteString("east:\n  web:\n")
	for i := range 4000 {
		fmt.Fprintf(&hosts, "    web%04d.example: [http]\n", i)
	}
	s.file("data/node/east.yaml", hosts.String())
	term := s.terminal("--yes", "sync", "--directory", "data")
	term.end(exitDone)
	term.Expect("of 4014 are done")
	term.Expect("4014 of 4014 are done")
	term.Expect("sync: 4014 created, 0 removed")
	s.file("data/node/west.yaml", strings.Replace(hosts.String(), "east", "west", 1))
	if _, stderr, code := s.run("sync", "--directory", "data"); code != exitDone || strings.Contains(stderr, "are done") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestWholeSyncIsOneCommit: into an empty etcd a site of production's size is
// one read, one commit, one record and one announcement; once more it is one
// read.
func TestWholeSyncIsOneCommit(t *testing.T) {
	files := sitetest.Write(t)
	server := etcdtest.Start(t)
	s := etcdSite(t, server.URL())
	bot := newBot(t)
	s.file("config.yaml", "driver_options: {etcd_config_file: etcdrc}\n"+bot.config())
	s.file("confctl.yaml", patient)
	sync := []string{"--schema", files.Schema, "sync", "--directory", files.Data}
	server.Calls() // from here on
	s.ok(sync...)
	// A read, the commit, and the note that the message is delivered.
	if got, want := server.Calls(), map[string]int{"/etcdserverpb.KV/Txn": 3}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if message := <-bot.messages; !strings.Contains(message, fmt.Sprintf("node (%d created)", sitetest.Nodes)) {
		t.Error(message)
	}
	if records := strings.Count(s.ok("log", "-o", "json"), "\n"); records != 1 {
		t.Errorf("%d records, want 1", records)
	}
	server.Calls()
	if got := s.ok(sync...); got != "no change\n" {
		t.Errorf("once more: %q", got)
	}
	if got, want := server.Calls(), map[string]int{"/etcdserverpb.KV/Txn": 1}; !maps.Equal(got, want) {
		t.Errorf("once more: %v, want %v", got, want)
	}
	select {
	case message := <-bot.messages:
		t.Errorf("once more, announced: %q", message)
	default:
	}
}

// TestOutageSyncOfAnotherSite: what the files of another site bring does not
// make what they would remove look small, not in the parts of one sync, and not
// when it is run again.
func TestOutageSyncOfAnotherSite(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{"in one commit": 400, "in parts": 4000} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, localConfig)
			s.file("mine/node/n.yaml", nodes("mine", 80))
			s.file("theirs/node/n.yaml", nodes("theirs", n))
			s.ok("--quiet", "sync", "--directory", "mine")
			s.ok("--quiet", "--yes", "select", "name=mine000.*", "set/pooled=no:weight=1") // known, and not serving
			_, stderr, code := s.run("sync", "--directory", "theirs", "--dry-run")
			if code != exitRefused || !strings.Contains(stderr, "node    80 of 80 would be removed, 100 %") {
				t.Errorf("dry run: exit code %d, %s", code, stderr)
			}
			for _, which := range []string{"first", "second"} {
				if _, stderr, code := s.run("--quiet", "sync", "--directory", "theirs"); code != exitRefused || strings.Contains(stderr, " removed, 0 held back") {
					t.Errorf("the %s: exit code %d, %s", which, code, stderr)
				}
				if got := strings.Count(s.ok("-o", "name", "select", "dc=mine", "get"), "\n"); got != 80 {
					t.Fatalf("after the %s %d are left", which, got)
				}
			}
			if got := strings.Count(s.ok("-o", "name", "select", "dc=theirs", "get"), "\n"); got != n {
				t.Errorf("%d are created, want %d", got, n)
			}
		})
	}
}

// TestOutageSyncOfAnotherSiteAgain: nor is it a way around that objects serve as
// they are created, or never do, or that one of the new ones goes again, too.
func TestOutageSyncOfAnotherSiteAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	s.file("schema.yaml", "geo: {path: geo, tags: [], schema: {pooled: {type: bool, default: true}}}\nblock: {path: blocks, tags: [], schema: {note: {type: string, default: ''}}}\n")
	names := func(prefix string, n int) string {
		var text strings.Builder
		for i := range n {
			fmt.Fprintf(&text, "- %s%03d\n", prefix, i)
		}
		return text.String()
	}
	for _, dir := range []string{"geo", "block"} {
		s.file("mine/"+dir+"/x.yaml", names("mine", 60))
		s.file("theirs/"+dir+"/x.yaml", names("theirs", 400))
		s.file("fewer/"+dir+"/x.yaml", names("theirs", 399))
	}
	s.ok("--quiet", "sync", "--directory", "mine")
	s.ok("--quiet", "--yes", "--object-type", "geo", "select", "name=mine0[0-4].*", "set/pooled=false")
	s.ok("--quiet", "--yes", "--object-type", "block", "select", "name=.*", "set/note=precious")
	for _, dir := range []string{"theirs", "theirs", "fewer", "fewer"} {
		if _, stderr, code := s.run("--quiet", "sync", "--directory", dir); code != exitRefused || !strings.Contains(stderr, "mass-removal") {
			t.Errorf("%s: exit code %d, %s", dir, code, stderr)
		}
		for _, typ := range []string{"geo", "block"} {
			if got := strings.Count(s.ok("--object-type", typ, "-o", "name", "select", "name=mine.*", "get"), "\n"); got != 60 {
				t.Fatalf("%s: %d of type %s are left", dir, got, typ)
			}
		}
	}
}

// TestPartsNeverGoBelowTheFloor: an import too large for one commit puts into
// service before it takes out, in whatever order its file has them.
func TestPartsNeverGoBelowTheFloor(t *testing.T) {
	t.Parallel()
	s := newSite(t, localConfig)
	const n = 4000
	s.file("data/node/big.yaml", nodes("big", n))
	s.ok("--quiet", "--yes", "sync", "--directory", "data")
	swap := func(first, second string) string {
		var text strings.Builder
		for i := range n {
			pooled := first
			if i >= n/2 {
				pooled = second
			}
			fmt.Fprintf(&text, `{"type": "node", "tags": {"dc": "big", "cluster": "web", "service": "http"}, "name": "big%04d.example", "values": {"weight": 1, "pooled": "%s"}}`+"\n", i, pooled)
		}
		return text.String()
	}
	s.file("one.jsonl", swap("yes", "inactive"))
	s.file("two.jsonl", swap("inactive", "yes"))
	s.ok("--quiet", "--yes", "import", "one.jsonl")
	term := s.terminal("--quiet", "--yes", "import", "two.jsonl", "--allow", "mass-change,min-pooled", "--reason", "swap")
	least := n
	for {
		if got := strings.Count(s.ok("select", "dc=big", "get"), `"pooled": "yes"`); got < least {
			least = got
		}
		if strings.Contains(term.Shown(), fmt.Sprintf("%d of %d are done", n, n)) {
			break
		}
	}
	term.end(exitDone)
	if least < n/2 {
		t.Errorf("only %d of %d served in between", least, n/2)
	}
}

// nodes is a file of that many nodes in one datacenter.
func nodes(dc string, n int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s:\n  web:\n", dc)
	for i := range n {
		fmt.Fprintf(&text, "    %s%04d.example: [http]\n", dc, i)
	}
	return text.String()
}
