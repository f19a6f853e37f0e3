package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/render"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/internal/sitetest"
	"github.com/conftool/confctl/internal/term"
	"github.com/conftool/confctl/pkg/store/local"
)

// How many mutants of each site there are, and the number of the only one to
// look at, as a failure names it.
const (
	mutantsVariable = "CONFCTL_MUTANTS"
	mutantVariable  = "CONFCTL_MUTANT"
)

// patience is how long one check or one sync may take. On a quiet machine it is
// some hundredths of a second.
const patience = 30 * time.Second

// TestMutants breaks copies of a site in all ways that people, editors and
// merges do. Whatever is done to it, lint ends and says where and why; what it
// does not call an error has the objects that other readers of the same files
// see, and a sync creates exactly these.
func TestMutants(t *testing.T) {
	t.Run("example", func(t *testing.T) {
		testMutants(t, 1, readTree(t, map[string]string{"../../schemas": "", "../../conftool-data": treeData}))
	})
	t.Run("whole", func(t *testing.T) {
		testMutants(t, 2, readTree(t, map[string]string{sitetest.Write(t).Dir: ""}))
	})
}

func testMutants(t *testing.T, seed uint64, whole tree) {
	started := time.Now()
	n := newNursery(t, whole)
	numbers := make(chan int)
	var workers sync.WaitGroup
	for i := range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			b := bench{nursery: n, dir: filepath.Join(n.dir, strconv.Itoa(i))}
			for number := range numbers {
				b.check(newMutant(whole, seed, number))
			}
		})
	}
	for _, number := range mutantNumbers(t) {
		numbers <- number
	}
	close(numbers)
	workers.Wait()
	t.Logf("%v in %v", n.counts, time.Since(started).Round(time.Millisecond))
}

func mutantNumbers(t *testing.T) []int {
	t.Helper()
	number := func(variable string, fallback int) int {
		text := os.Getenv(variable)
		if text == "" {
			return fallback
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			t.Fatalf("%s is a number, not %q", variable, text)
		}
		return n
	}
	if only := number(mutantVariable, -1); only >= 0 {
		return []int{only}
	}
	few := 40
	if testing.Short() || underRace() {
		few = 20
	}
	all := make([]int, number(mutantsVariable, few))
	for i := range all {
		all[i] = i
	}
	return all
}

// nursery is what all mutants of one site are measured by.
type nursery struct {
	*testing.T
	dir    string
	whole  tree
	known  map[string]bool // what is found in the whole site
	rules  map[string]lint.Rule
	python *python
	seeded []byte // a store with the objects of the whole site

	sync.Mutex
	counts mutantCounts
}

// mutantCounts is what became of mutants.
type mutantCounts struct {
	all, errors, warnings, clean, pythons, synced, updated, refused int
}

func (c mutantCounts) String() string {
	return fmt.Sprintf("%d mutants: %d with errors, %d with warnings, %d clean; without errors %d were synced, %d files of them read in Python, %d synced to what was there, of which %d were refused",
		c.all, c.errors, c.warnings, c.clean, c.synced, c.pythons, c.updated, c.refused)
}

func (n *nursery) count(f func(*mutantCounts)) {
	n.Lock()
	defer n.Unlock()
	f(&n.counts)
}

// newNursery checks the whole site as it checks mutants.
func newNursery(t *testing.T, whole tree) *nursery {
	t.Helper()
	n := &nursery{T: t, dir: t.TempDir(), whole: whole, rules: map[string]lint.Rule{}, python: startPython(t)}
	for _, r := range lint.Rules() {
		n.rules[r.Name] = r
	}
	b := bench{nursery: n, dir: filepath.Join(n.dir, "whole")}
	b.check(mutant{tree: whole, number: -1})
	if n.counts.errors > 0 || n.counts.synced != 1 {
		t.Fatalf("the site itself: %v", n.counts)
	}
	var err error
	if n.seeded, err = os.ReadFile(b.path("state.db")); err != nil {
		t.Fatal(err)
	}
	n.known = b.found()
	n.counts = mutantCounts{}
	return n
}

// bench is where one mutant after the other is looked at.
type bench struct {
	*nursery
	dir string
	mutant
	result lint.Result
	wrong  []string
}

