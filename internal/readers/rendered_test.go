package readers_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
	"github.com/conftool/confctl/pkg/sal"
)

const pool = "eqiad/text/https/"

// renderedSite returns a site with a pool of four, one of which was depooled 50 s
// ago.
func renderedSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.put("a", ago(time.Hour), "node", pool+"cp1", `{"pooled": "yes", "weight": 7}`, pool+"cp2", `{"pooled": "yes", "weight": 1}`,
		pool+"cp3", `{"pooled": "no", "weight": 1}`, pool+"cp4", `{"pooled": "inactive", "weight": 0}`)
	s.put("b", ago(50*time.Second), "node", pool+"cp2", `{"pooled": "no", "weight": 1}`)
	return s
}

func TestRendered(t *testing.T) {
	const (
		weights = `pattern: '^server (?P<name>\S+) weight=(?P<weight>\d+);$', lists: pooled`
		states  = `pattern: '(\S+) => (\S+)', field: pooled, lists: active`
		words   = `pattern: '(\S+) => (\S+)', field: pooled, values: {pooled: {UP: yes, DOWN: [no, inactive]}}`
		list    = `json: "$.hosts[*]", name: "$.host", fields: {weight: "$.w", pooled: "$.state"}, lists: active`
		byKey   = `json: "$.text.*", field: pooled`
	)
	for _, c := range []struct {
		name, how, text string
		level           readers.Level
		words           string
	}{
		{"as stored", weights, "# nginx\nserver cp1 weight=7;\n", readers.OK, "1 object is as in the store"},
		{"one too many", weights, "server cp1 weight=7;\nserver cp2 weight=1;\n", readers.Warning, "cp2 is listed, and is not pooled: 50s late, since change b"},
		{"one is missing", weights, "server cp2 weight=1;\n", readers.Critical, "cp1 is not listed, cp2 is listed, and is not pooled: 1h0m0s late"},
		{"a stale weight", weights, "server cp1 weight=1;\n", readers.Critical, `cp1 has weight "1", not 7: 1h0m0s late`},
		{"of no store", weights, "server cp1 weight=7;\nserver x weight=1;\n", readers.Warning, "x is listed, and not in the store: it is not known since when"},
		{"in part of a line", weights, "server cp1 weight=7; # x\n", readers.Unknown, `nothing in it matches ^server (?P<name>`},
		{"an empty file", weights, "", readers.Unknown, "nothing in it matches"},
		{"a field", states, "cp1 => yes\ncp2 => no\ncp3 => no\n", readers.OK, "3 objects are as in the store"},
		{"a stale field", states, "cp1 => yes\ncp2 => yes\ncp3 => no\n", readers.Warning, `cp2 has pooled "yes", not "no": 50s late, since change b`},
		{"words", words, "cp1 => UP\ncp2 => DOWN\ncp3 => DOWN\ncp4 => DOWN\n", readers.OK, "4 objects are"},
		{"stale words", words, "cp1 => UP\ncp2 => UP\ncp3 => DOWN\ncp4 => DOWN\n", readers.Warning, `cp2 has pooled "UP", not "no": 50s late`},
		{"words that nobody knows", words, "cp1 => up\ncp2 => DOWN\ncp3 => DOWN\ncp4 => DOWN\n", readers.Critical, `cp1 has pooled "up", not "yes"`},
		{"twice", words, "cp1 => UP\ncp1 => DOWN\n", readers.Unknown, `"cp1" is in it twice, with different values`},
		{"JSON", list, `{"hosts": [{"host": "cp1", "w": 7, "state": "yes"}, {"host": "cp2", "w": "1", "state": "no"}, {"host": "cp3", "w": 1, "state": "no"}]}`, readers.OK, "3 objects are"},
		{"stale JSON", list, `{"hosts": [{"host": "cp1", "w": 6, "state": "yes"}, {"host": "cp2", "w": 1, "state": "yes"}, {"host": "cp3", "w": 1, "state": "no"}]}`, readers.Critical, `cp1 has weight 6, not 7, cp2 has pooled "yes", not "no"`},
		{"JSON by key", byKey, `{"text": {"cp1": "yes", "cp2": "no", "cp3": "no", "cp4": "inactive"}}`, readers.OK, "4 objects are"},
		{"null is no value", byKey, `{"text": {"cp1": null, "cp2": "no", "cp3": "no", "cp4": "inactive"}}`, readers.Critical, `cp1 has pooled null, not "yes"`},
		{"no name", list, `{"hosts": [{"w": 7}]}`, readers.Unknown, "an object in it has no name"},
		{"no JSON", list, `{"hosts": [`, readers.Unknown, "it cannot be read as JSON: unexpected end of JSON input"},
		{"two values", list, `{} {}`, readers.Unknown, "it cannot be read as JSON: invalid character '{' after top-level value"},
		{"deep JSON", list, strings.Repeat("[", 100_000), readers.Unknown, "lists and maps are nested more than 72 levels deep"},
		{"nothing in JSON", list, `{"host": []}`, readers.Unknown, `nothing in it matches $["hosts"][*]`},
		{"hostile names", states, "\x1b[2J|OK => yes\ncp1 => yes\ncp2 => no\ncp3 => no\n", readers.Warning, "[2J/OK is listed, and not in the store"},
		{"too long", states, strings.Repeat("x", 1<<20+1), readers.Unknown, "longer than 1024 KiB"},
		{"too many", `pattern: '(?P<name>x)'`, strings.Repeat("x\n", 60_000), readers.Unknown, "more than 50000 objects are in it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := renderedSite(t)
			file := filepath.Join(t.TempDir(), "x.conf")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got := s.only(s.check(s.declare("node", `[{kind: rendered, path: `+file+`, `+c.how+`}]`)))
			expect(t, got, c.level, c.words)
			if strings.ContainsAny(got.Msg, "\x1b\n|") {
				t.Errorf("%q", got.Msg)
			}
			overHTTP := s.only(s.check(s.declare("node", `[{kind: rendered, url: "`+says(t, "%s", c.text)+`/x", `+c.how+`}]`)))
			expect(t, overHTTP, c.level, c.words)
		})
	}
}

