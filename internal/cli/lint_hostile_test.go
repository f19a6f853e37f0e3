package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secret is what no output may have a part of.
const secret = "ghp_Sx8secretTOKEN"

// secrets is a file outside of a checkout, in the shapes that a reader may quote.
func secrets() map[string]string {
	return map[string]string{
		"text": secret + "\n", "map": secret + ": " + secret + "\n", "json": `{"` + secret + `": "` + secret + `"}`, "list": "- " + secret + "\n", "broken": secret + ": [\n",
	}
}

// escape is a way by which the author of a checkout may have another file read. In
// its texts, OUT is the directory outside, which holds x.yaml, node/x.yaml and
// mwconfig/x.yaml, all the same.
type escape struct {
	name  string
	links map[string]string // what each leads to
	files map[string]string
	args  []string // beside the schema and the data
	code  int      // of exit; 7 if 0
	want  string   // in the output; if empty, that it leads out
}

func escapes() []escape {
	jsonSchemas := func(base, file string) map[string]string {
		return map[string]string{"schema.yaml": "mwconfig: {path: m, tags: [scope], schema: {val: {default: null}}, json_schema: {base_path: '" + base + "', rules: {r: {schema: '" + file + "', selector: 'name=.*'}}}}\n"}
	}
	read := func(text string) map[string]string {
		return map[string]string{"json-schema/master.schema": text}
	}
	linked := func(name, target string) map[string]string { return map[string]string{name: target} }
	return []escape{
		{name: "data file", links: linked("data/node/x.yaml", "OUT/x.yaml")},
		{name: "data file, relative", links: linked("data/node/x.yaml", "../../../out/x.yaml")},
		{name: "data file, by another link", links: map[string]string{"data/node/x.yaml": "../y", "data/y": "OUT/x.yaml"}},
		{name: "data of a type", links: linked("data/node", "OUT/node")},
		{name: "data", links: linked("data", "OUT")},
		{name: "schema", links: linked("schema.yaml", "OUT/x.yaml")},
		{name: "safety", links: linked("safety.yaml", "OUT/x.yaml")},
		{name: "readers", links: linked("readers.yaml", "../out/x.yaml")},
		{name: "JSON schema", links: linked("json-schema/master.schema", "OUT/x.yaml")},
		{name: "JSON schemas", links: linked("json-schema", "OUT"), files: jsonSchemas("json-schema", "x.yaml")},
		{name: "$ref, a URL", files: read(`{"$ref": "file://OUT/x.yaml"}`)},
		{name: "$ref, relative", files: read(`{"$ref": "../../out/x.yaml"}`)},
		{name: "$ref, encoded", files: read(`{"$ref": "%2e%2e/%2e%2e/out/x.yaml"}`), want: "json-schema-"},
		{name: "$ref, by an $id", files: read(`{"$id": "file://OUT/y", "$ref": "x.yaml"}`)},
		{name: "$ref, to a link", files: read(`{"$ref": "y"}`), links: linked("json-schema/y", "OUT/x.yaml")},
		{name: "$schema, a URL", files: read(`{"$schema": "file://OUT/x.yaml"}`)},
		{name: "$schema, one path", files: read(`{"$schema": "file:OUT/x.yaml"}`), want: "json-schema-"},
		{name: "base_path, absolute", files: jsonSchemas("OUT", "x.yaml")},
		{name: "base_path, relative", files: jsonSchemas("../out", "x.yaml")},
		{name: "schema, relative", files: jsonSchemas("json-schema", "../../out/x.yaml")},
		{name: "schema, absolute", files: jsonSchemas("json-schema", "OUT/x.yaml")},
		{name: "JSON schemas that are named", links: linked("named", "OUT"), files: jsonSchemas("json-schema", "x.yaml"), args: []string{"--json-schema-dir", "named"}},
		{name: "configuration", links: linked("config.yaml", "OUT/x.yaml"), args: []string{"--config", "config.yaml"}, code: 2},
		{name: "own configuration", links: linked("confctl.yaml", "OUT/x.yaml"), args: []string{"--config", "config.yaml"}, code: 2},
		{name: "export", links: linked("export.jsonl", "OUT/x.yaml"), args: []string{"--against", "export.jsonl"}, code: 2},
	}
}

