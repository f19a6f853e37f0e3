package main

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

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
		term.expect("+ node north/web/http/web1.example")
		term.expect("14 objects would be created")
		term.expect("Ok to continue? [y/N]\r\nconfctl>")
		term.typ(c.typed)
		term.end(c.code)
		if got := s.ok("select", "name=.*", "get"); (got != "") != (c.code == exitDone) {
			t.Errorf("after %q: %q", c.typed, got)
		}
	}
	s.file("data/node/east.yaml", "east: {web: {web5.example: [http]}}\n")
	s.terminal("--yes", "sync", "--directory", "data").end(exitDone)
	term := s.terminal("sync", "--directory", "data")
	term.end(exitDone) // nothing to do, so nothing to ask
	term.expect("no change")
}

// TestSyncTellsHowFarItIs: who watches a sync too large for one commit sees
// each part, and nobody else does.
func TestSyncTellsHowFarItIs(t *testing.T) {
	s := newSite(t, localConfig)
	var hosts strings.Builder
	hosts.WriteString("east:\n  web:\n")
	for i := range 5000 {
		fmt.Fprintf(&hosts, "    web%04d.example: [http]\n", i)
	}
	s.file("data/node/east.yaml", hosts.String())
	term := s.terminal("--yes", "sync", "--directory", "data")
	term.end(exitDone)
	term.expect("of 5014 are done")
	term.expect("5014 of 5014 are done")
	term.expect("sync: 5014 created, 0 removed")
	s.file("data/node/west.yaml", strings.Replace(hosts.String(), "east", "west", 1))
	if _, stderr, code := s.run("sync", "--directory", "data"); code != exitDone || strings.Contains(stderr, "are done") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}

// TestProductionSyncIsOneCommit: into an empty etcd the data of a real site is
// one read, one commit, one record and one announcement; once more it is one
// read.
func TestProductionSyncIsOneCommit(t *testing.T) {
	dir := shared(t, "wikimedia")
	server := etcdtest.Start(t)
	s := etcdSite(t, server.URL())
	bot := newBot(t)
	s.file("config.yaml", "driver_options: {etcd_config_file: etcdrc}\n"+bot.config())
	sync := []string{"--schema", filepath.Join(dir, "schema.yaml"), "sync", "--directory", filepath.Join(dir, "conftool-data")}
	server.Calls() // from here on
	s.ok(sync...)
	// A read, the commit, and the note that the message is delivered.
	if got, want := server.Calls(), map[string]int{"/etcdserverpb.KV/Txn": 3}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if message := <-bot.messages; !strings.Contains(message, "action : sync; selector: node (1590 created), ") {
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