// The values of tags may come from the name of the file or from its content.
func TestRenderedTags(t *testing.T) {
	s := newSite(t)
	s.put("a", ago(time.Hour), "steered", "api/north", `{"pooled": true, "ttl": 10}`, "api/south", `{"pooled": false, "ttl": 10}`,
		"web/north", `{"pooled": true, "ttl": 300}`, "web/south", `{"pooled": true, "ttl": 300}`)
	s.put("b", ago(50*time.Second), "steered", "web/south", `{"pooled": false, "ttl": 300}`)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"disc-api.state": "disc-api/north => UP/10\ndisc-api/south => DOWN/10\n",
		"disc-web.state": "disc-web/north => UP/300\ndisc-web/south => UP/300\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const pattern = `disc-[a-z]+/(?P<name>\S+) => (?P<pooled>\S+)/(?P<ttl>\d+)`
	const values = `values: {pooled: {UP: true, DOWN: false}}`
	told(t, s.run(s.check(s.declare("steered", `[{kind: rendered, label: dns, path: "`+dir+`/disc-{dnsdisc}.state", pattern: '`+pattern+`', `+values+`}]`))),
		"OK dns api: 2 objects are as in the store", `WARNING dns web: south has pooled "UP", not false: 50s late, since change b`)
	all := says(t, "disc-api/north => UP/10\ndisc-api/south => DOWN/10\ndisc-web/north => UP/300\ndisc-web/south => UP/300\n")
	declare := func(pattern string) readers.Check {
		return s.check(s.declare("steered", `[{kind: rendered, url: "`+all+`", pattern: '`+pattern+`', `+values+`}]`))
	}
	expect(t, s.only(declare(strings.Replace(pattern, "disc-[a-z]+", "disc-(?P<dnsdisc>[a-z]+)", 1))), readers.Warning, `web/south has pooled "UP", not false: 50s late, since change b`)
	expect(t, s.only(declare(pattern)), readers.Unknown, `"north" is in it twice, with different values`)
}

