package render

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/conftool/confctl/internal/lint"
	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
	"github.com/conftool/confctl/pkg/sal"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
	"github.com/conftool/confctl/pkg/yamldoc"
)

// now is the time of the tests.
func now() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func node() *schema.Type { return schema.BuiltIn("pools").Types()[0] }

// host returns a node with a weight and a value of pooled.
func host(name string, weight int64, pooled string) object.Object {
	o := object.New(node(), []string{"north", "web", "http"}, name)
	return o.WithFields([]value.Field{{Name: "weight", Value: value.OfInt(weight)}, {Name: "pooled", Value: value.OfString(pooled)}})
}

// changed returns the change of an object, with fields in the order of the type.
func changed(before, after object.Object) object.Change {
	return object.Change{Before: &before, After: &after}
}

func created(o object.Object) object.Change { return object.Change{After: &o} }
func removed(o object.Object) object.Change { return object.Change{Before: &o} }

// record returns the record of a change that alice made two hours ago.
func record(action string, edit func(*sal.Record)) sal.Stored {
	r := sal.Record{
		Time:  now().Add(-2 * time.Hour),
		Event: sal.Event{ID: "20260102T010405.000000Z-0a1b2c3d", Action: action},
		User:  sal.User{Name: "alice", ID: "1000"}, Host: sal.Host{Name: "cumin1"},
	}
	if edit != nil {
		edit(&r)
	}
	return sal.Stored{Record: r, Revision: 7}
}

