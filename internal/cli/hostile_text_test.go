package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/store/local"
	"github.com/conftool/confctl/pkg/value"
)

// forged begins a line that only a line end in a text of others can have begun.
const forged = "FORGED"

// evil has a character of every sort that may not be shown.
const evil = "a\x1b[35m\x1b]52;c;eA==\a\b\r\x7f\u0085\u009b35m\u202eb\u2066c\u200b\u200d\u2060\u2028\u2029\ufeff\u00ad\u3164\U000e0041\ufe0f\nFORGED all is well"

// evilBytes has, besides, what is not UTF-8.
const evilBytes = "\xff\x9b35m" + evil + "\xc3"

// mayNotBeShown is the list of this test: control characters, and what changes the
// order of a text, ends a line or has no width.
func mayNotBeShown(r rune) bool {
	switch {
	case r == '\n' || r == '\t':
		return false
	case r < ' ', r >= 0x7f && r <= 0x9f, r == 0xad, r == 0x34f, r == 0x61c, r == 0x180e, r == 0x3164, r == 0xfeff:
		return true
	case r >= 0x200b && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f, r >= 0xfe00 && r <= 0xfe0f:
		return true
	}
	return r >= 0xe0000 && r <= 0xe0fff
}

// ownColors are the escapes of the program itself, and how a line of talk begins.
var (
	ownColors  = regexp.MustCompile(`\x1b\[(0|1|2|31|32|33)m`)
	forgedLine = regexp.MustCompile(`(?m)^(confctl: )?(warning: )?([-+~#] ?|  )?` + forged)
)

// checkShown reports what of an output may not be shown.
func checkShown(t *testing.T, what, text string) {
	t.Helper()
	for i, line := range strings.Split(text, "\n") {
		if !utf8.ValidString(line) || strings.ContainsFunc(line, mayNotBeShown) {
			t.Errorf("%s: line %d is shown raw: %.400q", what, i+1, line)
		}
	}
	if at := forgedLine.FindString(text); at != "" {
		t.Errorf("%s: a text of others begins a line: %q in\n%.1500s", what, at, text)
	}
}

// siteOfEvil is a site whose store is full of hostile text.
func siteOfEvil(t *testing.T) *site {
	s := newSite(t, localConfig)
	s.ok("sync", "--directory", "data")
	s.ok("--yes", "select", "name=.*", "set/weight=10:pooled=yes", "--allow", "mass-change", "--reason", "first")
	s.file("confctl.yaml", "sal: [{sink: file, path: sink.log}]\n")
	s.putEvilObjects()
	s.putEvilRecords()
	s.putEvilOutbox()
	return s
}

func (s *site) putRaw(key, text string) {
	s.Helper()
	st, err := local.Open(filepath.Join(s.dir, "state.db"), local.Options{})
	if err != nil {
		s.Fatal(err)
	}
	if _, err := st.Commit(s.Context(), store.Txn{Writes: []store.Write{{Key: key, Value: []byte(text)}}}); err != nil {
		s.Fatal(err)
	}
	if err := st.Close(); err != nil {
		s.Fatal(err)
	}
}

// putEvilObjects puts objects with hostile names, tags, fields and values.
func (s *site) putEvilObjects() {
	quoted := value.OfString(evil).Text()
	text := `{"weight": 10, "pooled": "no", ` + quoted + `: ` + quoted + `, "l": [` + quoted + `], "m": {` + quoted + `: ` + quoted + `}}`
	const pools = "/conftool/v1/pools/"
	s.putRaw(pools+"north/web/http/"+evil, text)
	s.putRaw(pools+"north/web/http/"+evilBytes, `{"weight": 10, "pooled": `+quoted+`}`)
	s.putRaw(pools+evil+"/"+evil+"/"+evil+"/"+evil, text)
	s.putRaw(pools+evil+"/"+evil+"/"+evil+"/yes", `{"weight": 10, "pooled": "yes"}`)
	s.putRaw(pools+evilBytes+"/b/c/d", text)
	s.putRaw(pools+"north/web/http/broken"+evil, "{"+evil)
	s.putRaw(pools+"north/web/http/word", quoted)
	s.putRaw(pools+evil, "{}")
	s.putRaw("/conftool/v1/"+evilBytes+"/x", "{}")
	s.putRaw("/conftool/v1/mediawiki-config/"+evil+"/"+evil, `{"val": `+quoted+`}`)
	s.putRaw("/conftool/v1/mediawiki-config/north/ReadOnly", `{"val": "`+strings.Repeat("long ", 60)+quoted[1:]+`}`)
	s.putRaw("/conftool/v1/features/prod/"+evil, `{"enabled": `+quoted+`, `+quoted+`: [`+quoted+`]}`)
	s.putRaw("/conftool/v1/features/prod/raw", `{"enabled": true, "rollout": "`+"\u202e\u2028\u009b\u007f\u200b"+`"}`)
	s.putRaw("/conftool/v1/services/web/http", `{"defaults": {`+quoted+`: `+quoted+`}}`)
	s.putRaw("/conftool/v1/discovery/api/north", `{"references": [`+quoted+`], "pooled": true, "ttl": `+quoted+`}`)
}

