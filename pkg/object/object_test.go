package object_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/conftool/confctl/pkg/object"
)

func TestCheckName(t *testing.T) {
	tests := []struct{ word, want string }{
		{"cp1001.north.example.net", ""},
		{"a:b=c,d*", ""},
		{"żółw", ""},
		{"...", ""},
		{strings.Repeat("a", 253), ""},
		{"", "host is empty"},
		{strings.Repeat("a", 254), "host is 254 bytes long; 253 are allowed"},
		{".", `host cannot be "."`},
		{"..", `host cannot be ".."`},
		{"a/b", `host "a/b" has a slash in it`},
		{"a b", `host "a b" has a blank or control character in it`},
		{"a\n", `host "a\n" has a blank or control character in it`},
		{"\x00", `host "\x00" has a blank or control character in it`},
		{"a\x7f", `host "a\x7f" has a blank or control character in it`},
		{"a\u0085", `host "a\u0085" has a blank or control character in it`},
		{"a\u00a0b", `host "a\u00a0b" has a blank or control character in it`},
		{"a\u2028b", `host "a\u2028b" has a blank or control character in it`},
		{"a\u202eb", `host "a\u202eb" has a blank or control character in it`},
		{"a\xff", `host "a\xff" is not valid UTF-8`},
	}
	for _, tt := range tests {
		got := ""
		if err := object.CheckName("host", tt.word); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.word, got, tt.want)
		}
	}
}

func TestObjectNames(t *testing.T) {
	tagged := object.New(node(t), []string{"north", "edge", "cdn"}, "cp1")
	flat := object.New(typeOf(t, types(t, "t: {path: a/b, tags: [], schema: {}}"), "t"), []string{}, "x")
	got := []string{tagged.Dir(), tagged.Path(), tagged.Key(), tagged.String(), tagged.TagText(), flat.Dir(), flat.Path(), flat.Key(), flat.String(), flat.TagText()}
	want := []string{"north/edge/cdn", "north/edge/cdn/cp1", "pools/north/edge/cdn/cp1", "node north/edge/cdn/cp1", "dc=north,cluster=edge,service=cdn", "", "x", "a/b/x", "t x", ""}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestShown(t *testing.T) {
	o := stored(t, node(t), `{"x": 1, "weight": 5}`)
	if got := o.Shown(); len(got) != 2 || got[0].Value.Text() != "5" || got[1].Value.Text() != `"inactive"` {
		t.Errorf("got %v", got)
	}
	if got := string(o.AppendStored([]byte("> "))); got != `> {"weight": 5, "pooled": "inactive", "x": 1}` {
		t.Errorf("got %s", got)
	}
	if !o.Get("none").IsAbsent() || o.Get("x").Text() != "1" {
		t.Errorf("got %v, %v", o.Get("none"), o.Get("x"))
	}
	free := stored(t, typeOf(t, types(t, "t: {path: ts, tags: [dc], free_form: true, schema: {i: {default: 0}}}"), "t"), `{"x": 1}`)
	if got := free.Shown(); len(got) != 2 || got[1].Name != "x" {
		t.Errorf("got %v", got)
	}
}
