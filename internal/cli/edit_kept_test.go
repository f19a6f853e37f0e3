package cli

import (
	"testing"

	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

// TestAssignment: the word that is printed for a field of an edit sets it to that
// very value, or there is none.
func TestAssignment(t *testing.T) {
	s := newSite(t, localConfig)
	loaded, err := schema.Load(s.dir+"/schema.yaml", "pools")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		typ, field string
		after      string // JSON
		want       string
	}{
		{"node", "weight", `5`, "weight=5"},
		{"node", "pooled", `"no"`, "pooled=no"},
		{"node", "weight", `"heavy"`, ""},
		{"mwconfig", "val", `"racks: 2"`, `val="racks: 2"`},
		{"mwconfig", "val", `"off"`, `val="off"`},
		{"mwconfig", "val", `"false"`, `val="false"`},
		{"mwconfig", "val", `false`, `val=false`},
		{"discovery", "pooled", `true`, "pooled=true"},
		{"discovery", "references", `["a", "b"]`, `references=["a", "b"]`},
		{"discovery", "references", `["a,b"]`, `references=["a,b"]`},
		{"feature", "rollout", `{"a": [1, null]}`, `rollout={"a": [1, null]}`},
		{"feature", "other", `"x"`, `other="x"`},
		{"node", "other", `"x"`, ""},
	} {
		typ, err := loaded.Type(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		o := object.New(typ, []string{"a", "b", "c"}[:len(typ.Tags)], "ReadOnly")
		o = o.WithFields(object.Order(typ, nil))
		after, err := value.Parse([]byte(c.after))
		if err != nil {
			t.Fatal(err)
		}
		if got := assignment(o, object.FieldChange{Name: c.field, Before: o.Get(c.field), After: after}); got != c.want {
			t.Errorf("%s %s %s: %q, want %q", c.typ, c.field, c.after, got, c.want)
		}
	}
}