// evilID is that of the record that is asked for.
const evilID = "20260102T030405.678900Z-0a1b2c3d"

// putEvilRecords puts records of the journal and notes.
func (s *site) putEvilRecords() {
	journal := func(id string) string { return "/conftool/.confctl/journal/" + id }
	was, is := value.OfMap(value.Field{Name: "pooled", Value: value.OfString("yes")}, value.Field{Name: "weight", Value: value.OfInt(1)}),
		value.OfMap(value.Field{Name: "pooled", Value: value.OfString(evil)}, value.Field{Name: evil, Value: value.OfString(evil)})
	record := sal.Record{
		Time:    time.Now().UTC(),
		Event:   sal.Event{ID: evilID, Action: "set/" + evil, Reason: evil, Outcome: sal.Success},
		User:    sal.User{Name: evil, ID: evil},
		Host:    sal.Host{Name: evil},
		Process: sal.Process{CommandLine: evil},
		Change: sal.ChangeRecord{
			Selector: evil, Run: evilID, Task: evil, Undoes: []string{evil}, Overrides: []string{evil}, Held: 1,
			Findings: []sal.Finding{{Rule: evil, Subject: evil, Msg: evil, Level: evil}},
			Objects: []sal.Object{
				{Type: "node", Path: "north/web/http/" + evil, Before: was, After: is},
				{Type: "node", Path: "north/web/http/web1.example", Before: was, After: is},
				{Type: evil, Path: evil, After: is},
				{Type: "node", Path: "north/web/http/word", Raw: []byte(evilBytes), After: is},
				{Type: "node", Path: evil + "/" + evil + "/" + evil + "/" + evil, Before: was, After: is},
				{Type: "node", Path: evil + "/" + evil + "/" + evil + "/gone", Before: is},
			},
		},
	}
	add := func(id string, edit func(*sal.Record)) {
		r := record
		edit(&r)
		text, err := r.Encode()
		if err != nil {
			s.Fatal(err)
		}
		s.putRaw(journal(id), string(text))
	}
	add(evilID, func(*sal.Record) {})
	add(strings.Replace(evilID, "0a", "0b", 1), func(r *sal.Record) {
		r.Event.ID, r.Change.Run = evil, evil // what it calls itself
	})
	add(strings.Replace(evilID, "0a", "0c", 1), func(r *sal.Record) { r.Event.Outcome = sal.Failure })
	add(evil, func(r *sal.Record) { r.Event.ID = evil })
	s.putRaw(journal(evilBytes), "{"+evilBytes)
	s.putRaw(journal(strings.Replace(evilID, "0a", "0d", 1)), `{"event": {"reason": "`+evilBytes+`"}}`)
	note, err := json.Marshal(sal.Note{Time: time.Now(), User: sal.User{Name: evil}, Text: evil})
	if err != nil {
		s.Fatal(err)
	}
	s.putRaw("/conftool/.confctl/note/"+evilID+"/"+evilID, string(note))
	s.putRaw("/conftool/.confctl/note/"+evilID+"/"+evil, "{"+evilBytes)
}

