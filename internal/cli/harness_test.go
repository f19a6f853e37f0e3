package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
)

// siteSchema is a type of every sort.
const siteSchema = `
discovery:
  path: discovery
  tags: [dnsdisc]
  schema:
    pooled: {type: bool, default: false}
    references: {type: list, default: []}
    ttl: {type: int, default: 300}
mwconfig:
  path: mediawiki-config
  tags: [scope]
  json_schema:
    base_path: json-schema
    rules:
      read_only: {schema: read-only.schema, selector: name=ReadOnly}
      master: {schema: master.schema, selector: name=WMFMasterDatacenter}
  schema:
    val: {type: any, default: null}
feature:
  path: features
  tags: [env]
  free_form: true
  schema:
    enabled: {type: bool, default: false}
    rollout: {type: any, default: null}
service:
  path: services
  tags: [cluster]
  schema:
    defaults: {type: dict, default: {}}
ipblock:
  path: ipblocks
  tags: []
  schema:
    cidrs: {type: cidr_list, default: []}
`

// siteFiles are the files of the small site, beside its configuration.
func siteFiles() map[string]string {
	return map[string]string{
		"schema.yaml":                  siteSchema,
		"json-schema/read-only.schema": `{"type": "object", "properties": {"val": {"oneOf": [{"type": "string", "minLength": 1}, {"enum": [false, null]}]}}}`,
		"json-schema/master.schema":    `{"$schema": "http://json-schema.org/draft-04/schema#", "type": "object", "properties": {"val": {"enum": ["north", "south", null]}}, "additionalProperties": false}`,
		"data/node/north.yaml":         "north:\n  web:\n    web1.example: [http, https]\n    web2.example: [http, https]\n    web3.example: [http]\n  db:\n    db1.example: [mysql]\n",
		"data/node/south.yaml":         "south:\n  web:\n    web9.example: [http]\n",
		"data/discovery/d.yaml":        "api: [north, south]\n",
		"data/mwconfig/m.yaml":         "common: [WMFMasterDatacenter]\nnorth: [ReadOnly]\n",
		"data/feature/f.yaml":          "prod: [dark]\n",
		"data/service/s.yaml":          "web: [http]\n",
		"data/ipblock/i.yaml":          "[office]\n",
	}
}

// writeSite writes the small site and a configuration for it.
func writeSite(dir, config string) error {
	files := siteFiles()
	files["config.yaml"] = config
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// code N COMMAND... runs a command that has to end with exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// put KEY VALUE writes to the store behind the program's back; a VALUE of @FILE is
// what the file holds.
func put(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: put KEY VALUE")
	}
	value := args[1]
	if file, ok := strings.CutPrefix(value, "@"); ok {
		value = ts.ReadFile(file)
	}
	s, err := local.Open(ts.MkAbs("state.db"), local.Options{})
	ts.Check(err)
	_, err = s.Commit(context.Background(), store.Txn{Writes: []store.Write{{Key: args[0], Value: []byte(value)}}})
	ts.Check(err)
	ts.Check(s.Close())
}

// replace FILE OLD NEW puts bytes into a file in the place of as many, wherever
// they are.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	content, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	if !bytes.Contains(content, []byte(args[1])) {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.ReplaceAll(content, []byte(args[1]), []byte(args[2])), 0o600))
}

// ircBot is a tcpircbot that remembers what it is told.
type ircBot struct {
	listener net.Listener
	messages chan string
}

func newBot(t testing.TB) *ircBot {
	t.Helper()
	b, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

func listen(address string) (*ircBot, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	b := &ircBot{l, make(chan string, 100)}
	go b.serve()
	return b, nil
}

func (b *ircBot) close() { _ = b.listener.Close() }

func (b *ircBot) serve() {
	for {
		c, err := b.listener.Accept()
		if err != nil {
			return
		}
		message, err := io.ReadAll(c)
		if err == nil {
			b.messages <- string(message)
		}
		_ = c.Close()
	}
}

func (b *ircBot) config() string {
	host, port, _ := net.SplitHostPort(b.listener.Addr().String())
	return fmt.Sprintf("tcpircbot_host: %s\ntcpircbot_port: %s\n", host, port)
}

// bots are those of the running scripts.
var bots sync.Map

// bot starts a tcpircbot and configures it. bot stop stops it, and bot start
// starts it again at the same address.
func startBot(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) > 0 {
		restartBot(ts, args[0])
		return
	}
	b, err := listen("127.0.0.1:0")
	ts.Check(err)
	ts.Defer(b.close)
	file := ts.MkAbs("config.yaml")
	text := ts.ReadFile(file) + b.config()
	ts.Check(os.WriteFile(file, []byte(text), 0o644))
	bots.Store(ts, b)
	ts.Defer(func() { bots.Delete(ts) })
}

func restartBot(ts *testscript.TestScript, what string) {
	v, _ := bots.Load(ts)
	b, ok := v.(*ircBot)
	if !ok {
		ts.Fatalf("no bot")
	}
	if b.close(); what == "stop" {
		return
	}
	again, err := listen(b.listener.Addr().String())
	ts.Check(err)
	ts.Defer(again.close)
	bots.Store(ts, again)
}

// said REGEX checks the next message that the bot was told; ! said, that there
// is none.
func said(ts *testscript.TestScript, neg bool, args []string) {
	v, _ := bots.Load(ts)
	b, ok := v.(*ircBot)
	if !ok {
		ts.Fatalf("no bot")
	}
	if neg {
		select {
		case m := <-b.messages:
			ts.Fatalf("said %q", m)
		case <-time.After(100 * time.Millisecond):
		}
		return
	}
	select {
	case m := <-b.messages:
		if !regexp.MustCompile("^(?:" + args[0] + ")$").MatchString(m) {
			ts.Fatalf("said %q", m)
		}
	case <-time.After(time.Minute):
		ts.Fatalf("nothing was said")
	}
}
