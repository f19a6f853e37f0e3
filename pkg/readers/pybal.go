package readers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
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
		return nil, fmt.Errorf("answers, but not as PyBal does")
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
			return nil, fmt.Errorf("answers, but not as PyBal does: %q", printable(line))
		}
		hosts[line[:at]] = pybalState{enabled: enabled, serving: parts[1] == "up" && parts[2] == "pooled"}
	}
	return hosts, nil
}