// putEvilOutbox puts messages that wait.
func (s *site) putEvilOutbox() {
	entry := value.OfMap(
		value.Field{Name: "id", Value: value.OfString(evilID)},
		value.Field{Name: "message", Value: value.OfString(evil)},
		value.Field{Name: "time", Value: value.OfString("2026-01-02T03:04:05Z")},
		value.Field{Name: "parts", Value: value.OfInt(1)},
		value.Field{Name: "failed", Value: value.OfString("2026-01-02T03:04:05Z")},
		value.Field{Name: "error", Value: value.OfString(evil)},
	).Text()
	const outbox = "/conftool/.confctl/outbox/"
	s.putRaw(outbox+"tcpircbot/"+evilID, entry)
	s.putRaw(outbox+evil+"/"+evilID, entry)
	s.putRaw(outbox+evil+"/"+evilBytes+"/"+evilID, entry)
	s.putRaw(outbox+"tcpircbot/"+evil, "{"+evilBytes)
}

// writeEvilFiles writes files with hostile names and text into a directory, and a
// schema.
func (s *site) writeEvilFiles() {
	quoted := value.OfString(strings.ReplaceAll(evil, "\U000e0041", "")).Text() // YAML has no pairs of surrogates
	s.file("evil/node/"+evil+".yaml", quoted+":\n  web:\n    "+quoted+": [http]\n")
	s.file("evil/node/north.yaml", "north:\n  web:\n    "+quoted+": ["+quoted+", 1.5]\n  "+quoted+": "+quoted+"\n")
	s.file("evil/node/raw.yaml", "a: \u202e\u200b\n\u202eb: [\n")
	s.file("evil/feature/f.yaml", "prod: {"+quoted+": "+quoted+"}\n")
	s.file("evil/"+evil+"/x.yaml", "a: [b]\n")
	s.file("evil.yaml", quoted+": {path: "+quoted+", tags: ["+quoted+"], schema: {"+quoted+": {type: "+quoted+", default: "+quoted+"}}}\n"+
		"shown:\n  path: shown\n  tags: [a]\n  json_schema: {base_path: json-schema, rules: {"+quoted+": {schema: described.schema, selector: name=.*}}}\n"+
		"  schema: {w: {type: "+value.OfString("enum:x|"+strings.ReplaceAll(evil, "\U000e0041", "")).Text()+", default: x}, "+quoted+": {type: string, default: "+quoted+"}}\n")
	s.file("json-schema/described.schema", `{"type": "object", "description": `+value.OfString(evil).Text()+`, "title": `+value.OfString(evil).Text()+`}`)
	s.file("set.yaml", "weight: "+quoted+"\n"+quoted+": 1\n")
	s.file("args-"+evil, evil+"\n")
	s.file(evil+".yaml", "format: {version: 1}\n"+quoted+": 1\nobjects: {node: {"+quoted+": {weight: "+quoted+"}}, "+quoted+": {}}\n")
	s.file("evil.jsonl", `{"type": "node", "tags": {"dc": "north", "cluster": "web", "service": "http"}, "name": `+quoted+`, "values": {"weight": 3, `+quoted+`: `+quoted+`}}`+"\n"+
		`{"type": `+quoted+`, "tags": {`+quoted+`: "x"}, "name": "n", "values": {}}`+"\n{"+evilBytes+"\n")
	s.file("weight.jsonl", `{"type": "node", "tags": {"dc": "north", "cluster": "web", "service": "http"}, "name": "web1.example", "values": {"weight": 3}}`+"\n")
}

