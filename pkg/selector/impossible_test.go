package selector

import (
	"errors"
	"testing"
)

// A selector cannot match if a tag or the name would have to be empty, or to
// contain a character that is not allowed in it.
func TestCanMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"name=.*": true, "name=x": true, "dc=a|b": true, "dc=.+,name=.*": true, "dc=a(b| )": true, `dc=a\.b`: true, "dc=(?i)ab": true, "dc=é": true,
		"dc=": false, "dc=[ ]": false,
		"dc=a b": false, "dc=a/b": false, "name=a b": false, "name=x/.*": false, `name=\x00a`: false, `dc=a.\x{FFFD}`: false, "dc=(a b).*": false,
		"dc=a,cluster=b c": false, "dc=()": false, "dc=^$": false, "name=(?:)": false, `dc=\x{A0}`: false, `dc=\x{2028}`: false,
	} {
		s, err := Parse(text, nodeTags)
		if err != nil {
			t.Fatal(text, err)
		}
		if got := s.CanMatch(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if !(Selector{}).CanMatch() {
		t.Error("the zero selector chooses all")
	}
	for value, want := range map[string]bool{"a": true, "": false, "a b": false, "a/b": false, "a.*": true} {
		if got := Exactly(nodeTags, map[string]string{"dc": value}).CanMatch(); got != want {
			t.Errorf("exactly %q: %v, want %v", value, got, want)
		}
	}
}

// An error begins with the selector.
func TestErrorNamesTheSelector(t *testing.T) {
	_, err := Parse("dc=(a", nodeTags)
	if e := new(*Error); !errors.As(err, e) || err.Error() != `selector "dc=(a": dc: bad regular expression: missing closing ): "(a"` {
		t.Errorf("%v", err)
	}
}

// The selector of one object gives the values of all its tags, so that only one
// key is read.
func TestLiteralIsNarrow(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"a.b", `dc=a\.b,name=x`}, {"a,b", `dc=a\,b,name=x`}, {" a b", `dc=\x{20}a b,name=x`}, {"a\u00a0", `dc=a\x{A0},name=x`}, {"a\xff", `dc=a\x{FFFD},name=x`},
	} {
		if got := One([]string{"dc"}, []string{c.value}, "x"); got != c.want {
			t.Errorf("%q: %s, want %s", c.value, got, c.want)
		}
	}
}
