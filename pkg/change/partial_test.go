package change_test

import (
	"errors"
	"testing"

	"github.com/conftool/confctl/pkg/change"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/safety"
)

// TestPartialOfNothing tests that a change of which all is refused is refused,
// and that a dry run shows an empty plan.
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

// TestAllowedPoolMayGoInAnEarlierPart tests that a pool for which a rule is
// overridden has to exist only when the change begins.
func TestAllowedPoolMayGoInAnEarlierPart(t *testing.T) {
	s := newSite(t, 4000)
	s.put("/conftool/v1/pools/dc/c/a/host", `{"weight": 10, "pooled": "yes"}`)
	s.put("/conftool/v1/pools/else/c/s/host", `{"weight": 10, "pooled": "yes"}`)
	s.applier.Terms = change.Terms{Mode: safety.Refuse, Emergency: true, Allow: []string{"min-pooled@dc/c/a"}}
	intent := s.set("dc=dc", "weight=1")
	chosen := intent.Read[0].Selector
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		return object.Delete(snapshot.Select(s.node, chosen)), nil
	}
	intent.Deletes, intent.Split = true, true
	done, err := s.apply(intent)
	if made, _ := s.journal(); err != nil || len(done.Objects) != 4001 || len(made) != 2 {
		t.Errorf("%v, %d done in %d parts", err, len(done.Objects), len(made))
	}
}

// TestWarningsOfNoChange tests that warnings are reported even if nothing
// changes.
func TestWarningsOfNoChange(t *testing.T) {
	s := newSite(t, 1)
	intent := s.set("name=host0", "weight=10")
	plan := intent.Plan
	intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
		p, err := plan(snapshot)
		p.Warnings = []string{"careful"}
		return p, err
	}
	if _, err := s.apply(intent); err != nil || len(s.warned) != 1 || s.warned[0] != "careful" {
		t.Errorf("%v, warned %q", err, s.warned)
	}
}

// TestOverridesAreNamedOnce tests that the record has each overridden rule
// once, and all findings with their levels.
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

// TestReadingIsAsNarrowAsItMay tests that only the selected objects are read
// without rules, and their groups with rules.
func TestReadingIsAsNarrowAsItMay(t *testing.T) {
	for mode, want := range map[safety.Mode]int{safety.None: 1, safety.Refuse: 3} {
		s := newSite(t, 3)
		s.put("/conftool/v1/pools/dc/c/t/host0", `{"weight": 10, "pooled": "yes"}`)
		s.applier.Terms.Mode = mode
		read := 0
		intent := s.set("dc=dc,cluster=c,service=s,name=host0", "weight=5")
		plan := intent.Plan
		intent.Plan = func(snapshot object.Snapshot) (object.Plan, error) {
			read = len(snapshot.Objects)
			return plan(snapshot)
		}
		if _, err := s.apply(intent); err != nil || read != want {
			t.Errorf("mode %d: %v, %d objects read, want %d", mode, err, read, want)
		}
	}
}
