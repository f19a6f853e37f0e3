package change_test

import (
	"errors"
	"testing"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
)

// TestPartialOfNothing: if rules refuse all of a change, it is refused; a dry run
// shows that nothing would be made.
func TestPartialOfNothing(t *testing.T) {
	s := newSite(t, 2)
	enforce(s.applier)
	s.applier.Terms.Partial = true
	done, err := s.apply(s.set("dc=dc", "pooled=no"))
	var refused *change.RefusedError
	if !errors.As(err, &refused) || len(refused.Held) != 2 || len(refused.Allowed.Changes) != 0 || done.ID != "" {
		t.Errorf("%v", err)
	}
	s.applier.Terms.DryRun = true
	var shown []change.Proposal
	s.applier.Show = func(p change.Proposal) error { shown = append(shown, p); return nil }
	done, err = s.apply(s.set("dc=dc", "pooled=no"))
	if err != nil || len(shown) != 1 || len(shown[0].Held) != 2 || len(shown[0].Plan.Changes) != 0 || len(done.Held) != 2 || len(done.Refused) != 1 {
		t.Errorf("%v, shown %+v", err, shown)
	}
}

// TestAllowedPoolMayGoInAnEarlierPart: a pool for which a rule is overridden has to
// be there when the change begins, and not for each of its parts.
func TestAllowedPoolMayGoInAnEarlierPart(t *testing.T) {
	s := newSite(t, 4000)
	s.put("/conftool/v1/pools/dc/c/a/host", `{"weight": 10, "pooled": "yes"}`)
	s.put("/conftool/v1/pools/else/c/s/host", `{"weight": 10, "pooled": "yes"}`)
	s.applier.Terms = change.Terms{Mode: safety.Refuse, Emergency: true, Allow: []string{"min-pooled@dc/c/a"}}
	in := s.set("dc=dc", "weight=1")
	chosen := in.Read[0].Selector
	in.Plan = func(on object.Snapshot) (object.Plan, error) { return object.Delete(on.Select(s.node, chosen)), nil }
	in.Deletes, in.Split = true, true
	done, err := s.apply(in)
	if made, _ := s.journal(); err != nil || len(done.Objects) != 4001 || len(made) != 2 {
		t.Errorf("%v, %d done in %d parts", err, len(done.Objects), len(made))
	}
}

// TestWarningsOfNoChange are passed on, too.
func TestWarningsOfNoChange(t *testing.T) {
	s := newSite(t, 1)
	in := s.set("name=host0", "weight=10")
	plan := in.Plan
	in.Plan = func(on object.Snapshot) (object.Plan, error) {
		p, err := plan(on)
		p.Warnings = []string{"careful"}
		return p, err
	}
	if _, err := s.apply(in); err != nil || len(s.warned) != 1 || s.warned[0] != "careful" {
		t.Errorf("%v, warned %q", err, s.warned)
	}
}

// TestOverridesAreNamedOnce, and findings are kept with what came of them.
func TestOverridesAreNamedOnce(t *testing.T) {
	s := newSite(t, 2)
	for _, host := range []string{"host0", "host1"} {
		s.put("/conftool/v1/pools/dc/c/t/"+host, `{"weight": 10, "pooled": "yes"}`)
	}
	s.put("/conftool/v1/pools/dc/c/u/host0", `{"weight": 10, "pooled": "yes"}`)
	enforce(s.applier)
	s.applier.Terms.Allow = []string{safety.MinPooled}
	if _, err := s.apply(s.set("dc=dc", "pooled=no")); err != nil {
		t.Fatal(err)
	}
	made, _ := s.journal()
	levels := map[string]int{}
	for _, f := range made[0].Change.Findings {
		levels[f.Level]++
	}
	if len(made[0].Change.Overrides) != 1 || levels["overridden"] != 2 || levels["warned"] != 1 || len(levels) != 2 {
		t.Errorf("overrides %q, findings %v", made[0].Change.Overrides, levels)
	}
}

// TestReadingIsAsNarrowAsItMay: without rules, only what is asked for is read; with
// them, the groups around it.
func TestReadingIsAsNarrowAsItMay(t *testing.T) {
	for mode, want := range map[safety.Mode]int{safety.None: 1, safety.Refuse: 3} {
		s := newSite(t, 3)
		s.put("/conftool/v1/pools/dc/c/t/host0", `{"weight": 10, "pooled": "yes"}`)
		s.applier.Terms.Mode = mode
		read := 0
		in := s.set("dc=dc,cluster=c,service=s,name=host0", "weight=5")
		plan := in.Plan
		in.Plan = func(on object.Snapshot) (object.Plan, error) { read = len(on.Objects); return plan(on) }
		if _, err := s.apply(in); err != nil || read != want {
			t.Errorf("mode %d: %v, %d objects read, want %d", mode, err, read, want)
		}
	}
}