// The author of a patch that CI lints learns nothing of other files from its log,
// in whatever format, whether lint runs in the checkout or elsewhere.
func TestLintQuotesNothingOfOtherFiles(t *testing.T) {
	t.Parallel()
	formats, run := []string{"text", "json", "github"}, 0
	for i, e := range escapes() {
		for j, shape := range slices.Sorted(maps.Keys(secrets())) {
			text := secrets()[shape]
			if (i+j)%3 != 0 && !thorough() {
				continue
			}
			run++
			s := newSite(t, localConfig)
			s.prepare(e, text)
			args := []string{"lint", "--format", formats[run%3], "--schema", "schema.yaml", "--directory", "data"}
			args = append(args, e.args...)
			if run%2 == 0 { // with a repository, from elsewhere
				s.file("checkout/.git/HEAD", "")
				for i, a := range args {
					if i > 2 && !strings.HasPrefix(a, "--") {
						args[i] = filepath.Join(s.dir, "checkout", a)
					}
				}
			}
			s.lintOf(fmt.Sprintf("%s, %s", e.name, shape), e, args, run%2 == 0)
		}
	}
	// A configuration under review does not choose another directory.
	s := newSite(t, localConfig)
	s.prepare(escape{files: map[string]string{"confctl.yaml": "data_directory: OUT\n"}}, secret)
	s.lintOf("data_directory", escape{code: 2}, []string{"lint", "--config", "config.yaml"}, false)
}

// prepare makes a checkout of the site, and puts a way out into it.
func (s *site) prepare(e escape, text string) {
	s.Helper()
	out := filepath.Join(s.dir, "out")
	if err := writeSite(filepath.Join(s.dir, "checkout"), localConfig); err != nil {
		s.Fatal(err)
	}
	for _, name := range []string{"x.yaml", "node/x.yaml", "mwconfig/x.yaml"} {
		s.file("out/"+name, text)
	}
	for name, content := range e.files {
		s.file("checkout/"+name, strings.ReplaceAll(content, "OUT", out))
	}
	for name, target := range e.links {
		path := filepath.Join(s.dir, "checkout", name)
		if err := os.RemoveAll(path); err != nil {
			s.Fatal(err)
		}
		if err := os.Symlink(strings.ReplaceAll(target, "OUT", out), path); err != nil {
			s.Fatal(err)
		}
	}
}

// lintOf runs lint, and looks at all that it says.
func (s *site) lintOf(name string, e escape, args []string, elsewhere bool) {
	s.Helper()
	cmd := s.command(args...)
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool { return strings.HasPrefix(v, configVariable+"=") })
	cmd.Env = append(cmd.Env, configVariable+"=", "HOME="+s.dir+"/nobody")
	cmd.Dir = filepath.Join(s.dir, "checkout")
	if elsewhere {
		cmd.Dir = s.dir
	}
	said, _ := cmd.CombinedOutput()
	for _, part := range []string{secret[:5], secret[4:9], secret[9:14], secret[14:]} {
		if strings.Contains(string(said), part) {
			s.Errorf("%s: %q quotes\n%s", name, args, said)
			break
		}
	}
	want, exit := e.want, e.code
	if want == "" {
		want = "leads out of the tree under review"
	}
	if exit == 0 {
		exit = exitInvalid
	}
	if !strings.Contains(string(said), want) || cmd.ProcessState.ExitCode() != exit {
		s.Errorf("%s: %q: exit code %d, not %d, and no %q in\n%s", name, args, cmd.ProcessState.ExitCode(), exit, want, said)
	}
}