// evilCommands are commands that print, in all formats.
func evilCommands() [][]string {
	words := func(lines ...string) (all [][]string) {
		for _, line := range lines {
			all = append(all, strings.Fields(line))
		}
		return all
	}
	const all = "select name=.* "
	commands := words(
		all+"get", all+"get -o json", all+"get -o yaml", all+"get -o table", all+"get -o name", all+"get --debug", all+"history",
		"tags dc=north,cluster=web,service=http --action get all", "tags dc=north,cluster=web,service=http --action set/weight=1 all",
		"--object-type feature "+all+"get -o yaml", "--object-type feature "+all+"get -o table", "--object-type discovery "+all+"get -o table",
		"--object-type mwconfig "+all+"get -o yaml", "--object-type service "+all+"get -o yaml", "--object-type mwconfig "+all+"history",
		"log", "log -n 0", "log -o json -n 0", "log --refused", "log --grep .", "log --user nobody", "log status", "log deliver", "log prune",
		"log show "+evilID, "log show -o json "+evilID, "log show --wait "+evilID, "undo --dry-run "+evilID, "undo last", "undo "+evilID,
		"pools", "pools -o wide", "pools -o json", "pools --violations", "pools dc=a.*", "pools dc=none", "types", "types node",
		"export", "export --format jsonl", "drift --directory data", "drift --directory data -o json", "drift --directory evil", "drift --directory evil -o json",
		"lint --directory evil", "lint --directory evil --format json", "lint --directory evil --format github", "lint --directory evil --against store",
		"lint --directory evil --against store --format github", "lint --directory evil --against store --format json",
		"--schema evil.yaml lint --directory evil", "--schema evil.yaml lint --directory evil --format github", "--schema evil.yaml lint --directory evil --format json",
		"--schema evil.yaml types", "--schema evil.yaml types shown", "--schema evil.yaml --object-type shown select name=.* get -o table",
		"sync --directory evil --dry-run", "sync --directory data --dry-run", "import evil.jsonl --dry-run", "import evil.jsonl --skip-invalid --dry-run", "import weight.jsonl --dry-run",
		all+"set/weight=3 --dry-run", all+"set/weight=3 --dry-run --repair", all+"set/weight=3 --repair", all+"set/pooled=no --repair", all+"set/pooled=inactive --repair --except-refused --dry-run", all+"delete --repair --dry-run",
		all+"set/@set.yaml", "--object-type mwconfig "+all+"set/val=off", "--object-type mwconfig "+all+"delete --dry-run",
		"select name=a.* edit", "select name=broken.* edit --repair", "--object-type mwconfig select name=a.* edit",
		"depool --hostname web1.example --dry-run", "depool --hostname web1.example --gone --dry-run",
		"check readers", "serve", "__complete select dc=", "__complete select name=", "__complete log show 2", "__complete undo 2", "__complete --object-type mwconfig select scope=", "__complete pool --hostname w", "__complete pools dc=",
	)
	for _, word := range []string{evil, evilBytes} {
		commands = append(commands, [][]string{
			{word}, {"--" + word}, {"-" + word}, {"select", word, "get"}, {"select", "name=" + word, "get"}, {"select", "name=x", word}, {"select", "name=x", "set/weight=" + word},
			{"select", "name=web1.example", "set", "weight=" + word}, {"select", "name=web1.example", "set/" + word + "=1"}, {"select", "name=x", "watch", "--after", word}, {"select", "name=web1.*", "get", "-o", word},
			{"select", word + "=x", "get"}, {"select", "name=(" + word, "get"}, {"--object-type", word, "select", "name=x", "get"}, {"--config", word, "types"}, {"--schema", word, "types"},
			{"@" + word}, {"@args-" + word, "get"}, {"log", "show", word}, {"log", "--since", word}, {"log", "--user", word}, {"log", "--type", word}, {"log", "--grep", "(" + word}, {"log", "annotate", word, word},
			{"undo", word}, {"undo", "--since", word, "--mine"}, {"import", word}, {"import", word + ".yaml", "--dry-run"}, {"import", "--from-v2", word}, {"sync", "--directory", word}, {"drift", "--directory", word}, {"lint", word}, {"lint", "--directory", word},
			{"types", word}, {"types", "node", word}, {"export", word}, {"pools", "dc=" + word}, {"pools", word}, {"pool", "--hostname", word}, {"depool", "--service", word, "--hostname", "web1.example"}, {"completion", word}, {"init", "--driver", word},
			{"init", "--driver", "etcd", "--dir", "new-" + word}, {"tags", "dc=" + word, "--action", "get", "all"}, {"tags", "dc=north", "--action", word, "x"}, {"--allow", word, "--reason", word, "select", "name=web1.*", "set/weight=1"},
			{"--yes", "select", "name=web2.example", "set/weight=7", "--reason", word, "--task", word}, {"--expect", word, "select", "name=x", "set/weight=1"}, {"check", "readers", word}, {"check", "readers", "http://" + word}, {"check", "readers", "--only", word, "http://127.0.0.1:1/"},
			{"serve", "--gateway", word}, {"serve", "--gateway", "127.0.0.1:0", "--cert", word, "--key", word}, {"--object-type", "mwconfig", "--yes", "select", "name=web,scope=x", "set", "val=" + word},
			{"--object-type", "mwconfig", "--yes", "select", "scope=north,name=ReadOnly", "set", "val=" + word},
		}...)
	}
	return commands
}

