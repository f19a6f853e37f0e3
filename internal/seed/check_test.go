package seed_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/conftool/confctl/internal/seed"
	"github.com/conftool/confctl/pkg/object"
	"github.com/conftool/confctl/pkg/schema"
	"github.com/conftool/confctl/pkg/value"
)

const checked = `
setting:
  path: settings
  tags: [scope]
  schema: {val: {default: ""}}
  json_schema:
    base_path: .
    rules:
      flag: {schema: flag.schema, selector: name=flag.*}
      broken: {schema: broken.schema, selector: name=broken.*}
plain: {path: plains, tags: [], schema: {n: {type: int, default: 1}}}
`

func TestCheck(t *testing.T) {
	dir := directory(t, map[string]string{
		"schema.yaml":   checked,
		"flag.schema":   `{"type": "object", "properties": {"val": {"type": "boolean"}}, "additionalProperties": false}`,
		"broken.schema": `{"type": 1}`,
	})
	s, err := schema.Load(filepath.Join(dir, "schema.yaml"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	stored := func(key, fields string) object.Object {
		o := atKey(t, s, key)
		v, err := value.Parse([]byte(fields))
		if err != nil {
			t.Fatal(err)
		}
		if o.Malformed == nil {
			o.Fields = object.Order(o.Type, v.Fields())
		}
		return o
	}
	invalid, err := seed.Check(object.Snapshot{Objects: []object.Object{
		stored("plains/good", `{"n": 2}`),
		stored("plains/more", `{"n": 2, "old": 1}`),
		stored("plains/empty", `{}`),
		stored("plains/text", `{"n": "2"}`),
		stored("plains/unreadable!", `{}`),
		stored("settings/a/broken1", `{"val": 1}`),
		stored("settings/a/broken2", `{"val": 1}`),
		stored("settings/a/broken3", `{"val": ""}`), // as seeded
		stored("settings/a/flag1", `{"val": true}`),
		stored("settings/a/flag2", `{"val": "false"}`),
		stored("settings/a/flag3", `{"val": ""}`), // as seeded
		stored("settings/a/flag4", `{"val": "", "old": 1}`),
		stored("settings/a/other", `{"val": "anything"}`),
	}})
	var got []string
	for _, i := range invalid {
		got = append(got, i.Object.Key()+": "+strings.Join(i.Reasons, ", "))
	}
	want := []string{
		`plains/text: n cannot be "2"; it takes a whole number in plain digits`,
		`plains/unreadable: what is stored cannot be read: unexpected end`,
		`settings/a/flag2: val: must be of type boolean, not "false" (rule flag)`,
		`settings/a/flag4: old: is not allowed here; allowed: val (rule flag), val: must be of type boolean, not "" (rule flag)`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err == nil || strings.Count(err.Error(), "broken.schema") != 1 {
		t.Errorf("got %v", err)
	}
}

// Values that a type refuses are reported even if its JSON schema cannot be used.
func TestCheckWithoutJSONSchema(t *testing.T) {
	dir := directory(t, map[string]string{
		"schema.yaml": "t: {path: ts, tags: [], schema: {n: {type: int, default: 1}}, json_schema: {base_path: ., rules: {r: {schema: none, selector: name=.*}}}}",
	})
	s, err := schema.Load(filepath.Join(dir, "schema.yaml"), "pools")
	if err != nil {
		t.Fatal(err)
	}
	o := atKey(t, s, "ts/a")
	o.Fields = []value.Field{{Name: "n", Value: value.OfString("2")}}
	invalid, err := seed.Check(object.Snapshot{Objects: []object.Object{o}})
	if len(invalid) != 1 || len(invalid[0].Reasons) != 1 || err == nil {
		t.Errorf("got %v, %v", invalid, err)
	}
}
