package nearest

import "testing"

func TestSuggest(t *testing.T) {
	words := []string{"dc", "cluster", "service", "name", "pooled", "weight"}
	for _, c := range []struct{ typed, want string }{
		{"clutser", "cluster"},
		{"cluste", "cluster"},
		{"clusters", "cluster"},
		{"poled", "pooled"},
		{"Weight", "weight"},
		{"WEIGTH", "weight"},
		{"nam", "name"},
		{"NA", "name"},
		{"we", "weight"},
		{"weightings", "weight"},
		{"d", ""},
		{"", ""},
		{"dx", "dc"},
		{"xy", ""},
		{"naem", "name"},
		{"none", "name"},
		{"xope", ""},
		{"same", "name"},
		{"xyzzer", ""},
		{"clxxxer", "cluster"},
		{"cxxxxer", ""},
		{"weixxx", ""},
		{"dxc", "dc"},
		{"nme", "name"},
		{"é", ""},
	} {
		want := ""
		if c.want != "" {
			want = " (did you mean " + c.want + "?)"
		}
		if got := Suggest(c.typed, words); got != want {
			t.Errorf("%q:%s, want%s", c.typed, got, want)
		}
	}
	if got, ok := To("setx", []string{"gets", "set", "sets"}); !ok || got != "set" {
		t.Errorf("of several the first of the nearest is %q", got)
	}
	if got, ok := To("set", nil); ok {
		t.Errorf("of none %q is near", got)
	}
}

func TestTypo(t *testing.T) {
	types := []string{"node", "discovery", "mwconfig", "dbconfig-instance"}
	for typed, want := range map[string]string{
		"nodes": "node", "Node": "node", "nod": "node", "discovry": "discovery", "dbconfig_instance": "dbconfig-instance",
		"dbconfig": "", "disc": "", "mode2": "", "more": "", "nodejs": "", "": "",
	} {
		if got, _ := Typo(typed, types); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