// editors print what they are given, and spoil it.
var editors = []string{"cat", "sed -i -e s/pooled/pooled\u202e\u2028/ -e s/val:/v:/", evil}

// TestHostileTextIsNotShownRaw: whatever stands in a store, in files and in the
// words of a call, no command prints a character that acts on a terminal, changes
// the order of a text or cannot be seen, in any format, to a pipe or a terminal.
// Unless the test is thorough, every other command writes to a terminal.
func TestHostileTextIsNotShownRaw(t *testing.T) {
	s := siteOfEvil(t)
	s.writeEvilFiles()
	web := evilReader(t)
	commands := append(evilCommands(), readersOf(s, web)...)
	for i, words := range commands {
		s.env = append(s.env, "EDITOR="+editors[i%len(editors)])
		// What is not UTF-8 goes where the same command does not go with what is.
		onTerminal := i%2 == 0 != strings.Contains(strings.Join(words, " "), evilBytes)
		if !onTerminal || thorough() {
			stdout, stderr := s.piped(evil+"\n", words...)
			checkShown(t, fmt.Sprintf("%.120q to a pipe", words), stdout)
			checkShown(t, fmt.Sprintf("%.120q to a pipe, talk", words), stderr)
		}
		if onTerminal || thorough() {
			shown := ownColors.ReplaceAllString(s.onTerminal(words...), "")
			checkShown(t, fmt.Sprintf("%.120q on a terminal", words), shown)
		}
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "sink.log"))
	if err != nil || len(log) == 0 {
		t.Errorf("nothing was delivered: %v", err)
	}
	checkShown(t, "the file of a sink", string(log))
}

// piped runs the program on pipes, with an input.
func (s *site) piped(input string, words ...string) (stdout, stderr string) {
	s.Helper()
	var out, talk bytes.Buffer
	cmd := s.command(words...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &talk
	_ = cmd.Run() // most fail
	return out.String(), talk.String()
}

// onTerminal runs the program on a terminal, and answers no to whatever it asks.
func (s *site) onTerminal(words ...string) string {
	s.Helper()
	term := s.terminal(words...)
	term.Type(strings.Repeat("n\n", 5))
	term.End()
	return strings.ReplaceAll(term.Shown(), "\r\n", "\n")
}

// evilReader is a server that answers with hostile text, whatever it is asked.
func evilReader(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/w/"):
			fmt.Fprintf(w, `{"error": {"code": "x", "info": %s}}`, value.OfString(evil).Text())
		case strings.HasPrefix(r.URL.Path, "/v2/"):
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"errorCode": 107, "message": %s, "cause": %s}`, value.OfString(evil).Text(), value.OfString(evil).Text())
		case strings.HasPrefix(r.URL.Path, "/pools"):
			fmt.Fprintf(w, "web1.example:\t%s\n%s:\tenabled/up/pooled\n", evil, evilBytes)
		default:
			fmt.Fprintf(w, "%s => yes\n", evilBytes)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// readersOf declares readers in a site, and returns what asks them and others.
func readersOf(s *site, web string) [][]string {
	quoted := value.OfString(strings.ReplaceAll(evil, "\U000e0041", "")).Text()
	s.file("readers.yaml", "node:\n  - {kind: "+quoted+", url: "+quoted+", label: "+quoted+"}\n"+quoted+": "+quoted+"\n")
	return [][]string{
		{"check", "readers", web + "/pools/x"}, {"check", "readers", "--object-type", "mwconfig", web + "/w/api.php"},
		{"check", "readers", "--only", "dc=north", web + "/pools/{cluster}"}, {"check", "readers", "--since", "last", web + "/pools/x"},
		{"check", "readers", "--since", evil, web + "/x"}, {"lint", "--directory", "data"}, {"lint", "--directory", "data", "--format", "github"},
		{"import", "--from-v2", web},
	}
}
