package readers_test

import (
	"testing"
	"time"

	"github.com/conftool/confctl/internal/readers"
)

func TestReport(t *testing.T) {
	result := func(label string, level readers.Level, msg string) readers.Result {
		return readers.Result{Reader: readers.Reader{Label: label}, Level: level, Msg: msg, Warn: 30 * time.Second, Crit: 2 * time.Minute}
	}
	fine := result("a b", readers.OK, "has seen revision 2")
	fine.Current, fine.Note = true, "what is not seen"
	waiting := fine
	waiting.Current, waiting.LateFrom, waiting.Late = false, true, 1500*time.Millisecond
	late := result("it's=late", readers.Warning, "late")
	late.LateFrom, late.Late, late.Note = true, time.Minute, fine.Note
	later := result("later", readers.OK, "x")
	later.LateFrom, later.Late, later.Warn, later.Crit = true, 20*time.Second, time.Microsecond, 40500*time.Millisecond
	lost := result("lost\nOK: | x", readers.Unknown, "refused\nOK x: fine | 'x'=1\x1b")
	bad := result("bad", readers.Critical, "it is not known since when")
	unasked := readers.Unasked("x://y", "no\nURL")
	seen := fine
	seen.Since = "c"
	apart := seen
	apart.NotAbout = true
	for _, c := range []struct {
		results []readers.Result
		level   readers.Level
		want    string
	}{
		{nil, readers.Unknown, "UNKNOWN: no readers are declared\n"},
		{[]readers.Result{fine}, readers.OK, "OK: 1 reader has seen everything | 'a b'=0s;30;120;0\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{waiting}, readers.OK, "OK: 1 reader is 1.5s late (may be 30s) | 'a b'=1.5s;30;120;0\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{fine, waiting, fine}, readers.OK, "OK: 2 readers have seen everything, 1 is 1.5s late (may be 30s) | 'a b'=0s;30;120;0 'a b (2)'=1.5s;30;120;0 'a b (3)'=0s;30;120;0\n" +
			"OK a b: has seen revision 2\nOK a b (2): has seen revision 2\nOK a b (3): has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{fine, waiting, later}, readers.OK, "OK: 1 reader has seen everything, 2 are up to 20s late (may be 1µs) | 'a b'=0s;30;120;0 'a b (2)'=1.5s;30;120;0 'later'=20s;0.000001;40.5;0\n" +
			"OK a b: has seen revision 2\nOK a b (2): has seen revision 2\nOK later: x\nnote: what is not seen\n"},
		{[]readers.Result{fine, late}, readers.Warning, "WARNING: 1 of 2 readers: it's=late: late | 'a b'=0s;30;120;0 'it''s_late'=60s;30;120;0\n" +
			"WARNING it's=late: late\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{fine, lost}, readers.Unknown, "UNKNOWN: 1 of 2 readers: lost OK: / x: refused OK x: fine / 'x'=1 | 'a b'=0s;30;120;0 'lost OK: / x'=U;30;120;0\n" +
			"UNKNOWN lost OK: / x: refused OK x: fine / 'x'=1\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{fine, fine, unasked}, readers.Unknown, "UNKNOWN: 1 of 3 readers: x://y: no URL | 'a b'=0s;30;120;0 'a b (2)'=0s;30;120;0\n" +
			"UNKNOWN x://y: no URL\nOK a b: has seen revision 2\nOK a b (2): has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{unasked}, readers.Unknown, "UNKNOWN: x://y: no URL\nUNKNOWN x://y: no URL\n"},
		{[]readers.Result{seen}, readers.OK, "OK: 1 reader has seen change c | 'a b'=0s;30;120;0\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{apart}, readers.OK, "OK: change c has nothing that 1 reader reads | 'a b'=0s;30;120;0\nOK a b: has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{apart, seen, apart}, readers.OK, "OK: 1 reader has seen change c, and it has nothing that 2 others read | 'a b'=0s;30;120;0 'a b (2)'=0s;30;120;0 'a b (3)'=0s;30;120;0\n" +
			"OK a b: has seen revision 2\nOK a b (2): has seen revision 2\nOK a b (3): has seen revision 2\nnote: what is not seen\n"},
		{[]readers.Result{lost, late}, readers.Warning, ""},
		{[]readers.Result{late, lost, bad}, readers.Critical, ""},
	} {
		got, level := readers.Report(c.results)
		if level != c.level || c.want != "" && got != c.want {
			t.Errorf("%v, want %v:\n%s\nwant:\n%s", level, c.level, got, c.want)
		}
	}
}
