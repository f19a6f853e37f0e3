package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/internal/term"
)

// TestScannerAgreesWithTheParser: on every line of a few words, what the scanner
// takes for an argument is one for the parser. Unless the test is thorough, these are
// every seventh of the lines.
func TestScannerAgreesWithTheParser(t *testing.T) {
	words := []string{"a", "@f", "", "-", "-m", "--reason", "--reason=x", "-q", "-qm", "-mx", "--", "--version", "--expect", "--action", "-ojson"}
	lines, tried, agreed := 0, 0, 0
	for _, verb := range []string{"select", "tags", "depool"} {
		for _, one := range words {
			for _, two := range words {
				for _, three := range words {
					if lines++; lines%7 != 0 && !thorough() { // 7 divides no number of words
						continue
					}
					tried++
					line := []string{verb, one, two, three}
					root := newRoot(term.Discard(), line, "confctl")
					var got []string
					scan := &scanner{cmd: root}
					for _, w := range line {
						if kind := scan.next(w); kind == bareWord || kind == literalWord {
							got = append(got, w)
						}
					}
					cmd, rest, err := root.Find(line)
					if err != nil || cmd.ParseFlags(rest) != nil {
						continue // it is an error, and nothing is done
					}
					if want := append([]string{verb}, cmd.Flags().Args()...); !slices.Equal(got, want) {
						t.Fatalf("%q: %q are arguments, want %q", line, got, want)
					}
					agreed++
				}
			}
		}
	}
	if agreed < tried*3/10 {
		t.Errorf("only %d of %d lines were compared", agreed, tried)
	}
}

// TestExpandFiles: a file of arguments is one where an argument can be, and no
// text that begins with an @ is taken for one.
func TestExpandFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return "@" + path
	}
	f := file("args", "x\r\ny z\n")
	for _, c := range []struct{ typed, meant []string }{
		{[]string{"select", "name=a", f}, []string{"select", "name=a", "x", "y z"}},
		{[]string{f}, []string{"x", "y z"}},
		{[]string{"--config", "c", "-q", f}, []string{"--config", "c", "-q", "x", "y z"}},
		{[]string{"depool", "--gone", f}, []string{"depool", "--gone", "x", "y z"}},
		// the value of an option
		{[]string{"depool", "-m", f}, []string{"depool", "-m", f}},
		{[]string{"depool", "-qm", f}, []string{"depool", "-qm", f}},
		{[]string{"depool", "--hostname", f}, []string{"depool", "--hostname", f}},
		{[]string{"--config", f, "get"}, []string{"--config", f, "get"}},
		{[]string{"log", "-n", f}, []string{"log", "-n", f}},
		{[]string{"sync", "--directory", f}, []string{"sync", "--directory", f}},
		// the rest of a text that was not quoted
		{[]string{"depool", "-m", "asked", "by", f}, []string{"depool", "-m", "asked", "by", f}},
		{[]string{"depool", "--reason=asked", f}, []string{"depool", "--reason=asked", f}},
		// text
		{[]string{"log", "annotate", "id", f}, []string{"log", "annotate", "id", f}},
		{[]string{"select", "name=a", "set", "--", f}, []string{"select", "name=a", "set", "--", f}},
		{[]string{"import", f}, []string{"import", f}},
		{[]string{"select", "name=a", "set/" + f}, []string{"select", "name=a", "set/" + f}},
		{[]string{"select", "@", "get"}, []string{"select", "@", "get"}},
	} {
		got, err := expandFiles(c.typed)
		if err != nil || !slices.Equal(got, c.meant) {
			t.Errorf("%q: %q, %v; want %q", c.typed, got, err, c.meant)
		}
	}
	for name, text := range map[string]string{
		"gone": "--gone\n", "emergency": "--hostname\nh\n--emergency\n", "allow": "--allow=min-pooled\n", "allowed": "--allow\nmin-pooled\n",
		"yes": "-qy\n", "repair": "--repair", "partly": "--except-refused\n", "zero": "a\x00b\n", "large": strings.Repeat("x\n", maxArguments),
	} {
		f := file(name, text)
		for _, before := range [][]string{nil, {"depool"}, {"--quiet", "select", "name=a"}} {
			if got, err := expandFiles(append(before, f)); err == nil {
				t.Errorf("%s after %q: %q", name, before, got[:min(len(got), 5)])
			}
		}
	}
	// as the value of an option it is text
	if got, err := expandFiles([]string{"depool", file("said", "-m\n--gone\n")}); err != nil || len(got) != 3 {
		t.Errorf("%q, %v", got, err)
	}
}
