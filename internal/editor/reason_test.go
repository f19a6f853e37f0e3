package editor

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// texts generates texts with lines that could be confused with a block: its own
// lines, comments, other line ends, and no line end at the end.
func texts() *rapid.Generator[string] {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{
			blockHead, blockFoot, blockIndent + "bad", "#", "", "# my own", "weight: 10",
			"\uFEFF", blockHead + "  ", "\r", "a\u2028b", "\xff",
		}),
		rapid.String(),
	)
	return rapid.Custom(func(t *rapid.T) string {
		lines := rapid.SliceOfN(line, 0, 8).Draw(t, "lines")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		last := rapid.SampledFrom([]string{"", eol}).Draw(t, "last")
		return strings.Join(lines, eol) + last
	})
}

func reasons() *rapid.Generator[error] {
	return rapid.Map(texts(), errors.New)
}

// The file contains the text below exactly one block, however often it is added, and
// the text is restored byte for byte.
func TestBlockComesOffAsItWentOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(texts().Draw(t, "text"))
		var b block
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			b = newBlock(reasons().Draw(t, "reason"))
			got := b.strip(b.above(text))
			// A byte order mark stays where it was: the block is above it.
			if string(got) != string(text) {
				t.Fatalf("text is %q after a round, was %q", got, text)
			}
		}
	})
}

// All lines of a block are comments, also in YAML, and no line of the reason is
// equal to a marker line.
func TestBlockIsComments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBlock(reasons().Draw(t, "reason"))
		if b[0] != blockHead || b[len(b)-1] != blockFoot {
			t.Fatalf("head and foot are missing: %q", b)
		}
		for _, line := range b[1 : len(b)-1] {
			if !strings.HasPrefix(line, blockIndent) || strings.ContainsAny(line, "\n\r\u0085\u2028\u2029") {
				t.Fatalf("%q is no comment line", line)
			}
		}
	})
}

// Lines typed above and inside the block stay, in order.
func TestBlockKeepsWhatWasTypedAroundIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBlock(errors.New(rapid.StringMatching(`[a-z]{1,8}(\n[a-z]{1,8}){0,3}`).Draw(t, "reason")))
		var file, want strings.Builder
		typed := func() {
			for _, line := range rapid.SliceOfN(rapid.StringMatching(`[a-z]{1,8}: [0-9]`), 0, 3).Draw(t, "typed") {
				file.WriteString(line + "\n")
				want.WriteString(line + "\n")
			}
		}
		for _, line := range b {
			typed()
			if rapid.Bool().Draw(t, "left alone") { // otherwise this line was deleted
				file.WriteString(line + "\n")
			}
		}
		typed()
		if got := string(b.strip([]byte(file.String()))); got != want.String() {
			t.Fatalf("got %q, want %q", got, want.String())
		}
	})
}

func TestBlockAfterAnEditorChangedItsForm(t *testing.T) {
	b := newBlock(errors.New("weight: \"ten\" is no integer"))
	lines := strings.Join(b, "\n") + "\n"
	tests := map[string]struct{ file, want string }{
		"line ends changed":        {strings.ReplaceAll(lines+"a: 1\n", "\n", "\r\n"), "a: 1\r\n"},
		"blanks at the end":        {strings.ReplaceAll(lines, "\n", " \n") + "a: 1\n", "a: 1\n"},
		"byte order mark in front": {"\uFEFF" + lines + "a: 1\n", "\uFEFFa: 1\n"},
		"all deleted but it":       {strings.TrimSuffix(lines, "\n"), ""},
		"block deleted":            {"# mine\na: 1\n", "# mine\na: 1\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := string(b.strip([]byte(tt.file))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBlockHasTheLineEndsOfTheText(t *testing.T) {
	b := newBlock(errors.New("no"))
	for _, eol := range []string{"\n", "\r\n"} {
		file := string(b.above([]byte("a: 1" + eol + "b: 2" + eol)))
		if n := strings.Count(file, eol); n != len(b)+2 {
			t.Errorf("%d lines end in %q, want %d: %q", n, eol, len(b)+2, file)
		}
	}
}

func TestFileName(t *testing.T) {
	tests := map[string]string{
		"node/north/cache/cdn/cp1001": "node-north-cache-cdn-cp1001.yaml",
		"ReadOnly.yaml":               "ReadOnly.yaml",
		"../../etc/passwd":            "etc-passwd.yaml",
		"-rf":                         "rf.yaml",
		"a b'c\"$d\n":                 "a-b-c--d.yaml",
		"":                            "text.yaml",
		"..":                          "text.yaml",
		"été":                         "t.yaml",
		strings.Repeat("x", 300):      strings.Repeat("x", maxBaseName) + ".yaml",
	}
	for name, want := range tests {
		if got := fileName(name); got != want {
			t.Errorf("fileName(%q) = %q, want %q", name, got, want)
		}
	}
}
