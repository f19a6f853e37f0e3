package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/conftool/confctl/pkg/value"
)

// pybalState is what PyBal reports about one host of a pool. It has read from the
// store whether the host is enabled, and the weight; whether the host serves is
// PyBal's own decision.
type pybalState struct {
	enabled, serving bool
	weight           *int64 // nil if not reported
}

// parsePyBal parses the state of a pool: a JSON map or, from older versions, a line
// for each host.
func parsePyBal(text []byte) (map[string]pybalState, error) {
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("{")) {
		return pybalJSON(text)
	}
	return pybalLines(string(text))
}

func pybalJSON(text []byte) (map[string]pybalState, error) {
	var decoded map[string]struct {
		Enabled *bool  `json:"enabled"`
		Pooled  bool   `json:"pooled"`
		Up      bool   `json:"up"`
		Weight  *int64 `json:"weight"`
	}
	if err := json.Unmarshal(text, &decoded); err != nil {
		return nil, errors.New("answers, but not as PyBal does for a pool")
	}
	hosts := make(map[string]pybalState, len(decoded))
	for name, s := range decoded {
		if s.Enabled == nil {
			return nil, fmt.Errorf("does not say whether %q is enabled", printable(name))
		}
		hosts[name] = pybalState{enabled: *s.Enabled, serving: s.Up && s.Pooled, weight: s.Weight}
	}
	return hosts, nil
}

// pybalLines parses lines such as
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

// noteWeight describes what a PyBal that reports lines does not show.
const noteWeight = "this PyBal does not say which weights it has read: they are not compared"

// pybal shows the hosts of a pool.
func (j judgement) pybal() shown {
	s := shown{keys: slices.Collect(maps.Keys(j.pool)), differs: j.hostDiffers}
	serving := 0
	for _, host := range j.pool {
		if host.serving {
			serving++
		}
		if host.weight == nil {
			s.note = noteWeight
		}
	}
	s.current = fmt.Sprintf("%s as in the store, %d of them up and pooled", counted(len(j.pool), "host", "hosts"), serving)
	s.shows = func(name, field string) bool {
		host, listed := j.pool[name] // it has not read a weight of a host that it does not list
		return field == pooledField || field == weightField && (!listed || host.weight != nil)
	}
	return s
}

// hostDiffers describes how a host of the pool differs from the stored object.
// Weights are not compared if the stored object has none.
func (j judgement) hostDiffers(name string, stored value.Value) string {
	host, listed := j.pool[name]
	has := "absent"
	if listed {
		has = enabledWord(host.enabled)
	}
	if wanted := wantedOfPyBal(stored); has != wanted {
		return fmt.Sprintf("%s is %s, not %s", printable(name), has, wanted)
	}
	if weight, ok := value.Get(stored.Fields(), weightField).Int(); ok && host.weight != nil && *host.weight != weight {
		return fmt.Sprintf("%s has weight %d, not %d", printable(name), *host.weight, weight)
	}
	return ""
}

// wantedOfPyBal returns the state that PyBal should show for a stored object. It
// does not list an inactive object, and lists one that is not pooled as disabled.
func wantedOfPyBal(v value.Value) string {
	if v.IsAbsent() || isInactive(v) {
		return "absent"
	}
	return enabledWord(isPooled(v))
}

func enabledWord(enabled bool) string {
	if enabled {
		return "enabled"
	}
	return "disabled"
}