// path is that of something in the bench's directory.
func (b *bench) path(parts ...string) string {
	return filepath.Join(b.dir, filepath.Join(parts...))
}

func (b *bench) fail(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// check looks at a mutant from all sides, and says all that is wrong at once.
func (b *bench) check(m mutant) {
	b.mutant, b.wrong, b.result = m, nil, lint.Result{}
	if err := m.write(b.path("site")); err != nil {
		b.Errorf("mutant %d: %v", m.number, err)
		return
	}
	if b.within("lint", func() { b.result = lint.Check(b.input()) }) {
		b.checkFindings()
		other := b.checkObjects()
		if errs, _ := render.Severities(b.result.Findings); errs == 0 && other != nil {
			b.checkSync(other)
		}
		b.tally()
	}
	if len(b.wrong) > 0 {
		b.Errorf("mutant %d (%s=%d runs it alone):\n  did: %s\n  WRONG: %s\n  found: %s\n%s", m.number, mutantVariable, m.number,
			strings.Join(m.did, "\n       "), strings.Join(b.wrong, "\n  WRONG: "), strings.Join(b.findings(), "\n         "), b.changes())
	}
}

func (b *bench) input() lint.Input {
	return lint.Input{Schema: b.path("site", treeSchema), PoolsPath: "pools", Safety: b.path("site", treeSafety), Data: b.path("site", treeData)}
}

// within runs what must neither panic nor hang, and reports whether it ended.
func (b *bench) within(what string, f func()) bool {
	ended := make(chan string, 1)
	go func() {
		defer func() {
			text := ""
			if r := recover(); r != nil {
				text = fmt.Sprintf("%v\n%s", r, debug.Stack())
			}
			ended <- text
		}()
		f()
	}()
	select {
	case panicked := <-ended:
		if panicked != "" {
			b.fail("%s panics: %s", what, panicked)
		}
		return panicked == ""
	case <-time.After(patience):
		// What hangs goes on with this bench's directory and fields.
		panic(fmt.Sprintf("mutant %d: %s has not ended after %v: %q", b.number, what, patience, b.did))
	}
}

// checkFindings: each has a place that exists, a known rule, and words for
// people; and what cannot be used is an error.
func (b *bench) checkFindings() {
	seen := map[lint.Finding]bool{}
	for _, f := range b.result.Findings {
		if why := b.unsound(f); why != "" || seen[f] {
			b.fail("%v: %s %s: %s: %s", f.Pos, f.Severity, f.Rule, f.Msg, why)
		}
		seen[f] = true
	}
	errs, _ := render.Severities(b.result.Findings)
	r := b.result
	switch {
	case errs > 0:
		return
	case r.Schema == nil || r.Rules == nil:
		b.fail("no error, but no schema or no rules")
		return
	case len(r.Schema.Problems()) > 0:
		b.fail("no error, but the schema has problems: %v", r.Schema.Problems())
	}
	for _, t := range r.Data.Types {
		if len(t.Faults)+len(t.Gaps) > 0 {
			b.fail("no error, but type %s has faults %v, gaps %v", t.Type.Name, t.Faults, t.Gaps)
		}
	}
}

// unsound says what a finding lacks.
func (b *bench) unsound(f lint.Finding) string {
	rule, known := b.rules[f.Rule]
	name, err := filepath.Rel(b.path("site"), f.Pos.File)
	switch {
	case err != nil || !b.isThere(name):
		return "there is and was no such file"
	case f.Pos.Line < 1 || f.Pos.Column < 1 || f.Pos.Line > b.lines(name):
		return "not a place in the file"
	case !known:
		return "no such rule"
	case f.Severity != rule.Severity && f.Rule != seed.RuleDirectory:
		return "not the severity of its rule"
	case f.Msg == "" || f.Advice == "":
		return "no words"
	case strings.ContainsFunc(f.Msg, unicode.IsControl):
		return "control characters"
	}
	return ""
}

// isThere reports whether a file or directory is in the site, or was.
func (b *bench) isThere(name string) bool {
	if _, err := os.Lstat(b.path("site", name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return true
	}
	_, was := b.whole[filepath.ToSlash(name)]
	return was
}

var yamlBreaks = regexp.MustCompile(`\r\n|[\r\n\x{85}\x{2028}\x{2029}]`)

// lines is the last line that a finding may name: what is missing at the end of
// a file may be said to be behind it. For what is no file it is the first.
func (b *bench) lines(name string) int {
	text := b.tree[filepath.ToSlash(name)]
	if text == "" {
		return 1
	}
	return 2 + len(yamlBreaks.FindAllString(text, -1))
}

// checkObjects: a type whose files are said to be complete has the objects that
// another reader sees. So has every type, where there is no error. It returns
// what the other reader sees, nil if that cannot read the schema.
func (b *bench) checkObjects() otherSite {
	errs, _ := render.Severities(b.result.Findings)
	other, err := readOther(b.path("site", treeSchema), b.path("site", treeData))
	if err != nil {
		if errs == 0 {
			b.fail("no error, but another reader of the schema says: %v", err)
		}
		return nil
	}
	read := map[string]seed.Type{}
	for _, t := range b.result.Data.Types {
		read[t.Type.Name] = t
	}
	for _, name := range slices.Sorted(maps.Keys(other)) {
		if t := read[name]; t.Complete() || errs == 0 {
			b.compare(name, t, *other[name], errs == 0)
		}
	}
	if a, c, overlap := other.overlap(); overlap && errs == 0 {
		b.fail("no error, but types %s and %s are in each other's way", a, c)
	}
	if errs == 0 && len(read) != len(other) {
		b.fail("types %v, but another reader sees %v", slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(other)))
	}
	return other
}

func (b *bench) compare(name string, t seed.Type, other otherType, askPython bool) {
	if other.err != nil {
		b.fail("type %s is without errors, but another reader says: %v", name, other.err)
		return
	}
	if d := cmp.Diff(slices.Sorted(maps.Keys(other.paths)), slices.Sorted(maps.Keys(t.Places))); d != "" {
		b.fail("type %s: another reader sees other objects (-it +lint):\n%s", name, abridged(d))
	}
	if t.Files != other.files {
		b.fail("type %s: %d files, but another reader sees %d", name, t.Files, other.files)
	}
	if t.Type != nil && !slices.Equal(t.Type.Tags, other.tags) {
		b.fail("type %s: tags %q, but another reader sees %q", name, t.Type.Tags, other.tags)
	}
	if askPython && b.python != nil {
		b.compareInPython(name, other)
	}
}

// compareInPython has the files of a type that differ from those of the site
// read in Python too: all small ones, and some of the large.
func (b *bench) compareInPython(name string, other otherType) {
	for _, file := range b.below(treeData + "/" + name) {
		ext := filepath.Ext(file)
		if text := b.tree[file]; text == b.whole[file] || ext != ".yaml" && ext != ".yml" || filepath.Base(file)[0] == '.' || len(text) > 4000 && b.number%8 != 0 {
			continue
		}
		want, wantErr := otherFile(b.path("site", file), other.layout(name))
		got, err := b.python.read(b.path("site", file), other.layout(name))
		b.count(func(c *mutantCounts) { c.pythons++ })
		if pythonRefuses(err) {
			continue
		}
		if err != nil || wantErr != nil || !maps.Equal(got, want) {
			b.fail("%s in Python (%v, %v), which is + here:\n%s", file, wantErr, err, abridged(cmp.Diff(want, got)))
		}
	}
}

// pythonRefuses reports whether PyYAML is known to refuse what is YAML all the
// same. That is no harm: nobody who still uses it takes something else from the
// file.
func pythonRefuses(err error) bool {
	if err == nil {
		return false
	}
	return slices.ContainsFunc([]string{
		`found character '\t' that cannot start any token`, // as in indented JSON
		"found duplicate anchor",                           // an alias is of the last one before it
	}, func(known string) bool { return strings.Contains(err.Error(), known) })
}

// config writes a configuration with a store of that contents, nil for none.
func (b *bench) config(stored []byte) {
	file := b.path("state.db")
	err := errors.Join(os.RemoveAll(file), os.WriteFile(b.path("config.yaml"), fmt.Appendf(nil, "driver: local\ndriver_options: {path: %s}\n", file), 0o600))
	if err == nil && stored != nil {
		err = os.WriteFile(file, stored, 0o600)
	}
	if err != nil {
		b.fail("%v", err)
	}
}

// sync runs the command in this process.
func (b *bench) sync() (code int, talk string) {
	var out bytes.Buffer
	b.within("sync", func() {
		std := term.Streams{In: strings.NewReader(""), Out: &out, Err: &out}
		code = run(b.Context(), []string{
			"confctl", "--config", b.path("config.yaml"), "--schema", b.path("site", treeSchema),
			"sync", "--directory", b.path("site", treeData),
		}, std)
	})
	return code, out.String()
}

// checkSync: what lint has no error for can be synced, and creates what another
// reader sees; once more there is nothing to do. To a store that has the objects
// of the whole site it is an update like any other: safety rules may refuse it.
func (b *bench) checkSync(other otherSite) {
	b.config(nil)
	code, talk := b.sync()
	if code != exitDone {
		b.fail("lint has no error, but sync ends with exit code %d: %s", code, talk)
		return
	}
	b.count(func(c *mutantCounts) { c.synced++ })
	if d := cmp.Diff(other.keys(), b.stored()); d != "" {
		b.fail("sync creates other objects than another reader sees (-it +sync):\n%s", abridged(d))
	}
	switch {
	case b.number < 0: // the store is for the others
	case b.number%4 == 0:
		b.checkUpdate(other)
	case b.number%4 == 1:
		if code, talk := b.sync(); code != exitDone || !strings.Contains(talk, "no change\n") {
			b.fail("once more, sync ends with exit code %d: %s", code, talk)
		}
	}
}

// stored returns the keys of all objects in the store, in order.
func (b *bench) stored() []string {
	s, err := local.Open(b.path("state.db"), local.Options{})
	if err != nil {
		b.fail("%v", err)
		return nil
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.fail("%v", err)
		}
	}()
	found, err := s.Read(b.Context(), "/conftool/v1/")
	if err != nil {
		b.fail("%v", err)
	}
	var keys []string
	for _, e := range found.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func (b *bench) checkUpdate(other otherSite) {
	b.config(b.seeded)
	code, talk := b.sync()
	b.count(func(c *mutantCounts) { c.updated++ })
	switch code {
	case exitDone:
	case exitRefused:
		b.count(func(c *mutantCounts) { c.refused++ })
	case exitInvalid: // only as what is stored cannot be given up without a file
		for name, t := range other {
			if t.files == 0 && strings.Contains(talk, "type "+name+": ") && strings.Contains(talk, "nothing is removed") {
				return
			}
		}
		fallthrough
	default:
		b.fail("sync to the objects of the whole site ends with exit code %d: %s", code, talk)
	}
}

// tally counts the mutant as what it turned out to be.
func (b *bench) tally() {
	errs, warnings := render.Severities(b.result.Findings)
	fresh := 0
	for f := range b.found() {
		if !b.known[f] {
			fresh++
		}
	}
	b.count(func(c *mutantCounts) {
		c.all++
		switch {
		case errs > 0:
			c.errors++
		case fresh > 0 && warnings > 0:
			c.warnings++
		default:
			c.clean++
		}
	})
}

// found is the findings without their lines, which move.
func (b *bench) found() map[string]bool {
	all := map[string]bool{}
	for _, f := range b.result.Findings {
		all[strings.TrimPrefix(f.Pos.File, b.dir)+f.Rule+f.Msg] = true
	}
	return all
}

func (b *bench) findings() []string {
	var lines []string
	for _, f := range b.result.Findings {
		lines = append(lines, fmt.Sprintf("%v: %s %s: %s", f.Pos, f.Severity, f.Rule, f.Msg))
	}
	return lines
}

// changes shows what is not as in the whole site.
func (b *bench) changes() string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(b.tree)) {
		if text := b.tree[name]; text != b.whole[name] {
			fmt.Fprintf(&out, "%s:\n%s\n", name, abridged(cmp.Diff(strings.SplitAfter(b.whole[name], "\n"), strings.SplitAfter(text, "\n"))))
		}
	}
	return out.String()
}

// abridged is the beginning of a text, of some lines.
func abridged(text string) string {
	const most = 30
	lines := strings.SplitAfterN(text, "\n", most+1)
	if len(lines) > most {
		lines[most] = "...\n"
	}
	return strings.Join(lines, "")
}