// TestLines checks the lines for each value.
func TestLines(t *testing.T) {
	local := time.Local
	t.Cleanup(func() { time.Local = local })
	time.Local = time.UTC
	up, down, bare := host("web1.example", 10, "yes"), host("web2.example", 10, "no"), host("web3.example", 0, "yes")
	hostile := host("a\x1b[2J\nb", 1, "yes")
	pool := safety.Capacity{Type: node(), Label: "north/web/http", Members: 3, Left: 3, Before: 2, After: 1, Floor: 2, Next: 2, Mode: safety.Refuse, Out: []object.Object{down}}
	by := RemovedBy{ObjectID(down): record("set/pooled=no", func(r *sal.Record) { r.Change.Task = "T7" })}
	refused := safety.Finding{Rule: safety.MinPooled, Type: "node", Subject: "north/web/http", Msg: "2 -> 1 of 3, floor 2", Level: safety.Refused, Capacity: &pool}
	whole := safety.Finding{Rule: safety.MassChange, Type: "node", Subject: "node", Msg: "60 of 61 change", Level: safety.Overridden}
	for name, c := range map[string]struct{ got, want []string }{
		"table": {Table(node(), []object.Object{up, down}, false), []string{
			"dc     cluster  service  name          weight  pooled",
			"north  web      http     web1.example  10      yes",
			"north  web      http     web2.example  10      no",
		}},
		"table in colour": {Table(node(), []object.Object{up, down, host("x", 0, "inactive")}, true), []string{
			"\x1b[1mdc     cluster  service  name          weight  pooled\x1b[0m",
			"\x1b[32mnorth  web      http     web1.example  10      yes\x1b[0m",
			"\x1b[33mnorth  web      http     web2.example  10      no\x1b[0m",
			"\x1b[2mnorth  web      http     x             0       inactive\x1b[0m",
		}},
		"table of hostile names": {Table(node(), []object.Object{hostile}, false)[1:], []string{`north  web      http     "a\u001b[2J\nb"  1       yes`}},
		"listing":                {[]string{Listing([]object.Object{up, down})}, []string{`{"/north/web/http": ["web1.example", "web2.example"]}`}},
		"listing for people":     {ListingForPeople(slices.Repeat([]object.Object{up}, 9)), []string{"  /north/web/http: 9:" + strings.Repeat(" web1.example", 8) + " and 1 more"}},
		"changes": {Changes([]object.Change{created(up), removed(down), changed(up, bare)}, true), []string{
			"\x1b[32m+ node north/web/http/web1.example {\"weight\": 10, \"pooled\": \"yes\"}\x1b[0m",
			"\x1b[31m- node north/web/http/web2.example {\"weight\": 10, \"pooled\": \"no\"}\x1b[0m",
			"\x1b[33m~ north/web/http/web1.example: weight changed 10 => 0\x1b[0m",
		}},
		"many changes": {Changes(append(slices.Repeat([]object.Change{created(up)}, 60), changed(up, down), changed(up, bare)), false), []string{
			"+ node north/web/http: 60",
			"~ node north/web/http: 2: pooled changed yes => no (1); weight changed 10 => 0 (1)",
		}},
		"text that looks like a number": {[]string{FieldChange("x", object.FieldChange{Name: "ttl", Before: value.OfString("300"), After: value.OfInt(300)})}, []string{`x: ttl changed "300" => 300`}},
		"long value":                    {longChange(t), []string{"~ x: val changed:", "    @@ -1,2 +1,2 @@", "     a: " + strings.Repeat("x", 200), "    -b: 1", "    +b: 2"}},
		"findings":                      {Findings([]safety.Finding{refused, whole}, by, now()), []string{"node              60 of 61 change", "north/web/http    2 -> 1 of 3, floor 2    out: web2 no 2h alice T7"}},
		"many findings":                 {Findings(slices.Repeat([]safety.Finding{whole}, 22), nil, now())[19:], []string{"node    60 of 61 change", "and 2 more like these"}},
		"notice":                        {[]string{Notice(whole)}, []string{"mass-change, overridden: node 60 of 61 change"}},
		"refusal": {Refusal(&change.RefusedError{Proposal: change.Proposal{Refused: []safety.Finding{refused}, Verdict: safety.Verdict{
			Findings: []safety.Finding{{Rule: safety.MassChange, Type: "node", Subject: "node", Msg: "many", Level: safety.Warned}, refused},
			Capacity: []safety.Capacity{pool, {Type: node(), Label: "south/web/http", Members: 9, Before: 9, After: 8, Floor: 5, Mode: safety.Refuse}},
		}}}, by, now()), []string{
			"north/web/http    2 -> 1 of 3, floor 2    out: web2 no 2h alice T7",
			"mass-change would only warn: node many",
			"south/web/http would be fine (9 -> 8 of 9, floor 5)",
		}},
		"not serving": {NotServing([]safety.Idle{{Object: bare, Finding: safety.Finding{Type: "node", Subject: bare.Path(), Msg: "weight 0"}}},
			map[sal.ObjectID]sal.Stored{ObjectID(bare): record("set/weight=0", func(r *sal.Record) { r.Event.Reason = "disk" })}, now()), []string{
			"north/web/http/web3.example    weight 0, for 2h, by alice: set/weight=0 - disk",
		}},
		"summary": {[]string{
			Summary(change.Proposal{Plan: object.Plan{Matched: []object.Object{up, down}, Changes: []object.Change{changed(up, down)}}, Verdict: safety.Verdict{Capacity: []safety.Capacity{pool}}}),
			Summary(change.Proposal{Plan: object.Plan{Changes: []object.Change{created(up), removed(down)}}}),
			Summary(change.Proposal{Held: []object.Change{removed(down)}}),
		}, []string{
			"1 of 2 objects would change; then north/web/http 1 of 3, floor 2, 1 below its floor",
			"1 object would be created, 1 object would be removed",
			"nothing would change",
		}},
		"losses": {[]string{Losses(change.Proposal{Plan: object.Plan{Changes: []object.Change{removed(up), removed(down)}}, Verdict: safety.Verdict{
			Capacity: []safety.Capacity{{Type: node(), Label: "x", Before: 1, Mode: safety.Warn}, {Type: node(), Label: "y", Before: 1, Mode: safety.None}},
		}})}, []string{"1 object that serves would be deleted; nothing would serve in x"}},
		"pools": {Pools([]safety.Capacity{pool}, by, now(), false, true), []string{
			"\x1b[1mPOOL            SERVING  FLOOR  MAY GO   OUT\x1b[0m",
			"\x1b[31mnorth/web/http  2 of 3   2      1 below  web2 no 2h alice T7\x1b[0m",
		}},
		"wide pools": {Pools([]safety.Capacity{pool}, nil, now(), true, false), []string{
			"TYPE  POOL            SERVING  FLOOR  AT MOST  MAY GO   MODE    OUT",
			"node  north/web/http  2 of 3   2      -        1 below  refuse  web2 no",
		}},
		"record": {Record(record("set/pooled=no", func(r *sal.Record) {
			r.Event.Reason, r.Change.Emergency, r.Process.CommandLine = "disk\nfull", true, "confctl x"
			r.Change.Objects = []sal.Object{{Type: "node", Path: "a/b", Before: value.OfMap(value.Field{Name: "w", Value: value.OfString("5")}), After: value.OfMap(value.Field{Name: "w", Value: value.OfInt(5)})}}
		}), []sal.Note{{Time: now(), User: sal.User{Name: "bob"}, Text: "seen"}}, ""), []string{
			"change    20260102T010405.000000Z-0a1b2c3d at revision 7", "time      2026-01-02T01:04:05Z", "who       alice (uid 1000) on cumin1",
			"action    set/pooled=no", "selector  -", "command   confctl x", `reason    "disk\nfull"`, "overrode  emergency",
			"note      2026-01-02T03:04:05Z bob: seen", `  node a/b: w: "5" => 5`,
		}},
		"log": {Columns([][]string{LogCells(record("delete", nil), "")}), []string{"2026-01-02T01:04:05Z  alice@cumin1  delete  -  0 objects    20260102T010405.000000Z-0a1b2c3d"}},
		"history": {History(record("delete", func(r *sal.Record) { r.Event.Reason = "old" }), sal.Object{Path: "a/b", Before: value.OfMap()}), []string{
			"2026-01-02T01:04:05Z  alice@cumin1  a/b: deleted {} - old  20260102T010405.000000Z-0a1b2c3d",
		}},
		"recent": {[]string{Recent(record("delete", nil), "3 objects", now())}, []string{"2h ago alice@cumin1 changed 3 objects of these: delete"}},
		"conflicts": {Conflicts([]change.Conflict{{Mine: changed(up, down), Theirs: &bare}, {Mine: changed(up, down)}}), []string{
			"  theirs: north/web/http/web1.example: weight changed 10 => 0", "  yours:  north/web/http/web1.example: pooled changed yes => no",
			"  theirs: north/web/http/web1.example: deleted", "  yours:  north/web/http/web1.example: pooled changed yes => no",
		}},
		"revert": {[]string{Revert(created(down), record("delete", nil), now()), Revert(changed(up, down), sal.Stored{}, now())}, []string{
			"node north/web/http/web2.example would be created again; deleted 2h ago by alice",
			"node north/web/http/web1.example; pooled would change yes => no",
		}},
		"drift": {Drift{
			Missing: []object.Object{up}, Extra: []object.Object{down}, Strays: []string{"/x\ny"},
			Places:  map[string]yamldoc.Pos{up.Key(): {File: "n.yaml", Line: 3, Column: 5}},
			Invalid: []seed.Invalid{{Object: bare, Reasons: []string{"a", "b"}}},
		}.Lines(false), []string{
			"missing  node north/web/http/web1.example, declared at n.yaml:3:5",
			`extra    node north/web/http/web2.example {"weight": 10, "pooled": "no"}`,
			"invalid  node north/web/http/web3.example: a; b",
			"stray    /x; y",
		}},
		"lint": {Lint([]lint.Finding{{Pos: yamldoc.Pos{File: "f", Line: 1, Column: 2}, Rule: "r", Severity: lint.Error, Msg: "bad", Advice: "mend\nit"}}, true), []string{
			"f:1:2: \x1b[31merror\x1b[0m: bad [r]", "    mend", "    it",
		}},
		"annotation": {[]string{Annotation{Level: "error", Title: "a: b", Msg: "1%\n2", Pos: &yamldoc.Pos{File: "a,b", Line: 1, Column: 2}}.String(), Annotation{Level: "notice", Title: "t", Msg: "m"}.String()}, []string{
			"::error file=a%2Cb,line=1,col=2,title=a%3A b::1%25%0A2", "::notice title=t::m",
		}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(c.got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

func longChange(t *testing.T) []string {
	t.Helper()
	val := func(b int64) value.Value {
		return value.OfMap(value.Field{Name: "a", Value: value.OfString(strings.Repeat("x", 200))}, value.Field{Name: "b", Value: value.OfInt(b)})
	}
	d := diff{}
	d.field("x", object.FieldChange{Name: "val", Before: val(1), After: val(2)})
	return d.lines
}

// TestAgo: a time has one unit, and a time in the future is reported.
func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s ago", 59 * time.Second: "59s ago", 90 * time.Second: "1m ago", 47 * time.Hour: "47h ago", 49 * time.Hour: "2d ago",
	} {
		if got := Ago(now().Add(-d), now()); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := Ago(now().Add(24*time.Hour), now()); !strings.Contains(got, "in the future") {
		t.Error(got)
	}
}

// TestOutState checks why an object does not serve.
func TestOutState(t *testing.T) {
	broken := host("x", 1, "yes")
	broken.Malformed = errors.New("bad")
	for want, o := range map[string]object.Object{"unreadable": broken, "weight 0": host("x", 0, "yes"), "no": host("x", 1, "no"), "inactive": host("x", 0, "inactive")} {
		if got := outState(o); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