// Whether a reader has seen something that is not in its file is unknown.
func TestRenderedSince(t *testing.T) {
	s := renderedSite(t)
	c := s.check(s.declare("node", fmt.Sprintf(`[{kind: rendered, url: "%s", pattern: '^server (?P<name>\S+)(?: weight=(?P<weight>\d+))?', lists: pooled}]`,
		says(t, "server cp1 weight=7\nserver cp5\n"))))
	c.Since = []sal.Stored{s.put("new", ago(time.Second), "node", pool+"cp5", `{"pooled": "yes", "weight": 3}`)}
	got := s.only(c)
	expect(t, got, readers.Unknown, "whether it has seen the weight of cp5 does not show in that")
	if !strings.Contains(got.Note, "of some objects it does not say weight, which is not compared") {
		t.Errorf("%q", got.Note)
	}
	c.Since = []sal.Stored{s.put("out", ago(time.Second), "node", pool+"cp1", `{"pooled": "no", "weight": 7}`)}
	expect(t, s.only(c), readers.Warning, "cp1 is listed, and is not pooled")
	c.Since = []sal.Stored{s.put("gone", ago(time.Second), "node", pool+"cp2", "")}
	expect(t, s.only(c), readers.OK, "has what is in the change as it is in the store")
}

func TestRenderedMistakes(t *testing.T) {
	s := newSite(t)
	for how, want := range map[string]string{
		"pattern: '(?P<name>x)'":                             "needs path, of a file here, or url",
		"path: /x, url: 'http://x/', pattern: '(?P<name>x)'": "needs path, of a file here, or url",
		"path: x, pattern: '(?P<name>x)'":                    "path: the path of a file begins with /",
		"path: /x, pattern: '(?P<name>x)', hosts: [a]":       "hosts is for what is asked by its url",
		"path: /x":                                               "needs pattern, which finds the objects in text, or json",
		"path: /x, pattern: '('":                                 "no regular expression (RE2)",
		"path: /x, pattern: 'x'":                                 "groups (?P<name>...) and (?P<FIELD>...) are expected",
		"path: /x, pattern: '(x)(y)'":                            "groups (?P<name>...) and (?P<FIELD>...) are expected",
		"path: /x, pattern: '(?P<weight>x)'":                     "no group for the name of an object",
		"path: /x, pattern: '(?P<name>x)(?P<wieght>y)'":          `type node has no field or tag "wieght" (did you mean weight?)`,
		"path: /x, pattern: '(?P<name>x)(y)'":                    "give each group a name",
		"path: /x, pattern: '(x)(y)', field: weigt":              `type node has no field or tag "weigt"`,
		"path: /x, pattern: '(?P<name>x)', field: weight":        "field is for a pattern whose groups have no names",
		"path: /x, pattern: '(?P<name>x)', name: '$.x'":          "name is for json",
		"path: /x, json: 'x'":                                    "json cannot be",
		"path: /x, json: '$..*..*'":                              "with at most one ..",
		"path: /x, json: '$.*', fields: {w: '$'}":                `type node has no field or tag "w"`,
		"path: /x, json: '$.*', fields: {weight: w}":             "fields cannot be",
		"path: /x, pattern: '(x)', lists: up":                    "lists cannot be \"up\": which objects are in it is expected: all, pooled, active",
		"path: /x, pattern: '(x)', values: {x: {}}":              `values: type node has no field "x"`,
		"path: /x, pattern: '(x)', values: {pooled: {UP: maby}}": "values: pooled",
	} {
		_, problems := s.load("node", `[{kind: rendered, `+how+`}]`)
		var text []string
		for _, p := range problems {
			text = append(text, p.Err.Error())
		}
		if len(problems) == 0 || !strings.Contains(strings.Join(text, "\n"), want) {
			t.Errorf("%s: %q, want %q", how, text, want)
		}
	}
	if _, problems := s.load("mwconfig", `[{kind: rendered, path: /x, pattern: '(x)', lists: pooled}]`); len(problems) != 1 {
		t.Errorf("a type without pooled: %v", problems)
	}
}
