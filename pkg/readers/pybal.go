package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/store"
	"github.com/conftool/confctl/pkg/value"
)

// pybalState is what PyBal says of one host of a pool. That a host is up or
// pooled is of PyBal's own making; that it is enabled, and its weight, is what
// it has read.
type pybalState struct {
	enabled, serving bool
	weight           *int64 // nil: not said
}

// parsePyBal reads the state of a pool: a map in JSON, or a line for each host
// from versions that know no other.
func parsePyBal(text []byte) (map[string]pybalState, error) {
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("{")) {
		return pybalJSON(text)
	}
	return pybalLines(string(text))
}

func pybalJSON(text []byte) (map[string]pybalState, error) {
	var said map[string]struct {
		Enabled *bool  `json:"enabled"`
		Pooled  bool   `json:"pooled"`
		Up      bool   `json:"up"`
		Weight  *int64 `json:"weight"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return nil, errors.New("answers, but not as PyBal does for a pool")
	}
	hosts := make(map[string]pybalState, len(said))
	for name, s := range said {
		if s.Enabled == nil {
			return nil, fmt.Errorf("does not say whether %q is enabled", printable(name))
		}
		hosts[name] = pybalState{enabled: *s.Enabled, serving: s.Up && s.Pooled, weight: s.Weight}
	}
	return hosts, nil
}

// pybalLines reads lines such as
//
//	cp1001.eqiad.wmnet:	enabled/partially up/not pooled
func pybalLines(text string) (map[string]pybalState, error) {
	hosts := map[string]pybalState{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		at := strings.LastIndexByte(line, ':')
		parts := strings.Split(strings.TrimSpace(line[at+1:]), "/")
		enabled := parts[0] == "enabled"
		if at <= 0 || len(parts) != 3 || !enabled && parts[0] != "disabled" {
			return nil, fmt.Errorf("answers, but not as PyBal does for a pool: %q", printable(line))
		}
		hosts[line[:at]] = pybalState{enabled: enabled, serving: parts[1] == "up" && parts[2] == "pooled"}
	}
	return hosts, nil
}

// pybal compares the hosts of a pool. A host that is inactive is none to PyBal,
// and one that is no is disabled.
func (j judgement) pybal() comparison {
	var c comparison
	known := map[string]bool{}
	serving := 0
	for _, o := range j.objects(j.state.Snapshot) {
		if known[o.Name] {
			return comparison{problem: fmt.Sprintf("several of %s are called %s: say which with only", j.selection(), printable(o.Name))}
		}
		known[o.Name] = true
		if o.Malformed == nil {
			c.wrong = append(c.wrong, j.host(o.Name, value.OfMap(o.Fields...), o.Revision)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(j.hosts)) {
		if !known[name] {
			c.wrong = append(c.wrong, j.host(name, value.Value{}, 0)...)
		}
		if j.hosts[name].serving {
			serving++
		}
	}
	c.fine = fmt.Sprintf("%s as in the store, %d of them up and pooled", counted(len(j.hosts), "host", "hosts"), serving)
	c.shows = func(name, field string) bool {
		said, listed := j.hosts[name] // it reads no weight of what it does not list
		return field == pooledField || field == weightField && (!listed || said.weight != nil)
	}
	for _, said := range j.hosts {
		if said.weight == nil {
			c.note = noteWeight
		}
	}
	return c
}

// noteWeight is what a PyBal does not tell that lists hosts in lines.
const noteWeight = "this PyBal does not say which weights it has read: they are not compared"

// host compares one host of a pool.
func (j judgement) host(name string, stored value.Value, rev store.Revision) []mismatch {
	said, listed := j.hosts[name]
	has := "absent"
	if listed {
		has = stateWord(said.enabled)
	}
	differs := func(v value.Value) bool {
		return has != wanted(v) || said.weight != nil && *said.weight != weightOf(v, *said.weight)
	}
	if !differs(stored) {
		return nil
	}
	what := fmt.Sprintf("%s is %s, not %s", printable(name), has, wanted(stored))
	if has == wanted(stored) {
		what = fmt.Sprintf("%s has weight %d, not %d", printable(name), *said.weight, weightOf(stored, 0))
	}
	return []mismatch{{name, what, rev, differs}}
}

func stateWord(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}

// wanted is what PyBal makes of a stored object.
func wanted(v value.Value) string {
	pooled := fieldOf(v, pooledField)
	if text, _ := pooled.Str(); v.IsAbsent() || text == "inactive" {
		return "absent"
	}
	return stateWord(isPooled(v))
}
